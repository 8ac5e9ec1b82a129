"""With which headers a file is served: set when it is promoted, whatever the upload had."""

import boto3
import pytest

from local.pictures import CLIP, picture
from sign_s3.destinations import MIB, Destination
from sign_s3.keys import new_id, object_key
from sign_s3.services.attach import Upload, attach

PAPER = b"%PDF-1.7\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'
PRIVATE = "private, max-age=31536000, immutable"
PUBLIC = "public, max-age=31536000, immutable"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("mime", "extension", "data", "public", "disposition"),
    [
        ("image/png", ".png", picture("PNG"), False, "inline"),
        ("image/webp", ".webp", picture("WEBP"), True, "inline"),
        ("video/mp4", ".mp4", CLIP.read_bytes(), False, "inline"),
        ("application/pdf", ".pdf", PAPER, False, "attachment"),
        ("image/svg+xml", ".svg", SVG, True, "attachment"),
        ("text/html", ".html", b"<script>alert(1)</script>", False, "attachment"),
    ],
)
def test_type_disposition_and_caching_are_pinned(
    settings, buckets, mime, extension, data, public, disposition
):
    # A deployment that takes such files brings its own inspectors.
    settings.SIGN_S3 = {**settings.SIGN_S3, "inspectors": ()}
    place = Destination(path="gallery/x_", types={mime: extension}, max_size=MIB, public=public)
    key = f"gallery/x_{new_id()}{extension}"
    s3 = boto3.client("s3", region_name="eu-west-1")
    s3.put_object(
        Bucket=buckets.incoming.name,
        Key=object_key(key),
        Body=data,
        ContentType=mime,
        ContentDisposition="inline; filename=evil.html",
        CacheControl="no-store",
        ContentEncoding="identity",
        Metadata={"userid": "alice", "admin": "yes"},
    )

    attach(owner="alice", uploads=[Upload(key, place, "file")], save=lambda _: None)

    stored = s3.head_object(Bucket=buckets.media.name, Key=object_key(key))
    s3.close()
    assert stored["ContentType"] == mime
    assert stored["ContentDisposition"] == disposition
    assert stored["CacheControl"] == (PUBLIC if public else PRIVATE)
    assert stored["Metadata"] == {"userid": "alice"}
    assert "ContentEncoding" not in stored
