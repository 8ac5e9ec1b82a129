"""What an S3 makes of our forms, changed in every way a hostile client could (A4, S6).

Runs on the embedded S3 and, with ``--s3=ceph``, on Ceph's radosgw. Stores name their refusals
differently, so these tests ask for a refusal and an unchanged bucket, not for a code.
"""

import base64
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from e2e.conftest import APP_ORIGIN
from e2e.outcomes import Contents, refused
from local.store import Store
from sign_s3.keys import new_id, object_key
from sign_s3.signing import PresignedPost, Signer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_SIZE: Final = 1000
PICTURE: Final = b"\x89PNG" + b"." * 96
Part = tuple[str, tuple[str | None, str, str | None]]
FIELDS: Final = (
    "acl",
    "Content-Type",
    "x-amz-meta-userid",
    "key",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "policy",
    "x-amz-signature",
)


@pytest.fixture
def form(signer: Signer) -> PresignedPost:
    """A form of alice's for a picture of at most `MAX_SIZE` bytes."""
    return sign(signer)


def sign(signer: Signer, *, now: int | None = None) -> PresignedPost:
    [form] = signer.posts(
        [object_key(f"images/posts/post_{new_id()}.png")],
        content_type="image/png",
        owner="alice",
        max_size=MAX_SIZE,
        acl="bucket-owner-full-control",
        now=now or int(time.time()),
    )
    return form


def post(client: httpx.Client, form: PresignedPost, body: bytes = PICTURE) -> httpx.Response:
    """Send a form as a browser does, the file last."""
    return client.post(
        form.url, data=form.fields, files={"file": ("picture.png", body, "image/png")}
    )


def changed(form: PresignedPost, **fields: str) -> PresignedPost:
    return PresignedPost(form.url, {**form.fields, **fields})


# ---------------------------------------------------------------- the good form


def test_a_form_stores_the_file_with_the_signed_type_and_owner(
    client: httpx.Client, form: PresignedPost, s3: "S3Client", s3_server: Store
) -> None:
    response = post(client, form)
    assert response.status_code == 204, response.text

    stored = s3.get_object(Bucket=s3_server.incoming, Key=form.fields["key"])
    assert stored["Body"].read() == PICTURE
    assert stored["ContentType"] == "image/png"
    assert stored["Metadata"] == {"userid": "alice"}


def test_a_form_has_exactly_these_fields(form: PresignedPost) -> None:
    assert tuple(form.fields) == FIELDS


@pytest.mark.parametrize("size", [1, MAX_SIZE])
def test_both_ends_of_the_size_range_are_allowed(
    client: httpx.Client, form: PresignedPost, size: int
) -> None:
    assert post(client, form, b"x" * size).status_code == 204


def test_the_type_of_the_file_part_does_not_matter(
    client: httpx.Client, form: PresignedPost, s3: "S3Client", s3_server: Store
) -> None:
    files = {"file": ("page.html", PICTURE, "text/html")}
    assert client.post(form.url, data=form.fields, files=files).status_code == 204

    stored = s3.head_object(Bucket=s3_server.incoming, Key=form.fields["key"])
    assert stored["ContentType"] == "image/png"


# ---------------------------------------------------------------- changed forms


CHANGES: Final[dict[str, dict[str, str]]] = {
    "another key": {"key": "media/images/posts/post_mallory.png"},
    "a key of another folder": {"key": "index.html"},
    "another type": {"Content-Type": "text/html"},
    "a type that begins the same": {"Content-Type": "image/png; charset=utf-8"},
    "another acl": {"acl": "public-read"},
    "another owner": {"x-amz-meta-userid": "bob"},
    "no owner": {"x-amz-meta-userid": ""},
    "an extra field": {"Cache-Control": "max-age=1"},
    "an unknown extra field": {"surprise": "1"},
    "a redirect": {"success_action_redirect": "https://evil.example/"},
    "a status": {"success_action_status": "200"},
    "a storage class": {"x-amz-storage-class": "REDUCED_REDUNDANCY"},
    "a website redirect": {"x-amz-website-redirect-location": "https://evil.example/"},
    "an extra meta field": {"x-amz-meta-admin": "1"},
    "a content encoding": {"Content-Encoding": "gzip"},
    "a disposition": {"Content-Disposition": "inline"},
    "a forged signature": {"x-amz-signature": "0" * 64},
    "an empty signature": {"x-amz-signature": ""},
    "another algorithm": {"x-amz-algorithm": "AWS4-HMAC-SHA1"},
    "another date": {"x-amz-date": "20200101T000000Z"},
}


