from django.apps import AppConfig


class GalleryConfig(AppConfig):
    name = "sign_s3.tests.app"
    label = "gallery"
    default_auto_field = "django.db.models.BigAutoField"
