"""PostgreSQL itself keeps shops apart: whatever a store can do, done as another shop."""

import ast
import inspect
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from msgspec import structs

import services
from adapters.postgres.connection import Connection, DatabaseError, Found, Statement, text
from adapters.postgres.database import MIGRATIONS, Database
from adapters.postgres.journal import PostgresJournal
from adapters.postgres.tenancy import (
    ACROSS_SHOPS,
    MOVES,
    NO_SHOP,
    SHOP_ROLE,
    WITHOUT_SHOP,
    Scope,
    of_shops,
)
from adapters.runtime.world import World
from domain.points.ledger import Source
from domain.points.rewards import Reward
from domain.referrals.states import Blocked, Claimed
from ports.imports import ImportRow, Kind
from ports.ledger import NewEntry, OrderKey
from ports.names import Named
from ports.people import PersonKey, Sighting
from ports.referrals import Tracked
from ports.staff import SubjectKey
from ports.standings import Assigned
from ports.tasks import NewTask
from ports.unit import Units
from tests.contracts.wired import wire
from tests.mesh.examples import AT, Examples

Method = Callable[..., Awaitable[object]]
Rows = Mapping[tuple[str, str], str]
"""Every row as JSON, by its table and its place there; a place changes with every update."""

SERVICES: Final = sorted(each.name for each in MIGRATIONS.iterdir() if each.name != "mesh")
ONE: Final = uuid4()
OTHER: Final = uuid4()
LATER: Final = AT + timedelta(days=365)
REFUSED: Final = "InsufficientPrivilegeError: permission denied for table "
CLOCK: Final = re.compile(r"datetime\.datetime\((\d+, ){7}tzinfo=datetime\.timezone\.utc\)")
"""A time of PostgreSQL's own; those of examples are of whole hours."""
LITERAL: Final = re.compile(r"'(?:[^']|'')*'(?:::[a-z ]+)?")
FUNCTION: Final = re.compile(r"\b(?!ROW\()\w+\(")
SEALED: Final = "1.x.x"
"""A text as it is after sealing, with the key that all else names."""
MANY: Final = range(20)
OTHERS: Final = range(20, 40)
MUCH: Final = range(100, 300)

pytestmark = pytest.mark.asyncio(loop_scope="module")


def blocked(examples: Examples) -> list[Tracked]:
    return [replace(examples, told=TOLD | {"Tracked.referral": Blocked}).of(Tracked)]


def entries(examples: Examples) -> list[NewEntry]:
    """One that earned, and one that a member's points were moved by."""
    moved = examples.next().of(NewEntry)
    draft = moved.draft._replace(source=Source.POOL, rule=str(OTHER))
    return [examples.of(NewEntry), structs.replace(moved, draft=draft)]


def tasks(examples: Examples) -> list[NewTask]:
    """One whose turn has come, and one that waits for its time."""
    late = replace(examples.next(), told=TOLD | {"NewTask.due_at": AT})
    return [examples.of(NewTask), late.of(NewTask)]


def sightings(examples: Examples) -> list[Sighting]:
    """Of somebody who is known by name, and of somebody who is not."""
    return [examples.of(Sighting), examples.next().of(Sighting)]


def colleague(examples: Examples) -> PersonKey:
    """Somebody of a shop's staff; what is said of people everywhere else is of a customer."""
    numbers = [number + 1000 for number in examples.numbers]
    found: PersonKey = replace(examples, numbers=numbers).of(PersonKey)
    return found


