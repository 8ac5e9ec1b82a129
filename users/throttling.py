"""Rate limits for what only this app knows: whose password is tried, and whose is reset."""

from rest_framework.request import Request

from sign_s3.api.throttling import TokenAccountThrottle


class PasswordThrottle(TokenAccountThrottle):
    """Guesses at the old password by whoever holds an access token of the account."""

    def subject(self, request: Request) -> str:
        return str(request.user.pk)


class ResetAccountThrottle(TokenAccountThrottle):
    """Reset mails to one address, whoever asks for them."""

    scope = "password_reset"
