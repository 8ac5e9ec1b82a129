"""Reading requests: what to sign, what to roll back, and records that carry uploads."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from django.db import IntegrityError, models
from rest_framework import serializers
from rest_framework.exceptions import NotFound

from sign_s3.api.errors import translated
from sign_s3.api.exceptions import Conflict
from sign_s3.api.fields import StrictCharField, StrictIntegerField
from sign_s3.destinations import Destination
from sign_s3.fields import UploadField
from sign_s3.inspection import Inspected
from sign_s3.keys import MAX_KEY_LENGTH, MEDIA_PREFIX, InvalidKey, parse_key
from sign_s3.services.attach import Upload, attach, refuse_repeats

#: Keys that one request may have signed, or roll back.
MAX_KEYS: Final = 10


class SigningSerializer(serializers.Serializer[Any]):
    """``POST /sign_s3/``: all three are required, and none is converted."""

    mime = StrictCharField(trim_whitespace=False)
    path = StrictCharField(trim_whitespace=False)
    number = StrictIntegerField(min_value=1, max_value=MAX_KEYS)

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """What a body asks for; `ValidationError` if it isn't that.

        Making a serializer copies its fields, which takes longer than all of signing. So a body
        that no field could object to is taken as it is, and the fields judge only the others.
        """
        match data:
            case {"mime": str(mime), "path": str(path), "number": int(number)} if (
                _unobjectionable(mime)
                and _unobjectionable(path)
                and type(number) is int
                and 1 <= number <= MAX_KEYS
            ):
                return {"mime": mime, "path": path, "number": number}
        serializer = cls(data=data)
        serializer.is_valid(raise_exception=True)
        validated: dict[str, Any] = serializer.validated_data
        return validated


def _unobjectionable(text: str) -> bool:
    # NULs and lone surrogates are not printable.
    return text != "" and text.isprintable()


class FormSerializer(serializers.Serializer[Any]):
    """One presigned POST: send ``fields`` and last ``file`` as multipart/form-data to ``url``.

    A store that takes no forms answers ``{method, url, headers, key}`` instead.
    """

    url = serializers.URLField()
    fields = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]


class KeyField(StrictCharField):
    """A key of this service's grammar, with or without the media prefix; validated to without."""

    default_error_messages = {"invalid_key": "This is not a key of this service."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", len(MEDIA_PREFIX) + MAX_KEY_LENGTH)
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        try:
            return str(parse_key(super().to_internal_value(data)))
        except InvalidKey:
            self.fail("invalid_key")


class RollbackSerializer(serializers.Serializer[Any]):
    """``DELETE /sign_s3/``: one ``key`` or up to ten ``keys``, validated to {key: attr}."""

    default_error_messages = {"one_of": "Name either key or keys."}

    key = KeyField(required=False)
    keys = serializers.ListField(
        child=KeyField(), required=False, allow_empty=False, max_length=MAX_KEYS
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            self.fail("one_of")
        if "key" in attrs:
            return {attrs["key"]: "key"}
        return {key: f"keys.{place}" for place, key in reversed([*enumerate(attrs["keys"])])}


class UploadKeyField(KeyField):
    """The key of an upload that a record is to hold, of one destination."""

    default_error_messages = {"wrong_destination": "This key was signed for another path."}

    def __init__(self, *, destination: Destination, **kwargs: Any) -> None:
        self.destination = destination
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        key = super().to_internal_value(data)
        if not self.destination.matches(parse_key(key)):
            self.fail("wrong_destination")
        return key

    def to_representation(self, value: Any) -> Any:
        return value.name or None


class UploadModelSerializer(serializers.ModelSerializer[Any]):
    """A ModelSerializer whose records attach the uploads they name.

    Every `UploadField` of the model becomes an `UploadKeyField`; more of them may be declared, in
    lists or nested. Saving attaches the keys the record does not hold yet, all or nothing, and
    writes the record in the transaction that commits them. Keys it holds already stay. A function
    of the serializer as ``before_commit`` in the context runs at that transaction's end.
    """

    #: What was found of the uploads that are attached, by key, once the record is written.
    attached: Mapping[str, Inspected] = MappingProxyType({})

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        UploadField: UploadKeyField,
    }

    def build_standard_field(
        self, field_name: str, model_field: "models.Field[Any, Any]"
    ) -> tuple[type[serializers.Field[Any, Any, Any, Any]], dict[str, Any]]:
        field_class, kwargs = super().build_standard_field(field_name, model_field)
        if isinstance(model_field, UploadField):
            # The ledger decides whether a key is free, and says why not; this would only say no.
            kwargs = {
                name: kwargs[name]
                for name in ("required", "allow_null", "help_text")
                if name in kwargs
            }
            kwargs["destination"] = model_field.destination
        return field_class, kwargs

    def current_keys(self, instance: Any) -> set[str]:
        """The keys a record holds now. Override it where they are in other tables."""
        held = (
            getattr(instance, field.source or name).name
            for name, field in self.fields.items()
            if isinstance(field, UploadKeyField)
        )
        return {key for key in held if key}

    def locked(self, instance: Any) -> Any:
        """The record as it is now, locked until the transaction ends; None if it is gone. Override
        it where another row has to be locked first.
        """
        manager = type(instance)._base_manager
        return manager.select_for_update().filter(pk=instance.pk).first()

    def save(self, **kwargs: Any) -> Any:
        named = list(_uploads(self, self.validated_data, ""))
        with translated():
            refuse_repeats(named)
        self.held = self.current_keys(self.instance) if self.instance is not None else set()
        new = [upload for upload in named if upload.key not in self.held]
        kept = {upload.key for upload in named} & self.held
        write = functools.partial(self._write, kept, super().save, **kwargs)
        try:
            with translated():
                self.instance = attach(owner=self.owner, uploads=new, save=write)
        except IntegrityError as exc:
            raise Conflict("Another record stands in the way of this one.") from exc
        return self.instance

    @property
    def owner(self) -> str:
        """Who must have made the uploads: the caller."""
        return str(self.context["request"].user.pk)

    def _write(
        self, kept: set[str], save: Any, inspected: Sequence[Inspected], **kwargs: Any
    ) -> Any:
        """Write to the row as it is now, not as it was read: requests to one record take turns."""
        self.attached = {item.key: item for item in inspected}
        if self.instance is not None:
            self.instance = self.locked(self.instance)
            if self.instance is None:
                raise NotFound
            if kept - self.current_keys(self.instance):
                raise changed_meanwhile()
        record = save(**kwargs)
        if (before_commit := self.context.get("before_commit")) is not None:
            before_commit(self)
        return record


def changed_meanwhile() -> Conflict:
    """409: another request to the same record was faster."""
    return Conflict("The record changed meanwhile. Read it and try again.", "changed")


def _uploads(field: Any, value: Any, attr: str) -> Iterator[Upload]:
    """Every upload that a validated value names, with its place in the request."""
    if value is None:
        return
    if isinstance(field, UploadKeyField):
        yield Upload(value, field.destination, attr)
    elif isinstance(field, serializers.ListField | serializers.ListSerializer):
        for place, item in enumerate(value):
            yield from _uploads(field.child, item, f"{attr}.{place}")
    elif isinstance(field, serializers.BaseSerializer) and isinstance(value, Mapping):
        for name, child in field.fields.items():  # type: ignore[attr-defined]
            if child.source in value:
                inner = f"{attr}.{name}" if attr else name
                yield from _uploads(child, value[child.source], inner)
