"""``make audit``: whether a locked version of a dependency has a known vulnerability.

Asks PyPI's advisories by pip-audit. Where they cannot be reached, behind a mirror that serves
packages alone say, pip-audit skips every package and reports success; that is said here for what it
is, and fails where ``REQUIRE`` names ``audit``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

BASE_DIR: Final = Path(__file__).resolve().parent.parent
#: What is served, what develops and tests it, and the embedded S3.
LOCKS: Final = ("requirements.txt", "requirements-dev.txt", "local/requirements-s3.txt")
SECONDS: Final = 240


def ask(lock: str) -> list[dict[str, Any]]:
    """What pip-audit says of each package of a lock file; nothing if it could not say."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", lock, "--no-deps"]
    command += ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            command, cwd=BASE_DIR, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        said: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        return []
    return said


def main() -> int:
    known: dict[str, dict[str, Any]] = {}
    for lock in LOCKS:
        known |= {f"{said['name']} {said.get('version', '')}": said for said in ask(lock)}
    asked = {name: said for name, said in known.items() if "vulns" in said}
    vulnerable = {name: said["vulns"] for name, said in asked.items() if said["vulns"]}
    for name, found in sorted(vulnerable.items()):
        for each in found:
            fixed = ", ".join(each["fix_versions"]) or "nothing yet"
            print(f"{name}: {each['id']}, fixed in {fixed}")
    if vulnerable:
        return 1
    if asked and len(asked) == len(known):
        print(f"No known vulnerability in {len(asked)} packages.")
        return 0
    print(
        f"NOT AUDITED: the advisories of {len(known) - len(asked) or 'all'} packages could not be "
        "reached from here, so nobody looked. Run `make audit` where PyPI answers."
    )
    return int("audit" in os.environ.get("REQUIRE", "").split(","))


if __name__ == "__main__":
    sys.exit(main())
