"""Requests that are hardly any (A10), at the running server: bytes, bodies, addresses, headers."""

import json
import random
import socket
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest

from e2e.security.conftest import Guarded
from e2e.security.person import PICTURES, Person

GOOD: Final = {"mime": "image/png", "path": PICTURES, "number": 1}
#: Seconds in which a server has answered.
PATIENCE: Final = 10

BODIES: Final[dict[str, tuple[bytes, set[int]]]] = {
    "nested deep": (b'{"mime":' + b"[" * 100_000, {413}),
    "nested less": (b'{"mime":' + b"[" * 5_000 + b"]" * 5_000 + b"}", {400}),
    "10 MB": (b'{"mime": "' + b"a" * 10_000_000 + b'"}', {413}),
    "NaN": (b'{"mime": "image/png", "path": "x", "number": NaN}', {400}),
    "Infinity": (b'{"mime": "image/png", "path": "x", "number": 1e999}', {400}),
    "5,000 digits": (b'{"mime": "image/png", "path": "x", "number": ' + b"1" * 5000 + b"}", {400}),
    "a list": (b'[{"mime": "image/png"}]', {400}),
    "a lone surrogate": (b'{"mime": "\\ud800", "path": "x", "number": 1}', {400}),
    "twice the same": (b'{"number": 1, "number": 2, "mime": "image/png", "path": "x"}', {400}),
    "nothing": (b"", {400}),
    "NUL": (b"\0", {400}),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), {400}),
    "two objects": (json.dumps(GOOD).encode() * 2, {400}),
    "a comment": (b'{/**/"number": 1}', {400}),
    "a prototype": (b'{"__proto__": {"number": 1}, "constructor": {}}', {400}),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_a_4xx(alice: Person, name: str) -> None:
    body, expected = BODIES[name]
    answer = alice.http.post(
        "/sign_s3/",
        content=body,
        headers={
            "Authorization": f"Bearer {alice.access}",
            "Content-Type": "application/json",
            # After a body that was not read to its end the server closes it in any case.
            "Connection": "close",
        },
    )
    assert answer.status_code in expected, answer.text
    assert answer.json()["errors"][0]["code"]


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/json; charset=utf-16",
        "application/xml",
        "application/json\t; a=b",
    ],
)
def test_only_json_is_read(alice: Person, kind: str) -> None:
    answer = alice.http.post(
        "/sign_s3/",
        content=json.dumps(GOOD),
        headers={"Authorization": f"Bearer {alice.access}", "Content-Type": kind},
    )
    assert answer.status_code == 415


