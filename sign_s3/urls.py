from django.urls import path

from sign_s3.api.views import SignS3View

urlpatterns = [path("", SignS3View.as_view(), name="sign-s3")]