TOLD: Final[dict[str, object]] = {
    "action": "",
    "cancelled_at": None,
    "ended_at": None,
    "ends_at": LATER,
    "expires_at": LATER,
    "kept_id": UUID(int=1),
    "merged_id": UUID(int=2),  # not the member that all else is about
    "revoked_at": None,
    "sealed": SEALED,
    "sealed_code": SEALED,
    "sealed_contact": SEALED,
    "sealed_pair": SEALED,
    "sealed_payload": SEALED,
    "since": None,
    "until": None,
    "EntryDraft.undoes": None,
    "Calendar.celebrates": True,
    "Calendar.time_zone": "UTC",
    "EntryDraft.line": "",
    "EntryDraft.source": "activity",
    "Errand.after": UUID(int=0),
    "Move.after": Assigned("gold", 2),
    "NewTask.due_at": None,
    "Person.kind": "customer",
    "PostgresChain.seal.most": 1_000_000,  # whatever others have left unsealed
    "PostgresDeadLetters.letters.state": "open",
    "PostgresHoldings.zone": "UTC",
    "PostgresImpersonations.end_overdue.now": LATER + timedelta(days=1),
    "ImportRow.claim": 0,
    "ImportRow.kind": Kind.HISTORY,
    "PostgresImports.find.kind": Kind.HISTORY,
    "PostgresImports.begin.imports": lambda examples: {
        examples.merchant_id: examples.of(ImportRow).import_id
    },
    "PostgresImports.take_due.now": LATER,
    "CollectionSync.claim": 0,
    "PostgresCollections.hold.until": LATER,
    "PostgresCollections.take_due.now": LATER,
    "PostgresCollections.take_due.until": LATER,
    "PostgresLedger.lots.after": None,
    "PostgresLedger.post.entries": entries,
    "PostgresLedger.take_ageing.at": LATER,
    "PostgresLedger.take_matured.at": LATER,
    "PostgresMerchants.uninstall.at": lambda examples: {examples.merchant_id: LATER},
    "PostgresMerchants.seen.at": LATER,
    "PostgresNames.name.people": lambda examples: [examples.next().of(Named)],
    "PostgresNames.kind": "customer",
    "PostgresNames.namesakes.after": "",
    "PostgresRewards.save_reward.reward": lambda examples: replace(examples.of(Reward), version=2),
    "PostgresPeople.kind": "customer",
    "PostgresPeople.learn.sightings": sightings,
    "PostgresReferrals.move.moved": blocked,
    "PostgresReferrals.overdue.at": LATER,
    "PostgresReferrals.person.email_index": "",
    "PostgresRoleBook.assignments.after": "",
    "PostgresTasks.add.tasks": tasks,
    "PostgresSales.take_over_refunds.moves": lambda examples: {
        examples.of(OrderKey).order_id: "another"
    },
    "PostgresStaff.dismiss.key": colleague,
    "PostgresStaff.link.key": colleague,
    "PostgresStaff.meet.subjects": lambda examples: {examples.of(SubjectKey): colleague(examples)},
    "RfmPart.segment": "x",
    "Period.end": LATER,
    "PostgresPastOrders.past_orders.after": "",
    "Redemption.taken": True,
    "RewardTerms.stock": 3,
    "ScopeChange.changed_at": LATER,
    "ShopDay.after": UUID(int=0),
    "ShopDay.time_zone": "UTC",
    "Sighting.email_index": "x",
    "TierPart.tier": "x",
    "Tracked.referral": Claimed,
}
QUIET: Final = {
    "PostgresBirthdays.place": "for rows from before there were numbers, as no method makes them",
    "PostgresBirthdays.unplaced": "finds rows from before there were numbers, likewise",
    "PostgresDepartures.begin_merge": "only takes a lock",
    "PostgresRedeeming.hold_till": "only takes a lock",
    "PostgresReferrals.enter_claim": "only takes a lock",
    "PostgresReferrals.enter_orders": "only takes a lock",
    "PostgresSealedRows.replace": "of auth a sealed row is a shop, and its id is no example's",
}
"""What shows nothing and changes no row even for a shop's own, and why."""
_LOOP: Final = "a loop looks for what is due, whosever it is"
ACROSS: Final = {
    ("admin_core", "sealed_rows"): _LOOP,
    ("auth", "PostgresInstalls"): "who installs or logs in is not known as a shop's yet",
    ("auth", "PostgresMerchantKeys"): "makes the keys of shops, and LoyalNest's staff changes them",
    ("auth", "PostgresMerchants"): "finds a shop by its domain",
    ("auth", "PostgresOrganizations"): "an organisation is of several shops",
    ("auth", "PostgresSessions"): "a session is found by its token; what is revoked is of no shop",
    ("auth", "admin_stores"): "LoyalNest's staff belongs to no shop",
    ("auth", "sealed_rows"): _LOOP,
    ("campaign", "PostgresStandings"): _LOOP,
    ("core", "PostgresImports"): _LOOP,
    ("event_tracking", "PostgresTasks"): _LOOP,
    ("points", "PostgresChain"): _LOOP,
    ("points", "PostgresLedger"): _LOOP,
    ("points", "PostgresPools"): "finds out in which other shops a member has points",
    ("points", "PostgresRedeeming"): _LOOP,
    ("points", "sealed_rows"): _LOOP,
    ("products", "PostgresCollections"): _LOOP,
    ("referrals", "PostgresReferrals"): _LOOP,
    ("rfm", "PostgresProfiles"): _LOOP,
    ("users", "PostgresBirthdays"): _LOOP,
    ("users", "PostgresLinks"): _LOOP,
    ("users", "PostgresNames"): _LOOP,
    ("users", "sealed_rows"): _LOOP,
}
"""By service, the stores that are used across shops (``World.units_across_shops``), and why."""
WITHIN: Final = {
    "auth/sessions.py": "who logs in is of no shop yet, and the session is of one",
    "core/importing.py": "a loop that has found imports works on each within its shop",
    "products/collecting.py": "a loop that has found shops works on each within it",
    "points/issuing.py": "a loop that has found redemptions works on each within its shop",
    "points/pooling.py": "a balance is of all shops that share it, and of no other",
    "users/linking.py": "a loop that has found shops works on each within it",
    "roles/book.py": "gateways ask for versions of the roles of many shops at once",
}
"""Use cases that say themselves whose data they are about, and why."""
NAMES_SHOPS: Final = frozenset({"within", "also_within"})
NEVER_IN_SHOPS: Final = frozenset(
    {
        "PostgresImpersonations.left_open",
        "PostgresInstalls.suspended",
        "PostgresRedeeming.count_in_doubt",
    }
)
"""Methods of stores that shops use, which themselves are used across shops only."""
FIRST: Final = ("PostgresTasks.heed",)
"""What has to be done before the rest, or it hides some of that."""
BY_LOOPS: Final = {
    # It only seals what transactions that have ended wrote; here there is one, which goes on.
    "PostgresChain.seal": f"UPDATE chain_progress SET sealed_to = {2**62}, sweeping = true",
}
"""Methods that make a shop's rows and that no shop may call, with what lets them do it here."""
UNIQUE_ID: Final = frozenset(
    {
        "PostgresImpersonations.add",
        "PostgresDepartures.merge",
        "PostgresInstalls.add",
        "PostgresMerchantKeys.add",
        "PostgresMerchants.add",
        "PostgresMemberships.invite",
        "PostgresOrganizations.invite",
        "PostgresRoleBook.add",
        "PostgresSessions.add",
    }
)
"""What uses an id, domain or number that there is only once in all shops: it notices that one is
taken. Such ids are made here, and none of these takes one from a caller; shops are told apart by
their domains before anybody is let in."""


