"""Parameters by name: which they are, and what PostgreSQL is sent for them."""

import pytest

from adapters.postgres.connection import Statement, text


@pytest.mark.parametrize(
    ("sql", "numbered", "names"),
    [
        ("SELECT 1", "SELECT 1", ()),
        ("SELECT :a, :b", "SELECT $1, $2", ("a", "b")),
        ("SELECT :b, :a, :b", "SELECT $1, $2, $1", ("b", "a")),
        ("f(:a,:long_name2)", "f($1,$2)", ("a", "long_name2")),
        ("CAST(:at AS text)", "CAST($1 AS text)", ("at",)),
        ("a = ANY(:ids) AND b>:b", "a = ANY($1) AND b>$2", ("ids", "b")),
        ("CAST(x AS text)::uuid", "CAST(x AS text)::uuid", ()),
        ("'12:30:59'", "'12:30:59'", ()),
        (r"'\:a' \:b ::c", "':a' :b ::c", ()),
        ("x -> 'a' ->> 'b' #> '{c}' @> :d", "x -> 'a' ->> 'b' #> '{c}' @> $1", ("d",)),
        ("a %% b % c LIKE '%x'", "a %% b % c LIKE '%x'", ()),
        ("x[1:2]", "x[1:2]", ()),
    ],
)
def test_names_become_numbers_and_all_else_stays(
    sql: str, numbered: str, names: tuple[str, ...]
) -> None:
    statement: Statement = text(sql)
    assert (statement.text, statement.numbered, statement.names) == (sql, numbered, names)
