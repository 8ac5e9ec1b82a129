import itertools

import boto3
import pytest

from sign_s3.location import AddressingStyle, Location
from sign_s3.tests import boto3_oracle

ENDPOINTS = [
    None,
    "http://127.0.0.1:9000",
    "http://127.0.0.1:9000/base/",
    "http://localhost:9000",
    "http://s3.example.com:80",
    "http://s3.example.com:8080",
    "https://s3.example.com:443/",
    "https://s3.example.com/base",
    "https://S3.Example.com/a/b/",
    "https://[::1]:9000",
    "https://192.168.1.10",
    "https://s3.eu-west-1.amazonaws.com",
]
STYLES: list[AddressingStyle] = ["auto", "path", "virtual"]
BUCKETS = [
    "my-bucket",
    "abc",
    "a" * 63,
    "my.bucket",
    "my..bucket",
    "My-Bucket",
    "my_bucket",
    "127.0.0.1",
    "a" * 64,
]
SESSION = boto3.Session()
AWS_REGIONS = [
    region
    for partition in SESSION.get_available_partitions()
    for region in SESSION.get_available_regions("s3", partition)
    if region != "aws-global"
]


def boto3_addresses(
    bucket: str, region: str, endpoint_url: str | None, style: AddressingStyle
) -> tuple[str, str]:
    client = boto3_oracle.client(region, endpoint_url, style)
    form = client.generate_presigned_post(bucket, "key")["url"]
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"})
    return form, url.partition("?")[0]


def our_addresses(location: Location) -> tuple[str, str]:
    return location.url, f"{location.origin}{location.root}key"


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("endpoint_url", ENDPOINTS)
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_a_bucket_is_where_boto3_finds_it(
    region: str, endpoint_url: str | None, style: AddressingStyle
) -> None:
    for bucket in BUCKETS:
        location = Location(bucket, region, endpoint_url, style)
        if (bucket, style) == ("my.bucket", "virtual") and "127.0.0.1" in (endpoint_url or ""):
            continue  # see test_a_bucket_is_never_part_of_an_ip_address
        assert our_addresses(location) == boto3_addresses(bucket, region, endpoint_url, style)


@pytest.mark.parametrize("region", AWS_REGIONS)
def test_every_region_of_aws_has_boto3s_host(region: str) -> None:
    for style, bucket in itertools.product(STYLES, ["my-bucket", "my.bucket"]):
        location = Location(bucket, region, None, style)
        assert our_addresses(location) == boto3_addresses(bucket, region, None, style)


def test_a_bucket_is_never_part_of_an_ip_address() -> None:
    # boto3 answers http://my.bucket.127.0.0.1:9000/, which is no host's name.
    location = Location("my.bucket", "eu-west-1", "http://127.0.0.1:9000", "virtual")
    assert location.url == "http://127.0.0.1:9000/my.bucket"


@pytest.mark.parametrize(
    ("endpoint_url", "host"),
    [
        ("https://S3.Example.com:443", "s3.example.com"),
        ("http://s3.example.com:80/base", "s3.example.com"),
        ("http://s3.example.com:443", "s3.example.com:443"),
        ("http://[2001:DB8::1]:9000", "[2001:db8::1]:9000"),
        (None, "s3.eu-west-1.amazonaws.com"),
    ],
)
def test_the_signed_host_is_lower_case_and_without_a_default_port(
    endpoint_url: str | None, host: str
) -> None:
    assert Location("my-bucket", "eu-west-1", endpoint_url, "path").host == host


@pytest.mark.parametrize(
    "endpoint_url",
    [
        "s3.example.com",
        "ftp://s3.example.com",
        "https://",
        "https://user:password@s3.example.com",
        "https://s3.example.com/?a=b",
        "https://s3.example.com/#a",
        "https://s3.example.com//",
        "https://s3.example.com/a/../b",
        "https://s3.example.com/a b",
        "https://s3.example.com/%41",
        "https://s3.example.com:",
        "https://s3.example.com:port",
        "https://s3.exam\nple.com",
        "https://s3.example.com\n",
    ],
)
def test_an_endpoint_that_is_none_is_refused(endpoint_url: str | None) -> None:
    with pytest.raises(ValueError, match="not an endpoint"):
        Location("my-bucket", "eu-west-1", endpoint_url)


@pytest.mark.parametrize(
    "bucket",
    ["", "a/b", "a b", 'a"b', "bücket", "a\n", "a" * 256, "arn:aws:s3:::a", "a--use1-az4--x-s3"],
)
def test_a_name_no_bucket_has_is_refused(bucket: str) -> None:
    with pytest.raises(ValueError, match="not a bucket's name"):
        Location(bucket, "eu-west-1")


@pytest.mark.parametrize("region", ["", "EU-WEST-1", "eu/west", "eu-west-1\n", "eu west"])
def test_a_name_no_region_has_is_refused(region: str) -> None:
    with pytest.raises(ValueError, match="not a region"):
        Location("my-bucket", region)


def test_an_unknown_addressing_style_is_refused() -> None:
    with pytest.raises(ValueError, match="not an addressing style"):
        Location("my-bucket", "eu-west-1", None, "dns")  # type: ignore[arg-type]
