"""The renderer writes what REST framework's would."""

import datetime as dt
import json
import uuid
from decimal import Decimal

import pytest
from django.utils.translation import gettext_lazy
from rest_framework import renderers
from rest_framework.exceptions import ErrorDetail
from rest_framework.serializers import Serializer
from rest_framework.utils.serializer_helpers import ReturnDict

from sign_s3.api.renderers import JSONRenderer


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"a": [1, 2.5, True, None, "é\u2028\U0001f600"]},
        {"time": dt.datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)},
        {"day": dt.date(2025, 1, 2), "for": dt.timedelta(seconds=90)},
        {"id": uuid.UUID(int=7), "price": Decimal("1.10")},
        {"text": gettext_lazy("Enter a number."), "detail": ErrorDetail("wrong", "invalid")},
        {1: "one"},
        ReturnDict({"a": 1}, serializer=Serializer()),
    ],
)
def test_it_means_what_rest_framework_writes(data):
    ours = JSONRenderer().render(data)
    assert json.loads(ours) == json.loads(renderers.JSONRenderer().render(data))


def test_it_writes_utf8_without_blanks():
    assert JSONRenderer().render({"a": "é"}) == '{"a":"é"}'.encode()


def test_no_data_has_no_body():
    assert JSONRenderer().render(None) == b""
