"""Records that hold uploads, and the ways they come, change and go."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from django.db import connection

from sign_s3.destinations import Destination
from sign_s3.tests.app.models import COVERS, Album, Photo


class RecordGone(Exception):
    """The record that a request was to change was deleted meanwhile."""


def references() -> Mapping[str, int]:
    """How many records hold each key."""
    held = [*Photo.objects.values_list("image", flat=True)]
    held += Album.objects.values_list("cover", flat=True)
    return Counter(str(key) for key in held if key)


def refer_to(key: str, destination: Destination, album: Album | None = None) -> None:
    """A new record holds the key. A cover needs an album of its own."""
    if destination is COVERS:
        Album.objects.create(cover=key)
    else:
        Photo.objects.create(image=key, album=album)


def writing(
    uploads: Sequence[tuple[str, Destination]], how: str, record: int
) -> Callable[[object], None]:
    """What a request saves: "new" records, one that it has to "edit", or something that "fails"."""
    photos = list(Photo.objects.order_by("pk").values_list("pk", flat=True))
    old = photos[record % len(photos)] if photos and how == "edit" else None

    def save(_: object) -> None:
        album = Album.objects.create()
        for place, (key, destination) in enumerate(uploads):
            if old is None or place > 0 or destination is COVERS:
                refer_to(key, destination, album)
            elif not Photo.objects.filter(pk=old).update(image=key):
                raise RecordGone
            if how == "fails":
                Album.objects.create(pk=album.pk)

    return save


def release(record: int, way: str) -> None:
    """A record is deleted or changed, past the service."""
    albums = list(Album.objects.order_by("pk"))
    photos = list(Photo.objects.order_by("pk"))
    if albums and (way == "cascade" or not photos):
        albums[record % len(albums)].delete()
        return
    photo = photos[record % len(photos)]
    if way == "cleared":
        Photo.objects.filter(pk=photo.pk).update(image=None)
    elif way == "bulk":
        photo.image = None
        Photo.objects.bulk_update([photo], ["image"])
    elif way == "sql":
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(Photo._meta.db_table)
            cursor.execute(f"DELETE FROM {table} WHERE id = %s", [photo.pk])
    else:
        Photo.objects.filter(pk=photo.pk).delete()


def forget_all() -> None:
    Photo.objects.all().delete()
    Album.objects.all().delete()
