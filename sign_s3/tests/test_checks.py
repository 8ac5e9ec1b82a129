import pytest
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, models
from django.test.utils import isolate_apps
from pytest_django import Settings

from sign_s3 import triggers
from sign_s3.checks import (
    check_atomic_requests,
    check_custom_domain,
    check_databases,
    check_declarations,
    check_inspectors,
    check_overlaps,
    check_settings,
    check_triggers,
    check_upload_key,
    check_vendor,
)
from sign_s3.destinations import IMAGES, MIB, Destination
from sign_s3.fields import UploadField, upload_fields
from sign_s3.tests.app.models import PAPERS, PHOTOS, Photo

FILES = "django.core.files.storage.FileSystemStorage"


def ids(messages: list[checks.CheckMessage]) -> list[str | None]:
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


def declared(field: UploadField, model: str = "Model") -> UploadField:
    """The field, in a model that only an isolated registry knows."""
    meta = type("Meta", (), {"app_label": "gallery"})
    type(model, (models.Model,), {"upload": field, "Meta": meta, "__module__": __name__})
    return field


def at(*paths: str, max_size: int = MIB) -> list[UploadField]:
    """A field for each path, each in a model of its own."""
    return [
        declared(UploadField(destination=Destination(path, IMAGES, max_size)), f"Model{number}")
        for number, path in enumerate(paths)
    ]


def test_this_project_passes_every_check() -> None:
    assert [*check_settings(), *check_declarations()] == []
    assert [message for field in upload_fields() for message in field.check()] == []


# ------------------------------------------------------------------ a field


@isolate_apps("sign_s3.tests.app")
def test_a_field_needs_a_destination() -> None:
    field = declared(UploadField())
    assert ids(field.check()) == ["sign_s3.E001"]


@isolate_apps("sign_s3.tests.app")
@pytest.mark.parametrize(("unique", "null"), [(False, True), (True, False)])
def test_a_field_has_to_be_unique_and_to_allow_null(unique: bool, null: bool) -> None:
    field = declared(UploadField(destination=PHOTOS, unique=unique, null=null))
    assert ids(field.check()) == ["sign_s3.E002"]


@isolate_apps("sign_s3.tests.app")
@pytest.mark.parametrize(
    ("destination", "longest"),
    [
        (PHOTOS, len("gallery/photo_") + 22 + len(".jpeg")),
        (Destination("p/%Y/%m/%d/", {"image/png": ".png"}, 1), len("p/2026/01/31/") + 22 + 4),
    ],
)
def test_a_field_has_to_hold_its_longest_key(destination: Destination, longest: int) -> None:
    enough = declared(UploadField(destination=destination, max_length=longest))
    assert enough.check() == []


@isolate_apps("sign_s3.tests.app")
def test_a_field_too_short_for_its_keys_is_an_error() -> None:
    field = declared(UploadField(destination=PHOTOS, max_length=40))
    assert ids(field.check()) == ["sign_s3.E003"]
    assert "max_length is 40, keys of this destination have up to 41" in field.check()[0].msg


# ------------------------------------------------------------------ fields together


@isolate_apps("sign_s3.tests.app")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("images/%Y/", "images/"),
        ("images/%Y/", "images/%Y/%m/"),
        ("images/%Y/", "images/2026/"),
        ("images/%Y/", "images/20%m/"),
    ],
)
def test_two_destinations_may_not_share_paths(one: str, other: str) -> None:
    fields = at(one, other)
    assert ids(check_overlaps(fields)) == ["sign_s3.E004"]
    assert ids(check_overlaps(fields[::-1])) == ["sign_s3.E004"]


@isolate_apps("sign_s3.tests.app")
def test_one_path_with_two_limits_is_two_destinations() -> None:
    small, large = at("images/", "photos/")
    large.destination = Destination("images/", IMAGES, 2 * MIB)
    assert ids(check_overlaps([small, large])) == ["sign_s3.E004"]


@isolate_apps("sign_s3.tests.app")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("images/", "images/post_"),
        ("images/a_", "images/b_"),
        ("images/1", "images/2"),
        ("images/%Y/", "images/abcd/"),
        ("images/%Y/", "images/1%m/"),
    ],
)
def test_paths_no_key_could_confuse_are_fine(one: str, other: str) -> None:
    assert check_overlaps(at(one, other)) == []


