import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.sites import site
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError, ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.db.migrations.writer import MigrationWriter
from django.forms import modelform_factory
from django.test import Client
from django.utils.datastructures import MultiValueDict
from pytest_django import DjangoAssertNumQueries, Settings

from sign_s3.fields import (
    KEYS_PER_QUERY,
    UploadField,
    catalogue,
    destination_for_path,
    destination_of,
    references,
    upload_fields,
)
from sign_s3.models import MediaObject, State
from sign_s3.tests.app.factories import a_key, in_the_ledger
from sign_s3.tests.app.models import (
    COVERS,
    FILMS,
    PAPERS,
    PHOTOS,
    PORTFOLIO,
    Album,
    Film,
    Invoice,
    Letter,
    Paper,
    Photo,
    PhotoByCaption,
    Piece,
)

# ------------------------------------------------------------------ what the column holds


@pytest.mark.django_db
def test_a_key_is_stored_without_the_media_prefix() -> None:
    key = a_key()
    photo = Photo.objects.create(image=f"media/{key}")
    assert photo.image == key
    assert Photo.objects.values_list("image", flat=True).get() == key
    assert Photo.objects.get(image=f"media/{key}") == photo


@pytest.mark.django_db
@pytest.mark.parametrize("blank", ["", None, "media/"])
def test_blanks_are_null_so_that_many_rows_may_have_none(blank: str | None) -> None:
    for _ in range(2):
        Photo.objects.create(image=blank)
    Photo.objects.update(image=blank)
    assert Photo.objects.filter(image__isnull=True).count() == 2
    assert Photo.objects.filter(image="").count() == 2


@pytest.mark.django_db
def test_rows_without_a_file_are_no_duplicates_of_each_other() -> None:
    Photo.objects.create(image=a_key()).full_clean()
    Photo.objects.create()
    Photo().full_clean()
    taken = Photo.objects.exclude(image=None).get().image
    with pytest.raises(ValidationError, match="Photo with this Image already exists"):
        Photo(image=taken).full_clean()
    first, second = Photo.objects.all()
    first.image = None
    Photo.objects.bulk_update([first, second], ["image"])
    assert Photo.objects.filter(image=None).count() == 2


@pytest.mark.django_db
def test_a_key_stands_in_one_row() -> None:
    key = a_key()
    Photo.objects.create(image=key)
    with pytest.raises(IntegrityError), transaction.atomic():
        Photo.objects.create(image=f"media/{key}")


def test_there_is_a_signed_url_wherever_there_is_a_file() -> None:
    key = a_key()
    url = Photo(image=key).image.url
    assert f"/media/{key}?" in url
    assert "X-Amz-Signature=" in url
    with pytest.raises(ValueError, match="has no file"):
        _ = Photo().image.url


def test_only_a_public_file_is_at_the_custom_domain(settings: Settings) -> None:
    settings.AWS_S3_CUSTOM_DOMAIN = "cdn.example.com"
    cover, image = a_key(COVERS), a_key()
    assert Album(cover=cover).cover.url == f"https://cdn.example.com/media/{cover}"
    assert "cdn.example.com" not in Photo(image=image).image.url


def test_a_row_can_be_pickled_and_copied() -> None:
    photo = Photo(image=a_key())
    assert pickle.loads(pickle.dumps(photo)).image.url == photo.image.url
    assert copy.deepcopy(photo).image == photo.image


# ------------------------------------------------------------------ files are refused


def a_file() -> "ContentFile[bytes]":
    return ContentFile(b"bytes", name="holiday.jpeg")


def save(photo: Photo) -> None:
    photo.image = a_file()
    photo.save()


def create_in_bulk(photo: Photo) -> None:
    Photo.objects.bulk_create([Photo(image=a_file())])


def update(photo: Photo) -> None:
    Photo.objects.update(image=a_file())


def update_in_bulk(photo: Photo) -> None:
    photo.image = a_file()
    Photo.objects.bulk_update([photo], ["image"])