@dataclass(frozen=True)
class Opened:
    """What a wiring has asked for: transactions with these stores."""

    service: str
    stores: Callable[[Connection], Any]
    across_shops: bool


class Outcome(NamedTuple):
    """What a method gave, and whether it touched anything of shop ONE."""

    answer: str
    touched: bool


OPENED: Final[list[Opened]] = []


class Listening(World):
    """Keeps in mind what is asked for."""

    def _units(
        self, service: str, stores: Callable[[Connection], Any], *, across_shops: bool
    ) -> Units[Any]:
        OPENED.append(Opened(service, stores, across_shops))
        return super()._units(service, stores, across_shops=across_shops)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> list[Opened]:
    """By every service."""
    for service in SERVICES:
        wire(service, tmp_path_factory.mktemp(service), Listening)
    return OPENED


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SERVICES)
async def trial(
    request: pytest.FixtureRequest, environment: dict[str, str], opened: list[Opened]
) -> AsyncIterator["Trial"]:
    database = Database(environment["LOYALNEST_POSTGRES_URL"], request.param)
    await database.make()
    await database.migrate()
    with suppress(Undo):
        async with database.transaction(NO_SHOP) as connection:
            one = Trial(connection, database.service, opened)
            await one.prepare()
            yield one
            raise Undo
    await database.close()