def test_random_and_damaged_json_is_never_a_5xx(alice: Person) -> None:
    chance = random.Random(20)
    good = json.dumps(GOOD).encode()
    headers = {"Authorization": f"Bearer {alice.access}", "Content-Type": "application/json"}
    for _ in range(300):
        body = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(body))
            body[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        method, path = chance.choice(
            [
                ("POST", "/sign_s3/"),
                ("DELETE", "/sign_s3/"),
                ("POST", "/posts/"),
                ("PATCH", "/users/me/"),
            ]
        )
        answer = alice.http.request(method, path, content=bytes(body), headers=headers)
        assert answer.status_code < 500, (method, path, bytes(body), answer.text)


ADDRESSES: Final = [
    "/posts/?cursor=%ff%fe",
    "/posts/?cursor=cD0wMDAxLTAxLTAxVDAwJTNBMDAlM0EwMCUyQjIzJTNBNTk%3D",
    "/posts/?cursor=cD05OTk5LTEyLTMxVDIzJTNBNTklM0E1OS0yMyUzQTU5",
    "/posts/?cursor=bz05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk%3D",
    "/posts/?cursor=cj0xJm89LTE%3D",
    "/posts/?limit=99999999999999999999999",
    "/posts/?limit=-1",
    "/posts/?author=%00",
    "/posts/?author=" + "a" * 5000,
    "/posts/?author=%ed%a0%80",
    "/posts/?author[]=x&author=y",
    "/posts/%00/",
    "/posts/%ed%a0%80/",
    "/posts/..%2f..%2fadmin/",
    "/posts/" + "a" * 5000 + "/",
    "/users/%F0%9F%98%80/",
    "/users/me/../me/",
    "//posts/",
    "/sign_s3",
    "/schema/?format=../../etc/passwd",
    "/schema/?version=%00",
    "/schema/?lang=zz",
    "/static/../config/settings.py",
    "/static/..%2f..%2fconfig/settings.py",
    "/static/%2e%2e/%2e%2e/manage.py",
    "/.env",
    "/admin/login/?next=//evil.example",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_address_is_a_5xx_or_gives_away_a_file(alice: Person, address: str) -> None:
    status, _, body = send(
        alice.http.base_url.host,
        alice.http.base_url.port or 80,
        f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Bearer {alice.access}\r\n\r\n".encode(),
    )
    assert 200 <= status < 500, (status, body)
    assert b"SECRET_KEY" not in body
    assert b"DJANGO_SETTINGS_MODULE" not in body


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1:80@evil.example", "", "a b", "x" * 300]
)
def test_a_host_that_is_not_ours_is_a_400(guarded: Guarded, host: str) -> None:
    parts = urlsplit(guarded.url)
    status, _, body = send(
        parts.hostname or "",
        parts.port or 80,
        f"GET /posts/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(),
    )
    assert status == 400
    assert b"evil.example" not in body


def test_a_forwarded_host_does_not_get_into_answers(alice: Person) -> None:
    for _ in range(2):
        alice.call("POST", "/posts/", {"caption": "x"})
    answer = alice.call(
        "GET", "/posts/?limit=1", **{"X-Forwarded-Host": "evil.example", "X-Host": "evil.example"}
    )
    assert answer.json()["next"].startswith(str(alice.http.base_url))
    assert answer.headers["Cache-Control"] == "no-store"


RAW: Final[dict[str, bytes]] = {
    "rubbish": bytes(range(256)) + b"\r\n\r\n",
    "no version": b"GET /posts/\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    "a header without an end": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 200_000,
    "10,000 headers": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"a: b\r\n" * 10_000 + b"\r\n",
    "two lengths": b"POST /sign_s3/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n"
    b"Content-Length: 20\r\n\r\n{}",
    "a negative length": b"POST /sign_s3/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Length: -1\r\n\r\n",
    "a length that is none": b"POST /sign_s3/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Length: 0x2\r\n\r\n{}",
    "length and chunks": b"POST /sign_s3/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "chunks alone": b"POST /sign_s3/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a chunk that is none": b"POST /sign_s3/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "an underscore": b"GET /users/me/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX_Forwarded_For: 1\r\n"
    b"Connection: close\r\n\r\n",
    "a NUL in a header": b"GET /posts/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\0b\r\n\r\n",
    "a bare line feed": b"GET /posts/ HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n",
    "a folded header": b"GET /posts/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n b\r\n\r\n",
    "a method of ours": b"BREW /sign_s3/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "TRACE": b"TRACE / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: secret\r\nConnection: close\r\n\r\n",
    "CONNECT": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a whole address": b"GET http://evil.example/posts/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Connection: close\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "a body cut off": b"POST /auth/token/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
}


@pytest.mark.parametrize("name", RAW)
def test_what_is_no_http_is_never_a_5xx_and_stops_nobody(guarded: Guarded, name: str) -> None:
    parts = urlsplit(guarded.url)
    status, _, body = send(parts.hostname or "", parts.port or 80, RAW[name], patience=0.5)
    assert status == 0 or 200 <= status < 500, (status, body)
    assert b"secret" not in body
    assert httpx.get(f"{guarded.url}/healthz", trust_env=False).status_code == 200


def test_damaged_requests_are_never_a_5xx(guarded: Guarded, alice: Person) -> None:
    parts = urlsplit(guarded.url)
    body = json.dumps(GOOD).encode()
    good = (
        f"POST /sign_s3/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {alice.access}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode() + body
    chance = random.Random(4)
    seen = set()
    for _ in range(150):
        request = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(request))
            request[place : place + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 3))
        status, _, answer = send(
            parts.hostname or "", parts.port or 80, bytes(request), patience=0.3
        )
        seen.add(status)
        assert status < 500, (bytes(request), answer)
    assert seen >= {400}


def send(
    host: str, port: int, request: bytes, *, patience: float = PATIENCE
) -> tuple[int, bytes, bytes]:
    """Send bytes; the answer's status (0 if the connection just ended), its head and its body."""
    answer = b""
    with socket.create_connection((host, port), timeout=patience) as connection:
        with suppress(OSError):
            connection.sendall(request)
        with suppress(OSError):
            while chunk := connection.recv(65536):
                answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split()
    return (int(words[1]) if len(words) > 1 else 0), head, body
