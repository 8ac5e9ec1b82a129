"""The running service against what its OpenAPI document says, with whatever anybody may send.

Every operation, with and without a token, with requests as documented and with others: no answer is
a 5xx, none has a status or a body that the document does not name. ``FUZZ_EXAMPLES`` says how many
requests each of the four gets.
"""

import os
from collections.abc import Callable
from typing import Any, Final

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from e2e.security.conftest import Guarded
from e2e.security.person import Person

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "4"))
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: An account of its own for each of these: afterwards its token is good for nothing.
ENDS_THE_ACCOUNT: Final = {"DELETE /users/me/"}
#: How a request is delimited (RFC 9112, sections 6 and 9) is its client's to say. The HTTP server
#: refuses one that says it wrongly before the service, and so the document, comes into it.
FRAMING: Final = {"connection", "content-length", "host", "te", "transfer-encoding", "upgrade"}


@pytest.fixture(scope="module")
def document(http: httpx.Client) -> dict[str, Any]:
    answer = http.get("/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert answer.status_code == 200
    schema: dict[str, Any] = answer.json()
    return schema


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "anonymous"])
def test_no_answer_is_a_surprise(
    document: dict[str, Any],
    guarded: Guarded,
    person: Callable[[str], Person],
    signed_in: bool,
    mode: GenerationMode,
) -> None:
    fuzzer = person("fuzzer") if signed_in else None
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(found, Ok)
        operation, headers = found.ok(), {}
        if fuzzer is not None:
            asking = person("leaver") if operation.label in ENDS_THE_ACCOUNT else fuzzer
            headers["Authorization"] = f"Bearer {asking.access}"
        ask(operation, guarded.url, headers, mode)


def ask(operation: Any, url: str, headers: dict[str, str], mode: GenerationMode) -> None:
    """Send one operation its requests and look at every answer."""

    @given(case=operation.as_strategy(mode))
    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    def each(case: Any) -> None:
        for name in FRAMING & {name.lower() for name in case.headers or {}}:
            del case.headers[name]
        answer = case.call(base_url=url, headers=headers, timeout=30)
        case.validate_response(answer, checks=CHECKS)

    try:
        each()
    except Unsatisfiable:
        # An operation that takes any text for an id and nothing else cannot be asked wrongly.
        assert mode is GenerationMode.NEGATIVE
        assert operation.method == "get"
