"""The buckets, the signers and MediaStorage, with moto in process."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.base import ContentFile
from pytest_django import Settings

from conftest import Buckets
from sign_s3 import bucket, storage
from sign_s3.bucket import Bucket
from sign_s3.signing import CredentialsExpired
from sign_s3.storage import DirectUploadOnly, MediaStorage, UrlWindow

KEY = "images/posts/post_3L5fgCyhLwTX5LWfT7dhya.jpeg"
#: Half past noon, so the middle of a window of an hour.
NOW = datetime(2026, 3, 4, 12, 30, tzinfo=UTC).timestamp()


@pytest.fixture
def media() -> MediaStorage:
    return MediaStorage()


@pytest.fixture
def role_ends(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> datetime:
    """Session credentials of a role, whose end this is: 100 minutes from now."""
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=100)
    program = tmp_path / "credentials"
    program.write_text(
        '#!/bin/sh\necho \'{"Version": 1, "AccessKeyId": "role", "SecretAccessKey": "secret", '
        f'"SessionToken": "token", "Expiration": "{end.isoformat()}"}}\'\n'
    )
    program.chmod(0o700)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
        setattr(settings, name, None)
    return end


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


# ---------------------------------------------------------------- buckets and signers


def test_the_buckets_are_those_of_the_settings(settings: Settings) -> None:
    assert storage.incoming_bucket() == Bucket("test-incoming")
    assert storage.media_bucket() == Bucket("test-media")
    settings.AWS_STORAGE_BUCKET_NAME = "another"
    assert storage.media_bucket() == Bucket("another")


def test_settings_that_change_and_change_back_reach_the_client(settings: Settings) -> None:
    with_first = storage.media_signer().credentials
    settings.AWS_ACCESS_KEY_ID = "another"
    assert storage.media_signer().credentials.access_key == "another"
    del settings.AWS_ACCESS_KEY_ID
    settings.AWS_ACCESS_KEY_ID = with_first.access_key
    assert storage.media_signer().credentials == with_first


def test_clients_are_sent_to_the_address_they_know(settings: Settings) -> None:
    settings.AWS_S3_ADDRESSING_STYLE = "path"
    settings.AWS_S3_ENDPOINT_URL = "http://s3.internal:9000"
    assert storage.incoming_signer().location.url == "http://s3.internal:9000/test-incoming"
    settings.AWS_S3_PUBLIC_ENDPOINT_URL = "https://s3.example.org"
    assert storage.incoming_signer().location.url == "https://s3.example.org/test-incoming"
    assert storage.media_signer().location.url == "https://s3.example.org/test-media"


def test_signing_follows_the_credentials_of_a_role(role_ends: datetime) -> None:
    found = storage.incoming_signer().credentials
    assert (found.access_key, found.token, found.expires_at) == ("role", "token", role_ends)


# ---------------------------------------------------------------- signed URLs


def test_uploads_may_be_signed_by_a_key_of_their_own(settings: Settings) -> None:
    settings.AWS_UPLOAD_ACCESS_KEY_ID = "uploads"
    settings.AWS_UPLOAD_SECRET_ACCESS_KEY = "an upload secret"
    assert storage.incoming_signer().credentials.access_key == "uploads"
    assert storage.media_signer().credentials.access_key == settings.AWS_ACCESS_KEY_ID


def test_a_url_is_dated_at_the_start_of_its_window() -> None:
    url = UrlWindow.at(NOW).url(KEY)
    assert urlsplit(url).path == f"/media/{KEY}"
    assert query(url) == {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "AKIATESTTESTTESTTEST/20260304/eu-west-1/s3/aws4_request",
        "X-Amz-Date": "20260304T120000Z",
        "X-Amz-Expires": "7500",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": query(url)["X-Amz-Signature"],
    }


@pytest.mark.parametrize(
    ("minute", "start"), [(0, 11), (4.9, 11), (5, 12), (30, 12), (60, 12), (64.9, 12), (65, 13)]
)
def test_a_window_starts_five_minutes_late_so_that_no_url_is_from_the_future(
    minute: float, start: int
) -> None:
    now = datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp() + 60 * minute
    window = UrlWindow.at(now)
    assert datetime.fromtimestamp(window.start, UTC).hour == start
    assert window.start + 300 <= now < window.end
    lives_until = window.start + int(query(window.url(KEY))["X-Amz-Expires"])
    assert lives_until - now > 3600


def test_equal_files_have_equal_urls_within_a_window_and_others_after_it() -> None:
    first = UrlWindow.at(NOW).url(KEY)
    assert UrlWindow.at(NOW + 60).url(KEY) == first
    assert UrlWindow.at(NOW + 3600).url(KEY) != first


def test_window_and_margin_are_settings(settings: Settings) -> None:
    settings.SIGN_S3 = {"url_window": 600, "url_margin": 60}
    sent = query(UrlWindow.at(NOW).url(KEY))
    assert (sent["X-Amz-Date"], sent["X-Amz-Expires"]) == ("20260304T122000Z", "960")


def test_a_url_ends_with_the_session_that_signed_it(role_ends: datetime) -> None:
    window = UrlWindow.at(datetime.now(UTC).timestamp())
    sent = query(window.url(KEY))
    assert sent["X-Amz-Security-Token"] == "token"
    assert int(sent["X-Amz-Expires"]) == min(7500, role_ends.timestamp() - window.start)


def test_a_session_that_has_ended_gives_no_dead_url(role_ends: datetime) -> None:
    with pytest.raises(CredentialsExpired):
        UrlWindow.at(role_ends.timestamp())


def test_a_process_remembers_so_many_urls_and_no_more() -> None:
    window = UrlWindow.at(NOW)
    for number in range(storage.MAX_URLS + 1):
        window.url(f"a{number}")
    assert list(window._urls) == [f"a{storage.MAX_URLS}"]


def test_the_storage_gives_out_a_url_until_its_window_ends(media: MediaStorage) -> None:
    assert media.url(KEY) is media.url(KEY)
    assert query(media.url(KEY))["X-Amz-Expires"] == "7500"


def test_the_storage_signs_anew_when_settings_or_credentials_change(
    media: MediaStorage, settings: Settings
) -> None:
    first = media.url(KEY)
    settings.AWS_STORAGE_BUCKET_NAME = "another"
    assert urlsplit(media.url(KEY)).netloc.startswith("another.")
    settings.AWS_STORAGE_BUCKET_NAME = "test-media"
    assert media.url(KEY) == first
    bucket.init("rotated", "secret", region="eu-west-1")
    assert query(media.url(KEY))["X-Amz-Credential"].startswith("rotated/")
    settings.AWS_S3_ADDRESSING_STYLE = "path"
    assert query(media.url(KEY))["X-Amz-Credential"].startswith("AKIATESTTESTTESTTEST/")


def test_only_public_files_are_at_the_custom_domain(
    media: MediaStorage, settings: Settings
) -> None:
    assert "X-Amz-Signature" in query(media.url(KEY, public=True))
    settings.AWS_S3_CUSTOM_DOMAIN = "cdn.example.org"
    assert media.url(KEY, public=True) == f"https://cdn.example.org/media/{KEY}"
    assert "X-Amz-Signature" in query(media.url(KEY))


def test_many_names_are_linked_as_one_is(media: MediaStorage, settings: Settings) -> None:
    link = media.link()
    assert [link(KEY), link("a b.png")] == [media.url(KEY), media.url("a b.png")]
    settings.AWS_S3_CUSTOM_DOMAIN = "cdn.example.org"
    assert media.link(public=True)("a b.png") == "https://cdn.example.org/media/a%20b.png"


# ---------------------------------------------------------------- files


def test_a_file_is_read_below_the_media_prefix(buckets: Buckets, media: MediaStorage) -> None:
    buckets.media.put(f"media/{KEY}", b"abc")
    with media.open(KEY) as file:
        assert (file.read(), file.name, file.size) == (b"abc", KEY, 3)
    assert media.exists(KEY)
    assert media.size(KEY) == 3
    assert media.get_modified_time(KEY) == buckets.media.stat(f"media/{KEY}").last_modified


def test_a_file_that_is_not_there_is_said_to_be_not_found(
    buckets: Buckets, media: MediaStorage
) -> None:
    assert not media.exists(KEY)
    for ask in (media.open, media.size, media.get_modified_time):
        with pytest.raises(FileNotFoundError):
            ask(KEY)


def test_nothing_is_written_past_the_ledger(buckets: Buckets, media: MediaStorage) -> None:
    buckets.media.put(f"media/{KEY}", b"abc")
    writes: list[Callable[[], object]] = [
        lambda: media.save(KEY, ContentFile(b"other")),
        lambda: media._save(KEY, ContentFile(b"other")),
        lambda: media.open(KEY, "wb"),
        lambda: media.delete(KEY),
    ]
    for write in writes:
        with pytest.raises(DirectUploadOnly, match="files arrive by direct upload"):
            write()
    assert buckets.media.get(f"media/{KEY}") == (b"abc", {})


def test_nothing_inherited_has_a_connection_of_its_own(media: MediaStorage) -> None:
    with pytest.raises(NotImplementedError):
        media.listdir("")
