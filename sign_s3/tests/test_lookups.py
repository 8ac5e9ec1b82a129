"""``among`` finds what ``in`` finds, with one parameter."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sign_s3.models import MediaObject
from sign_s3.tests.app.factories import in_the_ledger


@pytest.fixture
def keys(db: None) -> list[str]:
    """Rows of the ledger."""
    return [in_the_ledger() for _ in range(5)]


def test_it_finds_those_and_no_others(keys: list[str]) -> None:
    wanted = {keys[0], keys[3], "unknown"}
    found = MediaObject.objects.filter(key__among=wanted).values_list("key", flat=True)
    assert set(found) == {keys[0], keys[3]}


def test_among_none_there_is_none(keys: list[str]) -> None:
    assert not MediaObject.objects.filter(key__among=[]).exists()


def test_it_can_be_excluded(keys: list[str]) -> None:
    assert MediaObject.objects.exclude(key__among=keys[1:]).get().key == keys[0]


@pytest.mark.parametrize(
    "text", ["", '"', "'", "\\", "%s", "{a,b}", "a\nb", "é", "\U0001f600", '["a"]']
)
def test_a_value_is_compared_for_what_it_is(keys: list[str], text: str) -> None:
    MediaObject.objects.filter(key=keys[0]).update(owner=text)
    assert MediaObject.objects.filter(owner__among=[text, "nobody"]).get().key == keys[0]


def test_it_crosses_a_relation(keys: list[str]) -> None:
    users = get_user_model().objects
    assert not users.filter(groups__name__among=["a"]).exists()


def test_any_number_of_values_is_one_parameter(keys: list[str]) -> None:
    many = [*keys, *(f"key {number}" for number in range(2000))]
    with CaptureQueriesContext(connection) as sent:
        assert MediaObject.objects.filter(key__among=many).count() == len(keys)
    assert len(sent) == 1
