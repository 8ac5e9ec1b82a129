"""The OpenAPI document and its page; `config.urls` loads this when one of them is asked for."""

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

document = SpectacularAPIView.as_view()
# It would look for a template of the browsable API to answer OPTIONS with.
page = SpectacularSwaggerSplitView.as_view(
    template_name="docs.html", http_method_names=["get", "head"]
)
