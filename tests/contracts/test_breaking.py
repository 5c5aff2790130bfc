"""Which changes of a contract are caught, and which are let through."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from contracts.generate.__main__ import main
from contracts.generate.compare import breaking
from contracts.generate.documents import Documents, documents
from contracts.kit import (
    Body,
    Contracts,
    Event,
    Http,
    Idempotency,
    Operation,
    Request,
    Response,
    get,
    post,
)
from contracts.registry import build
from domain.errors import DuplicateRequest, LoyaltyError, NotFound

Fields = Sequence[Any]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class OnlyRed(StrEnum):
    RED = "red"


ASKED: Fields = [("a", str), ("b", int, 0), ("colour", Colour, Colour.RED)]
ANSWERED: Fields = [("a", str), ("inner", "Inner"), ("many", tuple[UUID, ...], ())]
SAID: Fields = [("a", str), ("b", int | None, None)]
INNER: Fields = [("x", int), ("y", str, "")]
AT = post("/a")


def struct(name: str, fields: Fields, base: type[msgspec.Struct]) -> Any:
    return msgspec.defstruct(name, fields, bases=(base,), module="contracts.x", kw_only=True)


def state(
    *,
    asked: Fields = ASKED,
    answered: Fields = ANSWERED,
    said: Fields = SAID,
    inner: Fields = INNER,
    permission: str = "points:read",
    http: Http | None = AT,
    errors: tuple[type[LoyaltyError], ...] = (NotFound,),
    idempotency: Idempotency = Idempotency.SAFE,
    name: str = "points.v1.Ask",
    event: str = "thing.happened",
) -> Documents:
    """The documents of a registry with one operation and one event."""
    part = struct("Inner", inner, Response)
    fields = [(n, part if t == "Inner" else t, *rest) for n, t, *rest in answered]
    operation: Operation[Request, msgspec.Struct] = Operation(
        name,
        struct("Asked", asked, Request),
        struct("Answered", fields, Response),
        permission=permission,
        summary="",
        http=http,
        errors=errors,
        idempotency=idempotency,
    )
    happened: Event[Body] = Event(event, struct("Said", said, Body), "points", "")
    registry = build([Contracts(operations=(operation,), events=(happened,))])
    return documents(registry, errors)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"name": "points.v2.Ask"}, "operation points.v1.Ask was removed"),
        ({"event": "other"}, "event evt.thing.happened was removed"),
        ({"permission": "points:adjust"}, "needs 'points:adjust', it needed 'points:read'"),
        ({"http": post("/b")}, "is at POST /b (200), it was at POST /a (200)"),
        ({"http": get("/a")}, "is at GET /a (200), it was at POST /a (200)"),
        ({"http": post("/a", 201)}, "is at POST /a (201), it was at POST /a (200)"),
        ({"http": None}, "is at nowhere, it was at POST /a (200)"),
        ({"errors": ()}, "no longer answers NOT_FOUND"),
        ({"idempotency": Idempotency.KEY}, "needs an idempotency key, it needed none"),
        # requests
        ({"asked": ASKED[1:]}, "request /a was removed"),
        ({"asked": [*ASKED, ("c", str)]}, "request /c is new and has no default"),
        ({"asked": [("a", str), ("b", int), ASKED[2]]}, "request /b is required, it was not"),
        ({"asked": [("a", int), *ASKED[1:]]}, "request /a is integer, it was string"),
        ({"asked": [("a", UUID), *ASKED[1:]]}, "request /a is string uuid, it was string"),
        (
            {"asked": [*ASKED[:2], ("colour", OnlyRed, OnlyRed.RED)]},
            "request /colour can no longer be blue",
        ),
        ({"asked": [("a", Colour), *ASKED[1:]]}, "request /a is one of blue, red"),
        # answers
        ({"answered": ANSWERED[1:]}, "response /a was removed"),
        ({"answered": [*ANSWERED, ("c", str)]}, "response /c is new and has no default"),
        (
            {"answered": [("a", str | None), *ANSWERED[1:]]},
            "response /a is null or string, it was string",
        ),
        (
            {"answered": [*ANSWERED[:2], ("many", tuple[str, ...], ())]},
            "response /many/* is string, it was string uuid",
        ),
        ({"inner": INNER[1:]}, "response /inner/x was removed"),
        # events
        ({"said": SAID[1:]}, "body /a was removed"),
        ({"said": [("a", str, ""), SAID[1]]}, "body /a may be left out, it was always there"),
        ({"said": [*SAID, ("c", str)]}, "body /c is new and has no default"),
        ({"said": [("a", int), SAID[1]]}, "body /a is integer, it was string"),
    ],
)
def test_a_breaking_change_is_one_line(change: Mapping[str, Any], line: str) -> None:
    (found,) = breaking(state(), state(**change))
    assert line in found


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"asked": [*ASKED, ("c", str, "")]},
        {"asked": [("a", str, ""), *ASKED[1:]]},
        {"asked": [("a", str | None), *ASKED[1:]]},
        {"answered": [*ANSWERED, ("c", str, "")]},
        {"said": [*SAID, ("c", str, "")]},
        {"said": [SAID[0], ("b", int, 0)]},
        {"inner": [*INNER, ("z", int, 0)]},
        {"errors": (NotFound, DuplicateRequest)},
        {"idempotency": Idempotency.NATURAL},
    ],
)
def test_what_harms_nobody_is_let_through(change: Mapping[str, Any]) -> None:
    assert breaking(state(), state(**change)) == []


def test_an_operation_that_gains_an_address_harms_nobody() -> None:
    assert breaking(state(http=None), state()) == []


def test_a_removal_on_purpose_is_let_through() -> None:
    old, new = state(), state(name="points.v2.Ask", event="other")
    assert breaking(old, new, {"points.v1.Ask", "evt.thing.happened"}) == []


def test_an_error_that_becomes_another_status_is_caught() -> None:
    old = state()
    old["operations.json"]["errors"]["NOT_FOUND"]["status"] = 410
    assert breaking(old, state()) == ["error NOT_FOUND became 404, it was 410"]


def test_what_was_committed_before_is_the_promise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Writing the documents anew hides drift, not the break: git remembers what was promised."""

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    main([], tmp_path)
    path = tmp_path / "docs/contracts/schemas/points.Balance.json"
    older = json.loads(path.read_text())
    older["properties"]["colour"] = {"type": "string"}
    path.write_text(json.dumps(older))
    git("init", "-b", "main")
    git("add", ".")
    git("commit", "-m", "Colourful points")
    git("tag", "v1.0.0")
    broken = [
        "contracts: breaking: points.v1.AdjustPoints response /balance/colour was removed",
        "contracts: breaking: points.v1.GetPointsBalance response /colour was removed",
    ]

    main([], tmp_path)
    assert main(["--check"], tmp_path) == 1
    assert broken[1] in capsys.readouterr().err.splitlines()

    # Committed, it is still a break for those who use the last release.
    git("commit", "-am", "Points lose their colour")
    assert main(["--check"], tmp_path) == 1
    assert broken[1] in capsys.readouterr().err.splitlines()

    git("tag", "-d", "v1.0.0")
    assert main(["--check"], tmp_path) == 0
    assert main(["--check", "--against", "HEAD~1"], tmp_path) == 1
    assert main(["--check", "--against", "nowhere"], tmp_path) == 1
    assert "git knows no revision nowhere" in capsys.readouterr().err


def test_a_branch_is_held_to_what_it_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a clone, commits that were not handed in yet are compared with the main branch."""
    upstream, clone = tmp_path / "upstream", tmp_path / "clone"

    def git(folder: Path, *arguments: str) -> None:
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)

    main([], upstream)
    operations = upstream / "docs/contracts/operations.json"
    older = json.loads(operations.read_text())
    older["events"]["evt.points.lost"] = older["events"]["evt.points.earned"]
    operations.write_text(json.dumps(older))
    git(upstream, "init", "-b", "main")
    git(upstream, "add", ".")
    git(upstream, "commit", "-m", "Points can be lost")
    git(tmp_path, "clone", str(upstream), str(clone))
    main([], clone)
    git(clone, "commit", "-am", "They cannot")
    git(clone, "commit", "--allow-empty", "-m", "Something else")
    capsys.readouterr()
    assert main(["--check"], clone) == 1
    assert capsys.readouterr().err == "contracts: breaking: event evt.points.lost was removed\n"