VIOLATION: Final = re.compile(r"\w+ViolationError: ")
NO_VALUES: Final[Mapping[str, Any]] = {}
COLUMNS: Final = text(
    """
    SELECT c.table_name,
        string_agg(quote_ident(c.column_name), ', ')
            FILTER (WHERE c.is_generated = 'NEVER') AS columns
    FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE table_schema = 'public' AND t.table_type = 'BASE TABLE'
    GROUP BY table_name HAVING bool_or(c.column_name = 'merchant_id')
    """
)
"""Of each table with a shop, those that can be written."""


class Undo(Exception):
    pass


@asynccontextmanager
async def undone(connection: Connection) -> AsyncIterator[None]:
    """What is done in this block does not last."""
    with suppress(Undo):
        async with connection.savepoint():
            yield
            raise Undo


async def become(connection: Connection, scope: Scope) -> None:
    """Go on as if the transaction had begun with this scope."""
    again = f"SET LOCAL ROLE {SHOP_ROLE}; SET LOCAL loyalnest.merchants = ''; {scope}"
    await connection.run(again)


class Trial:
    """All stores of a service in one transaction, in which shop ONE has something of everything."""

    def __init__(self, connection: Connection, service: str, opened: list[Opened]) -> None:
        self.connection = connection
        self.without_shop = WITHOUT_SHOP.get(service, {})
        self.methods = dict(methods_of(PostgresJournal(connection, AT, [b"key"])))
        self.columns: dict[str, str] = {}
        """Of each table with a shop, those that can be written."""
        self.alone: dict[str, list[Outcome]] = {}
        """What each method gave shop OTHER before there was anything of shop ONE."""
        self.planted: set[str] = set()
        """Methods by which shop ONE got what it has."""
        self.in_shops: set[str] = set()
        """Methods that are there for transactions of shops, too."""
        for each in opened:
            if each.service == service:
                methods = dict(methods_of(each.stores(connection)))
                self.methods |= methods
                if not each.across_shops:
                    self.in_shops |= methods.keys()

    async def prepare(self) -> None:
        found = await self.connection.execute(COLUMNS)
        # Where a shop lives is written by who moves it, and by no store of a service.
        self.columns = {row.table_name: row.columns for row in found if row.table_name != MOVES}
        self.alone = {name: await self.as_the_other(name) for name in self.methods}
        # Whatever adds something and takes nothing away; twice, because some of it needs what
        # comes after it.
        for name in [*self.methods.keys() & FIRST, *self.methods, *self.methods]:
            before = await self.rows()
            with suppress(Undo):
                async with self.connection.savepoint():
                    await self.call(name, ONE, Examples(ONE, TOLD), across=name in BY_LOOPS)
                    after = await self.rows()
                    if grown(after, before) or not grown(before, after):
                        raise Undo
                    self.planted.add(name)

    async def fill(self) -> None:
        """Give shop ONE so much that the planner has something to choose."""
        for name in self.planted:
            await self.call(name, ONE, Examples(ONE, TOLD, MUCH))
        await self.connection.run("SET LOCAL ROLE NONE; ANALYZE")

    async def rows(self) -> Rows:
        """All of shop ONE."""
        await become(self.connection, ACROSS_SHOPS)
        query = " UNION ALL ".join(
            f"SELECT '{table}' AS name, CAST(ctid AS text) AS place,"
            " CAST(to_jsonb(t) AS text) AS row"
            f" FROM {table} t WHERE merchant_id = '{ONE}'"
            for table in self.columns
        )
        found = await self.connection.execute(text(query))
        return {(each.name, each.place): each.row for each in found}

    async def call(self, name: str, shop: UUID, examples: Examples, *, across: bool = False) -> str:
        """What a method gives when ``shop`` calls it with examples of whatever shop, or a loop
        ``across`` all does."""
        await become(self.connection, ACROSS_SHOPS if across else of_shops([shop]))
        if across:
            await self.connection.run(BY_LOOPS[name])
        method = self.methods[name]
        try:
            async with self.connection.savepoint():
                answer = repr(await method(**examples.arguments(method)))
                return CLOCK.sub("now", answer)
        except Exception as error:
            reason = error.__cause__ if isinstance(error, DatabaseError) else error
            return f"{type(reason).__name__}: {reason}"

    async def outcome(self, name: str, shop: UUID, about: UUID) -> Outcome:
        async with undone(self.connection):
            before = await self.rows()
            answer = await self.call(name, shop, Examples(about, TOLD))
            touched = before != await self.rows()
        return Outcome(answer, touched)

    async def as_the_other(self, name: str) -> list[Outcome]:
        """With the ids and names of shop ONE, said to be its and said to be one's own."""
        abouts = [ONE] if name in UNIQUE_ID else [ONE, OTHER]
        return [await self.outcome(name, OTHER, about) for about in abouts]

    async def statements(self, name: str, *, later: bool = False) -> list[tuple[str, Any]]:
        """What a method says to PostgreSQL when it is given many of all, and is asked for the first
        or a ``later`` page, with the parameters."""
        said: list[tuple[str, Any]] = []
        execute = Connection.execute

        async def listen(self: Connection, statement: Statement, values: Any = NO_VALUES) -> Found:
            if statement.text.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
                said.append((statement.text, values))
            return await execute(self, statement, values)

        answer = ""
        for numbers in (MANY, OTHERS):
            async with undone(self.connection):
                said.clear()
                with patch.object(Connection, "execute", listen):
                    answer = await self.call(name, ONE, Examples(ONE, TOLD, numbers, later=later))
            if not VIOLATION.match(answer):
                break  # otherwise some of them are there already
            said.pop()
        return [] if answer.startswith(REFUSED) else said

    async def plan(self, statement: str, parameters: Any, *options: str) -> list[dict[str, Any]]:
        """The nodes of its plan."""
        explain = f"EXPLAIN ({', '.join([*options, 'FORMAT JSON'])}) {statement}"
        found = await self.connection.execute(text(explain), parameters)
        return list(nodes_of(found.scalar_one()[0]["Plan"]))


