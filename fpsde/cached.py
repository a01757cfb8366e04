"""Attributes that are computed when first asked for, and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # type checkers know this one to be a property
    from functools import cached_property as cached_property
else:

    class cached_property:  # noqa: N801  (as the one of functools)
        """What ``functools.cached_property`` is since Python 3.12, for every Python: all of fpsde takes this one.

        Before, that one takes a lock, which is four times as slow and has threads wait for one another's objects too.
        Without one, threads that ask at once may each compute the value; the last of them, all equal, is kept.
        """

        def __init__(self, compute: Callable[[Any], Any]) -> None:
            self._compute, self.__doc__ = compute, compute.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self._name = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            value = instance.__dict__[self._name] = self._compute(instance)
            return value
