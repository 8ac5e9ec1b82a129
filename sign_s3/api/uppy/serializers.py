"""What Uppy sends and gets. Names it sends besides these are not looked at."""

import re
from typing import Any, Final

from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from sign_s3.api.fields import StrictCharField
from sign_s3.bucket import Part
from sign_s3.services.ticket import MAX_PARTS

#: Part URLs that one request may ask for.
MAX_BATCH: Final = 100
_PATH_IN_QUERY: Final = "metadata[path]"
_PART_NUMBER: Final = re.compile("[1-9][0-9]{0,4}", re.ASCII)


class MetadataSerializer(serializers.Serializer[Any]):
    """Of a file's metadata, where it goes."""

    path = StrictCharField(trim_whitespace=False)


class FileSerializer(serializers.Serializer[Any]):
    """A file that is about to be sent: its type, and the destination as metadata."""

    type = StrictCharField(trim_whitespace=False)
    metadata = MetadataSerializer()

    @classmethod
    def of_query(cls, query: QueryDict) -> "FileSerializer":
        """The same in an address: ``type=…&metadata[path]=…``, each once."""
        sent = {"metadata": _only(query, path=_PATH_IN_QUERY), **_only(query, type="type")}
        return cls(data=sent)

    @property
    def wanted(self) -> dict[str, str]:
        """Type and path as the services call them; `ValidationError` if the request is wrong."""
        self.is_valid(raise_exception=True)
        sent = self.validated_data
        return {"mime": sent["type"], "path": sent["metadata"]["path"]}


def _only(query: QueryDict, **names: str) -> dict[str, Any]:
    """What stands under these names. Twice the same makes a list, which no field takes."""
    found = {name: query.getlist(sent) for name, sent in names.items() if sent in query}
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


class KeySerializer(serializers.Serializer[Any]):
    """The key, which every request about an upload repeats in its address."""

    key = StrictCharField(trim_whitespace=False)

    @classmethod
    def of_query(cls, query: QueryDict) -> str:
        """`ValidationError` if it isn't there."""
        serializer = cls(data=_only(query, key="key"))
        serializer.is_valid(raise_exception=True)
        key: str = serializer.validated_data["key"]
        return key


def part_numbers(text: str, *, attr: str, last: int, most: int) -> list[int]:
    """The part numbers in ``1,2,3``, at ``attr`` of an address; `ValidationError` if it isn't that.

    There are ``most`` of them at most, from 1 to ``last``, each once.
    """
    texts = text.split(",", most)
    if len(texts) > most > 1:
        raise _wrong(attr, "max_length", f"Not more than {most} at once.")
    numbers = [int(each) for each in texts if _PART_NUMBER.fullmatch(each)]
    if len(texts) > most or len(set(numbers)) < len(texts) or max(numbers) > last:
        raise _wrong(attr, "invalid", f"Part numbers are integers from 1 to {last}, each once.")
    return numbers


def _wrong(attr: str, code: str, detail: str) -> serializers.ValidationError:
    return serializers.ValidationError({attr: [ErrorDetail(detail, code)]})


@extend_schema_field(
    {
        "type": "object",
        "required": ["PartNumber", "ETag"],
        "properties": {
            "PartNumber": {"type": "integer", "minimum": 1, "maximum": MAX_PARTS},
            "ETag": {"type": "string", "minLength": 1},
        },
    }
)
class PartField(serializers.Field[Part, Any, Any, Any]):
    """A part as S3 names it. Uppy 5 sends whatever headers it could read as well."""

    default_error_messages = {"invalid": "A part is a PartNumber from 1 to 10,000 and its ETag."}

    def to_internal_value(self, data: Any) -> Part:
        match data:
            case {"PartNumber": int(number), "ETag": str(etag)} if (
                type(number) is int and 1 <= number <= MAX_PARTS and etag
            ):
                return Part(number, etag)
        return self.fail("invalid")

    def to_representation(self, part: Part) -> dict[str, Any]:
        return {"PartNumber": part.number, "ETag": part.etag, "Size": part.size}


class PartsField(serializers.ListField):
    """Thousands of parts; the first that is none is named, and the others are not looked at."""

    def run_child_validation(self, data: Any) -> list[Any]:
        parts = []
        for place, part in enumerate(data):
            try:
                parts.append(self.child.run_validation(part))
            except serializers.ValidationError as exc:
                raise serializers.ValidationError({str(place): exc.detail}) from exc
        return parts


class CompletionSerializer(serializers.Serializer[Any]):
    """The parts that make the object. Their order is their numbers'."""

    default_error_messages = {"repeated": "A part stands here twice."}

    parts = PartsField(child=PartField(), allow_empty=False, max_length=MAX_PARTS)

    def validate_parts(self, parts: list[Part]) -> list[Part]:
        if len({part.number for part in parts}) != len(parts):
            self.fail("repeated")
        return parts


# ---------------------------------------------------------------- answers


class ParamsSerializer(serializers.Serializer[Any]):
    """A form to POST; for a store that takes none, a PUT with headers."""

    method = serializers.ChoiceField(choices=["POST", "PUT"])
    url = serializers.URLField()
    fields = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]
    headers = serializers.DictField(child=serializers.CharField(), required=False)


class BegunSerializer(serializers.Serializer[Any]):
    """A multipart upload under way."""

    key = serializers.CharField()
    uploadId = serializers.CharField()  # noqa: N815 - Companion's name
    bucket = serializers.CharField()


class ListedPartSerializer(serializers.Serializer[Any]):
    """A part that arrived."""

    PartNumber = serializers.IntegerField()
    ETag = serializers.CharField()
    Size = serializers.IntegerField()


class PartUrlSerializer(serializers.Serializer[Any]):
    """Where to PUT a part."""

    url = serializers.URLField()


class PartUrlsSerializer(serializers.Serializer[Any]):
    """The same for several, by their numbers."""

    presignedUrls = serializers.DictField(child=serializers.URLField())  # noqa: N815


class CompletedSerializer(serializers.Serializer[Any]):
    """The object, which waits in the incoming bucket for a record to claim its key."""

    location = serializers.URLField()
    key = serializers.CharField()
    bucket = serializers.CharField()
