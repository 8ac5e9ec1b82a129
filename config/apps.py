from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """The project itself: its templates, and checks of its settings."""

    name = "config"
    label = "config"

    def ready(self) -> None:
        from config import checks  # noqa: F401 - registers them, once apps are loaded
