"""`loyalnest ledger` against a running mesh: what an owner of a shop would be shown."""

import asyncio
import csv
import json
import os
import sys
from functools import partial
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from adapters.mongo.chain import MongoChainReader
from adapters.mongo.collections import ENTRIES
from adapters.postgres.chain import AS_OF_NOW, PostgresChain, PostgresChainReader
from adapters.postgres.connection import text
from adapters.postgres.tenancy import MIGRATION
from adapters.runtime.host import Process
from contracts import points
from contracts.caller import service_caller
from domain.points.chain import SEALED
from infra.cli.ledger_export import guarded
from infra.cli.main import main
from infra.embedded.mongo import MongoServer
from services.points.chaining import seal_entries
from services.points.chaining import verify as proven
from tests.conftest import Run, eventually
from tests.mesh.said import mesh_of, register, world_of


async def ledger(environment: dict[str, str], *words: str) -> tuple[int, list[str], str]:
    """Exit code, lines and errors of `loyalnest ledger …`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.cli.main", "ledger", *words,
        env=os.environ | environment, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode().splitlines(), err.decode()


async def give(process: Process, merchant: UUID, amount: int, reason: str = "a gift") -> UUID:
    request = points.Adjust(customer_id=uuid4(), points=amount, reason=reason)
    caller = service_caller("test", merchant)
    mesh = mesh_of(process)
    done = await mesh.call(points.ADJUST, request, caller, idempotency_key=str(uuid4()))
    return done.entry_id


async def tamper(process: Process, statement: str, **values: object) -> None:
    """As somebody who may do everything, with the triggers off."""
    database = world_of(process).databases["points"]
    async with database.transaction(MIGRATION) as connection:
        for what in ("DISABLE", "ENABLE"):
            await connection.run(f"ALTER TABLE points_transactions {what} TRIGGER USER")
            if what == "DISABLE":
                await connection.execute(text(statement), values)


async def unsealed(process: Process, merchant: UUID) -> int:
    """How many entries are still, after another try."""
    world = world_of(process)
    await seal_entries(world.units_across_shops("points", PostgresChain))
    async with world.databases["points"].transaction(AS_OF_NOW) as connection:
        return (await proven(PostgresChainReader(connection), merchant)).unsealed


async def test_whoever_looks_is_told_what_agrees_and_what_does_not(
    run: Run, environment: dict[str, str]
) -> None:
    async with run("auth", "points") as process:
        shop = await register(process)
        merchant = shop.merchant_id
        entries = [await give(process, merchant, 10) for _ in range(3)]
        await eventually(partial(unsealed, process, merchant), lambda left: left == 0)
        verify = partial(ledger, environment, "verify")
        named = ("--shop", shop.shop_domain)

        code, lines, err = await verify(*named, "--head")
        assert (code, err) == (0, "")
        assert lines[0].startswith(f"{merchant}  3 entries of 3 members, ")
        assert "the newest 0 entries not sealed yet" in lines[0]
        assert lines[1] == "  all agrees"
        code, lines, _ = await verify(*named, "--since-head", lines[2].split()[-1])
        assert (code, lines[1]) == (0, "  all agrees")

        other = f"1:{'0' * 64}"
        code, lines, _ = await verify("--shop", str(merchant), "--since-head", other)
        assert code == 1
        assert "block 1: has another hash than the head that was kept" in lines[2]

        change = "UPDATE points_transactions SET reason = 'a bribe' WHERE entry_id = :id"
        await tamper(process, change, id=entries[1])
        code, lines, _ = await verify()
        await tamper(process, change.replace("a bribe", "a gift"), id=entries[1])
        assert code == 1
        here = lines.index(next(line for line in lines if line.startswith(str(merchant))))
        assert lines[here + 1] == "  DOES NOT AGREE"
        assert f"entry {entries[1]}: is not what was sealed in block" in lines[here + 2]

        code, lines, _ = await verify("--shop", str(uuid4()))
        assert (code, lines[1]) == (0, "  there is nothing of this shop")
        code, _, err = await verify("--shop", "nobody.myshopify.com")
        assert (code, err.startswith("loyalnest: ")) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shop", "x", "--since-head", "x"], "--since-head: "),
        (["--since-head", f"1:{'0' * 64}"], "name it with --shop"),
    ],
)
def test_a_head_that_is_none_or_nobodys_is_refused(
    words: list[str], said: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["ledger", "verify", *words]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("-5", "'-5"), ("a=b", "a=b"), (-5, -5), (None, None)],
)
def test_a_spreadsheet_computes_nothing(value: str | int | None, cell: str | int | None) -> None:
    assert guarded(value) == cell


async def test_the_ledger_can_be_taken_along(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    async with run("auth", "points") as process:
        shop = await register(process)
        for reason in ("=HYPERLINK(1)", "a gift"):
            await give(process, shop.merchant_id, 10, reason)
        named = ("--shop", shop.shop_domain)
        lines, table = tmp_path / "ledger.jsonl", tmp_path / "ledger.csv"
        for words in (("--to", str(lines)), ("--to", str(table), "--format", "csv")):
            code, told, err = await ledger(environment, "export", *named, *words)
            assert (code, err) == (0, "")
            assert told[0].startswith("2 entries in ")
        rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
        for row in rows:  # as docs/ledger.md says
            values = json.dumps([row[name] for name in SEALED], ensure_ascii=False)
            assert sha256(values.encode()).hexdigest() == row["digest"]
        with table.open(encoding="utf-8", newline="") as file:
            cells = list(csv.DictReader(file))
        assert [cell["digest"] for cell in cells] == [row["digest"] for row in rows]
        assert sorted(cell["reason"] for cell in cells) == ["'=HYPERLINK(1)", "a gift"]
        assert sum(int(cell["points"]) for cell in cells) == 20
        assert list(tmp_path.glob("*.part")) == []
        assert lines.stat().st_mode & 0o777 == 0o600
        nowhere = str(tmp_path / "nowhere" / "x")
        code, _, err = await ledger(environment, "export", *named, "--to", nowhere)
        assert (code, err.startswith("loyalnest: ")) == (1, True)


async def test_it_reads_where_points_are_on_mongodb(
    run: Run, environment: dict[str, str], mongo: MongoServer, tmp_path: Path
) -> None:
    there = environment | {"LOYALNEST_POINTS_STORE": "mongo", "LOYALNEST_MONGO_URL": mongo.url}
    async with run("points", points_store="mongo", mongo_url=mongo.url) as process:
        shop, to = uuid4(), tmp_path / "ledger.jsonl"
        given = {str(await give(process, shop, 10)) for _ in range(2)}
        await give(process, uuid4(), 10)
        database = world_of(process).mongo["points"]

        async def left() -> int:
            return (await proven(MongoChainReader(database), shop)).unsealed

        # By the service's own loop.
        await eventually(left, lambda entries: entries == 0)
        named = ("--shop", str(shop))
        code, told, err = await ledger(there, "verify", *named, "--head")
        assert (code, err) == (0, "")
        assert told[0].startswith(f"{shop}  2 entries of 2 members, ")
        assert told[1] == "  all agrees"
        head = told[2].split()[-1]
        code, told, err = await ledger(there, "export", *named, "--to", str(to))
        assert (code, err) == (0, "")
        assert told == [f"2 entries in {to}", f"head {head}"]
        rows = [json.loads(line) for line in to.read_text(encoding="utf-8").splitlines()]
        assert {row["entry_id"] for row in rows} == given

        entries = database.collection(ENTRIES.name)
        bribed = UUID(min(given))
        await entries.update_one({"_id": bribed}, {"$set": {"reason": "a bribe"}})
        code, told, _ = await ledger(there, "verify", "--since-head", head, *named)
        assert (code, told[1]) == (1, "  DOES NOT AGREE")
        assert f"entry {bribed}: is not what was sealed in block" in told[2]
        code, told, _ = await ledger(there, "verify")
        await entries.update_one({"_id": bribed}, {"$set": {"reason": "a gift"}})
        assert code == 1
        assert sum(line.startswith(str(shop)) for line in told) == 1
        code, _, err = await ledger(
            there | {"LOYALNEST_MONGO_URL": ""}, "export", *named, "--to", str(to)
        )
        assert (code, "LOYALNEST_MONGO_URL is not set" in err) == (1, True)
