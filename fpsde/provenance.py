"""Where a result comes from: versions and machine, without importing what it names."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

_PACKAGES = ("fpsde", "numpy", "numba", "scipy", "sympy")


@cache
def environment() -> dict[str, str]:
    """Return the versions of what fpsde stands on, and the machine's kind."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions | {"machine": f"{platform.system()} {platform.machine()}"}