@pytest.mark.parametrize("fields", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_form_is_refused(
    client: httpx.Client,
    form: PresignedPost,
    contents: Callable[[], Contents],
    fields: dict[str, str],
) -> None:
    before = contents()
    refused(post(client, changed(form, **fields)))
    assert contents() == before


@pytest.mark.parametrize("name", FIELDS)
def test_a_form_that_lacks_a_field_is_refused(
    client: httpx.Client, form: PresignedPost, contents: Callable[[], Contents], name: str
) -> None:
    before = contents()
    del form.fields[name]
    refused(post(client, form))
    assert contents() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"{MAX_SIZE}]", "1000000000]"),
        ('"alice"', '"mallory"'),
        ('"image/png"', '"text/html"'),
        ('"expiration": "20', '"expiration": "21'),
    ],
)
def test_a_form_with_a_tampered_policy_is_refused(
    client: httpx.Client,
    form: PresignedPost,
    contents: Callable[[], Contents],
    old: str,
    new: str,
) -> None:
    before = contents()
    policy = base64.b64decode(form.fields["policy"]).decode()
    assert old in policy
    tampered = base64.b64encode(policy.replace(old, new).encode()).decode()
    refused(post(client, changed(form, policy=tampered)))
    assert contents() == before


def test_a_form_signed_with_another_secret_is_refused(
    client: httpx.Client, s3_server: Store, contents: Callable[[], Contents]
) -> None:
    before = contents()
    refused(post(client, sign(s3_server.signer(s3_server.incoming, secret_key="mallory"))))
    assert contents() == before


def test_a_form_for_one_bucket_is_refused_by_another(
    client: httpx.Client, form: PresignedPost, s3_server: Store, contents: Callable[[], Contents]
) -> None:
    before = contents()
    media = s3_server.signer(s3_server.media).location.url
    refused(post(client, PresignedPost(media, form.fields)))
    assert contents() == before


def test_a_form_is_refused_after_its_life(
    client: httpx.Client, signer: Signer, contents: Callable[[], Contents]
) -> None:
    before = contents()
    # Signed so that it ended two seconds ago: as late as 302 seconds can be.
    refused(post(client, sign(signer, now=int(time.time()) - 302)))
    assert contents() == before


def test_a_form_can_be_used_until_its_end(client: httpx.Client, signer: Signer) -> None:
    assert post(client, sign(signer, now=int(time.time()) - 280)).status_code == 204


@pytest.mark.parametrize("size", [0, MAX_SIZE + 1, MAX_SIZE * 100])
def test_a_file_outside_the_size_range_is_refused(
    client: httpx.Client, form: PresignedPost, contents: Callable[[], Contents], size: int
) -> None:
    before = contents()
    refused(post(client, form, b"x" * size))
    assert contents() == before


def test_fields_after_the_file_change_nothing(
    client: httpx.Client, form: PresignedPost, s3: "S3Client", s3_server: Store
) -> None:
    late = {"key": "media/mallory.png", "Content-Type": "text/html"}
    parts: list[Part] = [(name, (None, value, None)) for name, value in form.fields.items()]
    parts.append(("file", ("picture.png", PICTURE.decode("latin-1"), "image/png")))
    parts.extend((name, (None, value, None)) for name, value in late.items())
    client.post(form.url, files=parts)
    # A store either refuses this or takes it as it was signed.
    stored = s3.list_objects_v2(Bucket=s3_server.incoming).get("Contents", [])
    assert "media/mallory.png" not in {item["Key"] for item in stored}
    if form.fields["key"] in {item["Key"] for item in stored}:
        head = s3.head_object(Bucket=s3_server.incoming, Key=form.fields["key"])
        assert head["ContentType"] == "image/png"


def test_a_key_given_twice_never_stores_under_the_other_one(
    client: httpx.Client, form: PresignedPost, contents: Callable[[], Contents]
) -> None:
    before = contents()
    fields = {**form.fields, "key": ["media/mallory.png", form.fields["key"], "media/mallory.png"]}
    client.post(form.url, data=fields, files={"file": ("picture.png", PICTURE, "image/png")})
    new = {key for bucket, items in contents().items() for key, _ in items - before[bucket]}
    assert new <= {form.fields["key"]}


# ---------------------------------------------------------------- browsers


def test_pages_of_the_given_origin_may_upload(client: httpx.Client, form: PresignedPost) -> None:
    response = client.options(form.url, headers=preflight(APP_ORIGIN))
    assert response.status_code in {200, 204}
    assert response.headers["access-control-allow-origin"] == APP_ORIGIN
    assert "POST" in response.headers["access-control-allow-methods"]

    files = {"file": ("picture.png", PICTURE, "image/png")}
    origin = {"Origin": APP_ORIGIN}
    response = client.post(form.url, data=form.fields, files=files, headers=origin)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == APP_ORIGIN


def test_pages_of_other_origins_may_not(client: httpx.Client, form: PresignedPost) -> None:
    response = client.options(form.url, headers=preflight("https://mallory.example"))
    assert "access-control-allow-origin" not in response.headers


def preflight(origin: str) -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": "POST"}
