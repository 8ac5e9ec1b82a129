import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sign_s3.signing import (
    MAX_POST_SECONDS,
    MAX_URL_SECONDS,
    Credentials,
    CredentialsExpired,
    Location,
    PresignedPost,
    Signer,
)
from sign_s3.tests import boto3_oracle

ALICE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SESSION = Credentials("ASIA/odd+key=", "another secret", 'IQoJb3JpZ2luX2VjE/+a="\\é')
LOCATIONS = [
    Location("my-bucket", "us-east-1"),
    Location("my-bucket", "eu-west-1"),
    Location("my-bucket", "eu-west-1", None, "virtual"),
    Location("my.bucket", "eu-central-1"),
    Location("my-bucket", "cn-north-1"),
    Location("my-bucket", "us-gov-west-1", None, "path"),
    Location("My_Bucket", "us-east-1", "http://127.0.0.1:9000"),
    Location("my-bucket", "garage", "https://S3.Example.com:443/base/", "virtual"),
    Location("my-bucket", "auto", "https://s3.example.com:8443/a/b"),
    Location("my-bucket", "eu-west-1", "http://[::1]:9000", "path"),
]
NOW = 1_767_323_045  # 2026-01-02T03:04:05Z


def without_variables(text: str) -> bool:
    return "${" not in text


unicode_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
values = unicode_text.filter(without_variables)
keys = values.filter(bool)
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1).filter(
    str.strip
)
signers = st.builds(Signer, st.sampled_from(LOCATIONS), st.sampled_from([ALICE, SESSION]))
moments = st.integers(0, 4_102_444_799)  # until the end of 2099
sizes = st.tuples(st.integers(0, 10**6), st.integers(10**6, 10**10))


def policy_of(form: PresignedPost) -> bytes:
    return base64.b64decode(form.fields["policy"], validate=True)


@given(
    signer=signers,
    batch=st.lists(keys, min_size=1, max_size=3),
    content_type=values,
    owner=values,
    acl=values,
    size_range=sizes,
    now=moments,
    expires_in=st.integers(1, MAX_POST_SECONDS),
)
@settings(max_examples=400, deadline=None)
def test_a_form_is_boto3s_byte_for_byte(
    signer: Signer,
    batch: list[str],
    content_type: str,
    owner: str,
    acl: str,
    size_range: tuple[int, int],
    now: int,
    expires_in: int,
) -> None:
    forms = signer.posts(
        batch,
        content_type=content_type,
        owner=owner,
        acl=acl,
        min_size=size_range[0],
        max_size=size_range[1],
        now=now,
        expires_in=expires_in,
    )

    fields = {"acl": acl, "Content-Type": content_type, "x-amz-meta-userid": owner}
    if not acl:
        del fields["acl"]
    expected = [
        boto3_oracle.presigned_post(
            signer.location,
            signer.credentials,
            key,
            fields=fields,
            size_range=size_range,
            now=now,
            expires_in=expires_in,
        )
        for key in batch
    ]
    assert [form._asdict() for form in forms] == expected
    assert [list(form.fields) for form in forms] == [list(form["fields"]) for form in expected]


