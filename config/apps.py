from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """The project itself: its templates, checks of its settings, and what its schema adds."""

    name = "config"
    label = "config"

    def ready(self) -> None:
        from config import checks, schema  # noqa: F401 - they register themselves
