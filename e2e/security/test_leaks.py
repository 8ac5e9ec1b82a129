"""What the logs hold after everything that can happen, at DEBUG, with S3 failing too (A16)."""

import base64
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from e2e.security.conftest import Guarded
from e2e.security.person import PASSWORD, PICTURES, Person, new_address
from local import service
from local.pictures import picture
from local.processes import free_port, wait_until

#: Only what is this long is looked for: shorter values are found in anything.
LONG_ENOUGH: Final = 12
SECRET_NAMES: Final = frozenset(
    ("policy", "x-amz-signature", "access", "refresh", "password", "token", "uploadId")
)


class Overheard(set[str]):
    """Everything secret that was sent or answered."""

    def hear(self, value: object, name: str = "") -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                self.hear(inner, key)
        elif isinstance(value, list):
            for inner in value:
                self.hear(inner, name)
        elif isinstance(value, str):
            if name in SECRET_NAMES:
                self.add(value)
                # A part of a token or a policy is as telling as the whole.
                self.update(part for part in re.split("[.:]", value) if len(part) >= LONG_ENOUGH)
            elif name.endswith("url") and "X-Amz-Signature" in value:
                self.update(parse_qs(urlsplit(value).query)["X-Amz-Signature"])


class Listening(httpx.Client):
    """A client that remembers what was secret in the answers."""

    def __init__(self, overheard: Overheard, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._overheard = overheard

    def send(self, request: httpx.Request, **kwargs: Any) -> httpx.Response:
        answer = super().send(request, **kwargs)
        if "json" in answer.headers.get("Content-Type", ""):
            self._overheard.hear(answer.json())
        return answer


def traffic(http: httpx.Client, guarded: Guarded, *, s3_works: bool) -> None:
    """Good requests, bad ones and some that look for a way into the log."""
    alice = Person(http, "alice")
    alice.sign_up()
    form = alice.form()
    secret = f"{form['url']}?X-Amz-Signature={form['fields']['x-amz-signature']}"
    if s3_works:
        key = alice.upload(picture("PNG"))
        made = alice.post(key)
        assert made.status_code == 201
        http.get(made.json()["images"][0]["url"])
        http.get(made.json()["images"][0]["url"] + "0")
        alice.post(alice.upload(b"no picture"))
        assert alice.call("DELETE", f"/posts/{made.json()['id']}/").status_code == 204
    else:
        failed = alice.post(form["fields"]["key"])
        assert (failed.status_code, failed.headers["Retry-After"]) == (503, "5")
        assert alice.call("DELETE", "/sign_s3/", {"key": form["fields"]["key"]}).status_code == 503
        assert http.get("/readyz").status_code == 503
    send_in_parts(alice, s3_works=s3_works)
    alice.call("POST", "/sign_s3/", {"mime": secret, "path": secret, "number": 1})
    alice.call("POST", "/posts/", {"images": [secret], "caption": alice.access})
    alice.call("GET", f"/posts/?cursor={form['fields']['policy']}&token={alice.refresh}")
    alice.call("GET", f"/no/such/address/?{urlsplit(secret).query}")
    alice.call("GET", "/users/me/", Host=alice.access[:60])
    alice.call("POST", "/auth/password/", {"old": PASSWORD + "!", "new": PASSWORD})
    alice.call("POST", "/auth/password/reset/", {"email": alice.email})
    for token in (alice.refresh, alice.refresh, alice.access, alice.refresh + "x"):
        alice.call("POST", "/auth/token/refresh/", {"refresh": token})
    http.post(
        "/auth/token/",
        json={"email": alice.email, "password": "a wrong password"},
        headers={"X-Forwarded-For": new_address(), "User-Agent": f"x\n{alice.access}"[2:]},
    )
    http.post("/admin/login/", data={"username": alice.email, "password": PASSWORD})
    http.get("/admin/", headers={"Cookie": f"sessionid={alice.refresh[:32]}"})
    assert Path(guarded.logs[0]).exists()


def send_in_parts(alice: Person, *, s3_works: bool) -> None:
    body = {"type": "image/png", "metadata": {"path": PICTURES}}
    begun = alice.call("POST", "/uppy/s3/multipart", body)
    if not s3_works:
        assert begun.status_code == 503
        return
    upload_id, key = begun.json()["uploadId"], begun.json()["key"]
    address = f"/uppy/s3/multipart/{upload_id}"
    url = alice.call("GET", f"{address}/1?key={key}").json()["url"]
    alice.http.put(url, content=b"part")
    alice.call("GET", f"{address}/0?key={key}&url={url}")
    alice.call("GET", f"{address}/1?key=x")
    alice.call("GET", f"{address}x/1?key={key}")
    alice.call("POST", f"{address}/complete?key={key}", {"parts": [{"PartNumber": 1, "ETag": "x"}]})
    assert alice.call("DELETE", f"{address}?key={key}").status_code == 200


@contextmanager
def broken_s3() -> Iterator[str]:
    """An S3 that answers every request with an error that repeats the request."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    said = connection.recv(65536).decode("latin-1")
                    escaped = said.replace("&", "&amp;").replace("<", "&lt;")
                    body = f"<Error><Code>InternalError</Code><Message>{escaped}</Message></Error>"
                    connection.sendall(
                        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/xml\r\n"
                        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
                    )

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def secrets_of(guarded: Guarded) -> set[str]:
    return {
        guarded.env["SECRET_KEY"],
        guarded.env["AWS_SECRET_ACCESS_KEY"],
        PASSWORD,
        "a wrong password",
    }


def leaks(text: str, overheard: set[str]) -> list[str]:
    """What of `overheard` is in `text`, and what has the shape of a secret."""
    found = [value for value in overheard if len(value) >= LONG_ENOUGH and value in text]
    found += re.findall(r"X-Amz-Signature=[^\s\"\[]{8,}", text, re.IGNORECASE)
    found += re.findall(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", text)
    found += re.findall(r"eyJ[\w-]{16,}", text)
    return found


def test_the_logs_hold_no_secret(guarded: Guarded) -> None:
    overheard = Overheard(secrets_of(guarded))
    with Listening(overheard, base_url=guarded.url, trust_env=False, timeout=30) as http:
        traffic(http, guarded, s3_works=True)
    assert len(overheard) > 20
    text = "".join(log.read_text() for log in guarded.logs)
    assert leaks(text, overheard) == []


@pytest.mark.parametrize("debug", ["off", "on"])
def test_the_logs_hold_no_secret_when_s3_fails(
    guarded: Guarded, tmp_path: Path, debug: str
) -> None:
    overheard = Overheard(secrets_of(guarded))
    log, port = tmp_path / "service.log", free_port()
    with broken_s3() as endpoint:
        env = {
            **guarded.env,
            "DEBUG": debug,
            "AWS_S3_ENDPOINT_URL": endpoint,
            "AWS_S3_PUBLIC_ENDPOINT_URL": guarded.store.endpoint_url,
            "S3_READ_TIMEOUT": "1",
        }
        web = service.serve(env, port=port, workers=1, log=log)
        try:
            wait_until(lambda: service.healthy(port), web, patience=60)
            url = f"http://127.0.0.1:{port}"
            with Listening(overheard, base_url=url, trust_env=False, timeout=60) as http:
                traffic(http, guarded, s3_works=False)
        finally:
            web.stop()
    text = log.read_text()
    assert "unavailable" in text
    assert leaks(text, overheard) == []


def test_what_is_looked_for_would_be_found() -> None:
    """The check above is no use if it finds nothing."""
    token = base64.b64encode(b'{"alg": "HS256", "typ": "JWT"}').decode()
    for text in (f"x {PASSWORD} y", "?X-Amz-Signature=0123456789abcdef", "0" * 64, token):
        assert leaks(text, {PASSWORD}), text