def test_fields_may_share_one_destination() -> None:
    assert [field.destination for field in upload_fields()].count(PAPERS) == 2
    assert check_declarations() == []


class Elsewhere:
    """A router that keeps one app in a database of its own."""

    def db_for_write(self, model: type[models.Model], **_: object) -> str | None:
        return "other" if model._meta.app_label == "gallery" else None


def test_the_ledger_is_in_the_database_of_the_records(settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [Elsewhere()]
    field = Photo._meta.get_field("image")
    assert isinstance(field, UploadField)
    assert ids(check_databases([field])) == ["sign_s3.E005"]


# ------------------------------------------------------------------ settings


def test_a_missing_setting_is_named(settings: Settings) -> None:
    settings.AWS_INCOMING_BUCKET_NAME = None
    assert check_inspectors() == []
    (message,) = check_settings()
    assert ids([message]) == ["sign_s3.E006"]
    assert "AWS_INCOMING_BUCKET_NAME" in message.msg


def test_one_bucket_is_not_enough(settings: Settings) -> None:
    settings.AWS_INCOMING_BUCKET_NAME = settings.AWS_STORAGE_BUCKET_NAME
    assert ids(check_settings()) == ["sign_s3.E007"]


def test_requests_are_no_transactions() -> None:
    assert check_atomic_requests({"default": {"ATOMIC_REQUESTS": False}, "other": {}}) == []
    assert ids(check_atomic_requests({"default": {"ATOMIC_REQUESTS": True}})) == ["sign_s3.E008"]


def test_the_default_storage_is_the_media_bucket(settings: Settings) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": FILES}}
    assert ids(check_settings()) == ["sign_s3.E009"]


def test_a_database_without_triggers_of_ours_is_refused() -> None:
    assert check_vendor("postgresql", alias="default") == []
    assert ids(check_vendor("mysql", alias="default")) == ["sign_s3.E010"]


def test_a_public_domain_wants_something_public(settings: Settings) -> None:
    settings.AWS_S3_CUSTOM_DOMAIN = "cdn.example.com"
    assert check_settings() == []
    assert ids(check_custom_domain("cdn.example.com", [PHOTOS])) == ["sign_s3.W012"]
    assert check_custom_domain(None, [PHOTOS]) == []


@pytest.mark.parametrize("inspectors", [(), ("scanner.scan",)])
def test_a_deployment_that_looks_at_no_content_is_warned(
    settings: Settings, inspectors: tuple[str, ...]
) -> None:
    assert check_inspectors() == []
    settings.SIGN_S3 = {**settings.SIGN_S3, "inspectors": inspectors}
    assert ids(check_inspectors()) == ["sign_s3.W013"]


def test_inspectors_of_ones_own_may_come_on_top(settings: Settings) -> None:
    inspectors = ("scanner.scan", "sign_s3.inspection.check_signature")
    settings.SIGN_S3 = {**settings.SIGN_S3, "inspectors": inspectors}
    assert check_inspectors() == []


def test_half_a_key_for_uploads_is_an_error(settings: Settings) -> None:
    settings.AWS_UPLOAD_ACCESS_KEY_ID = "uploads"
    assert ids(check_settings()) == ["sign_s3.E014"]
    settings.AWS_UPLOAD_SECRET_ACCESS_KEY = "an upload secret"
    assert check_settings() == []


def test_another_store_than_aws_should_have_a_key_for_uploads(settings: Settings) -> None:
    assert check_upload_key() == []
    settings.AWS_S3_ENDPOINT_URL = "https://s3.example.com"
    assert ids(check_upload_key()) == ["sign_s3.W015"]
    settings.AWS_UPLOAD_ACCESS_KEY_ID = "uploads"
    settings.AWS_UPLOAD_SECRET_ACCESS_KEY = "an upload secret"
    assert check_upload_key() == []


# ------------------------------------------------------------------ the database


@pytest.mark.django_db
def test_missing_triggers_are_an_error_of_the_database_they_are_missing_in() -> None:
    assert check_triggers(databases=["default"]) == []
    triggers._drop(connection, triggers._installed(connection)[:1])
    assert check_triggers(databases=None) == []
    assert ids(check_triggers(databases=["default"])) == ["sign_s3.E011"]
    with pytest.raises(SystemCheckError, match=r"\(sign_s3\.E011\)"):
        call_command("check", databases=["default"])


def test_checks_that_run_by_default_touch_no_database() -> None:
    call_command("check")
