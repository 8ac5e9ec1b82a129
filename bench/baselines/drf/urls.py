from django.urls import path

from bench.baselines.drf.views import SignView

urlpatterns = [path("sign_s3/", SignView.as_view())]
