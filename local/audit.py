"""``make audit``: whether a locked version of a dependency has a known vulnerability.

Asks PyPI's advisories by pip-audit. Where they cannot be reached, behind a mirror that serves
packages alone say, pip-audit skips every package and reports success; that is said here for what it
is, and fails where ``REQUIRE`` names ``audit``. Packages that hold advisories are no way out:
safety-db ends in July 2021, and the others fetch theirs.

What every index does say is which releases their makers have withdrawn, which fails here too, and
which are out since: a version that is the newest has no known vulnerability that is mended.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

BASE_DIR: Final = Path(__file__).resolve().parent.parent
#: What is served, what develops and tests it, and the embedded S3.
LOCKS: Final = ("requirements.txt", "requirements-dev.txt", "local/requirements-s3.txt")
SECONDS: Final = 240
_PIN: Final = re.compile(r"^(?P<name>[\w.-]+)(?:\[[^]]*\])?==(?P<version>[^\s;]+)(?P<marker>.*)$")


def ask(lock: str) -> list[dict[str, Any]]:
    """What pip-audit says of each package of a lock file; nothing if it could not say."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", lock, "--no-deps"]
    command += ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
    try:
        said: list[dict[str, Any]] = json.loads(_run(command))["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        return []
    return said


def releases(pins: Sequence[re.Match[str]]) -> Iterator[tuple[str, str, bool, str]]:
    """Name, version, whether it was withdrawn, and the newest version of each locked package.

    By the package index alone, for this interpreter and machine. Nothing if that fails.
    """
    locked = _resolve([pin[0] for pin in pins])
    newest = _resolve([f"{pin['name']}{pin['marker']}" for pin in pins])
    for name, (version, withdrawn) in locked.items():
        if name in newest:
            yield name, version, withdrawn, newest[name][0]


def pinned(locks: Sequence[str]) -> Iterator[list[re.Match[str]]]:
    """The pins of each lock that no lock before it has."""
    seen: set[str] = set()
    for lock in locks:
        lines = (BASE_DIR / lock).read_text().splitlines()
        pins = [pin for line in lines if line not in seen and (pin := _PIN.match(line))]
        seen.update(lines)
        yield pins


def _resolve(requirements: Sequence[str]) -> dict[str, tuple[str, bool]]:
    """What pip would install for these: version, and whether it was withdrawn, by name."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    command += ["--no-deps", "--quiet", "--report", "-", *requirements]
    try:
        chosen = json.loads(_run(command))["install"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return {}
    return {
        each["metadata"]["name"].lower(): (each["metadata"]["version"], each["is_yanked"])
        for each in chosen
    }


def _run(command: Sequence[str]) -> str:
    return subprocess.run(
        command, cwd=BASE_DIR, capture_output=True, text=True, timeout=SECONDS, check=False
    ).stdout


def main(locks: Sequence[str]) -> int:
    known: dict[str, dict[str, Any]] = {}
    for lock in locks:
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
    return tell_of_releases(locks) or int("audit" in os.environ.get("REQUIRE", "").split(","))


def tell_of_releases(locks: Sequence[str]) -> int:
    """Print what the index says of the locked versions; 1 if one of them was withdrawn."""
    said = sorted(each for pins in pinned(locks) for each in releases(pins))
    withdrawn = [f"{name} {version}" for name, version, gone, _ in said if gone]
    behind = [f"{name} {version} ({new})" for name, version, _, new in said if version != new]
    if not said:
        print("The package index could not be asked either.")
        return 0
    print(
        f"The index has {len(said)} of them. Withdrawn by their makers: "
        f"{', '.join(withdrawn) or 'none'}. Not the newest there is: {', '.join(behind) or 'none'}."
    )
    return int(bool(withdrawn))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or LOCKS))
