"""A MongoDB whose disk is full is away until there is room, as PostgreSQL is."""

import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from pymongo.errors import BulkWriteError, OperationFailure

from adapters.mongo.collections import OF_POINTS
from adapters.mongo.database import MongoDatabase, is_away
from domain.errors import Unavailable
from infra.embedded.home import Home
from infra.embedded.mongo import MongoServer
from infra.embedded.ports import free_port
from infra.embedded.secrets import load

_SIZE: Final = "450m"
"""The server's journal alone has three files of 100 MB."""
_SYSTEM_SAYS: Final = "28: No space left on device"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small one of its own, in memory. Skips where nobody may mount it."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(tmp_path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("Nobody may mount a disk here.")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest_asyncio.fixture
async def server(disk: Path, mongo: MongoServer) -> AsyncIterator[MongoServer]:
    """Another one than ``mongo``, which is asked for so that this skips where there is none."""
    home = Home(disk / "home")
    home.create()
    one = MongoServer(home, free_port({mongo.port}), load(home))
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


async def test_what_needs_room_is_done_once_there_is_some(server: MongoServer, disk: Path) -> None:
    database = MongoDatabase(server.url, "points", OF_POINTS)
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(65_536)):
            pass
    with pytest.raises(Unavailable, match="The storage is not available"):
        await database.migrate()
    filler.unlink()
    await database.migrate()
    await database.close()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (14031, "Not enough room"),
        (8, _SYSTEM_SAYS),  # for a new collection
        (8, f"Index build failed: Collection points :: caused by :: {_SYSTEM_SAYS}"),
        (5642403, "Error writing to file _tmp/extsort.0: errno:28 No space left on device"),
    ],
)
def test_a_full_disk_is_known_by_whatever_mongodb_says(code: int, said: str) -> None:
    details: Mapping[str, Any] = {"ok": 0.0, "errmsg": said, "code": code}
    assert is_away(OperationFailure(said, code, details))
    assert is_away(BulkWriteError({"writeErrors": [details], "writeConcernErrors": []}))


def test_what_is_wrong_with_a_document_is_no_full_disk() -> None:
    details = {"errmsg": "Document failed validation", "code": 121}
    assert not is_away(OperationFailure("Document failed validation", 121, details))
    assert not is_away(BulkWriteError({"writeErrors": [details], "writeConcernErrors": []}))
