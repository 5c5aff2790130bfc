"""Every setting of a service process, from ``LOYALNEST_*`` variables, in one typed place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from adapters.mongo.drivers import MOTOR, PYMONGO

PREFIX: Final = "LOYALNEST_"
POSTGRES: Final = "postgres"
MONGO: Final = "mongo"
LOCAL: Final = "local"
AWS: Final = "aws"
LOOPBACK: Final = "127.0.0.0/8, ::1"

Network = IPv4Network | IPv6Network

APP_SECRETS: Final = ("SHOPIFY_CLIENT_SECRET", "SHOPIFY_PREVIOUS_CLIENT_SECRET")

_AT_LEAST_ONE: Final = (
    "body_seconds",
    "rate_limit_percent",
    "address_per_second",
    "address_at_once",
)


class BadSettings(Exception):
    """A setting is missing or wrong. The text names the variable and never its value."""


def _setting(help_: str, default: object = None, *, secret: bool = False) -> Any:
    """A field of ``Settings``; the variable is the field's name in capitals after the prefix."""
    metadata = {"help": help_, "secret": secret, "required": default is None}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All values are checked when read, so a process with wrong ones does not start."""

    nats_url: str = _setting("Where NATS is: nats://user:password@host:port", secret=True)
    postgres_url: str = _setting(
        "Where PostgreSQL is, without a database name: postgresql://user:password@host:port",
        secret=True,
    )
    points_store: str = _setting("Where points are kept: postgres or mongo", POSTGRES)
    mongo_url: str = _setting(
        "Where MongoDB is, a replica set: mongodb://user:password@host:port/?replicaSet=rs0;"
        " for mongo",
        "",
        secret=True,
    )
    mongo_driver: str = _setting(
        "What speaks to MongoDB: pymongo, or motor where that is installed", PYMONGO
    )
    valkey_url: str = _setting(
        "Where Valkey (Redis) is: redis://:password@host:port/0", secret=True
    )
    kms: str = _setting("Where the master key is that wraps the keys of shops: local or aws", LOCAL)
    master_key_file: Path = _setting(
        "File with the master keys, read again when it changes (32 bytes, base64); for local",
        Path(),
    )
    aws_kms_key_id: str = _setting("The master key at AWS KMS: id, ARN or alias; for aws", "")
    aws_kms_previous_key_ids: str = _setting(
        "Keys at AWS KMS that keys of shops may still be wrapped under, with commas between", ""
    )
    aws_kms_endpoint: str = _setting("Where AWS KMS is; empty: at AWS, in the region", "")
    aws_region: str = _setting("AWS region; empty: as the environment has it for AWS's tools", "")
    jwt_key_file: Path = _setting(
        "File with the keys that sign access tokens, read again when it changes (32 bytes, base64)"
    )
    shopify_client_id: str = _setting("The Shopify app's client id")
    shopify_client_secret: str = _setting("The Shopify app's client secret", secret=True)
    shopify_previous_client_secret: str = _setting(
        "The client secret before, accepted for what Shopify signs after a rotation",
        "",
        secret=True,
    )
    shopify_api_base: str = _setting(
        "Where the admin of a shop is reached; {shop} stands for its domain", "https://{shop}"
    )
    public_url: str = _setting(
        "Where browsers reach the gateway: https://host, without a path; empty: on this machine", ""
    )
    oidc_issuer: str = _setting(
        "Identity provider that admins can log in with: its issuer; empty: none", ""
    )
    oidc_client_id: str = _setting("What the identity provider knows us by", "")
    oidc_client_secret: str = _setting(
        "What we prove that with to the identity provider", "", secret=True
    )
    http_host: str = _setting("Address the gateway listens on", "127.0.0.1")
    http_port: int = _setting("Port the gateway listens on", 8080)
    trusted_proxies: str = _setting(
        "Networks of the web servers in front of the gateway, whose X-Forwarded-For is believed", ""
    )
    admin_allowed_ips: str = _setting(
        "Networks from which /admin/* is there at all; empty: from this machine only", ""
    )
    ops_host: str = _setting("Address for health, readiness and metrics", "127.0.0.1")
    ops_port: int = _setting("Port for health, readiness and metrics", 8081)
    webhook_max_bytes: int = _setting("Largest webhook accepted, in bytes", 1_048_576)
    body_max_bytes: int = _setting("Largest other request accepted, in bytes", 262_144)
    body_seconds: int = _setting("How long the body of a request may take to arrive", 10)
    rate_limit_percent: int = _setting("All declared rate limits are taken times this", 100)
    address_per_second: int = _setting(
        "Most requests of one address a second, whatever they ask for, webhooks included", 5000
    )
    address_at_once: int = _setting(
        "Most requests and WebSockets of one address under way at the same time", 256
    )
    hsts_seconds: int = _setting(
        "Tell browsers to come by HTTPS only, for so long (Strict-Transport-Security); 0: do not", 0
    )
    stream_replicas: int = _setting("Copies JetStream keeps of every event (1, 3 or 5)", 1)
    database_pool: int = _setting("Most connections a service keeps to its database", 6)
    demo: bool = _setting(
        "Development log-ins and the demo shop's page without a password (never in production)",
        False,
    )
    log_level: str = _setting("debug, info, warning or error", "info")
    otlp_endpoint: str = _setting("Where to send traces (OTLP over HTTP); empty: nowhere", "")

    @property
    def public_origin(self) -> str:
        """Where browsers reach the gateway, without a slash at the end."""
        return self.public_url.rstrip("/") or f"http://127.0.0.1:{self.http_port}"

    @property
    def app_secrets(self) -> list[bytes]:
        """Shopify's secret for the app and, after a rotation, the one before: what every process
        has, and what lasts."""
        return app_secrets(self.shopify_client_secret, self.shopify_previous_client_secret)

    @property
    def has_master_key_file(self) -> bool:
        return self.master_key_file != Path()

    @property
    def previous_aws_kms_key_ids(self) -> tuple[str, ...]:
        listed = (each.strip() for each in self.aws_kms_previous_key_ids.split(","))
        return tuple(each for each in listed if each)

    @property
    def proxies(self) -> tuple[Network, ...]:
        return _networks(self.trusted_proxies)

    @property
    def staff_networks(self) -> tuple[Network, ...]:
        return _networks(self.admin_allowed_ips or LOOPBACK)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Raises BadSettings for the first variable that is missing or makes no sense."""
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for each in fields(cls):
            name = PREFIX + each.name.upper()
            raw = read_setting(name, environment)
            if raw is None or raw == "":
                if each.metadata["required"]:
                    raise BadSettings(f"{name} is not set: {each.metadata['help']}.")
                continue
            values[each.name] = _read(name, raw, each.type)
        settings = cls(**values)
        _check(settings)
        return settings


