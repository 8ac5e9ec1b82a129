from django.apps import AppConfig


class SignS3Config(AppConfig):
    """Direct uploads to S3."""

    name = "sign_s3"
    verbose_name = "Direct uploads"
    default_auto_field = "django.db.models.BigAutoField"
