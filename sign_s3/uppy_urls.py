"""Companion's addresses, which end without a slash."""

from django.urls import path

from sign_s3.api.uppy import views

UNDERWAY = "s3/multipart/<str:upload_id>"

urlpatterns = [
    path("s3/params", views.ParamsView.as_view(), name="uppy-params"),
    path("s3/multipart", views.MultipartsView.as_view(), name="uppy-multiparts"),
    path(UNDERWAY, views.MultipartView.as_view(), name="uppy-multipart"),
    path(f"{UNDERWAY}/batch", views.PartsView.as_view(), name="uppy-parts"),
    path(f"{UNDERWAY}/complete", views.CompletionView.as_view(), name="uppy-completion"),
    path(f"{UNDERWAY}/<str:part_number>", views.PartView.as_view(), name="uppy-part"),
]
