"""AWS KMS over HTTP: its JSON protocol, signed requests, real AES-GCM, and its ways to fail.

As in the API reference of AWS KMS (version 2014-11-01) and "Signature Version 4" of AWS.
"""

import hashlib
import hmac
import json
import secrets
import threading
import time
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

REGION = "eu-central-1"
ACCESS_KEY = "AKIDSTANDIN"
SECRET_KEY = "not a secret of anybody"
_SKEW = timedelta(minutes=5)


class Refusal(Exception):
    """What KMS answers instead: an error by name, with a status."""

    def __init__(self, name: str, status: int = 400) -> None:
        super().__init__(name)
        self.name = name
        self.status = status


@dataclass
class Key:
    """A symmetric key; its material is renewed now and then, and all of it decrypts."""

    enabled: bool = True
    users: set[str] = field(default_factory=lambda: {ACCESS_KEY})
    key_id: str = field(default_factory=lambda: str(uuid4()))
    materials: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.renew()

    @property
    def arn(self) -> str:
        return f"arn:aws:kms:{REGION}:111122223333:key/{self.key_id}"

    @property
    def material(self) -> str:
        return list(self.materials)[-1]

    def renew(self) -> None:
        self.materials[secrets.token_hex(32)] = secrets.token_bytes(32)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._open: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep for later."""
        for each in tuple(self._open):
            self.shutdown_request(each)


class StandInKms:
    """``with StandInKms() as kms`` listens on ``kms.url``."""

    def __init__(self) -> None:
        self.credentials = {ACCESS_KEY: SECRET_KEY}
        self.keys: list[Key] = []
        self.aliases: dict[str, Key] = {}
        self.calls: list[str] = []
        self.wait = 0.0  # seconds before each answer
        self._failures: deque[Refusal] = deque()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "StandInKms":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def new_key(self, alias: str = "") -> Key:
        key = Key()
        self.keys.append(key)
        if alias:
            self.aliases[alias] = key
        return key

    def fail(self, name: str, times: int = 1, status: int = 400) -> None:
        """Answer the next calls with this error."""
        self._failures.extend([Refusal(name, status)] * times)

    def no_more_failures(self) -> None:
        self._failures.clear()

    def answer(self, target: str, asked: dict[str, Any], user: str) -> dict[str, Any]:
        operation = target.removeprefix("TrentService.")
        self.calls.append(operation)
        time.sleep(self.wait)
        if self._failures:
            raise self._failures.popleft()
        act: dict[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
            "DescribeKey": self._describe,
            "Encrypt": self._encrypt,
            "Decrypt": self._decrypt,
            "ReEncrypt": self._re_encrypt,
            "GenerateDataKey": self._generate,
        }
        if operation not in act:
            raise Refusal("UnknownOperationException")
        return act[operation](asked, user)

    def _describe(self, asked: dict[str, Any], user: str) -> dict[str, Any]:
        key = self._find(asked["KeyId"], user)
        return {
            "KeyMetadata": {
                "KeyId": key.key_id,
                "Arn": key.arn,
                "Enabled": key.enabled,
                "KeyState": "Enabled" if key.enabled else "Disabled",
                "KeySpec": "SYMMETRIC_DEFAULT",
                "KeyUsage": "ENCRYPT_DECRYPT",
                "CurrentKeyMaterialId": key.material,
            }
        }

    def _encrypt(self, asked: dict[str, Any], user: str) -> dict[str, Any]:
        key = self._usable(asked["KeyId"], user)
        blob = _sealed(key, b64decode(asked["Plaintext"]), asked.get("EncryptionContext", {}))
        return {"CiphertextBlob": b64encode(blob).decode(), "KeyId": key.arn}

    def _decrypt(self, asked: dict[str, Any], user: str) -> dict[str, Any]:
        key, plain = self._opened(
            asked["CiphertextBlob"],
            asked.get("KeyId"),
            asked.get("EncryptionContext", {}),
            user,
        )
        return {"Plaintext": b64encode(plain).decode(), "KeyId": key.arn}

    def _re_encrypt(self, asked: dict[str, Any], user: str) -> dict[str, Any]:
        source, plain = self._opened(
            asked["CiphertextBlob"],
            asked.get("SourceKeyId"),
            asked.get("SourceEncryptionContext", {}),
            user,
        )
        key = self._usable(asked["DestinationKeyId"], user)
        blob = _sealed(key, plain, asked.get("DestinationEncryptionContext", {}))
        return {
            "CiphertextBlob": b64encode(blob).decode(),
            "SourceKeyId": source.arn,
            "KeyId": key.arn,
        }

    def _generate(self, asked: dict[str, Any], user: str) -> dict[str, Any]:
        plain = secrets.token_bytes(asked.get("NumberOfBytes", 32))
        encrypted = self._encrypt({**asked, "Plaintext": b64encode(plain).decode()}, user)
        return {**encrypted, "Plaintext": b64encode(plain).decode()}

    def _opened(
        self, written: str, key_id: str | None, context: dict[str, str], user: str
    ) -> tuple[Key, bytes]:
        blob = b64decode(written)
        named, material, box = blob[:36].decode(errors="replace"), blob[36:68].hex(), blob[68:]
        found = next((each for each in self.keys if each.key_id == named), None)
        if found is None or material not in found.materials or len(box) < 28:
            raise Refusal("InvalidCiphertextException")
        if key_id is not None and self._find(key_id, user) is not found:
            raise Refusal("IncorrectKeyException")
        key = self._usable(found.key_id, user)
        try:
            plain = AESGCM(key.materials[material]).decrypt(box[:12], box[12:], _bound(context))
        except InvalidTag:
            raise Refusal("InvalidCiphertextException") from None
        return key, plain

    def _usable(self, key_id: str, user: str) -> Key:
        key = self._find(key_id, user)
        if not key.enabled:
            raise Refusal("DisabledException")
        return key

    def _find(self, key_id: str, user: str) -> Key:
        key = self.aliases.get(key_id.removeprefix("alias/")) or next(
            (each for each in self.keys if key_id in (each.key_id, each.arn)), None
        )
        if key is None:
            raise Refusal("NotFoundException")
        if user not in key.users:
            raise Refusal("AccessDeniedException")
        return key

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        kms = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    user = kms.signer(dict(self.headers.items()), self.path, body)
                    asked = json.loads(body)
                    answer, status = kms.answer(self.headers["X-Amz-Target"], asked, user), 200
                except Refusal as refusal:
                    answer, status = {"__type": refusal.name, "message": ""}, refusal.status
                raw = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                """Nothing to standard error."""

        return Handler

    def signer(self, sent: dict[str, str], path: str, body: bytes) -> str:
        """The access key that has signed this request with Signature Version 4."""
        headers = {name.lower(): " ".join(value.split()) for name, value in sent.items()}
        scheme, _, rest = headers.get("authorization", "").partition(" ")
        parts = dict(each.strip().partition("=")[::2] for each in rest.split(",") if each)
        access_key, *scope = parts.get("Credential", "").split("/")
        signed = parts.get("SignedHeaders", "").split(";")
        at = headers.get("x-amz-date", "")
        if scheme != "AWS4-HMAC-SHA256" or not {"host", "x-amz-date", "x-amz-target"} <= {*signed}:
            raise Refusal("IncompleteSignatureException")
        if access_key not in self.credentials:
            raise Refusal("UnrecognizedClientException")
        when = datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(datetime.now(UTC) - when) > _SKEW or scope != [
            at[:8],
            REGION,
            "kms",
            "aws4_request",
        ]:
            raise Refusal("InvalidSignatureException")
        canonical = "\n".join(
            (
                "POST",
                path,
                "",
                *(f"{name}:{headers[name]}" for name in signed),
                "",
                ";".join(signed),
                hashlib.sha256(body).hexdigest(),
            )
        )
        to_sign = "\n".join(
            (scheme, at, "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest())
        )
        key = f"AWS4{self.credentials[access_key]}".encode()
        for part in scope:
            key = hmac.digest(key, part.encode(), "sha256")
        if not hmac.compare_digest(
            hmac.digest(key, to_sign.encode(), "sha256").hex(), parts.get("Signature", "")
        ):
            raise Refusal("InvalidSignatureException")
        return access_key


def _sealed(key: Key, plain: bytes, context: dict[str, str]) -> bytes:
    nonce = secrets.token_bytes(12)
    material = key.material
    box = AESGCM(key.materials[material]).encrypt(nonce, plain, _bound(context))
    return key.key_id.encode() + bytes.fromhex(material) + nonce + box


def _bound(context: dict[str, str]) -> bytes:
    return json.dumps(context, sort_keys=True).encode()