@given(
    signer=signers,
    key=keys,
    content_type=values,
    owner=values,
    acl=values,
    size_range=sizes,
    now=moments,
)
@settings(max_examples=250, deadline=None)
def test_a_policy_pins_what_it_was_asked_to_and_nothing_else(
    signer: Signer,
    key: str,
    content_type: str,
    owner: str,
    acl: str,
    size_range: tuple[int, int],
    now: int,
) -> None:
    (form,) = signer.posts(
        [key],
        content_type=content_type,
        owner=owner,
        acl=acl,
        min_size=size_range[0],
        max_size=size_range[1],
        now=now,
    )

    moment = datetime.fromtimestamp(now, UTC)
    signed = {
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": (
            f"{signer.credentials.access_key}/{moment:%Y%m%d}/{signer.location.region}"
            "/s3/aws4_request"
        ),
        "x-amz-date": f"{moment:%Y%m%dT%H%M%SZ}",
    }
    if signer.credentials.token:
        signed["x-amz-security-token"] = signer.credentials.token
    pinned = {"Content-Type": content_type, "x-amz-meta-userid": owner}
    if acl:
        pinned["acl"] = acl
    policy = json.loads(policy_of(form))
    equalities = [condition for condition in policy["conditions"] if isinstance(condition, dict)]
    others = [condition for condition in policy["conditions"] if not isinstance(condition, dict)]

    assert policy.keys() == {"expiration", "conditions"}
    end = datetime.fromtimestamp(now + MAX_POST_SECONDS, UTC)
    assert policy["expiration"] == f"{end:%Y-%m-%dT%H:%M:%SZ}"
    assert all(len(condition) == 1 for condition in equalities)
    assert sorted(pair for condition in equalities for pair in condition.items()) == sorted(
        {**pinned, **signed, "key": key, "bucket": signer.location.bucket}.items()
    )
    assert others == [["content-length-range", *size_range]]
    # Every field is pinned: S3 asks for a condition on each but the two that carry the proof.
    assert {
        name: form.fields[name] for name in form.fields.keys() - {"policy", "x-amz-signature"}
    } == {
        **pinned,
        **signed,
        "key": key,
    }


RESPONSE_PARAMS = {
    "response-content-type": "ResponseContentType",
    "response-content-disposition": "ResponseContentDisposition",
    "response-cache-control": "ResponseCacheControl",
    "versionId": "VersionId",
}


@given(
    signer=signers,
    key=unicode_text.filter(bool),
    params=st.dictionaries(st.sampled_from(list(RESPONSE_PARAMS)), unicode_text.filter(bool)),
    now=moments,
    expires_in=st.integers(1, MAX_URL_SECONDS),
)
@settings(max_examples=400, deadline=None)
def test_a_url_to_read_is_boto3s_byte_for_byte(
    signer: Signer, key: str, params: dict[str, str], now: int, expires_in: int
) -> None:
    assert signer.get(key, now=now, expires_in=expires_in, params=params) == (
        boto3_oracle.presigned_url(
            signer.location,
            signer.credentials,
            "get_object",
            Key=key,
            now=now,
            expires_in=expires_in,
            **{RESPONSE_PARAMS[name]: value for name, value in params.items()},
        )
    )


@given(
    signer=signers,
    key=unicode_text.filter(bool),
    content_type=header_values,
    owner=header_values,
    now=moments,
    expires_in=st.integers(1, MAX_URL_SECONDS),
)
@settings(max_examples=250, deadline=None)
def test_a_url_to_write_is_boto3s_byte_for_byte(
    signer: Signer, key: str, content_type: str, owner: str, now: int, expires_in: int
) -> None:
    headers = {"Content-Type": content_type, "x-amz-meta-userid": owner, "x-amz-acl": "private"}
    assert signer.put(key, now=now, expires_in=expires_in, headers=headers) == (
        boto3_oracle.presigned_url(
            signer.location,
            signer.credentials,
            "put_object",
            Key=key,
            ContentType=content_type,
            Metadata={"userid": owner},
            ACL="private",
            now=now,
            expires_in=expires_in,
        )
    )


@given(
    signer=signers,
    key=unicode_text.filter(bool),
    part=st.integers(1, 10_000),
    upload_id=unicode_text.filter(bool),
    now=moments,
)
@settings(max_examples=150, deadline=None)
def test_a_url_for_a_part_is_boto3s_byte_for_byte(
    signer: Signer, key: str, part: int, upload_id: str, now: int
) -> None:
    params = {"partNumber": str(part), "uploadId": upload_id}
    assert signer.presign("PUT", key, now=now, expires_in=3600, params=params) == (
        boto3_oracle.presigned_url(
            signer.location,
            signer.credentials,
            "upload_part",
            Key=key,
            PartNumber=part,
            UploadId=upload_id,
            now=now,
            expires_in=3600,
        )
    )


