"""What clients see of an inspector of a deployment's that refuses, or is down."""

import pytest

from local.pictures import picture
from sign_s3.inspection import Incoming, InspectorUnavailable, Refused
from sign_s3.models import MediaObject

PATH = "images/posts/post_"


class Scanner:
    """Stands for a service of a deployment's that is down now and then."""

    up = True


def scan(upload: Incoming) -> None:
    if not Scanner.up:
        raise InspectorUnavailable("the scanner")


def only_small(upload: Incoming) -> None:
    if upload.info.size > 100:
        raise Refused("moderated", "Not here.")


def use(settings, *names):
    settings.SIGN_S3 = {**settings.SIGN_S3, "inspectors": tuple(f"{__name__}.{n}" for n in names)}


@pytest.fixture
def client(alice, client_of):
    return client_of(alice)


def test_an_inspector_that_refuses_is_a_400_where_the_key_stands(settings, client, upload, buckets):
    use(settings, "only_small")
    keys = [upload(client, PATH), upload(client, PATH, picture("PNG", 1, 1))]

    answer = client.post("/posts/", {"images": keys})

    assert answer.status_code == 400
    assert answer.json() == {
        "type": "validation_error",
        "errors": [{"code": "moderated", "detail": "Not here.", "attr": "images.0"}],
    }
    assert not MediaObject.objects.exists()
    assert list(buckets.media.list()) == []


def test_an_inspector_that_is_down_is_a_503_and_the_same_request_works_later(
    settings, client, upload, buckets
):
    use(settings, "scan")
    key = upload(client, PATH)
    Scanner.up = False

    answer = client.post("/posts/", {"images": [key]})

    Scanner.up = True
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json() == {
        "type": "server_error",
        "errors": [
            {
                "code": "service_unavailable",
                "detail": "Temporarily unavailable, try again later.",
                "attr": None,
            }
        ],
    }
    assert not MediaObject.objects.exists()
    assert list(buckets.media.list()) == []
    assert client.post("/posts/", {"images": [key]}).status_code == 201