@pytest.mark.django_db
@pytest.mark.parametrize("store", [save, create_in_bulk, update, update_in_bulk])
def test_an_uploaded_file_cannot_be_stored_past_the_ledger(store: Callable[[Photo], None]) -> None:
    photo = Photo.objects.create()
    with pytest.raises(FieldError, match=r"gallery\.Photo\.image takes"), transaction.atomic():
        store(photo)
    assert list(Photo.objects.values_list("image", flat=True)) == [None]


def test_files_can_be_neither_saved_nor_deleted_from_a_row() -> None:
    photo = Photo(image=a_key())
    with pytest.raises(FieldError, match="takes the key"):
        photo.image.save("holiday.jpeg", a_file())
    with pytest.raises(FieldError, match="None to release it"):
        photo.image.delete()


@pytest.mark.django_db
def test_the_file_of_one_row_can_be_handed_to_another() -> None:
    photo = Photo.objects.create(image=a_key())
    key, photo.image = photo.image, None
    photo.save()
    assert Photo.objects.create(image=key).image == key


# ------------------------------------------------------------------ migrations


def test_the_destination_stays_out_of_migrations() -> None:
    field = UploadField(destination=PHOTOS, blank=True)
    assert MigrationWriter.serialize(field)[0] == (
        "sign_s3.fields.UploadField(blank=True, max_length=156, null=True, unique=True)"
    )
    assert field.clone().destination is None


def test_an_heir_of_an_abstract_model_has_the_destination() -> None:
    assert Letter._meta.get_field("document").destination is PAPERS


@pytest.mark.parametrize("argument", ["upload_to", "storage"])
def test_what_says_where_files_go_elsewhere_is_refused(argument: str) -> None:
    with pytest.raises(TypeError, match=f"takes no {argument}"):
        UploadField(destination=PHOTOS, **{argument: "photos/"})


# ------------------------------------------------------------------ forms and the admin


def form(photo: Photo, data: dict[str, Any], *fields: str) -> Any:
    files: MultiValueDict[str, Any] = MultiValueDict(
        {"image": [SimpleUploadedFile("evil.html", b"<script>")]}
    )
    return modelform_factory(Photo, fields=["image", *fields])(data, files, instance=photo)


@pytest.mark.django_db
def test_a_form_shows_a_link_and_a_box_and_escapes_both() -> None:
    photo = Photo(image='<script>"')
    html = str(form(photo, {})["image"])
    assert "<script>" not in html
    assert "&lt;script&gt;&quot;</a>" in html
    assert "X-Amz-Signature=" in html
    assert 'type="checkbox" name="image-clear"' in html
    assert 'type="file"' not in html


@pytest.mark.django_db
def test_a_form_without_a_file_shows_neither() -> None:
    html = str(form(Photo(), {})["image"])
    assert "<a" not in html
    assert "<input" not in html


@pytest.mark.django_db
def test_a_posted_file_is_not_looked_at() -> None:
    photo = Photo.objects.create(image=a_key())
    key = photo.image.name
    posted = form(photo, {"image": "gallery/photo_other"})
    assert posted.is_multipart() is False
    assert not posted.has_changed()
    assert posted.save().image == key


@pytest.mark.django_db
def test_the_box_clears_an_optional_file() -> None:
    photo = Photo.objects.create(image=a_key())
    posted = form(photo, {"image-clear": "on"})
    assert posted.changed_data == ["image"]
    posted.save()
    assert Photo.objects.values_list("image", flat=True).get() is None


@pytest.mark.django_db
def test_a_required_file_cannot_be_cleared_and_an_absent_one_is_an_error() -> None:
    factory = modelform_factory(Letter, fields=["document"])
    letter = Letter.objects.create(document=a_key(PAPERS))
    posted = factory({"document-clear": "on"}, instance=letter)
    assert "checkbox" not in str(posted["document"])
    assert posted.is_valid()
    assert posted.save().document.name is not None
    assert factory({}).errors == {"document": ["This field cannot be blank."]}


@pytest.fixture
def admin(client: Client, db: None) -> Client:
    user = get_user_model().objects.create_superuser(
        email="alice@example.com", password="only for tests", nickname="alice"
    )
    client.force_login(user)
    return client


