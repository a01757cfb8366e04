"""The schemes of the package, by name: where an error finds those that it offers."""

from __future__ import annotations

from typing import Any

#: name: :class:`~fpsde.schemes.scheme.Scheme`, entered by fpsde/schemes/__init__.py, which imports them all
SCHEMES: dict[str, Any] = {}
