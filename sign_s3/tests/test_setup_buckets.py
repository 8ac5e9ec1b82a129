"""``manage.py setup_buckets``: what the two buckets are like after it, however often it ran."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from django.core.management import call_command
from moto import mock_aws

from sign_s3.bucket.configuration import STALE_PARTS
from sign_s3.conf import conf

CLOSED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@pytest.fixture
def s3() -> Iterator[Any]:
    """boto3 on an S3 in process."""
    with mock_aws():
        yield boto3.client("s3", region_name=conf().region)


def test_both_buckets_are_made_and_closed_to_the_public(s3: Any) -> None:
    for _ in range(2):
        call_command("setup_buckets", verbosity=0)

    for bucket in (conf().incoming_bucket, conf().media_bucket):
        answer = s3.get_public_access_block(Bucket=bucket)
        assert answer["PublicAccessBlockConfiguration"] == CLOSED


def test_only_the_incoming_bucket_expires_what_it_holds(s3: Any) -> None:
    call_command("setup_buckets", verbosity=0)

    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=conf().incoming_bucket)["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["Expiration"] == {"Days": conf().incoming_days}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": conf().incoming_days}
    (rule,) = rules_of_media(s3)
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": conf().incoming_days}
    assert rule.keys().isdisjoint({"Expiration", "NoncurrentVersionExpiration", "Transitions"})


def rules_of_media(s3: Any) -> list[Any]:
    answer = s3.get_bucket_lifecycle_configuration(Bucket=conf().media_bucket)
    rules: list[Any] = answer["Rules"]
    return rules


@pytest.mark.parametrize("place", [{"Filter": {"Prefix": ""}}, {"Prefix": "old/"}])
def test_the_media_bucket_keeps_the_rules_it_has(s3: Any, place: dict[str, Any]) -> None:
    theirs = {
        "ID": "forget deleted files",
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 35},
        **place,
    }
    call_command("setup_buckets", verbosity=0)
    s3.put_bucket_lifecycle_configuration(
        Bucket=conf().media_bucket, LifecycleConfiguration={"Rules": [theirs]}
    )
    for _ in range(2):
        call_command("setup_buckets", verbosity=0)

    kept, ours = rules_of_media(s3)
    assert kept["ID"] == "forget deleted files"
    assert kept["NoncurrentVersionExpiration"] == {"NoncurrentDays": 35}
    assert kept["Filter"] == {"Prefix": place.get("Prefix", "")}
    assert ours["ID"] == STALE_PARTS


def test_only_the_incoming_bucket_answers_pages_and_only_of_the_origins_given(s3: Any) -> None:
    call_command("setup_buckets", "--origin", "https://app.example", verbosity=0)

    (rule,) = s3.get_bucket_cors(Bucket=conf().incoming_bucket)["CORSRules"]
    assert rule["AllowedOrigins"] == ["https://app.example"]
    with pytest.raises(s3.exceptions.ClientError, match="NoSuchCORSConfiguration"):
        s3.get_bucket_cors(Bucket=conf().media_bucket)
