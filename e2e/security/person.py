"""Somebody with an account, behind a proxy that says where they are."""

import itertools
import os
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from sign_s3.keys import MEDIA_PREFIX

PICTURES: Final = "images/posts/post_"
PASSWORD: Final = "correct horse battery"
_numbers: Final = itertools.count(1)


def new_address() -> str:
    """An address nobody had before, so that limits by address count everybody alone."""
    number = next(_numbers)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@dataclass
class Person:
    """A signed-in client. The service trusts one proxy, which these requests pretend to be."""

    http: httpx.Client
    nickname: str
    email: str = field(default_factory=lambda: f"{os.urandom(6).hex()}@example.com")
    address: str = field(default_factory=new_address)
    id: str = ""
    access: str = ""
    refresh: str = ""

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {"X-Forwarded-For": self.address, **headers}
        if self.access:
            sent["Authorization"] = f"Bearer {self.access}"
        return self.http.request(method, path, json=body, headers=sent)

    def sign_up(self) -> None:
        account = {"email": self.email, "password": PASSWORD, "nickname": self.nickname}
        made = self.call("POST", "/users/", account)
        assert made.status_code == 201, made.text
        self.id = made.json()["id"]
        self.sign_in()

    def sign_in(self) -> None:
        self.access = ""
        pair = self.call("POST", "/auth/token/", {"email": self.email, "password": PASSWORD})
        assert pair.status_code == 200, pair.text
        self.access, self.refresh = pair.json()["access"], pair.json()["refresh"]

    def form(self, mime: str = "image/png", path: str = PICTURES) -> dict[str, Any]:
        signed = self.call("POST", "/sign_s3/", {"mime": mime, "path": path, "number": 1})
        assert signed.status_code == 201, signed.text
        form: dict[str, Any] = signed.json()[0]
        return form

    def upload(self, data: bytes, mime: str = "image/png", path: str = PICTURES) -> str:
        """Sign and upload; the key less ``media/``."""
        form = self.form(mime, path)
        stored = self.http.post(form["url"], data=form["fields"], files={"file": ("x", data)})
        assert stored.status_code == 204, stored.text
        key: str = form["fields"]["key"]
        return key.removeprefix(MEDIA_PREFIX)

    def post(self, *keys: str) -> httpx.Response:
        """Create a post of these pictures."""
        return self.call("POST", "/posts/", {"images": keys})


def codes(answer: httpx.Response) -> list[tuple[str, str | None]]:
    """The codes of an error with their places."""
    return [(error["code"], error["attr"]) for error in answer.json()["errors"]]
