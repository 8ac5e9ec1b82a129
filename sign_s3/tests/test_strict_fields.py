from typing import Any

import pytest
from rest_framework import serializers

from sign_s3.api.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictEmailField,
    StrictIntegerField,
)

Field = serializers.Field[Any, Any, Any, Any]


def code_for(field: Field, value: object) -> str:
    with pytest.raises(serializers.ValidationError) as refusal:
        field.run_validation(value)
    codes: Any = refusal.value.get_codes()
    assert len(codes) == 1
    return str(codes[0])


@pytest.mark.parametrize("value", ["3", "", 3.0, 2.5, True, [], {}, 2**63, -(2**63) - 1])
def test_only_an_integer_is_an_integer(value: object) -> None:
    assert code_for(StrictIntegerField(), value) == "invalid"


def test_integers_keep_to_their_range() -> None:
    field = StrictIntegerField(min_value=1, max_value=10)
    assert [field.run_validation(n) for n in (1, 10)] == [1, 10]
    assert [code_for(field, n) for n in (0, 11, 10**9, None)] == [
        "min_value",
        "max_value",
        "max_value",
        "null",
    ]


@pytest.mark.parametrize("field", [StrictCharField(), StrictEmailField()])
@pytest.mark.parametrize("value", [3, 2.5, True, [], {}, ["a"]])
def test_only_a_string_is_a_string(field: Field, value: object) -> None:
    assert code_for(field, value) == "invalid"


def test_strings_are_checked_as_ever() -> None:
    assert StrictCharField().run_validation(" a ") == "a"
    assert StrictCharField(allow_null=True).run_validation(None) is None
    assert StrictEmailField().run_validation("alice@example.com") == "alice@example.com"
    assert code_for(StrictCharField(), "") == "blank"
    assert code_for(StrictCharField(), "a\0b") == "null_characters_not_allowed"
    assert code_for(StrictCharField(), "\ud800") == "surrogate_characters_not_allowed"
    assert code_for(StrictEmailField(), "alice") == "invalid"


@pytest.mark.parametrize("value", ["true", "yes", 1, 0, "", [], {}])
def test_only_true_and_false_are_booleans(value: object) -> None:
    assert code_for(StrictBooleanField(), value) == "invalid"
    assert StrictBooleanField().run_validation(False) is False
