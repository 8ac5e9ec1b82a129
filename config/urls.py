"""Every address of the service. What goes wrong outside a view is answered in JSON as well."""

from collections.abc import Callable

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import include, path
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from config import health

handler400 = "config.exceptions.bad_request"
handler403 = "config.exceptions.permission_denied"
handler404 = "config.exceptions.not_found"
handler500 = "config.exceptions.server_error"


def loaded_late(view: str) -> Callable[[HttpRequest], HttpResponseBase]:
    """The view at this dotted path, which workers that are not asked for it never load."""

    @csrf_exempt
    def late(request: HttpRequest) -> HttpResponseBase:
        answer: HttpResponseBase = import_string(view)(request)
        return answer

    return late


urlpatterns = [
    path("sign_s3/", include("sign_s3.urls")),
    path("uppy/", include("sign_s3.uppy_urls")),
    path("", include("users.urls")),
    path("", include("posts.urls")),
    path("admin/", admin.site.urls),
    path("schema/", loaded_late("config.documentation.document"), name="schema"),
    path("docs/", loaded_late("config.documentation.page"), name="docs"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
