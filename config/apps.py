from django.apps import AppConfig
from django.contrib.admin import apps as admin


class ProjectConfig(AppConfig):
    """The project itself: its templates, checks of its settings, and what its schema adds."""

    name = "config"
    label = "config"

    def ready(self) -> None:
        from config import checks, schema  # noqa: F401 - they register themselves


class AdminConfig(admin.AdminConfig):
    """Django's admin on a site of our own, which limits attempts at passwords."""

    default_site = "users.site.AdminSite"
