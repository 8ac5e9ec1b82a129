"""A key set served over HTTP, as an issuer serves it, and tokens signed with its keys."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sign_s3.keys import new_id

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
ISSUER = "https://id.example/pool"
AUDIENCE = "sign-s3"


def new_key(kind: str = "RS256") -> PrivateKey:
    if kind == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def jwk(key: PrivateKey, kid: str | None, **changes: Any) -> dict[str, Any]:
    """The public half as a set lists it."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    public.pop("key_ops", None)
    return public | ({"kid": kid} if kid else {}) | {"use": "sig"} | changes


def issue(key: PrivateKey, kid: str | None = "one", **changes: Any) -> str:
    """A token of the issuer; a claim that is None is left out."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": "charlie-77",
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 3600,
        "jti": new_id(),
        **changes,
    }
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None},
        key,
        algorithm="RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256",
        headers={"kid": kid} if kid else None,
    )


class KeyServer:
    """What it answers can be changed while it runs; `requests` counts."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.body: bytes | None = None
        self.status = 200
        self.location: str | None = None
        self.delay = 0.0
        self.drip = 0.0
        self.requests = 0
        self.url = ""


@contextmanager
def serving() -> Iterator[KeyServer]:
    """Serve on a free port of this machine."""
    state = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests += 1
            time.sleep(state.delay)
            body = state.body
            if body is None:
                body = json.dumps({"keys": state.keys}).encode()
            self.send_response(state.status)
            if state.location:
                self.send_header("Location", state.location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                for start in range(0, len(body), 50 if state.drip else len(body) or 1):
                    self.wfile.write(body[start : start + (50 if state.drip else len(body))])
                    time.sleep(state.drip)
            except OSError:
                pass  # the client had enough

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/.well-known/jwks.json"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
