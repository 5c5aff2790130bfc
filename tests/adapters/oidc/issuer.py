"""An identity provider on this machine: honest unless told otherwise, over real HTTP."""

import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit
from uuid import uuid4

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

CLIENT_ID = "loyalnest staff"
CLIENT_SECRET = "s3cr:t/ü"
REDIRECT_URL = "http://127.0.0.1:1/admin/oidc"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@cache
def rsa_key(which: str = "first") -> rsa.RSAPrivateKey:
    """Making one takes its time; tests share them by name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_jwk(key: Key, key_id: str) -> dict[str, Any]:
    algorithm: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    public: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return public | {"kid": key_id, "use": "sig"}


@dataclass(slots=True)
class Issuer:
    """``claims`` replace what an honest token says; ``sign`` makes the token of them."""

    port: int
    keys: list[dict[str, Any]] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any]], str] | None = None
    discovery: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    asked: Counter[str] = field(default_factory=Counter)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin_anew(self) -> None:
        """Be honest, and sign with an RSA key."""
        self.claims, self.discovery, self.status = {}, {}, 200
        self.asked.clear()
        self.sign_with(rsa_key())

    def sign_with(self, key: Key, key_id: str = "one", algorithm: str = "RS256") -> None:
        """Sign with this key from now on, and name it and no other."""
        self.keys = [public_jwk(key, key_id)]
        self.sign = signer(key, key_id, algorithm)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        self.asked[path] += 1
        if path == "/.well-known/openid-configuration":
            return _json(
                {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                    "jwks_uri": f"{self.url}/keys",
                }
                | self.discovery,
                self.status,
            )
        if path == "/keys":
            return _json({"keys": self.keys}, self.status)
        if path == "/authorize":
            code = uuid4().hex
            self.codes[code] = query
            back = urlencode({"code": code, "state": query["state"]})
            return 302, {"Location": f"{query['redirect_uri']}?{back}"}, b""
        return 404, {}, b"{}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, str], bytes]:
        """A code is good once, for the client it was made for, and with the verifier (PKCE)."""
        self.asked["/token"] += 1
        begun = self.codes.pop(form.get("code", ""), None)
        proof = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest())
        if (
            begun is None
            or not _is_client(form, authorization)
            or begun["code_challenge_method"] != "S256"
            or begun["code_challenge"] != proof.rstrip(b"=").decode()
            or begun["redirect_uri"] != form["redirect_uri"]
        ):
            return _json({"error": "invalid_grant"}, 400)
        now = int(time.time())
        said = {
            "iss": self.url,
            "sub": "somebody",
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": begun["nonce"],
            "email": "anna@staff.example",
            "email_verified": True,
        } | self.claims
        assert self.sign is not None
        told = {name: value for name, value in said.items() if value is not None}
        return _json({"id_token": self.sign(told), "token_type": "Bearer"}, self.status)


def signer(key: Any, key_id: str | None, algorithm: str) -> Callable[[dict[str, Any]], str]:
    headers = {} if key_id is None else {"kid": key_id}
    return lambda claims: jwt.encode(claims, key, algorithm=algorithm, headers=headers)


@contextmanager
def issuer() -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._say(*known.answer(parts.path, _plain(parts.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._say(*known.token(_plain(body), self.headers.get("Authorization", "")))

        def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not a word."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known = Issuer(server.server_address[1])
    known.begin_anew()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def browse(address: str) -> httpx.Response:
    """A browser that stops where it is sent on to."""
    # All on this machine: reading the certificates of the world takes longer than everything else.
    async with httpx.AsyncClient(verify=False) as browser:
        return await browser.get(address)


def _is_client(form: dict[str, str], authorization: str) -> bool:
    if authorization:
        pair = b64decode(authorization.removeprefix("Basic ")).decode().split(":")
        return [unquote(each) for each in pair] == [CLIENT_ID, CLIENT_SECRET]
    return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)


def _plain(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def _json(value: dict[str, Any], status: int) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()
