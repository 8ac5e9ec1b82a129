"""Every address of the service. What goes wrong outside a view is answered in JSON as well."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config import health

handler400 = "config.exceptions.bad_request"
handler403 = "config.exceptions.permission_denied"
handler404 = "config.exceptions.not_found"
handler500 = "config.exceptions.server_error"

# It would look for a template of the browsable API to answer OPTIONS with.
documentation = SpectacularSwaggerSplitView.as_view(
    template_name="docs.html", http_method_names=["get", "head"]
)

urlpatterns = [
    path("sign_s3/", include("sign_s3.urls")),
    path("uppy/", include("sign_s3.uppy_urls")),
    path("", include("users.urls")),
    path("", include("posts.urls")),
    path("admin/", admin.site.urls),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", documentation, name="docs"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
