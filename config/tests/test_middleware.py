"""What surrounds the views, asked through the whole stack."""

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path, reverse
from rest_framework.test import APIClient

from users.models import User

APP = "https://app.example.com"
SIGNING = {"mime": "image/png", "path": "images/users/profiles/profile_", "number": 1}


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_superuser(email="staff@example.com", nickname="staff", password="x")


# ---------------------------------------------------------------- other origins


@override_settings(CORS_ALLOWED_ORIGINS=[APP])
def test_an_allowed_origin_may_ask_first() -> None:
    response = Client().options(
        "/sign_s3/",
        headers={
            "Origin": APP,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
        },
    )
    assert response.status_code == 204
    assert {name: response[name] for name in response.headers if name.startswith("Access-")} == {
        "Access-Control-Allow-Origin": APP,
        "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": (
            "Authorization, Content-Type, Idempotency-Key, Uppy-Versions"
        ),
        "Access-Control-Expose-Headers": "Retry-After, RateLimit, RateLimit-Policy",
        "Access-Control-Max-Age": "86400",
    }
    assert response["Vary"] == "Origin"


@override_settings(CORS_ALLOWED_ORIGINS=[APP], SECURE_SSL_REDIRECT=True, SECURE_HSTS_SECONDS=60)
def test_asking_first_is_a_request_like_any_other() -> None:
    headers = {"Origin": APP, "Access-Control-Request-Method": "POST"}
    assert Client().options("/sign_s3/", headers=headers).status_code == 301
    answer = Client().options("/sign_s3/", headers=headers, secure=True)
    assert answer.status_code == 204
    assert answer["Strict-Transport-Security"].startswith("max-age=60")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "no-store"
    foreign = Client().options("/sign_s3/", headers={**headers, "Host": "evil"}, secure=True)
    assert foreign.status_code == 400


@override_settings(CORS_ALLOWED_ORIGINS=[APP])
def test_an_allowed_origin_can_read_answers_errors_included() -> None:
    response = Client().post("/sign_s3/", headers={"Origin": APP})
    assert response.status_code == 401
    assert response["Access-Control-Allow-Origin"] == APP
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", f"{APP}.evil.example", "null", "*", APP.upper(), f"{APP}:444", ""],
)
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_a_foreign_origin_gets_no_cors_header(origin: str, method: str) -> None:
    with override_settings(CORS_ALLOWED_ORIGINS=[APP]):
        response = Client().generic(
            method, "/sign_s3/", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
        )
    assert not [name for name in response.headers if name.startswith("Access-Control-")]


@override_settings(CORS_ALLOWED_ORIGINS=[APP])
def test_the_admin_is_for_no_origin_but_its_own() -> None:
    response = Client().get("/admin/login/", headers={"Origin": APP})
    assert "Access-Control-Allow-Origin" not in response


def test_without_a_list_nobody_is_allowed() -> None:
    response = Client().get("/healthz", headers={"Origin": APP})
    assert "Access-Control-Allow-Origin" not in response
    assert "Vary" not in response


# ---------------------------------------------------------------- sessions


def test_a_session_alone_is_nobody_at_the_api(staff: User) -> None:
    client = APIClient()
    client.force_login(staff)
    response = client.post("/sign_s3/", SIGNING)
    assert response.status_code == 401
    assert response.json() == {
        "type": "client_error",
        "errors": [
            {
                "code": "not_authenticated",
                "detail": "Authentication credentials were not provided.",
                "attr": None,
            }
        ],
    }
    assert not response.cookies


def test_a_session_is_somebody_at_the_admin(staff: User) -> None:
    client = Client()
    client.force_login(staff)
    assert client.get("/admin/").status_code == 200


@pytest.mark.django_db
def test_the_admin_refuses_a_form_without_its_csrf_token() -> None:
    response = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "staff"})
    assert response.status_code == 403


def test_the_api_sets_no_cookie_whatever_cookie_it_is_sent() -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "nonsense"
    response = client.post("/sign_s3/")
    assert response.status_code == 401
    assert not response.cookies


# ---------------------------------------------------------------- headers


def test_api_answers_are_kept_by_nobody_and_render_nothing() -> None:
    response = Client().post("/sign_s3/")
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("secure", [True, False])
def test_the_api_has_the_headers_that_djangos_own_middleware_adds(secure: bool) -> None:
    stock = [name for name in settings.MIDDLEWARE if name != "config.middleware.ServiceMiddleware"]
    with override_settings(SECURE_HSTS_SECONDS=3600, SECURE_HSTS_PRELOAD=True):
        answer = Client().get("/healthz", secure=secure)
        with override_settings(MIDDLEWARE=stock):
            expected = Client().get("/healthz", secure=secure)
    assert "X-Frame-Options" in expected.headers
    assert ("Strict-Transport-Security" in expected.headers) is secure
    assert expected.headers.items() <= answer.headers.items()


@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/docs/"])
@pytest.mark.parametrize("method", ["POST", "OPTIONS", "PUT"])
def test_a_method_that_is_not_there_is_a_405(address: str, method: str) -> None:
    response = Client(enforce_csrf_checks=True).generic(method, address)
    assert response.status_code == 405
    assert response["X-Content-Type-Options"] == "nosniff"


def test_a_length_beyond_all_numbers_breaks_nothing() -> None:
    response = Client().generic("POST", "/sign_s3/", CONTENT_LENGTH="9" * 5000)
    assert response.status_code == 401
    assert response["X-Content-Type-Options"] == "nosniff"


