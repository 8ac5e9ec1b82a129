"""The release triggers, on whichever database DATABASE_URL names (S4, F10)."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import (
    IntegrityError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
    models,
    transaction,
)
from django.db.migrations import AlterField, Migration
from django.db.models.functions import Now

from sign_s3 import triggers
from sign_s3.fields import UploadField, upload_fields
from sign_s3.models import MediaObject, State
from sign_s3.tests.app.factories import a_key, in_the_ledger
from sign_s3.tests.app.models import (
    COVERS,
    PAPERS,
    Album,
    Film,
    Invoice,
    Letter,
    Photo,
    Piece,
)

pytestmark = pytest.mark.django_db
sqlite_only = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite remakes tables")
postgres_only = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's DDL")


def states(*keys: str) -> list[str]:
    found = dict(MediaObject.objects.values_list("key", "state"))
    return [found[key] for key in keys]


def run(sql: str, *params: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


# ------------------------------------------------------------------ what releases a file


def replace_by_save(photo: Photo) -> None:
    photo.image = a_key()
    photo.save()


def clear_by_save(photo: Photo) -> None:
    photo.image = None
    photo.save(update_fields=["image"])


def replace_by_update(photo: Photo) -> None:
    Photo.objects.filter(pk=photo.pk).update(image=a_key())


def clear_by_update(photo: Photo) -> None:
    Photo.objects.update(image=None)


def clear_by_a_blank(photo: Photo) -> None:
    Photo.objects.update(image="")


def replace_by_bulk_update(photo: Photo) -> None:
    photo.image = a_key()
    Photo.objects.bulk_update([photo], ["image"])


def replace_by_upsert(photo: Photo) -> None:
    Photo.objects.bulk_create(
        [Photo(pk=photo.pk, image=a_key())],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["image"],
    )


def delete_the_row(photo: Photo) -> None:
    photo.delete()


def delete_by_queryset(photo: Photo) -> None:
    Photo.objects.all().delete()


def delete_without_the_collector(photo: Photo) -> None:
    Photo.objects.all()._raw_delete("default")


def delete_the_parent(photo: Photo) -> None:
    Album.objects.get().delete()


def update_by_raw_sql(photo: Photo) -> None:
    run("UPDATE gallery_photo SET image = NULL")


def delete_by_raw_sql(photo: Photo) -> None:
    run("DELETE FROM gallery_photo")


@pytest.mark.parametrize(
    "drop",
    [
        replace_by_save,
        clear_by_save,
        replace_by_update,
        clear_by_update,
        clear_by_a_blank,
        replace_by_bulk_update,
        replace_by_upsert,
        delete_the_row,
        delete_by_queryset,
        delete_without_the_collector,
        delete_the_parent,
        update_by_raw_sql,
        delete_by_raw_sql,
    ],
)
def test_whatever_drops_a_reference_releases_the_file(drop: Callable[[Photo], None]) -> None:
    key, other = in_the_ledger(), in_the_ledger()
    photo = Photo.objects.create(album=Album.objects.create(), image=key)
    drop(photo)
    row = MediaObject.objects.get(key=key)
    assert (row.state, row.attempts, row.deletes_sent) == (State.DELETING, 0, 0)
    assert states(other) == [State.ATTACHED]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's REPLACE INTO")
def test_replacing_a_row_releases_its_file() -> None:
    key, other = in_the_ledger(), in_the_ledger()
    album = Album.objects.create()
    photo = Photo.objects.create(album=album, image=key)
    run(
        "REPLACE INTO gallery_photo (id, album_id, caption, hidden, image) "
        f"VALUES ({photo.pk}, {album.pk}, '', 0, '{other}')"
    )
    assert states(key, other) == [State.DELETING, State.ATTACHED]


def test_a_fast_delete_releases_every_file() -> None:
    keys = [in_the_ledger(a_key(PAPERS)) for _ in range(3)]
    Letter.objects.bulk_create(Letter(document=key) for key in keys)
    Letter.objects.filter(document__in=keys[:2]).delete()
    assert states(*keys) == [State.DELETING, State.DELETING, State.ATTACHED]


def test_a_cascade_releases_the_files_of_both_tables() -> None:
    cover, image = in_the_ledger(a_key(COVERS)), in_the_ledger()
    album = Album.objects.create(cover=cover)
    Photo.objects.create(album=album, image=image)
    album.delete()
    assert states(cover, image) == [State.DELETING, State.DELETING]


def test_a_released_file_is_due_at_once_and_not_before() -> None:
    key = in_the_ledger()
    photo = Photo.objects.create(image=key)
    run("UPDATE sign_s3_mediaobject SET attempts = 3")
    began = MediaObject.objects.values_list(Now(), flat=True).get()
    photo.delete()
    row = MediaObject.objects.filter(due_at__lte=Now()).get()
    assert row.due_at is not None
    assert row.due_at >= began
    assert row.attempts == 0


def test_the_trigger_writes_times_as_django_does() -> None:
    """SQLite compares them as text, so one spelling is all that makes them comparable."""
    ours, theirs = in_the_ledger(), in_the_ledger()
    Photo.objects.create(image=ours).delete()
    MediaObject.objects.filter(key=theirs).update(state=State.DELETING, due_at=Now())
    with connection.cursor() as cursor:
        cursor.execute("SELECT length(CAST(due_at AS text)) FROM sign_s3_mediaobject")
        lengths = {row[0] for row in cursor.fetchall()}
    if connection.vendor == "sqlite":
        assert lengths == {len("2026-01-31 12:00:00.000")}
    assert not MediaObject.objects.filter(due_at__gt=Now()).exists()


@pytest.mark.parametrize(
    ("model", "column", "path"),
    [
        (Album, "cover", "gallery/cover_"),
        (Film, "image", "gallery/photo_"),
        (Film, "movie", "gallery/film_"),
        (Letter, "document", "gallery/papers/"),
        (Invoice, "document", "gallery/papers/"),
        (Piece, "picture", "gallery/portfolio/2026/02/"),
    ],
)
@pytest.mark.parametrize("drop", ["update", "delete"])
def test_every_way_to_inherit_or_name_a_column_is_covered(
    model: type[models.Model], column: str, path: str, drop: str
) -> None:
    key = in_the_ledger(a_key(path=path))
    row = model._default_manager.create(**{column: key})
    if drop == "delete":
        row.delete()
    else:
        setattr(row, column, None)
        row.save()
    assert states(key) == [State.DELETING]


# ------------------------------------------------------------------ what does not


def test_saving_the_same_key_again_releases_nothing() -> None:
    key = in_the_ledger()
    photo = Photo.objects.create(image=key)
    photo.image = f"media/{key}"
    photo.caption = "the same picture"
    photo.save()
    Photo.objects.update(image=key)
    assert states(key) == [State.ATTACHED]


def test_a_save_that_fails_releases_nothing() -> None:
    mine, taken = in_the_ledger(), in_the_ledger()
    photo = Photo.objects.create(image=mine)
    Photo.objects.create(image=taken)
    photo.image = taken
    with pytest.raises(IntegrityError), transaction.atomic():
        photo.save()
    assert states(mine, taken) == [State.ATTACHED, State.ATTACHED]


def test_a_save_that_is_rolled_back_releases_nothing() -> None:
    key = in_the_ledger()
    photo = Photo.objects.create(image=key)
    with transaction.atomic():
        photo.delete()
        assert states(key) == [State.DELETING]
        transaction.set_rollback(True)
    assert states(key) == [State.ATTACHED]


def test_two_rows_cannot_swap_their_keys_and_a_try_releases_nothing() -> None:
    one, two = in_the_ledger(), in_the_ledger()
    first, second = Photo.objects.create(image=one), Photo.objects.create(image=two)
    first.image, second.image = two, one
    with pytest.raises(IntegrityError), transaction.atomic():
        Photo.objects.bulk_update([first, second], ["image"])
    assert states(one, two) == [State.ATTACHED, State.ATTACHED]


@pytest.mark.parametrize("state", [State.PROMOTING, State.DELETING, State.DELETED])
def test_only_attached_rows_are_touched(state: State) -> None:
    key = in_the_ledger(state=state)
    before = MediaObject.objects.values().get()
    Photo.objects.create(image=key).delete()
    assert MediaObject.objects.values().get() == before


def test_a_key_the_ledger_does_not_know_can_be_dropped() -> None:
    Photo.objects.create(image=a_key()).delete()
    assert not MediaObject.objects.exists()


# ------------------------------------------------------------------ installing them


def names() -> set[str]:
    return {trigger.name for trigger in triggers._installed(connection)}


def drop_all() -> None:
    triggers._drop(connection, triggers._installed(connection))


def refuse_ddl(execute: Callable[..., object], sql: str, *args: object) -> object:
    assert not sql.startswith(("CREATE", "DROP"))
    return execute(sql, *args)


def test_there_are_two_for_every_column_and_none_is_missing() -> None:
    tables = {field.model._meta.db_table for field in upload_fields()}
    assert {trigger.table for trigger in triggers._installed(connection)} == tables
    assert len(names()) == 2 * len(upload_fields())
    assert triggers.missing("default") == []


def test_names_fit_every_database_and_say_what_they_are() -> None:
    assert all(len(name) <= 63 for name in names())
    assert any(name.startswith("sign_s3_release_update_gallery_album_cover_") for name in names())


def test_installing_again_changes_nothing() -> None:
    before = names()
    with connection.execute_wrapper(refuse_ddl):
        triggers.install(using="default")
    assert names() == before


def test_dropped_triggers_are_missing_until_the_next_migrate() -> None:
    drop_all()
    assert "update of gallery_photo.image" in [str(t) for t in triggers.missing("default")]
    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")
    assert triggers.missing("default") == []


def test_a_changed_definition_replaces_the_old_one() -> None:
    wanted, trigger = names(), triggers._wanted(connection)[0]
    drop_all()
    outdated = f"{trigger.name[:-4]}0000"
    run(trigger.sql.replace(trigger.name, outdated).replace("%", "%%"))
    assert trigger in triggers.missing("default")
    triggers.install(using="default")
    assert names() == wanted


def test_triggers_of_a_field_that_is_gone_are_dropped() -> None:
    wanted = names()
    gone = UploadField()
    gone.set_attributes_from_name("title")
    gone.model = Album
    for trigger in triggers._triggers_of(gone, connection):
        run(trigger.sql.replace("%", "%%"))
    assert names() > wanted
    triggers.install(using="default")
    assert names() == wanted


def test_a_column_that_is_not_migrated_yet_misses_nothing() -> None:
    drop_all()
    run("ALTER TABLE gallery_photo RENAME COLUMN image TO picture")
    assert "gallery_photo" not in {trigger.table for trigger in triggers.missing("default")}


def test_without_the_ledger_there_are_no_triggers_to_fail() -> None:
    run("ALTER TABLE sign_s3_mediaobject RENAME TO elsewhere")
    triggers.install(using="default")
    assert names() == set()
    assert triggers.missing("default") == []
    Photo.objects.create(image=a_key()).delete()


# ------------------------------------------------------------------ migrations


def altered(model: type[models.Model], name: str, max_length: int) -> Any:
    """The field as the next migration would have it."""
    field = cast("Any", model._meta.get_field(name)).clone()
    field.max_length = max_length
    field.set_attributes_from_name(name)
    field.model = model
    return field


def alter(model: type[models.Model], old: Any, new: Any) -> None:
    with connection.schema_editor() as editor:
        editor.alter_field(model, old, new)


def before_migrating(app_label: str, *operations: AlterField) -> None:
    class Next(Migration):
        pass

    Next.operations = operations
    migration = Next("0002_next", app_label)
    emit_pre_migrate_signal(verbosity=0, interactive=False, db="default", plan=[(migration, False)])


@sqlite_only
@pytest.mark.django_db(transaction=True)
def test_a_table_sqlite_remakes_has_its_triggers_back_after_the_migrate() -> None:
    image, longer = Photo._meta.get_field("image"), altered(Photo, "image", 200)
    alter(Photo, image, longer)
    try:
        lost = {str(trigger) for trigger in triggers.missing("default")}
        assert lost == {"update of gallery_photo.image", "delete of gallery_photo.image"}
        call_command("migrate", verbosity=0)
        assert triggers.missing("default") == []
        key = in_the_ledger()
        Photo.objects.create(image=key).delete()
        assert states(key) == [State.DELETING]
    finally:
        alter(Photo, longer, image)
        triggers.install(using="default")


@sqlite_only
@pytest.mark.django_db(transaction=True)
def test_sqlite_can_remake_the_ledger_only_while_they_are_suspended() -> None:
    owner, longer = MediaObject._meta.get_field("owner"), altered(MediaObject, "owner", 100)
    with pytest.raises(OperationalError, match="sign_s3_mediaobject"):
        alter(MediaObject, owner, longer)
    before_migrating("sign_s3")
    alter(MediaObject, owner, longer)
    alter(MediaObject, longer, owner)
    triggers.install(using="default")
    assert triggers.missing("default") == []


@postgres_only
@pytest.mark.django_db(transaction=True)
def test_postgresql_can_alter_a_column_only_while_they_are_suspended() -> None:
    image, longer = Photo._meta.get_field("image"), altered(Photo, "image", 200)
    with pytest.raises(NotSupportedError, match="trigger"):
        alter(Photo, image, longer)
    before_migrating("gallery", AlterField("photo", "image", longer))
    alter(Photo, image, longer)
    alter(Photo, longer, image)
    triggers.install(using="default")
    assert triggers.missing("default") == []


def test_other_migrations_suspend_nothing() -> None:
    before_migrating("auth")
    assert triggers.missing("default") == []


@postgres_only
def test_disabled_triggers_are_missing_and_enabled_by_the_next_migrate() -> None:
    run("ALTER TABLE gallery_photo DISABLE TRIGGER USER")
    assert {trigger.table for trigger in triggers.missing("default")} == {"gallery_photo"}
    triggers.install(using="default")
    assert triggers.missing("default") == []


@postgres_only
def test_a_renamed_column_fails_rather_than_losing_track_of_its_file() -> None:
    Photo.objects.create(image=in_the_ledger())
    run("ALTER TABLE gallery_photo RENAME COLUMN image TO picture")
    with pytest.raises(ProgrammingError, match="image"), transaction.atomic():
        run("UPDATE gallery_photo SET picture = NULL")


@postgres_only
def test_the_function_of_another_version_is_dropped() -> None:
    run(
        "CREATE FUNCTION sign_s3_release_function_0() RETURNS trigger LANGUAGE plpgsql "
        "AS 'BEGIN RETURN NULL; END'"
    )
    triggers.install(using="default")
    with connection.cursor() as cursor:
        cursor.execute("SELECT proname FROM pg_proc WHERE proname LIKE 'sign!_s3!_%' ESCAPE '!'")
        assert [row[0] for row in cursor.fetchall()] == [triggers._function(connection)[0]]
