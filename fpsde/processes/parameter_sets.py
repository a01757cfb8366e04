"""Many values of the parameters of one process, which differ in numbers and in nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput, UnstableStep, unknown_name
from fpsde.processes.process import Process
from fpsde.validation import finite_array

#: A factory is asked for every member of so many: with quadratures in it, it takes some milliseconds for each.
ASKED = 256


@dataclass(frozen=True, eq=False)
class ParameterSets:
    """Values of parameters: ``values`` has an array ``(m, ...)`` for each name, all of one length m."""

    process: Any
    values: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, process: Any, params: Mapping[str, Any]) -> ParameterSets:
        """Return them checked; InvalidInput for none, unknown names, numbers that are not finite, other lengths.

        Where the process states what its parameters may be (``allowed``), every member is held against it.
        """
        known = getattr(process, "params", {})
        if not isinstance(params, Mapping) or not params:
            raise InvalidInput(f"params={params!r}; give a mapping of names to arrays, such as {{'theta': [1.0, 2.0]}}")
        if not known:
            raise InvalidInput(
                f"params name {', '.join(map(str, params))}, but {process.name} has no params that could vary; state "
                f"its numbers as {type(process).__name__}(..., params={{'name': value}}) and read p.name there"
            )
        values = {}
        for name, given in params.items():
            if name not in known:
                raise unknown_name(f"parameter of {process.name}", name, known)
            values[name] = finite_array(f"params[{name!r}]", given)
            shape = np.shape(known[name])
            if values[name].ndim == 0 or values[name].shape[1:] != shape:
                raise InvalidInput(
                    f"params[{name!r}] has shape {values[name].shape}; ({', '.join(['members', *map(str, shape)])}) is "
                    f"needed, a value of {name} for each member; what all share is process.with_params({name}=...)"
                )
            values[name].flags.writeable = False
        lengths = {name: len(v) for name, v in values.items()}
        if len(set(lengths.values())) > 1:
            raise InvalidInput(f"params have the lengths {lengths}; give each the same number of values")
        sets = cls(process, values)
        sets._refuse_forbidden()
        return sets

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def member(self, k: int) -> Process:
        """Return the process with the values of member ``k``."""
        return self.process.with_params(**{name: v[k] for name, v in self.values.items()})

    def said(self, k: int) -> str:
        """Return the values of member ``k`` for a message."""
        return f"member {k} ({', '.join(f'{name}={v[k]}' for name, v in self.values.items())})"

    @contextmanager
    def named(self, k: int) -> Iterator[None]:
        """Have errors of bad input and of steps say that they are of member ``k``."""
        try:
            yield
        except (InvalidInput, UnstableStep) as error:
            raise type(error)(f"{self.said(k)}: {error}") from None

    def vectors(self) -> np.ndarray:
        """Return all parameters of each member in the order of the statement, ``(m, k)``."""
        return np.concatenate([np.reshape(v, (len(self), -1)) for v in self._all().values()], axis=1)

    def _all(self) -> dict[str, np.ndarray]:
        """Return the values ``(m, ...)`` of all parameters, those that all members share too."""
        return {
            name: self.values.get(name, np.broadcast_to(v, (len(self), *np.shape(v))))
            for name, v in self.process.params.items()
        }

    def _refuse_forbidden(self) -> None:
        """Raise InvalidInput for the first member whose values are not among those that the process states."""
        allowed = self.process.allowed
        if allowed is None:
            return
        values = self._all()
        good = allowed.of_each(values)
        if not good.all():
            k = int(np.argmin(good))
            with self.named(k):
                allowed.refuse({name: v[k] for name, v in values.items()})

    def differ_in_numbers_alone(self) -> bool:
        """Return whether the members have the formulas, walls and tables of the process, as far as can be told soon.

        Without a factory they have. To state thousands of processes takes longer than to run them, so a factory is
        asked for the members with the least and the greatest value of each number. Where the process does not say what
        its parameters may be, the factory is asked for every member of at most ``ASKED``, and refuses values that it
        does not allow: InvalidInput, with the member. Of more, a combination that it does not allow may be missed.
        """
        if self.process.factory is None:
            return True
        columns = [column for v in self.values.values() for column in v.reshape(len(self), -1).T]
        vectors = self.vectors()
        asked = list(range(len(self)))
        if len(self) > ASKED or self.process.allowed is not None:
            asked = sorted({int(end(column)) for column in columns for end in (np.argmin, np.argmax)})
        for k in asked:
            with self.named(k):
                member = self.member(k)
            if not (np.array_equal(member.parameter_values(), vectors[k]) and self._has_its_form(member)):
                return False
        return True

    def _has_its_form(self, member: Process) -> bool:
        own = self.process
        return (
            member.statement == own.statement
            and member.intervals == own.intervals
            and all(np.array_equal(table, own.tables[name]) for name, table in member.tables.items())
        )
