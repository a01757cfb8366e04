"""Functions that users write: what they take, where they stand, and the user's line under which an error arose."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import InvalidInput

#: Code that stands between a user's line and an error: ours, NumPy's, SymPy's, and functools (which runs properties).
_INNER = (*(str(Path(module).parent) + os.sep for module in (__file__, np.__file__, sp.__file__)), functools.__file__)


def user_line() -> str:
    """Return FILE:LINE of the innermost frame that the user wrote."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INNER):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def refuse_other_arguments(what: str, function: Any, arguments: Sequence[str]) -> None:
    """Raise InvalidInput unless a function can be called with as many arguments as ``arguments`` names."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        raise InvalidInput(
            f"{place_and_name(function)} takes {argument_names(function)}; {what} takes ({', '.join(arguments)})"
        ) from None
    except ValueError:  # a function that does not say what it takes
        return


def argument_names(function: Callable) -> list[str]:
    """Return the names of the arguments without a default; InvalidInput for what does not say them."""
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise InvalidInput(
            f"{function!r} is not a Python function; give one of (x, t, p) or fewer, such as lambda x: -x"
        ) from None
    return [q.name for q in arguments if q.default is q.empty]


def place_and_name(function: Callable) -> str:
    """Return FILE:LINE and the name of a function, where it is wrapped those of what is inside."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    name = getattr(function, "__name__", repr(function))
    return f"{code.co_filename}:{code.co_firstlineno}: {name}" if code else name


def raised_at(error: BaseException) -> str:
    """Return FILE:LINE of the innermost line of the user's under which an error arose."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    users = [frame for frame in frames if not frame[0].startswith(_INNER)]
    return ":".join(map(str, (users or frames)[-1]))
