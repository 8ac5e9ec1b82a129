"""The admin site, whose pages that take a password count the attempts as the API does."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from sign_s3.api.throttling import (
    TokenAccountThrottle,
    TokenAddressThrottle,
    account,
    charge,
    client_address,
)


class AdminSite(admin.AdminSite):
    """Charges an attempt before it looks at the password, and answers 429 with a page.

    To the very counters of ``/auth/token/`` and ``/auth/password/``: whoever guesses on both sides
    has no more guesses than on one of them.
    """

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._counted(
            request,
            lambda: super(AdminSite, self).login(request, extra_context),
            (TokenAddressThrottle.scope, client_address(request)),
            (TokenAccountThrottle.scope, account(request.POST.get("username", ""))),
        )

    def password_change(  # type: ignore[override]  # the stubs know no redirect
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._counted(
            request,
            lambda: super(AdminSite, self).password_change(request, extra_context),
            (TokenAccountThrottle.scope, str(request.user.pk)),
        )

    def _counted(
        self, request: HttpRequest, page: Callable[[], HttpResponse], *subjects: tuple[str, str]
    ) -> HttpResponse:
        """The page; or, once a subject has no attempt left, a 429, and the rest go uncharged."""
        if request.method != "POST":
            return page()
        for scope, subject in subjects:
            charged = charge(scope, subject)
            if charged.wait is not None:
                response = self._too_many(request, charged.wait)
                break
        else:
            response = page()
        for name, value in charged.headers.items():
            response.headers[name] = value
        return response

    def _too_many(self, request: HttpRequest, wait: int) -> HttpResponse:
        return TemplateResponse(
            request,
            "users/too_many_attempts.html",
            {**self.each_context(request), "wait": wait},
            status=429,
            headers={"Retry-After": str(wait)},
        )
