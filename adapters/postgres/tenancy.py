"""The wall between shops: row-level security on every table, and what a transaction may touch.

Services log in as one user and work as another role, which owns nothing and sees only the rows of
the shops that its transaction names (docs/decisions/0021-row-level-security.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final, NewType
from uuid import UUID

from adapters.postgres.connection import Connection, Row, text

SHOP_ROLE: Final = "loyalnest_app"
"""Every connection begins as this role: it sees the shops of its transaction, or nothing."""
ACROSS_ROLE: Final = "loyalnest_across"
"""Sees every shop; for what is about all of them by nature."""

Scope = NewType("Scope", str)
"""What a transaction may touch, as the statements that are sent together with its BEGIN."""

NO_SHOP: Final = Scope("")
"""Only what belongs to no shop, such as the outbox."""
ACROSS_SHOPS: Final = Scope(f"SET LOCAL ROLE {ACROSS_ROLE};")
MIGRATION: Final = Scope("SET LOCAL ROLE NONE; SET LOCAL loyalnest.migrating = 'on';")
"""The owner of the tables, who may change them, with all that is in them."""

_OF_THE_MESH: Final = frozenset({"inbox", "outbox"})
"""Without a shop because of what they are: whatever is done for a shop writes there."""
_VERSIONS: Final = frozenset({"mesh_version", "schema_version"})
"""Alembic's, and of no use to a service that runs."""
_STAFF: Final = "of LoyalNest's own staff, who belong to no shop"
WITHOUT_SHOP: Final[Mapping[str, Mapping[str, str]]] = {
    "auth": {
        "used_refresh_tokens": "found by a hash nobody can guess; its session has a shop",
        "revocations": "ids of sessions and tokens, for gateways, which serve every shop",
        "install_states": "browsers on their way to Shopify, of shops that are not known yet",
        "spent_tokens": "digests of tokens that count once, whosever they were",
        "master_rotation": "the master key that the keys of all shops are to be wrapped under",
        "organizations": "of several shops; each sees the name of its own",
        "admin_data_key": _STAFF,
        "admin_users": _STAFF,
        "admin_recovery_codes": _STAFF,
        "admin_devices": _STAFF,
        "admin_failures": _STAFF,
        "admin_challenges": _STAFF,
        "admin_errands": _STAFF,
        "admin_invitations": _STAFF,
    },
    "points": {"chain_progress": "how far the entries of all shops are sealed; one row"},
}
"""By service, its tables without a ``merchant_id``, each with the reason why that is right. They
can be reached across shops only."""
SEARCHED: Final[Mapping[str, frozenset[str]]] = {
    "core": frozenset({"customers"}),
    "products": frozenset({"products"}),
    "users": frozenset({"users"}),
}
"""By service, the tables that are searched by what row-level security keeps from indexes: LIKE,
trigrams, arrays, ``numeric``, ``coalesce``; whatever might tell of a hidden row, say in the text of
an error, and PostgreSQL believes that of all but the plainest comparisons. Each has a view
``<table>_searched``, which shows what the table's policy would, by a condition of its own that the
planner may order as it likes: reading it costs what reading the table would without a policy."""

MOVABLE: Final = frozenset({"points"})
"""Services whose shops can be moved to another store (``ports.moving``)."""
MOVES: Final = "shop_moves"
"""Which of their shops live elsewhere."""
MOVED_TOO: Final = "SET LOCAL loyalnest.moved = 'seen';"
"""Added to ``ACROSS_SHOPS``: also the shops that live elsewhere. To look at, or to move them."""

_SHOPS: Final = "CAST(nullif(current_setting('loyalnest.merchants', true), '') AS uuid[])"
# As a set that is looked up, because a batch may be about hundreds. A policy in this form is worked
# out once for each statement, and takes no part in the choice of an index.
_OF_ITS_SHOPS: Final = f"merchant_id IN (SELECT unnest({_SHOPS}))"
# In a view that would become a join. A search is of one shop; an array is gone through quickly.
_OF_FEW_SHOPS: Final = f"merchant_id = ANY (CAST((SELECT {_SHOPS}) AS uuid[]))"


def _digest(of: str) -> str:
    return blake2b(of.encode(), digest_size=4).hexdigest()


def _policies(across: str) -> Mapping[str, str]:
    """By a name that says what is in it, so that another version of it is noticed."""
    return {
        f"{name}_{_digest(how)}": how
        for name, how in {
            "its_shops": f"TO {SHOP_ROLE} USING ({_OF_ITS_SHOPS})",
            "across_shops": f"TO {ACROSS_ROLE} USING ({across})",
            "migration": "TO CURRENT_USER"
            " USING ((SELECT current_setting('loyalnest.migrating', true)) = 'on')",
        }.items()
    }


_POLICIES: Final = _policies("true")
# Loops do nothing for a shop that lives elsewhere; one that is worked for says so when it begins.
_POLICIES_OF_MOVABLE: Final = _policies(
    "(SELECT current_setting('loyalnest.moved', true)) = 'seen'"
    f" OR merchant_id NOT IN (SELECT m.merchant_id FROM {MOVES} m)"
)

