from django.apps import AppConfig


class UsersConfig(AppConfig):
    """Accounts, sign-ins and tokens."""

    name = "users"

    def ready(self) -> None:
        from users import checks  # noqa: F401 - registers them, once apps are loaded
