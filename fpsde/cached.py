"""What an object computes when it is first asked for, and keeps: one value, or the last few of a method.

Functions of a module are kept by ``functools.cache`` and ``lru_cache``. Around a method, or a function that holds the
object, these make a ring: the object holds what holds the object, and all of its arrays stay, on a device too, until
Python looks for rings. With what is here, an object that nobody holds any more is gone at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """The values of the last ``most`` arguments that an object asked for; it is held by that object alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[tuple[Hashable, ...], Value] = {}

    def get(self, compute: Callable[..., Value], *given: Hashable) -> Value:
        """Return ``compute(*given)``: what was kept, if it was among the last; ``compute`` is always the same."""
        found = self._values.pop(given) if given in self._values else compute(*given)
        self._values[given] = found
        if len(self._values) > self._most:
            del self._values[next(iter(self._values))]
        return found


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
