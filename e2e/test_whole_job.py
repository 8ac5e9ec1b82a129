"""The whole job over HTTP, on the service as it runs and an S3 that checks signatures.

A client here has nothing but the answers it got: it uploads with the returned form, and reads with
the returned URL. Behind its back, `s3` looks at what the buckets really hold.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from e2e.live import LiveService
from local.pictures import CLIP, photograph, picture
from sign_s3.keys import MEDIA_PREFIX

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

POSTS: Final = "images/posts/post_"
FILMS: Final = "videos/posts/video_"
PROFILES: Final = "images/users/profiles/profile_"
#: Seconds in which a sweep that runs every two must have come by.
PATIENCE: Final = 20


@dataclass
class Phone:
    """A client with an account."""

    http: httpx.Client
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.http.request(method, path, json=body, headers=self.headers)

    def upload(self, path: str, mime: str, data: bytes) -> str:
        """Sign and upload; the key less ``media/``."""
        signed = self.call("POST", "/sign_s3/", {"mime": mime, "path": path, "number": 1})
        assert signed.status_code == 201, signed.text
        (form,) = signed.json()
        assert form.keys() == {"url", "fields"}
        stored = httpx.post(
            form["url"], data=form["fields"], files={"file": ("x", data)}, trust_env=False
        )
        assert stored.status_code == 204, stored.text
        key: str = form["fields"]["key"]
        return key.removeprefix(MEDIA_PREFIX)


@pytest.fixture
def phone(live_service: LiveService) -> Iterator[Phone]:
    """A new account, signed in."""
    with httpx.Client(base_url=live_service.url, trust_env=False, timeout=30) as http:
        email, password = f"{os.urandom(6).hex()}@example.com", "correct horse battery"
        account = {"email": email, "password": password, "nickname": "alice"}
        made = http.post("/users/", json=account)
        assert made.status_code == 201, made.text
        tokens = http.post("/auth/token/", json={"email": email, "password": password}).json()
        assert tokens.keys() == {"access", "refresh"}
        yield Phone(http, {"Authorization": f"Bearer {tokens['access']}"})


@pytest.fixture
def gone(live_service: LiveService, s3: "S3Client") -> Callable[..., bool]:
    """Whether the sweep deletes these keys from the media bucket before patience ends."""

    def wait(*keys: str) -> bool:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if not any(holds(s3, live_service.store.media, key) for key in keys):
                return True
            time.sleep(0.2)
        return False

    return wait


def holds(s3: "S3Client", bucket: str, key: str) -> bool:
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=MEDIA_PREFIX + key)
    return bool(listed.get("Contents"))


def assert_serves(url: str, data: bytes, mime: str) -> None:
    served = httpx.get(url, trust_env=False)
    assert served.status_code == 200, served.text
    assert served.content == data
    assert served.headers["Content-Type"] == mime
    assert served.headers["Content-Disposition"] == "inline"
    assert "immutable" in served.headers["Cache-Control"]


def test_a_post_serves_the_very_bytes_that_were_uploaded(
    phone: Phone, gone: Callable[..., bool], s3: "S3Client", live_service: LiveService
) -> None:
    pictures = {
        "image/jpeg": photograph(),
        "image/png": picture("PNG", 800, 600),
        "image/webp": picture("WEBP", 1600, 1200),
    }
    keys = {mime: phone.upload(POSTS, mime, data) for mime, data in pictures.items()}
    film = phone.upload(FILMS, "video/mp4", CLIP.read_bytes())

    made = phone.call("POST", "/posts/", {"images": list(keys.values()), "video": film})

    assert made.status_code == 201, made.text
    post = made.json()
    for shown, (mime, data) in zip(post["images"], pictures.items(), strict=True):
        assert_serves(shown["url"], data, mime)
        assert (shown["key"], shown["size"]) == (keys[mime], len(data))
    assert (post["images"][0]["width"], post["images"][0]["height"]) == (4032, 3024)
    assert_serves(post["video"]["url"], CLIP.read_bytes(), "video/mp4")
    for key in (*keys.values(), film):
        assert not holds(s3, live_service.store.incoming, key)

    # One picture is replaced, one stays, one goes.
    replacement = picture("PNG", seed=1)
    other = phone.upload(POSTS, "image/png", replacement)
    url = f"/posts/{post['id']}/"
    changed = phone.call("PATCH", url, {"images": [keys["image/webp"], other]})
    assert changed.status_code == 200, changed.text
    assert [shown["key"] for shown in changed.json()["images"]] == [keys["image/webp"], other]
    assert gone(keys["image/jpeg"], keys["image/png"])
    assert_serves(changed.json()["images"][1]["url"], replacement, "image/png")

    deleted = phone.call("DELETE", url)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert gone(keys["image/webp"], other, film)
    assert phone.call("GET", url).status_code == 404


def test_a_profile_image_is_set_replaced_and_cleared(
    phone: Phone, gone: Callable[..., bool]
) -> None:
    first, second = picture("PNG", seed=2), picture("JPEG", seed=3)
    key = phone.upload(PROFILES, "image/png", first)

    profile = phone.call("PATCH", "/users/me/", {"profile_image": key}).json()
    assert profile["profile_image"] == key
    assert_serves(profile["profile_image_url"], first, "image/png")

    other = phone.upload(PROFILES, "image/jpeg", second)
    profile = phone.call("PATCH", "/users/me/", {"profile_image": MEDIA_PREFIX + other}).json()
    assert profile["profile_image"] == other
    assert_serves(profile["profile_image_url"], second, "image/jpeg")
    assert gone(key)

    profile = phone.call("PATCH", "/users/me/", {"profile_image": None}).json()
    assert (profile["profile_image"], profile["profile_image_url"]) == (None, None)
    assert gone(other)


def test_deleting_an_account_takes_every_file_with_it(
    phone: Phone, gone: Callable[..., bool]
) -> None:
    face = phone.upload(PROFILES, "image/png", picture("PNG"))
    image = phone.upload(POSTS, "image/png", picture("PNG"))
    assert phone.call("PATCH", "/users/me/", {"profile_image": face}).status_code == 200
    assert phone.call("POST", "/posts/", {"images": [image]}).status_code == 201

    assert phone.call("DELETE", "/users/me/").status_code == 204

    assert gone(face, image)
    assert phone.call("GET", "/users/me/").status_code == 401


def test_an_upload_whose_record_was_refused_is_rolled_back(
    phone: Phone, s3: "S3Client", live_service: LiveService
) -> None:
    key = phone.upload(POSTS, "image/png", b"<html><script>alert(1)</script></html>")
    refused = phone.call("POST", "/posts/", {"images": [key]})
    assert refused.status_code == 400
    assert [(e["code"], e["attr"]) for e in refused.json()["errors"]] == [
        ("content_mismatch", "images.0")
    ]
    assert holds(s3, live_service.store.incoming, key)

    rolled_back = phone.call("DELETE", "/sign_s3/", {"key": MEDIA_PREFIX + key})

    assert (rolled_back.status_code, rolled_back.content) == (204, b"")
    assert not holds(s3, live_service.store.incoming, key)
    assert phone.call("DELETE", f"/sign_s3/?key={MEDIA_PREFIX}{key}").status_code == 204


def test_a_rollback_of_an_attached_upload_keeps_the_file(
    phone: Phone, s3: "S3Client", live_service: LiveService
) -> None:
    data = picture("PNG")
    key = phone.upload(POSTS, "image/png", data)
    post = phone.call("POST", "/posts/", {"images": [key]}).json()

    answer = phone.call("DELETE", "/sign_s3/", {"key": key})

    assert answer.status_code == 409
    assert answer.json() == {
        "type": "client_error",
        "errors": [
            {
                "code": "attached",
                "detail": "A record holds this upload. Delete it from the record.",
                "attr": None,
            }
        ],
    }
    assert_serves(post["images"][0]["url"], data, "image/png")


def test_a_form_replayed_after_attaching_changes_nothing_that_is_served(phone: Phone) -> None:
    data = picture("PNG")
    signed = phone.call("POST", "/sign_s3/", {"mime": "image/png", "path": POSTS, "number": 1})
    (form,) = signed.json()

    def post_form(content: bytes) -> int:
        return httpx.post(
            form["url"], data=form["fields"], files={"file": content}, trust_env=False
        ).status_code

    assert post_form(data) == 204
    made = phone.call("POST", "/posts/", {"images": [form["fields"]["key"]]})
    url = made.json()["images"][0]["url"]

    assert post_form(picture("PNG", seed=4)) == 204

    assert_serves(url, data, "image/png")
