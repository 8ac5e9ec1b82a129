"""The audit: what triggers, services and restores leave behind, found and not deleted."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from conftest import Buckets
from sign_s3 import triggers
from sign_s3.bucket import on_request
from sign_s3.keys import object_key
from sign_s3.models import MediaObject, State
from sign_s3.services.audit import Audit, Finding, ImplausibleAudit, audit
from sign_s3.services.compare import Difference, Kind, differences
from sign_s3.services.sweep import Swept, sweep
from sign_s3.tests.app.factories import a_key, in_the_ledger
from sign_s3.tests.app.models import FILMS, Album, Film, Photo

pytestmark = pytest.mark.django_db


def stored(buckets: Buckets, key: str) -> str:
    buckets.media.put(object_key(key), "bytes")
    return key


def shown(buckets: Buckets, **fields: Any) -> str:
    """A file as it should be: attached, there, and in use."""
    key = stored(buckets, in_the_ledger(**fields))
    Photo.objects.create(image=key, hidden=True)
    return key


def found(*names: str) -> Finding:
    return Finding(len(names), list(names))


def many_unreferenced(number: int) -> None:
    row = {"owner": "alice", "etag": "", "content_type": "image/png", "size": 1}
    MediaObject.objects.bulk_create(
        (MediaObject(key=a_key(), state=State.ATTACHED, **row) for _ in range(number)),
        batch_size=1_000,
    )


def test_where_all_is_well_nothing_is_found(buckets: Buckets) -> None:
    shown(buckets)
    in_the_ledger(state=State.PROMOTING)
    stored(buckets, in_the_ledger(state=State.PROMOTING))
    in_the_ledger(state=State.DELETING)
    stored(buckets, in_the_ledger(state=State.DELETING))
    in_the_ledger(state=State.DELETED)
    assert audit() == Audit()
    assert audit().clean


def test_what_nothing_refers_to_is_released(buckets: Buckets) -> None:
    key, used = stored(buckets, in_the_ledger()), shown(buckets)
    assert audit(dry_run=True) == Audit(unreferenced=found(key))
    assert MediaObject.objects.get(key=key).state == State.ATTACHED
    assert audit() == Audit(unreferenced=found(key), released=1)
    assert sweep() == Swept(deleted=1)
    assert [each.key for each in buckets.media.list()] == [object_key(used)]


def test_a_key_in_any_field_is_in_use(buckets: Buckets) -> None:
    cover, photo, film = (stored(buckets, in_the_ledger()) for _ in range(3))
    Album.objects.create(cover=cover)
    Film.objects.create(image=photo, movie=film)
    assert audit() == Audit()


@pytest.mark.django_db(transaction=True)
def test_records_removed_past_the_triggers_release_their_files(buckets: Buckets) -> None:
    """TRUNCATE on PostgreSQL; SQLite has none, so there it is the triggers that are gone."""
    key = shown(buckets)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("TRUNCATE gallery_photo CASCADE")
        else:
            for trigger in triggers._installed(connection):
                cursor.execute(f"DROP TRIGGER {connection.ops.quote_name(trigger.name)}")
            cursor.execute("DELETE FROM gallery_photo")
    assert MediaObject.objects.get(key=key).state == State.ATTACHED
    triggers.install(using="default")
    assert audit() == Audit(unreferenced=found(key), released=1)


def test_more_than_half_of_many_files_unreferenced_waits_for_a_person(buckets: Buckets) -> None:
    many_unreferenced(1_001)
    with pytest.raises(ImplausibleAudit, match="Nothing refers to 1001 of 1001 files"):
        audit()
    assert not MediaObject.objects.exclude(state=State.ATTACHED).exists()
    assert audit(force=True).released == 1_001
    assert audit() == Audit()


def test_references_to_keys_that_are_not_attached_are_reported(buckets: Buckets) -> None:
    unknown, leaving = a_key(), stored(buckets, in_the_ledger(state=State.DELETING))
    photos = [Photo.objects.create(image=key, hidden=True) for key in (unknown, leaving)]
    report = audit()
    assert report.dangling == found(
        f"gallery.Photo.image of {photos[0].pk}: {unknown}",
        f"gallery.Photo.image of {photos[1].pk}: {leaving}",
    )
    assert not report.clean


def test_files_that_are_not_there_are_reported(buckets: Buckets) -> None:
    key = in_the_ledger()
    Photo.objects.create(image=key)
    assert audit() == Audit(missing=found(object_key(key)))


def test_objects_no_row_knows_are_reported_and_never_deleted(buckets: Buckets) -> None:
    names = sorted([object_key(a_key()), "media/notes.txt", "zürich/€.png", "0"])
    for name in names:
        buckets.media.put(name, "bytes")
    for _ in range(2):
        assert audit(force=True) == Audit(unknown=found(*names))
        sweep(force=True)
    assert [each.key for each in buckets.media.list()] == names


def test_objects_that_came_back_are_reported(buckets: Buckets) -> None:
    key = stored(buckets, in_the_ledger(state=State.DELETED))
    assert audit() == Audit(returned=found(object_key(key)))


def test_examples_are_ten_and_the_number_is_exact(buckets: Buckets) -> None:
    many_unreferenced(12)
    report = audit(dry_run=True)
    assert report.unreferenced.number == report.missing.number == 12
    assert len(report.unreferenced.examples) == len(report.missing.examples) == 10


def test_missing_triggers_are_reported(buckets: Buckets) -> None:
    with connection.cursor() as cursor:
        [trigger] = [
            each
            for each in triggers._installed(connection)
            if each.table == "gallery_album" and "delete" in each.name
        ]
        table = " ON gallery_album" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER {connection.ops.quote_name(trigger.name)}{table}")
    assert audit() == Audit(triggers=["delete of gallery_album.cover"])
    triggers.install(using="default")
    assert audit() == Audit()


@pytest.mark.django_db(transaction=True)
def test_what_changes_while_it_looks_is_no_finding(buckets: Buckets) -> None:
    """Between reading the ledger and listing the bucket one file is attached and one deleted."""
    going = shown(buckets)

    def change(operation: str) -> None:
        if operation == "ListObjectsV2":
            undo()
            shown(buckets)
            Photo.objects.filter(image=going).delete()
            assert sweep().deleted == 1

    undo = on_request(change)
    assert audit() == Audit()


def test_a_listing_of_many_pages_is_compared_in_the_order_of_bytes(buckets: Buckets) -> None:
    """Ids mix cases and digits, which many a locale sorts another way than S3 does."""
    keys = [a_key() for _ in range(1_200)] + [a_key(FILMS) for _ in range(20)]
    row = {"owner": "alice", "etag": "", "content_type": "image/png", "size": 1}
    MediaObject.objects.bulk_create(
        MediaObject(key=key, state=State.ATTACHED, **row) for key in keys[:-1]
    )
    for key in keys[1:]:
        buckets.media.put(object_key(key), "")
    calls: list[str] = []
    undo = on_request(calls.append)
    assert sorted(differences(), key=lambda each: each.kind) == [
        Difference(Kind.MISSING, object_key(keys[0])),
        Difference(Kind.UNKNOWN, object_key(keys[-1])),
    ]
    undo()
    assert calls[:3] == ["ListObjectsV2", "ListObjectsV2", "HeadObject"]


def test_the_command_prints_what_was_found_and_fails(buckets: Buckets) -> None:
    key, unused = in_the_ledger(), stored(buckets, in_the_ledger())
    Photo.objects.create(image=key)
    buckets.media.put("media/notes.txt", "bytes")
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"^the audit found something to look at$"):
        call_command("sweep", "--audit", stdout=out)
    assert out.getvalue() == (
        f"unreferenced: 1\n    {unused}\n"
        "released: 1\n"
        "dangling: 0\n"
        f"missing: 1\n    {object_key(key)}\n"
        "unknown: 1\n    media/notes.txt\n"
        "returned: 0\n"
        "triggers missing: 0\n"
    )


def test_the_command_prints_json(buckets: Buckets) -> None:
    key = stored(buckets, in_the_ledger())
    out = io.StringIO()
    call_command("sweep", "--audit", "--json", stdout=out)
    nothing = {"number": 0, "examples": []}
    assert json.loads(out.getvalue()) == {
        "unreferenced": {"number": 1, "examples": [key]},
        "released": 1,
        "dangling": nothing,
        "missing": nothing,
        "unknown": nothing,
        "returned": nothing,
        "triggers": [],
    }
