"""``ports.key_management.KeyManagement`` with a master key in AWS KMS, which never gives it out."""

import asyncio
import binascii
import logging
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import Unavailable
from ports.key_management import KeyContext, MasterKey
from ports.sealing import CannotOpen

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

log = logging.getLogger(__name__)
# At "debug" botocore writes down every answer, and with it the keys that were unwrapped.
logging.getLogger("botocore").setLevel(logging.INFO)

AnswerT = TypeVar("AnswerT")

_session: Final = boto3.session.Session()  # reads AWS's descriptions of its services once

SCHEME: Final = "w2."
CONNECT_SECONDS: Final = 1.0
READ_SECONDS: Final = 1.0
ATTEMPTS: Final = 3
"""Of one call, the first included: what KMS throttles or fails at is worth another try."""
DEADLINE_SECONDS: Final = 3.5
"""For all of them. A webhook that waits for a key must be answered within five seconds."""
DESCRIBED_SECONDS: Final = 300.0
"""How soon it is noticed that KMS has renewed the material of the key by itself."""
_AT_ONCE: Final = 8
_NOT_OURS: Final = frozenset(("InvalidCiphertextException", "IncorrectKeyException"))
_AWAY: Final = frozenset(
    (
        "DependencyTimeoutException",
        "KeyUnavailableException",
        "KMSInternalException",
        "LimitExceededException",
        "RequestTimeout",
        "ThrottlingException",
    )
)


class _Key(NamedTuple):
    """A key at KMS: its ARN, and what begins the texts that its present material wraps."""

    arn: str
    label: str
    prefix: str


class AwsKeyManagement:
    """Credentials come from where AWS's own tools find them (environment, role of the machine).

    They need ``kms:DescribeKey``, ``Encrypt``, ``Decrypt``, ``ReEncryptFrom`` and ``ReEncryptTo``
    on the key, and on those before it ``DescribeKey``, ``Decrypt`` and ``ReEncryptFrom``.

    The wrapped form is ``w2.<key><material>.<base64url blob>``, the first two as 8 hex digits each.
    """

    def __init__(
        self,
        key_id: str,
        previous: Sequence[str] = (),
        *,
        region: str = "",
        endpoint: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ids = (key_id, *previous)
        self._monotonic = monotonic
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="kms")
        self._keys: tuple[_Key, ...] = ()
        self._asked_at = float("-inf")
        self._refused: dict[tuple[str, str], str] = {}
        """What may not be done with which key, and why: said once, however often it is tried."""
        self._kms: KMSClient = _session.client(
            "kms",
            region_name=region or None,
            endpoint_url=endpoint or None,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                max_pool_connections=_AT_ONCE,
            ),
        )

    async def current(self) -> MasterKey:
        key = (await self._known())[0]
        return MasterKey(key.arn, key.prefix)

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        under = (await self._known())[0]
        answer = await self._call(
            partial(
                self._kms.encrypt,
                KeyId=under.arn,
                Plaintext=key,
                EncryptionContext=_bound_to(under.prefix, context),
            )
        )
        return _text(under, answer["CiphertextBlob"])

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        key, prefix, blob = await self._read(wrapped)
        answer = await self._call(
            partial(
                self._kms.decrypt,
                # Named, so that what somebody else has wrapped under a key of theirs is refused.
                KeyId=key.arn,
                CiphertextBlob=blob,
                EncryptionContext=_bound_to(prefix, context),
            )
        )
        return answer["Plaintext"]

    async def rewrap(self, wrapped: str, context: KeyContext) -> str:
        """KMS does it by itself: the key does not come out."""
        key, prefix, blob = await self._read(wrapped)
        under = (await self._known())[0]
        answer = await self._call(
            partial(
                self._kms.re_encrypt,
                CiphertextBlob=blob,
                SourceKeyId=key.arn,
                SourceEncryptionContext=_bound_to(prefix, context),
                DestinationKeyId=under.arn,
                DestinationEncryptionContext=_bound_to(under.prefix, context),
            )
        )
        return _text(under, answer["CiphertextBlob"])

    async def _read(self, wrapped: str) -> tuple[_Key, str, bytes]:
        """The key it was wrapped under, its prefix, the blob. Raises CannotOpen."""
        scheme, _, rest = wrapped.partition(".")
        label, _, written = rest.partition(".")
        if f"{scheme}." != SCHEME:
            raise CannotOpen
        try:
            blob = urlsafe_b64decode(written.encode("ascii"))
        except (UnicodeEncodeError, binascii.Error, ValueError):
            raise CannotOpen from None
        if not blob or urlsafe_b64encode(blob).decode() != written:
            raise CannotOpen
        for key in await self._known():
            if label[:8] == key.label:
                return key, f"{SCHEME}{label}.", blob
        raise CannotOpen

    async def _known(self) -> tuple[_Key, ...]:
        """The keys that we use, the current one first."""
        if self._monotonic() - self._asked_at > DESCRIBED_SECONDS:
            try:
                keys = await asyncio.gather(*map(self._describe, self._ids))
            except Unavailable:
                if not self._keys:
                    raise
            else:
                self._keys, self._asked_at = tuple(keys), self._monotonic()
        return self._keys

    async def _describe(self, key_id: str) -> _Key:
        found = (await self._call(partial(self._kms.describe_key, KeyId=key_id)))["KeyMetadata"]
        arn = found["Arn"]
        label = _digits(arn)
        # Where KMS says nothing of material, the key has the same for ever.
        material = _digits(found.get("CurrentKeyMaterialId", ""))
        return _Key(arn, label, f"{SCHEME}{label}{material}.")

    async def _call(self, call: "partial[AnswerT]") -> AnswerT:
        loop = asyncio.get_running_loop()
        asked = call.keywords
        what = call.func.__name__, asked.get("KeyId") or asked["SourceKeyId"]
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                answer = await loop.run_in_executor(self._threads, call)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _NOT_OURS:
                raise CannotOpen from None
            if code in _AWAY or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise Unavailable("The key service is not available.") from None
            if self._refused.get(what) != code:
                log.error("AWS KMS refuses to use its key: %s (%s)", code, what[0])  # noqa: TRY400 - says all there is
            self._refused[what] = code
            raise Unavailable("The key service does not let its key be used.") from None
        except (BotoCoreError, TimeoutError) as error:
            log.warning("AWS KMS does not answer (%s)", type(error).__name__)
            raise Unavailable("The key service is not available.") from None
        if self._refused.pop(what, None) is not None:
            log.warning("AWS KMS lets its key be used again (%s)", what[0])
        return answer


def _digits(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def _text(under: _Key, blob: bytes) -> str:
    return under.prefix + urlsafe_b64encode(blob).decode("ascii")


def _bound_to(prefix: str, context: KeyContext) -> dict[str, str]:
    """The encryption context: not secret, and in AWS's log of every use of the key."""
    return {"merchant_id": str(context.merchant_id), "use": context.use, "wrapped_as": prefix}
