"""What a presigned POST says, so that contenders' answers can be compared."""

import base64
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

#: What differs from one moment or one key to the next.
VARYING: Final = {"key", "x-amz-date", "policy", "x-amz-signature"}


@dataclass(frozen=True, slots=True)
class Meaning:
    """A form without what varies. Names are in lower case, as S3 takes them in any."""

    url: str
    conditions: frozenset[tuple[str, object]]
    fields: frozenset[tuple[str, str]]
    #: Whether it lives five minutes, and whether its signature holds.
    lives: bool
    holds: bool

    def without(self, *names: str) -> "Meaning":
        """The same but for conditions and fields of these names."""
        return replace(
            self,
            conditions=frozenset(pair for pair in self.conditions if pair[0] not in names),
            fields=frozenset(pair for pair in self.fields if pair[0] not in names),
        )


def meaning(form: Mapping[str, Any], *, secret_key: str, region: str) -> Meaning:
    """What a form of these credentials says."""
    fields = {name.lower(): value for name, value in form["fields"].items()}
    policy = json.loads(base64.b64decode(fields["policy"]))
    life = datetime.fromisoformat(policy["expiration"]).timestamp() - time.time()
    return Meaning(
        form["url"].removesuffix("/"),
        frozenset(map(_condition, policy["conditions"])),
        frozenset(fields.items()),
        290 < life <= 301,
        _proof_holds(fields, secret_key=secret_key, region=region),
    ).without(*VARYING)


def _condition(written: Any) -> tuple[str, object]:
    if isinstance(written, dict):
        ((name, value),) = written.items()
    elif written[0] == "eq":
        name, value = written[1].removeprefix("$"), written[2]
    else:
        name, value = written[0], tuple(written[1:])
    return name.lower(), value


def _proof_holds(fields: Mapping[str, str], *, secret_key: str, region: str) -> bool:
    """Whether the signature is the policy's, worked out step by step."""
    key = f"AWS4{secret_key}".encode()
    for part in (fields["x-amz-date"][:8], region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), sha256).digest()
    proof = hmac.new(key, fields["policy"].encode(), sha256).hexdigest()
    return hmac.compare_digest(proof, fields["x-amz-signature"])
