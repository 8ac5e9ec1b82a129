from django.urls import path

from posts.views import FeedView, PostView, WallView

urlpatterns = [
    path("posts/", FeedView.as_view(), name="posts"),
    path("posts/<str:pk>/", PostView.as_view(), name="post"),
    path("users/<str:user_id>/posts/", WallView.as_view(), name="wall"),
]