@pytest.mark.urls("sign_s3.tests.app.urls")
def test_the_stock_admin_shows_clears_and_deletes(admin: Client) -> None:
    assert site.is_registered(Photo)
    first, second = in_the_ledger(), in_the_ledger()
    photo = Photo.objects.create(image=first)
    page = f"/admin/gallery/photo/{photo.pk}/change/"
    assert f"/media/{first}?" in admin.get(page).content.decode()

    fields = {"caption": "a", "hidden": ""}
    assert admin.post(page, fields).status_code == 302
    assert Photo.objects.get().image == first
    assert admin.post(page, {**fields, "image-clear": "on"}).status_code == 302
    assert not Photo.objects.get().image
    assert MediaObject.objects.get(key=first).state == State.DELETING

    Photo.objects.update(image=second)
    assert admin.post(page.replace("change", "delete"), {"post": "yes"}).status_code == 302
    assert MediaObject.objects.get(key=second).state == State.DELETING


@pytest.mark.urls("sign_s3.tests.app.urls")
def test_the_ledger_can_be_searched_and_not_changed(admin: Client) -> None:
    key, other = in_the_ledger(size=2048), in_the_ledger()
    page = admin.get("/admin/sign_s3/mediaobject/", {"q": f"media/{key}"}).content.decode()
    assert key in page
    assert "2.0\xa0KB" in page
    assert other not in page
    row = MediaObject.objects.get(key=key)
    detail = f"/admin/sign_s3/mediaobject/{row.pk}"
    assert admin.get(f"{detail}/change/").status_code == 200
    assert admin.post(f"{detail}/change/", {"owner": "bob"}).status_code == 403
    assert admin.post(f"{detail}/delete/", {"post": "yes"}).status_code == 403
    assert admin.get("/admin/sign_s3/mediaobject/add/").status_code == 403


# ------------------------------------------------------------------ the catalogue


def test_each_column_is_in_the_catalogue_once() -> None:
    ours = [f for f in upload_fields() if f.model._meta.app_label == "gallery"]
    assert [(field.model, field.name) for field in ours] == [
        (Album, "cover"),
        (Photo, "image"),
        (Film, "movie"),
        (Letter, "document"),
        (Invoice, "document"),
        (Piece, "picture"),
    ]
    assert not {Paper, PhotoByCaption} & {field.model for field in upload_fields()}


def test_a_path_names_its_destination_exactly() -> None:
    assert destination_for_path("gallery/photo_") is PHOTOS
    assert destination_for_path("gallery/portfolio/") is PORTFOLIO
    for other in ("gallery/", "gallery/photo", "gallery/photo_x", "gallery/portfolio/2026/01/", ""):
        assert destination_for_path(other) is None
    assert catalogue()["gallery/papers/"] is PAPERS


def test_a_key_tells_its_destination() -> None:
    assert destination_of(a_key()) is PHOTOS
    assert destination_of("media/" + a_key(FILMS)) is FILMS
    assert destination_of(a_key(PORTFOLIO, path="gallery/portfolio/2026/01/")) is PORTFOLIO
    assert destination_of(a_key(PORTFOLIO, path="gallery/portfolio/2026/")) is None
    assert destination_of(a_key(PORTFOLIO, path="gallery/portfolio/")) is None
    assert destination_of(a_key().replace(".jpeg", ".pdf")) is None
    assert destination_of("gallery/photo_") is None


@pytest.mark.django_db
def test_references_are_found_in_every_table_whatever_a_manager_hides() -> None:
    photo, hidden, cover, film, papers = (
        a_key(),
        a_key(),
        a_key(COVERS),
        a_key(FILMS),
        a_key(PAPERS),
    )
    Photo.objects.create(image=photo)
    Photo.objects.create(image=hidden, hidden=True)
    Album.objects.create(cover=cover)
    Film.objects.create(movie=film)
    Invoice.objects.create(document=papers)
    named = {photo, hidden, cover, film, papers}
    assert references([*named, a_key()]) == named
    assert references([]) == set()


@pytest.mark.django_db
def test_references_take_a_query_for_a_field_and_500_keys(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    keys = [a_key() for _ in range(KEYS_PER_QUERY + 1)]
    Photo.objects.create(image=keys[0])
    Photo.objects.create(image=max(keys))
    with django_assert_num_queries(2 * len(upload_fields())):
        assert references(keys) == {keys[0], max(keys)}
