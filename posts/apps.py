from django.apps import AppConfig


class PostsConfig(AppConfig):
    """Posts with pictures and videos."""

    name = "posts"
