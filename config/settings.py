"""Every setting, read from the environment once. `.env.example` documents each name.

What is missing or malformed stops the process with the variable's name. No app is imported here.
"""

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.FileAwareEnv()
environ.Env.read_env(env.str("SIGN_S3_ENV_FILE", default=str(BASE_DIR / ".env")))

# ---------------------------------------------------------------- the process

SECRET_KEY = env.str("SECRET_KEY")
if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("SECRET_KEY: at least 50 characters, it signs the access tokens")
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"] if DEBUG else [])
#: Whether clients reach this service over https; off only on a developer's machine.
HTTPS = env.bool("HTTPS", default=True)

INSTALLED_APPS = [
    "config.apps.ProjectConfig",
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_standardized_errors",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "sign_s3",
    "users",
    "posts",
]
MIDDLEWARE = [
    "config.middleware.ServiceMiddleware",
    # From here on for the admin's pages alone; `config.middleware` says what the API has instead.
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
APPEND_SLASH = False
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---------------------------------------------------------------- transport and browsers

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=HTTPS)
# Load balancers ask for these from inside, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=365 * 24 * 3600 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=HTTPS)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=HTTPS)
#: "HTTP_X_FORWARDED_PROTO,https" behind a proxy that ends TLS and always sets that header. Off by
#: default: without such a proxy any client could set it.
SECURE_PROXY_SSL_HEADER = env.tuple("SECURE_PROXY_SSL_HEADER", default=None)
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin/"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
#: Web origins that may call the API from a browser, scheme://host[:port] each.
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])

# ---------------------------------------------------------------- the database

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR}/db.sqlite3")}
DATABASE = DATABASES["default"]
if not DATABASE.get("ENGINE"):
    raise ImproperlyConfigured("DATABASE_URL: names no database, like postgres://user@host/name")
