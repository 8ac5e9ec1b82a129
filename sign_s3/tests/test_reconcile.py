"""An old database over a newer bucket, and the other way round."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from conftest import Buckets
from sign_s3.bucket import BucketUnavailable, on_request
from sign_s3.keys import object_key
from sign_s3.models import MediaObject, State
from sign_s3.services.audit import Audit, audit
from sign_s3.services.sweep import Swept, sweep
from sign_s3.tests.app.factories import a_key, in_the_ledger
from sign_s3.tests.app.models import Photo

pytestmark = pytest.mark.django_db


def reconcile(*arguments: str) -> str:
    out = io.StringIO()
    call_command("reconcile", *arguments, stdout=out)
    return out.getvalue()


def put(buckets: Buckets, key: str, owner: str | None = "alice") -> str:
    metadata = {} if owner is None else {"userid": owner}
    buckets.media.put(object_key(key), "bytes", metadata, content_type="image/jpeg")
    return key


def names(buckets: Buckets) -> list[str]:
    return [found.key for found in buckets.media.list()]


def test_it_counts_and_changes_nothing(buckets: Buckets) -> None:
    in_the_ledger()
    put(buckets, a_key())
    put(buckets, in_the_ledger(state=State.DELETED))
    before = list(MediaObject.objects.order_by("pk").values())
    assert reconcile() == "missing: 1\nunknown: 1\nreturned: 1\n"
    assert list(MediaObject.objects.order_by("pk").values()) == before


def test_it_lists_names_for_other_tools(buckets: Buckets) -> None:
    keys = sorted(in_the_ledger() for _ in range(3))
    assert reconcile("--list", "missing") == "".join(f"{object_key(key)}\n" for key in keys)
    assert reconcile("--list", "unknown") == ""


def test_with_an_old_database_newer_files_stay_and_older_ones_are_missed(
    buckets: Buckets,
) -> None:
    """Attached after the backup: no row. Deleted after the backup: a row, a record, no object."""
    newer = put(buckets, a_key())
    deleted = in_the_ledger()
    Photo.objects.create(image=deleted)
    for _ in range(2):
        report = audit(force=True)
        assert report.unknown.examples == [object_key(newer)]
        assert report.missing.examples == [object_key(deleted)]
        assert sweep(force=True) == Swept()
    assert names(buckets) == [object_key(newer)]


def test_adopting_what_records_refer_to_makes_the_ledger_whole(buckets: Buckets) -> None:
    """The records were brought back from elsewhere; the rows of the ledger were not."""
    shown, unused = put(buckets, a_key()), put(buckets, a_key())
    Photo.objects.create(image=shown, hidden=True)
    assert audit().dangling.number == 1

    assert reconcile("--adopt", "referenced") == "1 adopted, 1 still unknown\n"
    row = MediaObject.objects.get()
    assert (row.key, row.owner, row.state, row.content_type, row.size) == (
        shown,
        "alice",
        State.ATTACHED,
        "image/jpeg",
        5,
    )
    report = audit()
    assert report.dangling.number == 0
    assert report.unknown.examples == [object_key(unused)]

    Photo.objects.all().delete()
    assert sweep() == Swept(deleted=1)
    assert names(buckets) == [object_key(unused)]


def test_adopting_all_lets_the_audit_clear_what_nothing_refers_to(buckets: Buckets) -> None:
    put(buckets, a_key())
    no_owner = put(buckets, a_key(), owner=None)
    foreign = ["media/notes.txt", "media/" + a_key().replace("photo", "elsewhere"), "zürich\n"]
    for name in foreign:
        buckets.media.put(name, "bytes")
    assert reconcile("--adopt", "all") == "2 adopted, 3 still unknown\n"
    assert MediaObject.objects.get(key=no_owner).owner == ""
    assert audit().released == 2
    assert sweep() == Swept(deleted=2)
    assert sorted(names(buckets)) == sorted(foreign)


def test_with_an_old_bucket_deleted_files_come_back_and_go_again(buckets: Buckets) -> None:
    in_a_week = Now() + timedelta(days=7)
    key = put(buckets, in_the_ledger(state=State.DELETED, deletes_sent=2, due_at=in_a_week))
    used = in_the_ledger(state=State.DELETED, deletes_sent=2, due_at=in_a_week)
    put(buckets, used)
    Photo.objects.create(image=used)  # a record that was brought back as well
    assert sweep() == Swept()
    assert len(names(buckets)) == 2

    assert reconcile("--delete-again") == "2 up for deletion\n"
    assert sweep() == Swept(deleted=1, kept=1)
    assert names(buckets) == [object_key(used)]
    assert MediaObject.objects.get(key=used).state == State.ATTACHED
    assert MediaObject.objects.get(key=key).deletes_sent == 1


def test_without_s3_it_fails_in_a_line(buckets: Buckets) -> None:
    def fail(_: str) -> None:
        raise BucketUnavailable("test-media", "no answer")

    undo = on_request(fail)
    try:
        with pytest.raises(CommandError, match=r"^test-media: no answer$"):
            reconcile()
    finally:
        undo()


def test_where_all_is_well_there_is_nothing_to_do(buckets: Buckets) -> None:
    Photo.objects.create(image=put(buckets, in_the_ledger()))
    assert reconcile() == "missing: 0\nunknown: 0\nreturned: 0\n"
    assert reconcile("--adopt", "all") == "0 adopted, 0 still unknown\n"
    assert reconcile("--delete-again") == "0 up for deletion\n"
    assert audit() == Audit()