_RELATIONS: Final = text(
    """
    SELECT CAST(CAST(c.oid AS regclass) AS text) AS name, CAST(c.relkind AS text) AS kind,
        c.relrowsecurity AND c.relforcerowsecurity AS is_forced,
        ARRAY(SELECT quote_ident(polname) FROM pg_policy WHERE polrelid = c.oid) AS policies,
        ARRAY(
            SELECT CAST(attname AS text) FROM pg_attribute
            WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum
        ) AS columns,
        ARRAY(
            SELECT pg_get_userbyid(grantee) || ' ' || privilege_type FROM aclexplode(c.relacl)
        ) AS grants,
        coalesce(obj_description(c.oid, 'pg_class'), '') AS comment
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
        AND c.relkind NOT IN ('i', 'I', 't', 'c')
        AND NOT EXISTS (  -- what an extension brought
            SELECT FROM pg_depend d
            WHERE d.classid = CAST('pg_class' AS regclass) AND d.objid = c.oid AND d.deptype = 'e'
        )
    ORDER BY name
    """
)
_TABLE: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_GRANTED: Final = {"r": _TABLE, "p": _TABLE, "S": ("USAGE",)}
"""By kind of relation: a table, a partitioned one, a sequence."""
_TOO_MIGHTY: Final = text(
    """
    SELECT rolname FROM pg_roles
    WHERE rolname = :shop_role AND (
        rolsuper OR rolbypassrls OR rolcreaterole OR pg_has_role(oid, :across_role, 'MEMBER')
    )
    """
)


class Unwalled(Exception):
    """The service would not keep shops apart, and therefore does not start."""


def of_shops(shops: Iterable[UUID]) -> Scope:
    """These shops and no other."""
    # Ids are put into the text, which is safe because of what they are: 32 hexadecimal digits.
    return Scope(f"SET LOCAL loyalnest.merchants = '{{{','.join([shop.hex for shop in shops])}}}';")


def searched_views(service: str) -> frozenset[str]:
    """The names of the views that ``wall_off`` makes."""
    return frozenset(f"{table}_searched" for table in SEARCHED.get(service, ()))


async def wall_off(connection: Connection, service: str) -> None:
    """Put the wall around every table of the service that has none yet. To be called at the end of
    a migration, by the owner of the tables; where all is as it should be, that is two queries.

    Raises Unwalled when there is something that cannot be walled off.
    """
    roles = {"shop_role": SHOP_ROLE, "across_role": ACROSS_ROLE}
    if (await connection.execute(_TOO_MIGHTY, roles)).all():
        raise Unwalled(f"The role {SHOP_ROLE} may do too much: it would not keep shops apart.")
    relations = {row.name: row for row in await connection.execute(_RELATIONS)}
    statements: list[str] = []
    for relation in relations.values():
        statements += _wall(relation, service)
    for table in sorted(SEARCHED.get(service, ())):
        statements += _view(relations[table], relations.get(f"{table}_searched"))
    if statements:
        # All in one, because each would be a round trip.
        await connection.run(f"DO $wall$ BEGIN {'; '.join(statements)}; END $wall$")


def _wall(relation: Row, service: str) -> Iterator[str]:
    """What has to be done for a relation. Raises Unwalled if nothing would help."""
    name = relation.name
    if name in _VERSIONS | searched_views(service):
        return
    if relation.kind not in _GRANTED:
        raise Unwalled(f"{name} is no table, and row-level security is for tables only.")
    has_shop = "merchant_id" in relation.columns
    across_only = name in WITHOUT_SHOP.get(service, ())
    if relation.kind != "S" and not has_shop and not across_only and name not in _OF_THE_MESH:
        raise Unwalled(
            f"The table {name} has no merchant_id. If that is right, WITHOUT_SHOP in"
            " adapters/postgres/tenancy.py has to say why."
        )
    for role in (ACROSS_ROLE,) if across_only else (ACROSS_ROLE, SHOP_ROLE):
        needed = _GRANTED[relation.kind]
        if not {f"{role} {each}" for each in needed}.issubset(relation.grants):
            kind = "SEQUENCE" if relation.kind == "S" else "TABLE"
            yield f"GRANT {', '.join(needed)} ON {kind} {name} TO {role}"
    if not has_shop:
        return
    hides_moved = service in MOVABLE and name != MOVES
    policies = _POLICIES_OF_MOVABLE if hides_moved else _POLICIES
    if set(relation.policies) != policies.keys():
        yield from (f"DROP POLICY {each} ON {name}" for each in relation.policies)
        yield from (f"CREATE POLICY {each} ON {name} {how}" for each, how in policies.items())
    if not relation.is_forced:
        yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"


def _view(table: Row, view: Row | None) -> Iterator[str]:
    """What has to be done so that there is the view of a table that is searched."""
    name = f"{table.name}_searched"
    made_of = _digest(f"{_OF_FEW_SHOPS} {table.columns}")
    if view is not None and view.comment == made_of:
        return
    yield f"DROP VIEW IF EXISTS {name}"
    yield f"CREATE VIEW {name} AS SELECT * FROM {table.name} WHERE {_OF_FEW_SHOPS}"
    yield f"COMMENT ON VIEW {name} IS '{made_of}'"
    yield f"GRANT SELECT ON {name} TO {SHOP_ROLE}"
    # What is read through a view is read by the policies for its owner.
    yield f"GRANT CREATE ON SCHEMA public TO {ACROSS_ROLE}"
    yield f"ALTER VIEW {name} OWNER TO {ACROSS_ROLE}"
    yield f"REVOKE CREATE ON SCHEMA public FROM {ACROSS_ROLE}"
