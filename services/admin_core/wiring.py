"""How the admin core service is put together."""

from functools import partial
from typing import Final

from adapters.crypto.keyring import CHECK_SECONDS, Keyring
from adapters.nats.consumer import Consumes
from adapters.nats.dead import LETTERS, NatsReplay, read_letter
from adapters.postgres.audit import PostgresAudit
from adapters.postgres.dead_letters import PostgresDeadLetters
from adapters.postgres.privacy import PostgresPrivacyRequests
from adapters.postgres.resealing import SealedColumn, SealedTable
from adapters.runtime.resealing import resealed
from adapters.runtime.service import Loop, Service, answers
from adapters.runtime.world import World
from contracts import admin_core, shop
from ports.audit import Audit
from ports.dead_letters import DeadLetters
from ports.privacy import PrivacyRequests
from ports.sealing import PRIVACY_REQUEST
from ports.unit import Units
from services.admin_core.dead_letters import DeadLetterDesk, file_letters
from services.admin_core.log import Log
from services.admin_core.privacy import PrivacyDesk, take_in
from services.admin_core.recording import RECORDED, record

_NAME: Final = "admin_core"
_SEALED: Final = SealedTable(
    "gdpr_requests",
    "request_id",
    {"sealed_payload": SealedColumn(PRIVACY_REQUEST, "request_key")},
)


def service(world: World) -> Service:
    audit: Units[Audit] = world.units(_NAME, PostgresAudit)
    privacy: Units[PrivacyRequests] = world.units(_NAME, PostgresPrivacyRequests)
    letters: Units[DeadLetters] = world.units(_NAME, PostgresDeadLetters)
    keys = Keyring(world.mesh, world.key_management(), _NAME)
    count, rotations, reseal = resealed(world, _NAME, _SEALED, keys)
    dead_letters = DeadLetterDesk(letters, NatsReplay(world.publisher))
    return Service(
        name=_NAME,
        endpoints=(
            answers(admin_core.GET_AUDIT_LOGS, Log(audit).find),
            answers(admin_core.LIST_PRIVACY_REQUESTS, PrivacyDesk(privacy).find),
            answers(admin_core.LIST_DEAD_LETTERS, dead_letters.find),
            answers(admin_core.REPLAY_DEAD_LETTER, dead_letters.replay),
            count,
        ),
        consumes=(
            Consumes(RECORDED, audit, record, inbox=False),  # a record has the id of its event
            Consumes(
                (shop.DATA_REQUESTED, shop.CUSTOMER_REDACTED, shop.SHOP_REDACTED), privacy, take_in
            ),
            Consumes((LETTERS,), letters, file_letters, read=read_letter),
            rotations,
        ),
        loops=(Loop("changes of keys", CHECK_SECONDS, keys.learn), reseal),
        on_start=(partial(keys.listen, world.client),),
    )
