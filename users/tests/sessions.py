"""A signed-in client, by way of the real endpoint."""

from dataclasses import dataclass
from typing import Any

from rest_framework.test import APIClient

from users.models import User

PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in: a client that sends its access token, and both tokens."""

    client: APIClient
    access: str
    refresh: str


def bearer(token: str) -> APIClient:
    """A client that sends this access token."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def sign_in_as(user: User, password: str = PASSWORD, device: str = "phone") -> Session:
    """Sign in, which has to succeed."""
    answer = APIClient().post(
        "/auth/token/", {"email": user.email, "password": password}, headers={"user-agent": device}
    )
    assert answer.status_code == 200, answer.content
    tokens = answer.json()
    return Session(bearer(tokens["access"]), tokens["access"], tokens["refresh"])


def problem(code: str, detail: str, attr: str | None = None) -> dict[str, Any]:
    """The whole body of an answer with one error: on a field, or of the request as such."""
    kind = "client_error" if attr is None else "validation_error"
    return {"type": kind, "errors": [{"code": code, "detail": detail, "attr": attr}]}


NOT_SIGNED_IN = problem("not_authenticated", "Authentication credentials were not provided.")
TOKEN_NOT_VALID = problem("token_not_valid", "This access token is not valid or has expired.")
SIGN_IN_OVER = problem("sign_in_over", "This sign-in is over.")
REFRESH_REFUSED = problem("token_not_valid", "This refresh token is not valid, or was used before.")
