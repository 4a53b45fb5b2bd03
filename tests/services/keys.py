"""Keys, tokens of every make, and a JWKS URL to publish the keys at."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from tests.legacy.stack import SECRET

from .asgi import Answer, Caller

HS256 = {"alg": "HS256", "typ": "JWT"}
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa-1"})


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def forged(header: str | dict[str, Any], claims: str | dict[str, Any], *, secret: bytes = SECRET.encode()) -> str:
    """A token with any header and claims, signed HMAC-SHA-256 whatever the header says."""
    texts = [text if isinstance(text, str) else json.dumps(text) for text in (header, claims)]
    head = ".".join(part(text.encode()) for text in texts)
    return f"{head}.{part(hmac.digest(secret, head.encode(), hashlib.sha256))}"


def by_key(key: RSAKey | ECKey, alg: str, claims: dict[str, Any], **header: Any) -> str:
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    return jws.serialize_compact({"alg": alg, "kid": key.kid, **header}, json.dumps(claims), key, registry=registry)


def public_pem(key: RSAKey) -> bytes:
    return key.as_pem(private=False)


class KeyServer(HTTPServer):
    """A JWKS URL that counts how often it is asked."""

    hits = 0
    status = 200
    document = json.dumps({"keys": [RSA.as_dict(private=False), EC.as_dict(private=False)]}).encode()


class _Handler(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.hits += 1
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(self.server.document)

    def log_message(self, *_: Any) -> None:
        pass


def url_of(server: KeyServer) -> str:
    return f"http://127.0.0.1:{server.server_port}/keys"


@contextmanager
def publishing() -> Iterator[KeyServer]:
    """A JWKS URL on a free port."""
    server = KeyServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def asked(client: Caller, token: str) -> Answer:
    return await client.send("GET", "/api/runs", headers={"Authorization": f"Bearer {token}"})
