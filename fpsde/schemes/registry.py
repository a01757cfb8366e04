"""The schemes of the package by name, and errors that name those which have a form where another one has none."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from fpsde.errors import Unsuited

P = ParamSpec("P")
T = TypeVar("T")

#: name: :class:`~fpsde.schemes.scheme.Scheme`, entered by fpsde/schemes/__init__.py, which imports them all
SCHEMES: dict[str, Any] = {}


def offers_the_suited(build: Callable[P, T]) -> Callable[P, T]:
    """Return ``build(scheme, process, ...)`` whose Unsuited also names the schemes that it can build on the process."""

    @functools.lru_cache(maxsize=64)
    def suited(process: Any) -> tuple[str, ...]:
        return tuple(name for name, scheme in SCHEMES.items() if _builds(build, scheme, process))

    @functools.wraps(build)
    def offering(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return build(*args, **kwargs)
        except Unsuited as error:
            process: Any = args[1]
            names = ", ".join(suited(process)) or "none of this package"
            raise Unsuited(f"{error}. Schemes that have a form on {process.name}: {names}") from error

    return offering


def _builds(build: Callable[..., Any], scheme: Any, process: Any) -> bool:
    try:
        build(scheme, process)
    except Unsuited:
        return False
    return True
