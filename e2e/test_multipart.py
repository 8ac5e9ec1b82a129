"""Uploads in parts as Uppy makes them, on an S3 that checks signatures: whole ones, and A15.

Parts are sent to the URLs that were signed for them and to nowhere else. `s3` looks behind the
service's back at what is stored, and at what is left of an upload that was refused.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx
import pytest

from e2e.live import LiveService
from e2e.security.person import PICTURES, Person, codes
from local.pictures import CLIP, picture
from sign_s3.destinations import MIB
from sign_s3.keys import MEDIA_PREFIX

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FILMS: Final = "videos/posts/video_"
PART: Final = 5 * MIB
#: What a picture may weigh (posts.models).
PICTURE_LIMIT: Final = 20 * MIB


@pytest.fixture(scope="module")
def http(live_service: LiveService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_service.url, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def under_way(s3: "S3Client", live_service: LiveService) -> Callable[[str], bool]:
    """Whether S3 holds an upload in parts for this key."""

    def look(key: str) -> bool:
        listed = s3.list_multipart_uploads(Bucket=live_service.store.incoming, Prefix=key)
        return bool(listed.get("Uploads"))

    return look


class Upload:
    """An upload in parts, as a client knows it."""

    def __init__(self, owner: Person, path: str = FILMS, mime: str = "video/mp4") -> None:
        self.owner = owner
        body = {"filename": "film", "type": mime, "metadata": {"path": path}}
        begun = owner.call("POST", "/uppy/s3/multipart", body)
        assert begun.status_code == 200, begun.text
        self.key: str = begun.json()["key"]
        self.id: str = begun.json()["uploadId"]

    def call(
        self,
        method: str,
        rest: str = "",
        body: Any = None,
        *,
        by: Person | None = None,
        upload_id: str | None = None,
        key: str | None = None,
        **query: str,
    ) -> httpx.Response:
        name = quote(self.id if upload_id is None else upload_id, safe="")
        asked = httpx.QueryParams({"key": self.key if key is None else key, **query})
        return (by or self.owner).call(method, f"/uppy/s3/multipart/{name}{rest}?{asked}", body)

    def put(self, number: int, data: bytes) -> dict[str, Any]:
        """Send a part to the URL signed for it; what Uppy says of it afterwards."""
        signed = self.call("GET", f"/{number}")
        assert signed.status_code == 200, signed.text
        return sent(number, httpx.put(signed.json()["url"], content=data, trust_env=False))

    def complete(self, *parts: dict[str, Any]) -> httpx.Response:
        return self.call("POST", "/complete", {"parts": parts})


def sent(number: int, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {"PartNumber": number, "ETag": answer.headers["ETag"].strip('"')}


def film(size: int) -> bytes:
    """The clip, made as long as this by a `free` box, which players skip (ISO/IEC 14496-12)."""
    clip = CLIP.read_bytes()
    length = size - len(clip)
    return clip + struct.pack(">I4s", length, b"free") + bytes(length - 8)


def in_parts(data: bytes) -> Sequence[bytes]:
    return [data[start : start + PART] for start in range(0, len(data), PART)]


# ---------------------------------------------------------------- whole uploads


def test_a_film_in_parts_is_attached_to_a_post(
    alice: Person, s3: "S3Client", live_service: LiveService
) -> None:
    data = film(12 * MIB)
    upload = Upload(alice)
    urls = upload.call("GET", "/batch", partNumbers="1,2,3").json()["presignedUrls"]
    parts = [
        sent(number, httpx.put(urls[str(number)], content=part, trust_env=False))
        for number, part in enumerate(in_parts(data), 1)
    ]
    listed = upload.call("GET")
    assert [(part["PartNumber"], part["Size"]) for part in listed.json()] == [
        (1, PART),
        (2, PART),
        (3, 2 * MIB),
    ]

    done = upload.complete(*parts)

    assert done.status_code == 200, done.text
    assert (done.json()["key"], done.json()["bucket"]) == (
        upload.key,
        live_service.store.incoming,
    )
    stored = s3.head_object(Bucket=live_service.store.incoming, Key=upload.key)
    assert (stored["ContentLength"], stored["ContentType"], stored["Metadata"]) == (
        len(data),
        "video/mp4",
        {"userid": alice.id},
    )
    made = alice.call("POST", "/posts/", {"caption": "in parts", "video": upload.key})
    assert made.status_code == 201, made.text
    video = made.json()["video"]
    assert (video["key"], video["size"]) == (upload.key.removeprefix(MEDIA_PREFIX), len(data))
    served = httpx.get(video["url"], trust_env=False)
    assert (served.status_code, served.headers["Content-Type"]) == (200, "video/mp4")
    assert served.content == data


def test_a_picture_in_one_piece_takes_the_form_that_params_gives(alice: Person) -> None:
    query = httpx.QueryParams(
        {"filename": "<b>.png", "type": "image/png", "metadata[path]": PICTURES}
    )
    params = alice.call("GET", f"/uppy/s3/params?{query}").json()
    assert params.keys() == {"method", "url", "fields"}

    stored = httpx.post(
        params["url"],
        data=params["fields"],
        files={"file": ("x", picture("PNG"))},
        trust_env=False,
    )

    assert stored.status_code == 204, stored.text
    assert alice.post(params["fields"]["key"]).status_code == 201


def test_a_completion_whose_answer_was_lost_succeeds_again(alice: Person) -> None:
    upload = Upload(alice)
    part = upload.put(1, film(MIB))
    first = upload.complete(part)

    again = upload.complete(part)

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()


def test_a_part_that_is_sent_again_counts_once(alice: Person) -> None:
    upload = Upload(alice)
    upload.put(1, film(2 * MIB))
    part = upload.put(1, film(3 * MIB))

    assert upload.complete(part).status_code == 200

    made = alice.call("POST", "/posts/", {"video": upload.key})
    assert made.json()["video"]["size"] == 3 * MIB


def test_what_is_cancelled_is_gone(alice: Person, under_way: Callable[[str], bool]) -> None:
    upload = Upload(alice)
    signed = upload.call("GET", "/2").json()["url"]
    part = upload.put(1, film(MIB))
    assert under_way(upload.key)

    for _ in range(2):
        answer = upload.call("DELETE")
        assert (answer.status_code, answer.json()) == (200, {})

    assert not under_way(upload.key)
    assert httpx.put(signed, content=b"late", trust_env=False).status_code == 404
    assert upload.call("GET").status_code == 404
    assert upload.complete(part).status_code == 404


# ---------------------------------------------------------------- A15


def test_another_users_upload_does_not_exist(
    alice: Person, bob: Person, under_way: Callable[[str], bool]
) -> None:
    upload = Upload(alice)
    part = upload.put(1, film(MIB))

    for method, rest, body in (
        ("GET", "", None),
        ("GET", "/1", None),
        ("GET", "/batch", None),
        ("POST", "/complete", {"parts": [part]}),
        ("DELETE", "", None),
    ):
        answer = upload.call(method, rest, body, by=bob, partNumbers="1")
        assert (answer.status_code, codes(answer)) == (404, [("not_found", None)]), (method, rest)
    assert under_way(upload.key)
    assert upload.complete(part).status_code == 200


def test_an_edited_upload_id_does_not_exist(alice: Person, bob: Person) -> None:
    upload, other, stranger = Upload(alice), Upload(alice), Upload(bob)
    payload, moment, signature = upload.id.split(".")
    for edited in (
        f"{payload}.{moment}.{signature[:-1]}",
        f"{payload}.{moment}.{signature}A",
        f"{payload}.zzzzzz.{signature}",
        f"{other.id.split('.')[0]}.{moment}.{signature}",
        stranger.id,
        other.id,
        "x",
        "../../admin",
        "é",
        "%",
    ):
        for rest in ("", "/1"):
            answer = upload.call("GET", rest, upload_id=edited)
            assert answer.status_code == 404, (edited, rest)


def test_a_key_that_is_not_the_uploads_is_not_found(alice: Person) -> None:
    upload, other = Upload(alice), Upload(alice)

    assert upload.call("GET", "/1", key=other.key).status_code == 404
    assert upload.call("DELETE", key=other.key).status_code == 404
    assert codes(upload.call("GET", "/1", key="")) == [("blank", "key")]


@pytest.mark.parametrize("number", ["0", "10001", "-1", "one", "1.0", "9" * 40])
def test_a_part_number_that_is_none_is_refused(alice: Person, number: str) -> None:
    upload = Upload(alice)
    for answer, attr in (
        (upload.call("GET", f"/{number}"), "partNumber"),
        (upload.call("GET", "/batch", partNumbers=number), "partNumbers"),
    ):
        assert (answer.status_code, codes(answer)) == (400, [("invalid", attr)])


def test_more_bytes_than_declared_are_refused_and_dropped(
    alice: Person, under_way: Callable[[str], bool], s3: "S3Client", live_service: LiveService
) -> None:
    upload = Upload(alice, PICTURES, "image/png")
    weights = (8 * MIB, 8 * MIB, PICTURE_LIMIT - 16 * MIB + 1)
    parts = [upload.put(number, bytes(weight)) for number, weight in enumerate(weights, 1)]

    answer = upload.complete(*parts)

    assert (answer.status_code, codes(answer)) == (400, [("too_large", "parts")])
    assert not under_way(upload.key)
    assert upload.complete(*parts).status_code == 404
    found = s3.list_objects_v2(Bucket=live_service.store.incoming, Prefix=upload.key)
    assert not found.get("Contents")


def test_a_part_exchanged_for_a_heavier_one_is_refused(
    alice: Person, under_way: Callable[[str], bool]
) -> None:
    upload = Upload(alice, PICTURES, "image/png")
    light = upload.put(1, picture("PNG"))
    upload.put(1, bytes(PICTURE_LIMIT + 1))

    answer = upload.complete(light)

    assert (answer.status_code, codes(answer)) == (400, [("invalid_part", "parts.0")])
    assert under_way(upload.key)


def test_parts_that_s3_does_not_have_are_refused(alice: Person) -> None:
    upload = Upload(alice)
    part = upload.put(1, film(MIB))

    for parts, expected in (
        ([part, {"PartNumber": 3, "ETag": part["ETag"]}], [("invalid_part", "parts.1")]),
        ([{**part, "ETag": "0" * 32}], [("invalid_part", "parts.0")]),
        ([], [("empty", "parts")]),
    ):
        answer = upload.complete(*parts)
        assert (answer.status_code, codes(answer)) == (400, expected)


def test_parts_too_small_for_s3_are_refused(alice: Person, pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("s3") != "ceph":
        pytest.skip("the embedded S3 takes parts of any size")
    upload = Upload(alice)

    answer = upload.complete(upload.put(1, film(MIB)), upload.put(2, film(MIB)))

    assert (answer.status_code, codes(answer)) == (400, [("part_too_small", "parts")])


def test_a_parts_url_is_for_that_part_alone(alice: Person) -> None:
    upload = Upload(alice)
    url = upload.call("GET", "/1").json()["url"]

    for changed in (
        url.replace("partNumber=1", "partNumber=2"),
        url.replace("uploadId=", "uploadId=x"),
        url.replace("partNumber=1&", ""),
        url.replace(upload.key, upload.key.replace("video_", "video_x")),
    ):
        assert changed != url
        refused = httpx.put(changed, content=b"other", trust_env=False)
        assert refused.status_code == 403, refused.text
