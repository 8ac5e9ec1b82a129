"""Serializer fields that take a JSON value for what it is: nothing is coerced."""

from typing import Any, Final

from rest_framework import serializers

_INT64: Final = range(-(2**63), 2**63)


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer that fits 64 bits. ``"3"``, ``3.0`` and ``true`` are `invalid`."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int or data not in _INT64:
            self.fail("invalid")
        return data


class StrictCharField(serializers.CharField):
    """A JSON string. Numbers, which DRF would turn into text, are `invalid`."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if isinstance(data, str) or data is None or data is serializers.empty:
            return super().run_validation(data)
        # CharField.run_validation would first call str() on whatever was sent.
        return self.fail("invalid")


class StrictEmailField(StrictCharField, serializers.EmailField):
    """A JSON string that is an email address."""


class StrictBooleanField(serializers.BooleanField):
    """``true`` or ``false``, none of the words and numbers DRF takes for them."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid", input=data)
        return data
