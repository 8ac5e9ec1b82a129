"""Views that do nothing, to tell what the things around them cost."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from sign_s3.api.direct import DirectPostView

BODY = b"x" * 1130


@csrf_exempt
def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse(BODY, "application/json", 201)


class Rest(DirectPostView):
    authentication_classes = []
    permission_classes = []

    def post(self, request: Request) -> HttpResponse:
        return HttpResponse(BODY, "application/json", 201)


urlpatterns = [
    path("plain/", include([path("", plain)])),
    path("rest/", include([path("", Rest.as_view())])),
]