@pytest.mark.parametrize(
    ("method", "operation"), [("HEAD", "head_object"), ("DELETE", "delete_object")]
)
def test_a_url_for_another_method_is_boto3s(method: str, operation: str) -> None:
    signer = Signer(LOCATIONS[0], SESSION)
    assert signer.presign(method, "a b", now=NOW, expires_in=60) == boto3_oracle.presigned_url(
        signer.location, signer.credentials, operation, Key="a b", now=NOW, expires_in=60
    )


def test_the_example_in_awss_documentation_is_answered_as_it_says() -> None:
    # docs.aws.amazon.com, "Authenticating Requests: Using Query Parameters", its GET example.
    signer = Signer(Location("examplebucket", "us-east-1"), ALICE)
    noon = int(datetime(2013, 5, 24, tzinfo=UTC).timestamp())
    assert signer.get("test.txt", now=noon, expires_in=86_400) == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def post(signer: Signer, *batch: str, **changes: Any) -> list[PresignedPost]:
    pinned: dict[str, Any] = {
        "content_type": "image/png",
        "owner": "alice",
        "max_size": 10,
        "now": NOW,
    }
    return signer.posts(batch, **{**pinned, **changes})


def test_a_batch_is_what_its_keys_get_one_by_one() -> None:
    signer = Signer(LOCATIONS[1], ALICE)
    assert post(signer, "a", "b", "a") == [
        *post(signer, "a"),
        *post(signer, "b"),
        *post(signer, "a"),
    ]
    assert post(signer) == []


def test_forms_of_a_batch_share_no_fields() -> None:
    first, second = post(Signer(LOCATIONS[1], ALICE), "a", "b")
    first.fields["key"] = "changed"
    assert second.fields["key"] == "b"


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "media/${filename}"},
        {"key": ""},
        {"owner": "${filename}"},
        {"content_type": "image/${filename}"},
        {"acl": "${filename}"},
        {"min_size": 11},
        {"min_size": -1},
        {"expires_in": 0},
        {"expires_in": -1},
        {"expires_in": MAX_POST_SECONDS + 1},
    ],
)
def test_a_form_that_would_not_pin_everything_is_refused(changes: dict[str, Any]) -> None:
    key = changes.pop("key", "a")
    with pytest.raises(ValueError, match=r"form|range|life"):
        post(Signer(LOCATIONS[1], ALICE), key, **changes)


@pytest.mark.parametrize(
    ("key", "expires_in"), [("", 60), ("a", 0), ("a", -1), ("a", MAX_URL_SECONDS + 1)]
)
def test_a_url_without_a_key_or_with_an_impossible_life_is_refused(
    key: str, expires_in: int
) -> None:
    with pytest.raises(ValueError, match=r"key|life"):
        Signer(LOCATIONS[1], ALICE).get(key, now=NOW, expires_in=expires_in)


def session_until(end: int) -> Signer:
    expires_at = datetime.fromtimestamp(end, UTC)
    return Signer(LOCATIONS[1], Credentials("ASIA", "secret", "token", expires_at))


def test_nothing_outlives_the_session_it_is_signed_with() -> None:
    signer = session_until(NOW + 40)
    (form,) = post(signer, "a")
    assert json.loads(policy_of(form))["expiration"] == "2026-01-02T03:04:45Z"
    assert "&X-Amz-Expires=40&" in signer.get("a", now=NOW, expires_in=3600)
    assert "&X-Amz-Expires=30&" in signer.get("a", now=NOW, expires_in=30)
    # The life counts from the signed date, also when that is rounded down to share a URL.
    assert "&X-Amz-Expires=640&" in signer.get("a", now=NOW - 600, expires_in=3600)


@pytest.mark.parametrize("end", [NOW, NOW - 1])
def test_a_session_that_has_ended_signs_nothing(end: int) -> None:
    with pytest.raises(CredentialsExpired):
        post(session_until(end), "a")
    with pytest.raises(CredentialsExpired):
        session_until(end).get("a", now=NOW, expires_in=60)


def test_credentials_do_not_show_their_secrets() -> None:
    assert repr(Signer(LOCATIONS[1], SESSION).credentials) == (
        "Credentials(access_key='ASIA/odd+key=', expires_at=None)"
    )
