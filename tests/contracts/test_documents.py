"""The generated documents: valid, complete, the same every time, and true to what travels."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import schemathesis

from contracts.core import Settings, SettingsUpdated
from contracts.frontend import File
from contracts.generate.__main__ import main
from contracts.generate.documents import PLACE, ROOT, Documents, documents, drift, text
from contracts.generate.schemas import references
from contracts.http import IDEMPOTENCY_KEY, status_of
from contracts.kit import PUBLIC, Idempotency
from contracts.registry import ERRORS, REGISTRY
from contracts.streams import GAP, OPEN, STREAMS
from domain.program import defaults
from domain.rbac import is_permission

DRAFT_07 = "http://json-schema.org/draft-07/schema#"


@pytest.fixture(scope="module")
def found() -> Documents:
    return documents(REGISTRY, ERRORS.values())


def resolve(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


def test_the_documents_are_the_same_every_time(found: Documents) -> None:
    again = documents(REGISTRY, reversed(list(ERRORS.values())))
    assert {path: text(each) for path, each in again.items()} == {
        path: text(each) for path, each in found.items()
    }


def test_openapi_is_valid(found: Documents) -> None:
    schemathesis.openapi.from_dict(found["openapi.json"]).validate()


def test_every_reference_leads_somewhere(found: Documents) -> None:
    for path, document in found.items():
        for reference in references(document):
            assert resolve(document, reference), f"{path}: {reference}"


def test_schemas_are_valid_and_stand_alone(found: Documents) -> None:
    for path, document in found.items():
        if path.startswith("schemas/"):
            jsonschema_rs.meta.validate(document)
            assert document["title"], path


def test_openapi_has_every_bound_operation(found: Documents) -> None:
    entries = {
        entry["operationId"]: (path, method, entry)
        for path, methods in found["openapi.json"]["paths"].items()
        for method, entry in methods.items()
    }
    bound = {name: each for name, each in REGISTRY.operations.items() if each.http is not None}
    assert set(entries) == {*bound, "webhooks"}
    for name, operation in bound.items():
        assert operation.http is not None
        path, method, entry = entries[name]
        assert method.upper() == operation.http.method
        assert path == operation.http.path.replace(":path", "")
        assert entry["tags"] == [operation.service]
        takes_theirs = bool(operation.http.bearer)
        assert ("security" in entry) == (operation.permission != PUBLIC or takes_theirs)
        if operation.response is not File:
            assert str(operation.http.status) in entry["responses"]
        for error in operation.errors:
            assert str(status_of(error)) in entry["responses"], (name, error)
        assert {"401", "429"} <= set(entry["responses"])
        headers = {each["name"] for each in entry.get("parameters", ()) if each["in"] == "header"}
        assert (IDEMPOTENCY_KEY in headers) == (operation.idempotency is Idempotency.KEY)
        told = {each["name"] for each in entry.get("parameters", ())} - headers
        if "requestBody" not in entry:
            given = told | {operation.http.bearer} if takes_theirs else told
            assert given == set(operation.request.__struct_fields__)


def examples(openapi: Any) -> Iterator[tuple[str, Any, Any]]:
    for path, methods in openapi["paths"].items():
        for entry in methods.values():
            bodies = [entry.get("requestBody", {}), *entry["responses"].values()]
            for body in bodies:
                for content in body.get("content", {}).values():
                    if "example" in content:
                        yield path, content["schema"], content["example"]
        for status, answer in entry["responses"].items():
            if "$ref" in answer:
                (content,) = resolve(openapi, answer["$ref"])["content"].values()
                for each in content["examples"].values():
                    yield f"{path} {status}", content["schema"], each["value"]


def test_examples_are_what_the_schemas_say(found: Documents) -> None:
    openapi = found["openapi.json"]
    count = 0
    for path, schema, example in examples(openapi):
        whole = schema | {"components": openapi["components"]}
        assert jsonschema_rs.Draft202012Validator(whole, validate_formats=True).is_valid(example), (
            path
        )
        count += 1
    assert count > 20


def test_examples_are_taken_by_the_structs_themselves(found: Documents) -> None:
    paths = found["openapi.json"]["paths"]
    for operation in REGISTRY.operations.values():
        http = operation.http
        if http is not None and http.method != "GET" and not http.bearer:
            body = paths[http.path][http.method.lower()]["requestBody"]
            example = body["content"]["application/json"]["example"]
            msgspec.json.decode(json.dumps(example), type=operation.request)
    for topic, event in REGISTRY.events.items():
        message = found["asyncapi.json"]["components"]["messages"][topic]
        msgspec.json.decode(json.dumps(message["examples"][0]["payload"]), type=event.body)


def test_asyncapi_has_every_event(found: Documents) -> None:
    document = found["asyncapi.json"]
    assert document["asyncapi"] == "3.0.0"
    streams = {f"stream.{each.name}": each for each in STREAMS}
    assert set(document["channels"]) == {*REGISTRY.events, *streams}
    sent = set()
    for operation in document["operations"].values():
        assert operation["action"] == "send"
        channel = resolve(document, operation["channel"]["$ref"])
        if channel["address"].startswith("/"):
            continue
        (message,) = operation["messages"]
        assert message["$ref"] == f"{operation['channel']['$ref']}/messages/event"
        address = channel["address"]
        assert set(channel["parameters"]) == {"merchant_id"}
        topic = address.removesuffix(".{merchant_id}")
        assert operation["tags"] == [{"name": REGISTRY.events[topic].publisher}]
        sent.add(topic)
    assert sent == set(REGISTRY.events)
    schemas = {"components": {"schemas": document["components"]["schemas"]}}
    for message in document["components"]["messages"].values():
        jsonschema_rs.meta.validate({"$schema": DRAFT_07} | message["payload"] | schemas)
        validator = jsonschema_rs.Draft7Validator(message["payload"] | schemas)
        assert validator.is_valid(message["examples"][0]["payload"]), message["name"]


def test_asyncapi_has_every_stream_with_what_it_sends(found: Documents) -> None:
    document = found["asyncapi.json"]
    for stream in STREAMS:
        channel = document["channels"][f"stream.{stream.name}"]
        assert channel["address"] == stream.path
        assert is_permission(stream.permission)
        events = {each.name for each in stream.events(REGISTRY.events.values())}
        assert set(channel["messages"]) == {OPEN, GAP, *events}
        for area in stream.areas:
            assert any(each.startswith(f"{area}.") for each in events), area
        for name, reference in channel["messages"].items():
            message = resolve(document, reference["$ref"])
            assert message["examples"][0]["payload"]["event"] == name


def test_types_of_the_domain_are_proper_schemas(found: Documents) -> None:
    """What msgspec writes of the program is what the schema promises, down to its leaves."""
    settings = defaults("EUR")
    body = msgspec.json.encode(SettingsUpdated(settings=settings))
    schema = found["schemas/core.SettingsUpdated.json"]
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    assert validator.is_valid(json.loads(body))
    assert not validator.is_valid({"settings": {"currency": 3}})
    assert not validator.is_valid({"settings": {"currency": "EUR", "earn_on": "never"}})
    assert "$defs" in found[f"schemas/core.{Settings.__name__}.json"]


def test_what_is_committed_is_what_the_code_says(found: Documents) -> None:
    assert drift(found, ROOT / PLACE) == []


def test_writing_twice_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path) == 0
    (tmp_path / "docs/contracts/schemas/points.Gone.json").write_text("{}")
    assert main(["--check"], tmp_path) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "contracts: docs/contracts/schemas/points.Gone.json describes what is no longer there;"
        " ./dev.sh contracts writes it anew"
    ]
    assert main([], tmp_path) == 0
    assert capsys.readouterr().out.endswith(", 1 changed\n")
    assert main(["--check"], tmp_path) == 0
    assert main([], tmp_path) == 0
    assert capsys.readouterr().out.endswith(", 0 changed\n")


def test_a_missing_or_edited_document_is_one_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([], tmp_path)
    (tmp_path / "docs/contracts/openapi.json").unlink()
    (tmp_path / "docs/contracts/operations.json").write_text("{}")
    assert main(["--check"], tmp_path) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        "contracts: docs/contracts/openapi.json is missing",
        "contracts: docs/contracts/operations.json differs from the code",
    ]


def test_the_root_is_this_project() -> None:
    assert (ROOT / "pyproject.toml").is_file()
