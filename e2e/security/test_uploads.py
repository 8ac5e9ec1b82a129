"""Uploads that lie, replayed, stolen or raced (A5, A6, A8, A9, A14), where S3 and we decide."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from e2e.outcomes import refused
from e2e.security.conftest import Guarded
from e2e.security.person import Person, codes
from local.pictures import CLIP, picture
from sign_s3.keys import MEDIA_PREFIX
from sign_s3.tests.hostile_files import NO_PICTURE

Stored = Callable[[str], set[str]]
FILMS: Final = "videos/posts/video_"


@pytest.mark.parametrize("name", NO_PICTURE)
def test_what_is_no_picture_never_gets_into_the_media_bucket(
    alice: Person, stored: Stored, guarded: Guarded, name: str
) -> None:
    mime, data, code = NO_PICTURE[name]
    key = alice.upload(data, mime)

    answer = alice.post(key)

    assert answer.status_code == 400
    assert codes(answer) == [(code, "images.0")]
    assert stored(key) == {guarded.store.incoming}
    assert alice.call("DELETE", "/sign_s3/", {"key": key}).status_code == 204
    assert stored(key) == set()


def test_a_file_is_served_as_what_it_was_signed_for(alice: Person) -> None:
    for mime, path, data in (
        ("image/png", "images/posts/post_", picture("PNG")),
        ("image/gif", "images/posts/post_", picture("GIF")),
        ("image/webp", "images/posts/post_", picture("WEBP")),
        ("image/jpeg", "images/posts/post_", picture("JPEG")),
        ("video/mp4", FILMS, CLIP.read_bytes()),
    ):
        key = alice.upload(data, mime, path)
        image = mime.startswith("image/")
        made = alice.call("POST", "/posts/", {"images": [key]} if image else {"video": key})
        assert made.status_code == 201, made.text
        url = (made.json()["images"][0] if image else made.json()["video"])["url"]

        served = alice.http.get(url)

        assert (served.status_code, served.content) == (200, data)
        assert served.headers["Content-Type"] == mime
        assert served.headers["Content-Disposition"] == "inline"
        assert served.headers["Cache-Control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "override",
    [
        "response-content-type=text%2Fhtml",
        "response-content-disposition=attachment%3B%20filename%3Devil.html",
        "response-cache-control=no-store",
    ],
)
def test_a_signed_url_serves_under_no_other_headers(alice: Person, override: str) -> None:
    made = alice.post(alice.upload(picture("PNG")))
    url = made.json()["images"][0]["url"]

    answer = alice.http.get(f"{url}&{override}")

    assert answer.status_code == 403
    assert answer.headers["Content-Type"] != "text/html"


def test_a_form_used_again_changes_nothing_that_is_served(alice: Person) -> None:
    form, data = alice.form(), picture("PNG")

    def send(content: bytes) -> int:
        files = {"file": ("x", content)}
        return alice.http.post(form["url"], data=form["fields"], files=files).status_code

    assert send(data) == 204
    key = form["fields"]["key"].removeprefix(MEDIA_PREFIX)
    url = alice.post(key).json()["images"][0]["url"]

    assert send(b"<script>alert(1)</script>") == 204

    assert alice.http.get(url).content == data
    again = alice.post(key)
    assert (again.status_code, codes(again)) == (400, [("content_mismatch", "images.0")]) or (
        again.status_code,
        codes(again),
    ) == (409, [("attached", None)])
    assert alice.http.get(url).content == data


def test_another_users_upload_can_be_neither_claimed_nor_taken_back(
    alice: Person, bob: Person, stored: Stored, guarded: Guarded
) -> None:
    key = alice.upload(picture("PNG"))

    claimed = bob.post(key)
    assert (claimed.status_code, codes(claimed)) == (400, [("not_uploaded", "images.0")])
    taken = bob.call("DELETE", "/sign_s3/", {"key": key})
    assert (taken.status_code, codes(taken)) == (404, [("not_found", None)])
    assert stored(key) == {guarded.store.incoming}

    made = alice.post(key)
    assert made.status_code == 201
    # Attached, it is as far away from him as before.
    assert bob.post(key).status_code == 400
    assert bob.call("DELETE", "/sign_s3/", {"key": key}).status_code == 404
    assert bob.call("PATCH", f"/posts/{made.json()['id']}/", {"images": []}).status_code == 403
    assert bob.call("DELETE", f"/posts/{made.json()['id']}/").status_code == 403
    assert stored(key) == {guarded.store.media}


def test_of_many_records_at_once_one_gets_the_key(alice: Person) -> None:
    for _ in range(3):
        key = alice.upload(picture("PNG"))
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _, key=key: alice.post(key), range(4)))

        statuses = sorted(answer.status_code for answer in answers)
        assert statuses.count(201) <= 1
        assert set(statuses) <= {201, 400, 409, 503}
        wall = alice.call("GET", f"/users/{alice.id}/posts/").json()["results"]
        keys = [image["key"] for post in wall for image in post["images"]]
        assert keys.count(key) == statuses.count(201)


def test_attaching_and_taking_back_never_both_succeed(alice: Person) -> None:
    seen = set()
    for _ in range(8):
        key = alice.upload(picture("PNG"))
        with ThreadPoolExecutor(2) as pool:
            made = pool.submit(alice.post, key)
            taken = pool.submit(alice.call, "DELETE", "/sign_s3/", {"key": key})
        outcome = made.result().status_code, taken.result().status_code
        seen.add(outcome)
        assert outcome != (201, 204)
        if outcome[0] == 201:
            url = made.result().json()["images"][0]["url"]
            assert alice.http.get(url).status_code == 200
    assert all(status in {201, 204, 400, 409} for outcome in seen for status in outcome), seen


NAMES: Final = {
    "markup": '"><img src=x onerror=alert(1)>.png',
    "a path": "../../../media/index.html",
    "a key": "${filename}",
    "header": 'x.png"\r\nContent-Type: text/html\r\nX-Evil: "',
    "a field": 'x"\r\n\r\n\r\n--b\r\nContent-Disposition: form-data; name="acl"\r\n\r\npublic-read',
    "long": "n" * 10_000,
    "right to left": "gnp.\u202egpj",
    "nul": "x.png\0.html",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_the_name_of_the_file_does_nothing(
    alice: Person, stored: Stored, guarded: Guarded, name: str
) -> None:
    form, data = alice.form(), picture("PNG")
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in form["fields"].items()
    ]
    parts.append(f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n')
    body = "".join(parts).encode() + data + b"\r\n--b--\r\n"

    answer = alice.http.post(
        form["url"], content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )

    key = form["fields"]["key"].removeprefix(MEDIA_PREFIX)
    if answer.status_code != 204:
        refused(answer)
        assert stored(key) == set()
        return
    made = alice.post(key)
    if made.status_code == 201:
        served = alice.http.get(made.json()["images"][0]["url"])
        assert served.headers["Content-Type"] == "image/png"
        assert served.headers["Content-Disposition"] == "inline"
        assert "X-Evil" not in served.headers
    else:
        # What broke out of the name became the file, which is then no picture.
        assert (made.status_code, codes(made)) == (400, [("content_mismatch", "images.0")])
        assert stored(key) == {guarded.store.incoming}