def methods_of(stores: object) -> Iterator[tuple[str, Method]]:
    """What can be done with a store, or with those that are together in one object."""
    if is_dataclass(stores):
        for each in fields(stores):
            yield from methods_of(getattr(stores, each.name))
    for name, method in inspect.getmembers(stores, inspect.iscoroutinefunction):
        if not name.startswith("_"):
            yield f"{type(stores).__name__}.{name}", method


def grown(before: Rows, after: Rows) -> bool:
    """Whether a table has more rows after."""
    more = Counter(table for table, _ in after)
    more.subtract(table for table, _ in before)
    return any(count > 0 for count in more.values())


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes_of(part)


async def test_no_method_shows_or_changes_anything_of_another_shop(trial: Trial) -> None:
    assert {table for table, _ in await trial.rows()} == trial.columns.keys()
    for name in trial.methods:
        beside = await trial.as_the_other(name)
        assert beside == trial.alone[name], name  # as if shop ONE did not exist
        assert not any(outcome.touched for outcome in beside), name
        # This would prove nothing if there was nothing to see or to change.
        own = await trial.outcome(name, ONE, ONE)
        if own.answer.startswith(REFUSED):
            assert own.answer.removeprefix(REFUSED) in trial.without_shop
        elif name in trial.in_shops - NEVER_IN_SHOPS - trial.planted - QUIET.keys():
            assert own.touched or own.answer != beside[0].answer, (
                f"{name} neither shows nor changes anything, but {own.answer!r}: give it an"
                " example in TOLD by which it does, or say in QUIET why it cannot"
            )