# A connection a request would cost SQLite 3 ms and PostgreSQL more than that.
DATABASE["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
if DATABASE["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE takes the write lock when a transaction begins: one that starts reading and then
    # writes would otherwise fail at once instead of waiting its turn. FULL, since with NORMAL a
    # power cut undoes the last commits, and so the release of a file that is deleted by then.
    DATABASE["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # Recursive triggers, so that REPLACE INTO fires the release triggers too.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
        "PRAGMA recursive_triggers=ON;",
    }
elif DATABASE["ENGINE"] == "django.db.backends.postgresql":
    DATABASE["ENGINE"] = "config.postgresql"
    DATABASE["CONN_HEALTH_CHECKS"] = True
    # libpq by itself waits without end for a server that accepts and says nothing, and a quarter of
    # an hour for one that vanished. Seconds, but for the milliseconds of tcp_user_timeout; what
    # DATABASE_URL says wins.
    DATABASE["OPTIONS"] = {
        "connect_timeout": 3,
        "tcp_user_timeout": 5000,
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        **DATABASE.get("OPTIONS", {}),
    }
#: Seconds a statement of a request may take on PostgreSQL; 0 is without end.
DATABASE_STATEMENT_TIMEOUT = env.float("DATABASE_STATEMENT_TIMEOUT", default=10.0)

# ---------------------------------------------------------------- S3

AWS_ACCESS_KEY_ID = env.str("AWS_ACCESS_KEY_ID", default=None)
AWS_SECRET_ACCESS_KEY = env.str("AWS_SECRET_ACCESS_KEY", default=None)
AWS_SESSION_TOKEN = env.str("AWS_SESSION_TOKEN", default=None)
AWS_UPLOAD_ACCESS_KEY_ID = env.str("AWS_UPLOAD_ACCESS_KEY_ID", default=None)
AWS_UPLOAD_SECRET_ACCESS_KEY = env.str("AWS_UPLOAD_SECRET_ACCESS_KEY", default=None)
AWS_S3_REGION_NAME = env.str("AWS_S3_REGION_NAME")
AWS_S3_ENDPOINT_URL = env.str("AWS_S3_ENDPOINT_URL", default=None)
AWS_S3_PUBLIC_ENDPOINT_URL = env.str("AWS_S3_PUBLIC_ENDPOINT_URL", default=None)
# "auto" names AWS's global host, which answers for a bucket made lately in another region
# with a redirect that browsers don't follow for a form; "virtual" names the region's own.
AWS_S3_ADDRESSING_STYLE = env.str(
    "AWS_S3_ADDRESSING_STYLE", default="auto" if AWS_S3_ENDPOINT_URL else "virtual"
)
AWS_S3_CUSTOM_DOMAIN = env.str("AWS_S3_CUSTOM_DOMAIN", default=None)
AWS_STORAGE_BUCKET_NAME = env.str("AWS_STORAGE_BUCKET_NAME")
AWS_INCOMING_BUCKET_NAME = env.str("AWS_INCOMING_BUCKET_NAME")
AWS_DEFAULT_ACL = env.str("AWS_DEFAULT_ACL", default="bucket-owner-full-control")

STORAGES = {
    "default": {"BACKEND": "sign_s3.storage.MediaStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
SIGN_S3: dict[str, object] = {
    "form_posts": env.bool("S3_FORM_POSTS", default=True),
    "single_copy_limit": env.int("S3_SINGLE_COPY_LIMIT", default=256 * 1024**2),
    "connect_timeout": env.float("S3_CONNECT_TIMEOUT", default=2.0),
    "max_waiting": env.int("S3_MAX_WAITING", default=3),
    "read_timeout": env.float("S3_READ_TIMEOUT", default=10.0),
    "url_window": env.int("URL_WINDOW", default=3600),
    "quota_bytes": env.int("QUOTA_BYTES", default=None),
    "quota_files": env.int("QUOTA_FILES", default=None),
    "inspectors": tuple(
        env.list(
            "INSPECTORS",
            default=[
                "sign_s3.inspection.check_signature",
                "sign_s3.inspection.check_dimensions",
            ],
        )
    ),
    "signing_authentication": "users.authentication.StatelessTokenAuthentication",
    #: What an S3 call inside a database transaction does: "raise" stops it, "log" reports it.
    "transaction_guard": env.str(
        "TRANSACTION_GUARD", default="raise" if DEBUG else "log", choices=("raise", "log")
    ),
}

# ---------------------------------------------------------------- the API

AUTH_USER_MODEL = "users.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["users.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["sign_s3.api.parsers.GuardedJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["sign_s3.api.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "sign_s3.api.negotiation.OnlyChoice",
    "DEFAULT_SCHEMA_CLASS": "config.schema.AutoSchema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    # The answer's format follows from the endpoint alone; ?format= is no part of the contract.
    "URL_FORMAT_OVERRIDE": None,
    #: Proxies in front of this service, each of which appends to X-Forwarded-For. 0: none is
    #: trusted, and the header is not looked at.
    "NUM_PROXIES": env.int("NUM_PROXIES", default=0),
    #: Comma-separated windows. A signed key costs one, and so does each attempt at the others;
    #: the token_ ones are charged by the admin's pages of passwords too.
    "DEFAULT_THROTTLE_RATES": {
        "signed_keys": env.str("RATE_SIGNED_KEYS", default="300/min, 5000/day"),
        "parts": env.str("RATE_PARTS", default="120/min"),
        "token_address": env.str("RATE_TOKEN_ADDRESS", default="20/min, 300/day"),
        "token_account": env.str("RATE_TOKEN_ACCOUNT", default="5/min, 50/day"),
        "sign_up": env.str("RATE_SIGN_UP", default="5/min, 30/day"),
        "password_reset": env.str("RATE_PASSWORD_RESET", default="5/min, 20/day"),
    },
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
#: Whose tokens are accepted besides our own, a JSON list; `users.issuers` says of what.
TOKEN_ISSUERS = env.json("TOKEN_ISSUERS", default=[])
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "config.exceptions.ExceptionHandler",
}
SPECTACULAR_SETTINGS = {
    "PREPROCESSING_HOOKS": ["sign_s3.api.documentation.read_notes"],
    "TITLE": "Sign S3",
    "DESCRIPTION": "Direct uploads from phones and browsers to S3.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
#: Where rate limits are counted for all processes. Without it each worker counts for itself.
REDIS_URL = env.str("REDIS_URL", default=None)

# ---------------------------------------------------------------- mail

vars().update(
    env.email_url("EMAIL_URL", default="consolemail://" if DEBUG else "smtp://localhost:25")
)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="noreply@localhost")
PASSWORD_RESET_TIMEOUT = 3600
#: The page of the app that takes a reset; {uid} and {token} are filled in. Without it the mail
#: holds the two as they are.
PASSWORD_RESET_URL = env.str("PASSWORD_RESET_URL", default=None)

# ---------------------------------------------------------------- logs

#: Values that must never be printed, wherever they turn up.
SECRETS = [
    SECRET_KEY,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
    AWS_UPLOAD_SECRET_ACCESS_KEY,
    DATABASE.get("PASSWORD"),
    vars()["EMAIL_HOST_PASSWORD"],
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "config.logging.JSONFormatter", "secrets": SECRETS}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # Scanners send any Host; the answer is a 400, and a stack trace each would be noise.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # Whatever LOG_LEVEL says: when debugging they print SQL parameters and signatures.
        "django.db.backends": {"level": "WARNING"},
        "boto3": {"level": "WARNING"},
        "botocore": {"level": "WARNING"},
        "s3transfer": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
    },
}
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.logging.ReporterFilter"
