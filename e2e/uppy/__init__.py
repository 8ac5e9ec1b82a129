"""Uppy as npm has it: the two majors in use, and a page that uploads with either."""

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Final

from local.outside import missing
from local.service import BASE_DIR

HERE: Final = Path(__file__).parent
PAGE: Final = HERE / "page.html"
#: The package of each major's bundle (package.json).
PACKAGES: Final = {5: "uppy-5", 6: "uppy"}

#: npm clears up after a download that failed, and now and then stumbles over its own unpacking.
ATTEMPTS: Final = 3


def bundle(major: int) -> bytes:
    """The script of this major; the test is skipped where it cannot be had."""
    script = _installed() / "node_modules" / PACKAGES[major] / "dist" / "uppy.min.js"
    return script.read_bytes()


@functools.cache
def _installed() -> Path:
    """var/uppy, installed once for each package.json."""
    target, wanted = BASE_DIR / "var" / "uppy", HERE / "package.json"
    done = target / "installed.json"
    if done.exists() and done.read_bytes() == wanted.read_bytes():
        return target
    if not shutil.which("npm"):
        missing("npm", "npm is not installed: apt-get install npm")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(wanted, target)
    options = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
    command = ["npm", "install", *options]
    for attempt in range(1, ATTEMPTS + 1):
        shutil.rmtree(target / "node_modules", ignore_errors=True)
        ran = subprocess.run(command, cwd=target, capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            break
        if attempt == ATTEMPTS:
            missing("npm", f"npm could not install Uppy: {ran.stderr[-500:]}")
    shutil.copy(wanted, done)
    return target
