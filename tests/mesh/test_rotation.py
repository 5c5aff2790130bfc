"""Another key signs access tokens while everything runs: nobody notices, and the old key ends."""

import secrets
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt

from adapters.runtime.host import Process
from adapters.tokens.keys import SigningKey, SigningKeys, read_keys, write_keys
from contracts.auth import VALIDATE_TOKEN, ValidateToken
from contracts.caller import service_caller
from domain.errors import Unauthenticated
from tests.conftest import Run, eventually
from tests.mesh.edge import Edge
from tests.mesh.said import mesh_of

PATH = "/v1/api/auth/sessions"
CUSTOMER = "rotation"  # a member: nobody else has to be asked what they may do


async def is_valid(process: Process, token: str) -> bool:
    """Whether auth takes the token for good."""
    try:
        request = ValidateToken(token=token)
        await mesh_of(process).call(VALIDATE_TOKEN, request, service_caller("test"))
    except Unauthenticated:
        return False
    return True


async def test_a_rotation_needs_no_restart_and_refuses_nobody(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    ring = tmp_path / "ring"
    shutil.copy(environment["LOYALNEST_JWT_KEY_FILE"], ring)
    async with (
        run("auth", jwt_key_file=str(ring)) as process,
        run("api_gateway", jwt_key_file=str(ring)) as gateway,
    ):
        edge = Edge(gateway)

        async def fresh(key_id: str = "") -> str:
            """A token that works everywhere; signed by this key, if it says which."""
            token = await edge.token("customer", CUSTOMER)
            assert (await edge.get(PATH, token)).status_code == 200
            assert await is_valid(process, token)
            return token if jwt.get_unverified_header(token)["kid"] == key_id or not key_id else ""

        old = await fresh()
        begins_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
        new = SigningKey.of(secrets.token_bytes(32), begins_at)
        write_keys(ring, read_keys(ring).rotated(new, datetime.now(UTC)))
        # All the while every token works, whichever key signed it.
        signed_anew = await eventually(lambda: fresh(new.key_id))
        assert datetime.now(UTC) >= begins_at
        assert (await edge.get(PATH, old)).status_code == 200

        write_keys(ring, SigningKeys.of(new))  # as if the quarter of an hour were over
        await eventually(lambda: edge.get(PATH, old), lambda answer: answer.status_code == 401)
        await eventually(lambda: is_valid(process, old), (False).__eq__)
        assert (await edge.get(PATH, signed_anew)).status_code == 200
        await edge.http.aclose()
