"""A whole step of a run: the scheme's map, its walls, what observers see, what is tracked, and whether it failed.

Stated once, on values that are symbols while a step is traced (``tracing.py``) and arrays ``(n,)`` where it runs as
array code (``array_step.py``).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.schemes import walls
from fpsde.schemes.advance import Advance
from fpsde.schemes.inputs import UNIFORM, RandomInput
from fpsde.schemes.models import Model
from fpsde.schemes.tracked import Tracked
from fpsde.symbolic import Components, components


@dataclass(frozen=True, eq=False)
class Assembly:
    """A scheme on a process with what a run tracks: which rows its state and its noise have, and one step of them.

    The state is the positions, then the auxiliary components and scalars, then what observers see (where a scheme
    observes something else than x), then what is tracked, then the failure flag. Raises Unsuited (an InvalidInput)
    where the scheme has no form on the process.
    """

    scheme: Any
    process: Any
    tracked: tuple[Tracked, ...] = ()

    def __post_init__(self) -> None:
        self.scheme.refuse_unsuited(self.process)

    @property
    def dim(self) -> int:
        return self.process.dim

    @cached_property
    def rows(self) -> tuple[str, ...]:
        """The names of the rows of the state."""
        d, scheme = self.dim, self.scheme
        names = [f"x{i}" for i in range(d)]
        names += [f"aux_{name}{i}" for name in scheme.auxiliary for i in range(d)]
        names += [f"aux_{name}" for name in scheme.scalars]
        names += [f"seen{i}" for i in range(d)] if scheme.observed is not None else []
        names += [f"tracked{k}" for k in range(len(self.tracked))]
        return (*names, "failed") if scheme.may_fail else tuple(names)

    @property
    def first_seen(self) -> int:
        """The row of the first component that observers see."""
        return 0 if self.scheme.observed is None else self._carried

    @property
    def first_tracked(self) -> int:
        """The row of the first tracked value."""
        return self._carried + (0 if self.scheme.observed is None else self.dim)

    @property
    def _carried(self) -> int:
        """The number of rows that the next step reads: positions, auxiliary components, scalars."""
        return self.dim * (1 + len(self.scheme.auxiliary)) + len(self.scheme.scalars)

    @cached_property
    def inputs(self) -> tuple[tuple[RandomInput, int], ...]:
        """Each random input with how many of it a step takes, those of absorbing walls last."""
        own = tuple((kind, kind.per.count(self.process)) for kind in self.scheme.inputs)
        return (*own, (UNIFORM, len(self._absorbing))) if self._absorbing else own

    @property
    def normals(self) -> int:
        """The number of raw normals that a step takes."""
        return sum(kind.normals * count for kind, count in self.inputs)

    @cached_property
    def _absorbing(self) -> tuple[int, ...]:
        return tuple(i for i, interval in enumerate(self.process.intervals) if walls.absorbs(interval))

    def advance(
        self,
        model: Model,
        state: Sequence[Any],
        z: Sequence[Any],
        *,
        t: Any,
        dt: Any,
        sqrt_dt: Any,
        ends: Sequence[tuple[Any, Any]],
    ) -> list[Any]:
        """Return the new values of the rows of the state.

        ``z`` are the raw normals, ``ends`` the low and high end of each component's interval.
        """
        scheme, d, carried = self.scheme, self.dim, self._carried
        noise, uniforms = self._inputs(z, sqrt_dt, dt)
        x, aux = components(state[:d]), self._by_name(state[d:carried])
        result = scheme.step(model, x, t, dt, noise, *((aux,) if aux else ()))
        advance = result if isinstance(result, Advance) else Advance(result)
        moved = self._walled(model, x, list(advance.x), ends, uniforms, t=t, dt=dt)
        moved += [v for name in scheme.auxiliary for v in advance.aux[name]]
        moved += [advance.aux[name] for name in scheme.scalars]
        out = self._held(x, ends, state[:carried], moved)
        if scheme.observed is not None:
            out += self._wound(model, scheme.observed(components(out[:d]), self._by_name(out[d:carried])), ends)
        if self.tracked:
            seen = slice(self.first_seen, self.first_seen + d)
            before, after = components(state[seen]), model.staged(out[seen])
            aux = self._by_name(out[d:carried])
            for value, one in zip(state[self.first_tracked :], self.tracked, strict=False):
                more = (aux,) if one.reads_state else ()
                out.append(one.update(value, before, after, t, dt, model.p, *more))
        if scheme.may_fail:
            conditions = advance.failed if _by_component(advance.failed) else [advance.failed]
            out.append(np.where(functools.reduce(operator.or_, conditions), 1.0, state[-1]))
        return out

    def _inputs(self, z: Sequence[Any], sqrt_dt: Any, dt: Any) -> tuple[SimpleNamespace, dict[int, Any]]:
        """Return the inputs of the scheme by name, and the uniforms of the absorbing walls by component."""
        values, row = [], 0
        for kind, count in self.inputs:
            column = []
            for _ in range(count):
                column.append(kind.form(tuple(z[row : row + kind.normals]), sqrt_dt, dt))
                row += kind.normals
            values.append(components(column))
        uniforms = dict(zip(self._absorbing, values.pop(), strict=True)) if self._absorbing else {}
        names = (kind.name for kind in self.scheme.inputs)
        return SimpleNamespace(**dict(zip(names, values, strict=True))), uniforms

    def _by_name(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return the rows after the positions by name: components ``(d,)``, and one value for a scalar."""
        d, auxiliary = self.dim, self.scheme.auxiliary
        out: dict[str, Any] = {name: components(values[k * d : (k + 1) * d]) for k, name in enumerate(auxiliary)}
        return out | dict(zip(self.scheme.scalars, values[len(auxiliary) * d :], strict=True))

    def _walled(
        self,
        model: Model,
        x: Components,
        moved: list[Any],
        ends: Sequence[tuple[Any, Any]],
        uniforms: Mapping[int, Any],
        *,
        t: Any,
        dt: Any,
    ) -> list[Any]:
        """Return the positions after the walls, each component in its own interval."""
        form, intervals = self.scheme.wall_form, self.process.intervals
        moved = [self._named(model, interval, v) for interval, v in zip(intervals, moved, strict=True)]
        for i, interval in enumerate(intervals):
            along = model.conormal(i, x, t) if walls.reflects(interval) else {}
            if along:
                pushed = model.staged([form.reflected(interval, moved[i], *ends[i]) - moved[i]])[0]
                for j, ratio in along.items():
                    moved[j] = self._named(model, intervals[j], moved[j] + ratio * pushed)
        for i, interval in enumerate(intervals):
            if interval.walled:
                variance = model.variance(i, x, t) * dt if walls.absorbs(interval) else None
                low, high = ends[i]
                moved[i] = walls.applied(
                    interval, x[i], moved[i], low=low, high=high, variance=variance, uniform=uniforms.get(i), form=form
                )
        return moved

    def _wound(self, model: Model, seen: Any, ends: Sequence[tuple[Any, Any]]) -> list[Any]:
        """Return what observers see, on the circle where a component lives on one."""
        pairs = zip(seen, self.process.intervals, ends, strict=True)
        return [walls.wound(self._named(model, i, v), *end) if i.periodic else v for v, i, end in pairs]

    @staticmethod
    def _named(model: Model, interval: Interval, v: Any) -> Any:
        """Return what a wall will read several times, under a name while tracing."""
        return model.staged([v])[0] if interval.walled else v

    def _held(self, x: Components, ends: Sequence[tuple[Any, Any]], state: Any, moved: list[Any]) -> list[Any]:
        """Return the moved rows, or the old ones where an absorbing wall holds the particle, in any component."""
        places = list(zip(x, ends, self.process.intervals, strict=True))
        held = [v <= low for v, (low, _), interval in places if interval.low_wall is Wall.ABSORBING]
        held += [v >= high for v, (_, high), interval in places if interval.high_wall is Wall.ABSORBING]
        if not held or len(moved) == 1:  # a single component is held by its own wall
            return moved
        stopped = functools.reduce(operator.or_, held)
        return [np.where(stopped, old, new) for old, new in zip(state, moved, strict=True)]


def coarsening(inputs: Sequence[tuple[RandomInput, int]], sub: int) -> np.ndarray:
    """Return the weights ``(sub, r, r)`` that make the normals of a step from those of ``sub`` finer ones.

    Raises InvalidInput where an input of the scheme has no refinement.
    """
    r = sum(kind.normals * count for kind, count in inputs)
    out = np.zeros((sub, r, r))
    row = 0
    for kind, count in inputs:
        if kind.weights is None and sub > 1:
            raise InvalidInput(
                f"the random input {kind.name!r} has no dt-refinement; "
                f"refinement={sub} must be 1 for this scheme and these walls"
            )
        block = np.eye(kind.normals)[None] if kind.weights is None else kind.weights(sub)
        for _ in range(count):
            out[:, row : row + kind.normals, row : row + kind.normals] = block
            row += kind.normals
    return out


def _by_component(failed: Any) -> bool:
    """Return whether a condition is one for each component; as array code it may be an array of particles."""
    return isinstance(failed, np.ndarray) and failed.dtype == object and failed.ndim == 1
