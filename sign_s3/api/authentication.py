"""Who may sign."""

from typing import Any, ClassVar

from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.views import APIView

from sign_s3.conf import conf


class TokenAloneView(APIView):
    """A view that trusts the token alone where it signs, so that signing needs no database.

    An account that is gone may still sign for the rest of its token's life. What comes of it nobody
    can attach.
    """

    #: The methods that sign, and do nothing else.
    signing_methods: ClassVar[frozenset[str]]

    def get_authenticators(self) -> list[Any]:
        signing = getattr(self.request, "method", None) in self.signing_methods
        if signing and (path := conf().signing_authentication):
            authentication: type[BaseAuthentication] = import_string(path)
            return [authentication()]
        return super().get_authenticators()
