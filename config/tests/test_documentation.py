"""The OpenAPI document's generator is 3 MB that a worker loads when somebody asks for it."""

import subprocess
import sys

import pytest
from django.conf import settings

PROGRAM = """
import sys
from config.wsgi import application
from django.test import RequestFactory

for address in sys.argv[1:]:
    environ = RequestFactory().get(address).environ
    application(environ, lambda status, headers: print(address, status))
print("drf_spectacular.plumbing" in sys.modules)
"""


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        (["/healthz", "/nothing", "/sign_s3/"], ["200 OK", "404 Not Found", "401 Unauthorized"]),
        (["/healthz", "/schema/", "/docs/"], ["200 OK"] * 3),
    ],
    ids=["API", "its document"],
)
def test_the_generator_is_loaded_for_the_document_alone(
    asked: list[str], answers: list[str]
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *asked],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    *answered, loaded = run.stdout.splitlines()
    assert answered == [
        f"{address} {answer}" for address, answer in zip(asked, answers, strict=True)
    ]
    assert loaded == str("/schema/" in asked)
