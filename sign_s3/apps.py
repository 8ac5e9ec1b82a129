from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate, pre_migrate


class SignS3Config(AppConfig):
    """Direct uploads to S3."""

    name = "sign_s3"
    verbose_name = "Direct uploads"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from sign_s3 import guard
        from sign_s3.checks import (
            check_declarations,
            check_inspectors,
            check_settings,
            check_triggers,
            check_upload_key,
        )
        from sign_s3.triggers import install_after_migrate, suspend_before_migrate

        guard.install()
        # With this app as the sender: once a migrate, not once for each app.
        pre_migrate.connect(suspend_before_migrate, sender=self)
        post_migrate.connect(install_after_migrate, sender=self)
        checks.register(check_settings)
        checks.register(check_declarations, checks.Tags.models)
        checks.register(check_triggers, checks.Tags.database)
        checks.register(check_inspectors, checks.Tags.security, deploy=True)
        checks.register(check_upload_key, checks.Tags.security, deploy=True)
