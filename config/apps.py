from django.apps import AppConfig
from django.contrib.admin import apps as admin


class ProjectConfig(AppConfig):
    """The project itself: its templates, and checks of its settings."""

    name = "config"
    label = "config"

    def ready(self) -> None:
        from config import checks  # noqa: F401 - they register themselves


class AdminConfig(admin.AdminConfig):
    """Django's admin on a site of our own, which limits attempts at passwords."""

    default_site = "users.site.AdminSite"