def _check(settings: Settings) -> None:
    """Raises BadSettings for the first setting whose value is not one it can have."""
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise BadSettings("LOYALNEST_LOG_LEVEL is debug, info, warning or error.")
    _check_points_store(settings)
    if settings.kms not in (LOCAL, AWS):
        raise BadSettings("LOYALNEST_KMS is local or aws.")
    if settings.kms == LOCAL and not settings.has_master_key_file:
        raise BadSettings("LOYALNEST_MASTER_KEY_FILE is not set; LOYALNEST_KMS is local.")
    if settings.kms == AWS and not settings.aws_kms_key_id:
        raise BadSettings("LOYALNEST_AWS_KMS_KEY_ID is not set; LOYALNEST_KMS is aws.")
    if settings.oidc_issuer and not (settings.oidc_client_id and settings.oidc_client_secret):
        raise BadSettings(
            "LOYALNEST_OIDC_ISSUER needs LOYALNEST_OIDC_CLIENT_ID and _CLIENT_SECRET."
        )
    for name in ("trusted_proxies", "admin_allowed_ips"):
        try:
            _networks(getattr(settings, name))
        except ValueError as error:
            name = PREFIX + name.upper()
            raise BadSettings(f"{name} is a list of networks such as 10.0.0.0/8.") from error
    for name in _AT_LEAST_ONE:
        if getattr(settings, name) < 1:
            raise BadSettings(f"{PREFIX}{name.upper()} is 1 or more.")
    if settings.stream_replicas not in (1, 3, 5):
        raise BadSettings("LOYALNEST_STREAM_REPLICAS is 1, 3 or 5.")
    if "{shop}" not in settings.shopify_api_base:
        raise BadSettings("LOYALNEST_SHOPIFY_API_BASE has {shop} in it, for the shop's domain.")


def app_secrets(*secrets: str | None) -> list[bytes]:
    """Those that are set, the present one first."""
    return [secret.encode() for secret in secrets if secret]


def _check_points_store(settings: Settings) -> None:
    if settings.points_store not in (POSTGRES, MONGO):
        raise BadSettings("LOYALNEST_POINTS_STORE is postgres or mongo.")
    if settings.points_store == MONGO and not settings.mongo_url:
        raise BadSettings("LOYALNEST_MONGO_URL is not set; LOYALNEST_POINTS_STORE is mongo.")
    if settings.mongo_driver not in (PYMONGO, MOTOR):
        raise BadSettings("LOYALNEST_MONGO_DRIVER is pymongo or motor.")
    if settings.mongo_driver == MOTOR and find_spec(MOTOR) is None:
        raise BadSettings("LOYALNEST_MONGO_DRIVER is motor, and Motor is not installed here.")


def _networks(text: str) -> tuple[Network, ...]:
    """Networks, or single addresses, with commas between them. Raises ValueError."""
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def read_setting(name: str, environment: Mapping[str, str]) -> str | None:
    """What the environment says of a variable, outright or in a file. Raises BadSettings."""
    return environment.get(name) or _from_file(name, environment)


def _from_file(name: str, environment: Mapping[str, str]) -> str | None:
    """``<NAME>_FILE`` names a file with the value: how secrets come into a container."""
    path = environment.get(f"{name}_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadSettings(f"{name}_FILE cannot be read ({error.strerror}).") from error


def _read(name: str, raw: str, kind: object) -> object:
    if kind is int or kind == "int":
        try:
            return int(raw)
        except ValueError as error:
            raise BadSettings(f"{name} is a whole number.") from error
    if kind is bool or kind == "bool":
        if raw.lower() not in ("0", "1", "false", "true"):
            raise BadSettings(f"{name} is true or false.")
        return raw.lower() in ("1", "true")
    if kind is Path or kind == "Path":
        return Path(raw)
    return raw


def describe(environment: Mapping[str, str] | None = None) -> list[tuple[str, str, str]]:
    """(variable, value with secrets masked, what it is) of every setting, set or not."""
    environment = os.environ if environment is None else environment
    lines = []
    for each in fields(Settings):
        name = PREFIX + each.name.upper()
        raw = environment.get(name, "")
        default = "" if each.metadata["required"] else str(each.default)
        value = raw or (default if default != "." else "")
        if each.metadata["secret"] and value:
            value = _masked(value)
        lines.append((name, value, str(each.metadata["help"])))
    return lines


def _masked(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname:
        return "********"
    host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    user = f"{parts.username or ''}:********@" if parts.password else ""
    return urlunsplit((parts.scheme, user + host, parts.path, "", ""))
