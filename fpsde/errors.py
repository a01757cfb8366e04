"""The errors that fpsde raises; each message says what was given, what is allowed, and what to do."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from typing import Any


class FpsdeError(Exception):
    """Base of every error that fpsde raises on purpose.

    ``finished`` is what a run had finished when it failed, an ``Ensemble`` or a ``Batch``; None where that is nothing.
    """

    finished: Any = None


class InvalidInput(FpsdeError, ValueError):
    """An argument is outside of what the function accepts."""


class Unsuited(InvalidInput):
    """A scheme that has no form on a process: the wrong class of noise, a wall, a structure that is not there."""


class UnstableStep(FpsdeError, ArithmeticError):
    """A time step is too large: the scheme leaves its region of stability, positivity or validity."""


class NotConverged(FpsdeError, ArithmeticError):
    """A computed law, solution or stationary state did not reach the accuracy asked for."""


class BackendUnavailable(FpsdeError, RuntimeError):
    """A backend (compiler, GPU, driver, cache directory) is needed and is not there."""


def uncalled(given: object) -> str:
    """Return what to do where a function is given in place of what it makes; empty where it is not that."""
    if not (callable(given) and not isinstance(given, type) and hasattr(given, "__name__")):
        return ""
    needed = any(
        q.default is q.empty and q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD)
        for q in inspect.signature(given).parameters.values()
    )
    return f"{given.__name__} is a function; call it: {given.__name__}({'...' if needed else ''})"


def unknown_name(kind: str, given: object, known: Iterable[str]) -> InvalidInput:
    """Return the error for a name that is not one of ``known``, offering the nearest one."""
    names = sorted(known)
    near = difflib.get_close_matches(str(given), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return InvalidInput(f"unknown {kind} {given!r}: {hint}known are {', '.join(names) or 'none'}")