async def test_no_statement_reaches_a_row_of_another_shop(trial: Trial) -> None:
    connection = trial.connection

    async def count(statement: str) -> int:
        async with undone(connection):
            return int((await connection.execute(text(statement))).rowcount)

    async def is_refused(statement: str, **parameters: object) -> None:
        with pytest.raises(DatabaseError, match=r"row-level security|only grows"):
            async with connection.savepoint():
                await connection.execute(text(statement), parameters)

    for (table, _), row in (await trial.rows()).items():
        columns = trial.columns[table]
        insert = (
            f"INSERT INTO {table} ({columns}) SELECT {columns}"
            f" FROM jsonb_populate_record(CAST(NULL AS {table}), CAST(CAST(:row AS text) AS jsonb))"
        )
        for stranger in (of_shops([OTHER]), of_shops([]), NO_SHOP):
            await become(connection, stranger)
            assert await count(f"SELECT FROM {table} WHERE merchant_id = '{ONE}'") == 0
            assert await count(f"UPDATE {table} SET merchant_id = merchant_id") == 0
            assert await count(f"DELETE FROM {table}") == 0
            await is_refused(insert, row=row)
        await become(connection, of_shops([ONE]))
        assert await count(f"SELECT FROM {table}") > 0
        await is_refused(f"UPDATE {table} SET merchant_id = '{OTHER}'")
        for scope in (of_shops([OTHER, ONE]), ACROSS_SHOPS):
            await become(connection, scope)
            assert await count(f"SELECT FROM {table} WHERE merchant_id = '{ONE}'") > 0


async def test_what_belongs_to_no_shop_is_reached_across_shops_only(trial: Trial) -> None:
    for table in trial.without_shop:
        async with undone(trial.connection):
            await become(trial.connection, ACROSS_SHOPS)
            await trial.connection.run(f"SELECT FROM {table}")
            await become(trial.connection, of_shops([ONE]))
            with pytest.raises(DatabaseError, match="permission denied"):
                await trial.connection.run(f"SELECT FROM {table}")


async def test_the_shops_are_looked_up_once_for_each_statement(trial: Trial) -> None:
    looks = 0
    for name in trial.methods:
        statements = await trial.statements(name)
        async with undone(trial.connection):
            await become(trial.connection, of_shops([ONE]))
            for statement, parameters in statements:
                for node in await trial.plan(statement, parameters, "ANALYZE", "VERBOSE"):
                    if "loyalnest.merchants" in json.dumps(node.get("Output", "")):
                        assert node["Actual Loops"] <= 1, (name, statement)
                        looks += node["Actual Loops"]
    assert looks


async def test_the_wall_keeps_no_statement_from_an_index(trial: Trial) -> None:
    connection = trial.connection
    found = await connection.execute(text("SELECT indexname, tablename FROM pg_indexes"))
    table_of = {row.indexname: row.tablename for row in found}
    async with undone(connection):
        await trial.fill()
        # What the planner chooses is not the question, only which conditions it may ask an index.
        for other in ("seqscan", "hashjoin", "mergejoin"):
            await connection.run(f"SET LOCAL enable_{other} = off")
        for name, later in product(trial.in_shops - NEVER_IN_SHOPS, (False, True)):
            for statement, parameters in await trial.statements(name, later=later):
                await become(connection, ACROSS_SHOPS)
                for node in await trial.plan(statement, parameters):
                    if f"{table_of.get(node.get('Index Name', ''))}_searched" not in statement:
                        assert is_plain(node.get("Index Cond", "")), (
                            f"{name}: row-level security keeps this condition from"
                            f" {node['Index Name']}; see SEARCHED in adapters/postgres/tenancy.py"
                        )


def is_plain(condition: str) -> bool:
    """Whether it is made of comparisons only, which cannot tell of a row what nobody asked."""
    rest = LITERAL.sub("", condition)
    operators = set(re.findall(r"[-+*/<>=~!@#%^&|`?]+", rest))
    return operators <= {"=", "<", ">", "<=", ">=", "<>"} and not FUNCTION.search(rest)


async def test_who_works_across_shops_is_known(opened: list[Opened]) -> None:
    across = {(each.service, name_of(each.stores)) for each in opened if each.across_shops}
    assert across == ACROSS.keys()


async def test_who_names_the_shops_itself_is_known() -> None:
    found = set()
    for file in Path(services.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in NAMES_SHOPS:
                found.add(f"{file.parent.name}/{file.name}")
    assert found == WITHIN.keys()


def name_of(stores: Callable[[Connection], Any]) -> str:
    """Of a class, a function that makes stores, or one that another function has made."""
    return stores.__qualname__.partition(".")[0]
