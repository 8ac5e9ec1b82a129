"""S7: no S3 call inside a database transaction."""

import logging

import pytest
from django.conf import LazySettings
from django.db import transaction

from conftest import Buckets
from sign_s3.guard import S3CallInTransaction
from sign_s3.services.store import each
from sign_s3.storage import media_bucket


@pytest.mark.django_db(transaction=True)
def test_an_s3_call_inside_a_transaction_is_stopped(buckets: Buckets) -> None:
    with (
        pytest.raises(S3CallInTransaction, match=r"PutObject .* on default"),
        transaction.atomic(),
    ):
        buckets.media.put("a", "ciao")
    assert list(buckets.media.list()) == []


@pytest.mark.django_db
def test_the_transaction_around_a_test_does_not_count(buckets: Buckets) -> None:
    buckets.media.put("a", "ciao")
    with pytest.raises(S3CallInTransaction), transaction.atomic():
        buckets.media.get("a")


@pytest.mark.django_db(transaction=True)
def test_after_a_commit_s3_may_be_called(buckets: Buckets) -> None:
    with transaction.atomic():
        transaction.on_commit(lambda: buckets.media.put("a", "ciao"))
    assert [found.key for found in buckets.media.list()] == ["a"]


@pytest.mark.django_db(transaction=True)
def test_calls_handed_to_other_threads_are_stopped_as_well(buckets: Buckets) -> None:
    with pytest.raises(S3CallInTransaction, match="a batch of calls"), transaction.atomic():
        each(media_bucket().stat, ["a", "b"])


@pytest.mark.django_db(transaction=True)
def test_in_production_it_is_logged_with_where_it_came_from(
    buckets: Buckets, settings: LazySettings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SIGN_S3 = {**settings.SIGN_S3, "transaction_guard": "log"}
    with caplog.at_level(logging.ERROR, "sign_s3.guard"), transaction.atomic():
        buckets.media.put("a", "ciao")
    [record] = caplog.records
    assert record.getMessage() == (
        "PutObject was about to be sent to S3 inside a transaction on default"
    )
    assert record.stack_info is not None
    assert "test_in_production" in record.stack_info