def test_what_a_view_says_itself_stays() -> None:
    with override_settings(ROOT_URLCONF="config.tests.test_middleware"):
        response = Client().get("/own/")
    assert response["Cache-Control"] == "max-age=60"
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert response["Content-Security-Policy"] == "sandbox"


def own(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        headers={
            "Cache-Control": "max-age=60",
            "X-Frame-Options": "SAMEORIGIN",
            "content-security-policy": "sandbox",
        }
    )


urlpatterns = [path("own/", own)]


class Tripwire:
    """Stands where Django's middleware does, and lets nobody pass."""

    def __init__(self, get_response: object) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("tripped", status=418)


def test_only_the_admin_goes_through_djangos_middleware() -> None:
    tripwire = "config.tests.test_middleware.Tripwire"
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, tripwire]):
        assert Client().get("/healthz").status_code == 200
        assert Client().post("/sign_s3/").status_code == 401
        assert Client().get("/admin/login/").status_code == 418


def test_pages_run_no_inline_script_and_reach_s3_alone() -> None:
    response = Client().get("/admin/login/")
    policy = dict(
        directive.split(" ", 1) for directive in response["Content-Security-Policy"].split("; ")
    )
    s3 = [f"https://test-{bucket}.s3.eu-west-1.amazonaws.com" for bucket in ("incoming", "media")]
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob: " + " ".join(s3),
        "media-src": "'self' blob: " + " ".join(s3),
        "connect-src": "'self' " + " ".join(s3),
        "font-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.parametrize("page", ["/docs/", "/admin/login/"])
def test_the_pages_work_under_their_policy(page: str) -> None:
    """No inline script or style, and every file comes from us and is there."""
    html = Client().get(page).content.decode()
    assert "<style" not in html
    assert " style=" not in html
    assert " onclick=" not in html
    for tag in html.split("<script")[1:]:
        attributes, body = tag.split(">", 1)
        assert "src=" in attributes
        assert body.startswith("</script>")
    sources = [part.split('"')[0] for mark in ('src="', 'href="') for part in html.split(mark)[1:]]
    for source in sources:
        if source.startswith(settings.STATIC_URL):
            assert finders.find(source.removeprefix(settings.STATIC_URL)), source
        else:
            assert source.startswith(("/docs/", "/admin/", "#", "/")), source


def test_swagger_starts_by_a_script_of_its_own() -> None:
    response = Client().get(reverse("docs"), {"script": ""})
    assert response["Content-Type"] == "application/javascript"
    assert b"SwaggerUIBundle" in response.content


def test_the_schema_is_public_and_openapi() -> None:
    response = Client().get(
        reverse("schema"), headers={"Accept": "application/vnd.oai.openapi+json"}
    )
    assert response.status_code == 200
    assert response.json()["openapi"].startswith("3.")
    assert "/sign_s3/" in response.json()["paths"]


# ---------------------------------------------------------------- requests no view could read


@pytest.mark.parametrize(
    "address",
    ["/users/%00/", "/users/a%00b/posts/", "/posts/?album=%00", "/sign_s3/?key=a%00"],
)
def test_a_nul_in_the_address_is_a_400(address: str) -> None:
    response = Client().get(address)
    assert response.status_code == 400
    assert response.json() == {
        "type": "client_error",
        "errors": [{"code": "bad_request", "detail": "Bad Request.", "attr": None}],
    }


@pytest.mark.parametrize(
    "path",
    [
        "/%ff%fe/",
        "/users/%c3%28/",
        "/" + "a" * 100_000,
        "/" + "%f0%9f%98%80" * 1000,
        "/..%2f..%2fetc",
    ],
)
@pytest.mark.django_db
def test_an_address_nothing_listens_at_is_a_4xx_in_json(path: str) -> None:
    response = Client().get(path)
    assert 400 <= response.status_code < 500
    assert response.json()["type"] == "client_error"


def test_a_host_that_is_not_ours_is_a_400_that_says_no_more() -> None:
    response = Client().get("/healthz", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert response["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert response.json() == {
        "type": "client_error",
        "errors": [{"code": "bad_request", "detail": "Bad Request.", "attr": None}],
    }


def test_a_body_of_unknown_length_is_asked_for_its_length() -> None:
    response = Client().generic("POST", "/sign_s3/", headers={"Transfer-Encoding": "chunked"})
    assert response.status_code == 411
    assert response.json() == {
        "type": "client_error",
        "errors": [{"code": "length_required", "detail": "Send a Content-Length.", "attr": None}],
    }


# ---------------------------------------------------------------- TLS


@override_settings(SECURE_SSL_REDIRECT=True, SECURE_HSTS_SECONDS=3600)
def test_http_is_sent_to_https_but_for_the_probes() -> None:
    assert Client().get("/docs/")["Location"] == "https://testserver/docs/"
    assert Client().get("/healthz").status_code == 200
    assert (
        Client().get("/docs/", secure=True)["Strict-Transport-Security"].startswith("max-age=3600")
    )


@override_settings(SECURE_SSL_REDIRECT=True)
def test_a_forwarded_scheme_is_not_believed_unless_configured() -> None:
    forwarded = {"X-Forwarded-Proto": "https"}
    assert Client().get("/docs/", headers=forwarded).status_code == 301
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        assert Client().get("/docs/", headers=forwarded).status_code == 200
