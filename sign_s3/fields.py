"""UploadField: a file column whose file arrives by direct upload, and the catalogue of them all.

Declaring the field is all it takes: its destination becomes signable, serializers verify and attach
what it is given, and replacing it or deleting its row releases the old file (`sign_s3.triggers`).

    image = UploadField(destination=Destination(
        path="images/posts/post_", types=IMAGES, max_size=10 * MIB))

The column holds the key without the media prefix, or NULL, and a key stands in one row at most.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, Final, NoReturn

from django import forms
from django.apps import apps
from django.core import checks
from django.core.exceptions import FieldError
from django.core.files.base import File
from django.db import models, router
from django.db.models.fields.files import FieldFile, FileDescriptor
from django.db.models.lookups import Exact

from sign_s3.destinations import Destination
from sign_s3.forms import UploadFormField, UploadWidget
from sign_s3.keys import ID_LENGTH, MAX_KEY_LENGTH, MEDIA_PREFIX, InvalidKey, parse_key

#: Keys looked for by one query; SQLite before 3.32 took 999 variables (sqlite.org/limits.html).
KEYS_PER_QUERY: Final = 500


class UploadFile(FieldFile):
    """The file of a row: read it, take its `url`, or assign another key to the field."""

    field: "UploadField"

    @property
    def url(self) -> str:
        """Where to GET the file; raises ValueError where there is none.

        Signed, unless the destination is public and there is a domain that serves it.
        """
        if not self:
            raise ValueError(f"{self.field} of this row has no file")
        return self.field.link()(str(self))

    def save(self, *_: object, **__: object) -> NoReturn:
        """Refused: it would put an object in the media bucket that the ledger does not know."""
        raise self.field.refusal()

    def delete(self, *_: object, **__: object) -> NoReturn:
        """Refused: set the field to None, which releases the file, and the sweep deletes it."""
        raise self.field.refusal()

    # Django's names for "templates must not call this".
    save.alters_data = True  # type: ignore[attr-defined]
    delete.alters_data = True  # type: ignore[attr-defined]


class UploadDescriptor(FileDescriptor):
    """Takes a key with or without the media prefix, and a blank as None."""

    field: "UploadField"

    def __set__(self, instance: models.Model, value: Any) -> None:
        super().__set__(instance, _bare(value) if isinstance(value, str) else value)


class UploadField(models.FileField):
    """A FileField on the default storage that only ever takes keys, never files.

    `destination` is part of the code and not of the schema, so migrations leave it out, which is
    why it has to be optional here; a system check asks for it.
    """

    attr_class = UploadFile
    descriptor_class = UploadDescriptor
    description = "A file uploaded straight to S3"

    def __init__(
        self,
        verbose_name: str | None = None,
        name: str | None = None,
        *,
        destination: Destination | None = None,
        **kwargs: Any,
    ) -> None:
        for unused in ("upload_to", "storage"):
            if unused in kwargs:
                raise TypeError(f"UploadField takes no {unused}: its destination says where")
        self.destination = destination
        kwargs.setdefault("max_length", MAX_KEY_LENGTH)
        kwargs.setdefault("unique", True)
        kwargs.setdefault("null", True)
        super().__init__(verbose_name, name, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("upload_to", None)
        # Django leaves its own defaults out; ours differ.
        kwargs["max_length"] = self.max_length
        kwargs["unique"] = self.unique
        kwargs["null"] = self.null
        return name, path, args, kwargs

    def link(self) -> Callable[[str], str]:
        """What tells where to GET the file of a key, of any row; see `UploadFile.url`.

        For the keys of one answer. Ask for it anew for the next one.
        """
        storage: Any = self.storage
        public = self.destination is not None and self.destination.public
        if hasattr(storage, "link"):
            link: Callable[[str], str] = storage.link(public=public)
            return link
        return functools.partial(storage.url, public=public)

    def refusal(self) -> FieldError:
        """The error for whatever would write past the ledger."""
        return FieldError(
            f"{self.model._meta.label}.{self.name} takes the key of a direct upload, not a file, "
            "and None to release it"
        )

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, File):
            # A file that is not yet in the bucket would be stored by its name alone.
            if not getattr(value, "_committed", False):
                raise self.refusal()
            value = value.name
        value = super().get_prep_value(value)
        return _bare(value) if isinstance(value, str) else value

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        """False clears the field and None leaves it, as for any FileField."""
        if data is not None:
            setattr(instance, self.attname, data or None)

    def formfield(self, **kwargs: Any) -> Any:
        # The admin comes with its file input.
        widget = kwargs.pop("widget", None)
        kind = widget if isinstance(widget, type) else type(widget)
        if issubclass(kind, UploadWidget) or issubclass(kind, forms.HiddenInput):
            kwargs["widget"] = widget
        return models.Field.formfield(self, **{"form_class": UploadFormField, **kwargs})

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        return [
            *super().check(**kwargs),
            *self._check_destination(),
            *self._check_unique_and_null(),
            *self._check_max_length(),
        ]

    def _check_destination(self) -> list[checks.CheckMessage]:
        if self.destination is not None:
            return []
        return [
            checks.Error(
                "The field has no destination.",
                hint="UploadField(destination=Destination(path=…, types=…, max_size=…))",
                obj=self,
                id="sign_s3.E001",
            )
        ]

    def _check_unique_and_null(self) -> list[checks.CheckMessage]:
        if self.unique and self.null:
            return []
        return [
            checks.Error(
                "The field has to be unique and to allow NULL.",
                hint="Leave `unique` and `null` out: a key is attached once, and no key is NULL.",
                obj=self,
                id="sign_s3.E002",
            )
        ]

    def _check_max_length(self) -> list[checks.CheckMessage]:
        if self.destination is None or self.max_length is None:
            return []
        path = self.destination.expand(date(2000, 1, 1))
        extension = max(self.destination.types.values(), key=len)
        longest = len(path) + ID_LENGTH + len(extension)
        if self.max_length >= longest:
            return []
        return [
            checks.Error(
                f"max_length is {self.max_length}, keys of this destination have up to {longest} "
                "characters.",
                hint=f"Leave `max_length` out: {MAX_KEY_LENGTH} holds every key.",
                obj=self,
                id="sign_s3.E003",
            )
        ]


@UploadField.register_lookup
class ExactKey(Exact):
    """Equality with a key. A row's missing file equals no other's, as NULL equals nothing.

    Otherwise `validate_unique`, which compares with the file object of the row at hand, would take
    the second row without a file for a duplicate.
    """

    def get_prep_lookup(self) -> Any:
        # No row holds a blank.
        return "" if isinstance(self.rhs, File) and not self.rhs else super().get_prep_lookup()


def _bare(value: str) -> str | None:
    """A key as the column holds it."""
    return value.removeprefix(MEDIA_PREFIX) or None


@functools.cache
def upload_fields() -> tuple[UploadField, ...]:
    """Every UploadField with a column of its own, once, in the order of the installed apps.

    A field a model inherits is counted where its column is: at each child of an abstract model,
    at the parent of any other. Raises AppRegistryNotReady before the models are loaded.
    """
    return tuple(
        field
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, UploadField)
    )


@functools.cache
def catalogue() -> Mapping[str, Destination]:
    """Each declared destination by the `path` clients name it with."""
    return MappingProxyType(
        {
            field.destination.prefix: field.destination
            for field in upload_fields()
            if field.destination is not None
        }
    )


@functools.cache
def _dated() -> tuple[Destination, ...]:
    return tuple(found for found in catalogue().values() if found.prefix != found.path)


def destination_for_path(path: str) -> Destination | None:
    """The destination clients name by exactly this path."""
    return catalogue().get(path)


def destination_of(key: str) -> Destination | None:
    """The destination that keys like this one, with or without the media prefix, are signed for."""
    try:
        parsed = parse_key(key)
    except InvalidKey:
        return None
    named = catalogue().get(parsed.path)
    if named is not None and named.matches(parsed):
        return named
    return next((found for found in _dated() if found.matches(parsed)), None)


def references(keys: Iterable[str]) -> set[str]:
    """Which of these keys (without the media prefix) some row refers to at present.

    One query a field and 500 keys, on the database that field is written to, past any manager.
    """
    wanted = sorted(set(keys))
    found: set[str] = set()
    for field in upload_fields():
        rows: models.QuerySet[models.Model] = models.QuerySet(field.model).using(
            router.db_for_write(field.model)
        )
        for start in range(0, len(wanted), KEYS_PER_QUERY):
            some = wanted[start : start + KEYS_PER_QUERY]
            found.update(
                rows.filter(**{f"{field.attname}__in": some})
                .order_by()
                .values_list(field.attname, flat=True)
            )
    return found
