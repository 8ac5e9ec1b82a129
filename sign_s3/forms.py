"""How a form, the admin's among them, shows an upload: a link to the file and a box to clear it.

There is no file input, since a file posted here would pass by the buckets' whole protocol.
"""

from collections.abc import Mapping
from typing import Any

from django import forms


class UploadWidget(forms.Widget):
    """Its value is False when the file is to be cleared and None when it is to stay.

    Posted files are not looked at.
    """

    template_name = "sign_s3/upload_widget.html"

    def get_context(self, name: str, value: Any, attrs: Mapping[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, dict(attrs or {}))
        context["widget"] |= {
            "value": value or None,
            "clear_name": self._clear_name(name),
            "clearable": bool(value) and not self.is_required,
        }
        return context

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> bool | None:
        return False if not self.is_required and self._clear_name(name) in data else None

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return False

    def use_required_attribute(self, initial: Any) -> bool:
        return False

    def id_for_label(self, id_: str) -> str:
        return f"{id_}_clear" if id_ else ""

    @staticmethod
    def _clear_name(name: str) -> str:
        return f"{name}-clear"


class UploadFormField(forms.Field):
    """Keeps or clears an upload; whether it may be missing is for the model to say."""

    widget = UploadWidget

    def clean(self, value: bool | None) -> bool | None:
        return value

    def bound_data(self, data: Any, initial: Any) -> Any:
        return initial

    def has_changed(self, initial: Any, data: Any) -> bool:
        return data is False and bool(initial)
