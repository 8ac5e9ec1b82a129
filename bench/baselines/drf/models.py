from django.conf import settings
from django.db import models


class Upload(models.Model):
    """A row for every upload that was signed for."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    key = models.CharField(max_length=200, unique=True)
    content_type = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "drf"

    def __str__(self) -> str:
        return self.key
