"""Idempotency-Key on creating records: whoever lost the answer sends the request again.

    the same key and body within 24 hours   the first answer again, and nothing is created
    the same key, another body              422
    a key of anything but 1 to 255 visible ASCII characters   400

The answer is kept in the transaction that writes the record (`sign_s3.models.KeptAnswer`), so not
even a crash in between can part them. Requests that fail keep nothing and may be sent again. Of two
at once with one key the later to commit finds the row there, loses its whole transaction and
repeats what the winner answered.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from sign_s3.api.exceptions import Conflict
from sign_s3.api.renderers import JSONRenderer
from sign_s3.models import KeptAnswer

if TYPE_CHECKING:
    from rest_framework.generics import CreateAPIView

    _CreateView = CreateAPIView[Any]
else:
    _CreateView = object

HEADER: Final = "Idempotency-Key"
#: For the schema of views that take it.
IDEMPOTENCY_KEY: Final = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Sent again with the same body within 24 hours, it gets the same answer again.",
)
#: Seconds until a request that lost to another one of its key may look for that one's answer.
RETRY_IN_PROGRESS: Final = 1
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


class KeyReused(APIException):
    """422: the key belongs to another request."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = "This Idempotency-Key was used for another request."
    default_code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that carries a key."""

    owner: str
    key: str
    fingerprint: str

    @classmethod
    def of(cls, request: Request) -> "Attempt | None":
        """The request's, or None if it carries no key; `ValidationError` if the key is not one."""
        key = request.headers.get(HEADER)
        if key is None:
            return None
        if _KEY.fullmatch(key) is None:
            detail = "1 to 255 visible ASCII characters."
            raise ValidationError({HEADER: [ErrorDetail(detail, "invalid_idempotency_key")]})
        said = [request.method, request.get_full_path(), request.data]
        fingerprint = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
        return cls(str(request.user.pk), key, fingerprint.hexdigest())

    def answer(self) -> Response | None:
        """What this request was answered before, if it was; `KeyReused` if another one was."""
        kept = KeptAnswer.objects.live().filter(owner=self.owner, key=self.key).first()
        if kept is None:
            return None
        if kept.fingerprint != self.fingerprint:
            raise KeyReused
        return Response(json.loads(kept.body), status=kept.status)

    def keep(self, serializer: BaseSerializer[Any]) -> None:
        """Keep a 201 with this serializer's data; the transaction is the record's.

        Raises `Conflict`, and so undoes the record, if the key has got its answer meanwhile.
        """
        mine = KeptAnswer.objects.filter(owner=self.owner, key=self.key)
        mine.expired().delete()
        try:
            KeptAnswer.objects.create(
                owner=self.owner,
                key=self.key,
                fingerprint=self.fingerprint,
                status=status.HTTP_201_CREATED,
                body=JSONRenderer().render(serializer.data).decode(),
            )
        except IntegrityError as exc:
            raise Conflict(
                "Another request with this Idempotency-Key is under way.",
                "in_progress",
                retry_after=RETRY_IN_PROGRESS,
            ) from exc


class IdempotentCreateMixin(_CreateView):
    """For a create view whose serializer is an `UploadModelSerializer`. Put it before the view."""

    _attempt: Attempt | None = None

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self._attempt = attempt = Attempt.of(request)
        if attempt is None:
            return super().create(request, *args, **kwargs)
        if (answer := attempt.answer()) is not None:
            return answer
        try:
            return super().create(request, *args, **kwargs)
        except APIException:
            # The request it repeats may have been answered since: its uploads are attached then.
            if (answer := attempt.answer()) is not None:
                return answer
            raise

    def get_serializer_context(self) -> Mapping[str, Any]:
        context = super().get_serializer_context()
        if self._attempt is None:
            return context
        return {**context, "before_commit": self._attempt.keep}
