"""The embedded S3: ministack, in a virtual environment of its own because it pins botocore.

It checks signatures and POST policies only with ``AUTH=true``, and only of IAM users: header
signatures of the root account go unchecked. So the service signs as an IAM user. Everything is
bound to the loopback interface and kept below one directory.
"""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from local.iam import give, iam
from local.probe import knows_key
from local.processes import Child, ProcessError, claim_port, listening, spawn, wait_until
from local.store import Store

BASE_DIR: Final = Path(__file__).resolve().parent.parent
MINISTACK: Final = BASE_DIR / ".venv-s3" / "bin" / "ministack"
REGION: Final = "us-east-1"
_USER: Final = "signer"
#: The name of ministack's root account; its secret is made anew at each start.
_ROOT: Final = "test"
_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


@dataclass
class EmbeddedS3:
    """One ministack. `state` is the directory it keeps everything in, `port` where it listens."""

    state: Path
    port: int
    _root_secret: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)
    child: Child | None = field(default=None, init=False)

    def start(self, *, tick: Callable[[], object] = bool) -> Store:
        """Serve, and answer with the signer's key; `ProcessError` if that cannot be.

        `tick` is called while this waits, and ends it by raising.
        """
        if not MINISTACK.exists():
            raise ProcessError(f"{MINISTACK} is missing: make {MINISTACK.parent.parent.name}")
        claim_port(self.port, variable="S3_PORT")
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = self.state / "ministack.log"
        log.unlink(missing_ok=True)
        self.child = spawn("the embedded S3", [str(MINISTACK)], env=self._environment(), log=log)
        wait_until(lambda: listening(self.port), self.child, patience=20, tick=tick)
        return self._sign_in()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add_user(self, name: str, policies: Mapping[str, object]) -> Store:
        """The store with the key of a new user who has these IAM policies and no other right."""
        with closing(iam(self._root)) as client:
            client.create_user(UserName=name)
            key = client.create_access_key(UserName=name)["AccessKey"]
        give(name, policies, by=self._root)
        return replace(self._root, access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])

    def stop(self) -> None:
        """End it cleanly, so that it saves what it knows."""
        if self.child is not None:
            self.child.stop()
            self.child = None

    @property
    def _root(self) -> Store:
        return Store(self.endpoint_url, REGION, _ROOT, self._root_secret)

    def _sign_in(self) -> Store:
        """The store with a key it accepts: the kept one, or a new one where it was forgotten.

        Objects are on disk as soon as they are stored, but IAM users are saved only by a clean
        stop, so after a crash the kept key is unknown.
        """
        path = self.state / "signer.json"
        if path.exists():
            store = Store(self.endpoint_url, REGION, **json.loads(path.read_text()))
            if knows_key(store):
                return store
        key = self._create_key()
        # Created with its mode: a chmod after would leave it readable for a moment.
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(key, file)
        return Store(self.endpoint_url, REGION, **key)

    def _create_key(self) -> dict[str, str]:
        with closing(iam(self._root)) as client:
            try:
                client.create_user(UserName=_USER)
            except client.exceptions.EntityAlreadyExistsException:
                for old in client.list_access_keys(UserName=_USER)["AccessKeyMetadata"]:
                    client.delete_access_key(UserName=_USER, AccessKeyId=old["AccessKeyId"])
            key = client.create_access_key(UserName=_USER)["AccessKey"]
        give(_USER, {"s3": _POLICY}, by=self._root)
        return {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}

    def _environment(self) -> dict[str, str]:
        # Not the caller's environment: an AWS_ACCESS_KEY_ID there would become the root account.
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "SERVICES": "s3,iam,sts",
            "MINISTACK_REGION": REGION,
            "AWS_ACCESS_KEY_ID": _ROOT,
            "AWS_SECRET_ACCESS_KEY": self._root_secret,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.state / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.state / "objects"),
            "TMPDIR": str(self.state),
            "HOME": str(self.state),
            "LOG_LEVEL": "WARNING",
        }
