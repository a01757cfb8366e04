"""One step of a scheme as array code: of black boxes, and of every process where no compiler is at hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fpsde.arrays import bare
from fpsde.domain import probes
from fpsde.schemes.array_models import BlackBoxModel, array_model
from fpsde.schemes.assembly import Assembly, coarsening
from fpsde.schemes.registry import offers_the_suited
from fpsde.schemes.tracked import Tracked
from fpsde.symbolic import Values, components, values_of


class ArrayStep:
    """One step of a scheme on a process, for any number of particles at once, as NumPy evaluates the formulas.

    State and noise have the rows of :class:`~fpsde.schemes.tracing.TracedStep`, and for a process that can be traced
    the result is that of its compiled kernel to round-off: ``dim``, ``observed``, ``tracked``, ``flagged`` and
    ``inputs`` say the same. The tables of a process are read at steps of unit time.

    Raises Unsuited (an InvalidInput) where the scheme has no form on the process: it is tried out once, here.
    """

    def __init__(self, scheme: Any, process: Any, tracked: Sequence[Tracked] = ()) -> None:
        self._scheme = scheme
        self._assembly = Assembly(scheme, process, tuple(tracked))
        self.model = array_model(process)  #: the coefficients, for ``scheme.start``
        self.dim: int = process.dim
        self.rows = self._assembly.rows  #: the names of the rows of the state
        self.state_rows = len(self.rows)
        self.normals = self._assembly.normals  #: how many rows of normals a step takes
        self.observed = self._assembly.first_seen  #: the row of the first component that observers see
        self.tracked = self._assembly.first_tracked  #: the row of the first tracked value
        self.flagged: bool = scheme.may_fail  #: whether the last row is the failure flag
        self.inputs = self._assembly.inputs  #: each random input with how many of it a step takes
        self._ends = [(float(interval.low), float(interval.high)) for interval in process.intervals]
        trial = np.ones((self.state_rows, 2))
        trial[: self.dim] = np.stack(probes(process.intervals), axis=1)
        self.advance(trial, np.zeros((self.normals, 2)), 0.0, 1.0)

    def coarsening(self, sub: int) -> np.ndarray:
        """Return the weights ``(sub, r, r)`` that make the normals of a step from those of ``sub`` finer ones.

        Raises InvalidInput where an input of the scheme has no refinement.
        """
        return coarsening(self.inputs, sub)

    def started(self, x: np.ndarray, t: float | np.ndarray) -> np.ndarray:
        """Return the state ``(rows, n)`` in which a run from ``x`` (dim, n) starts at time ``t``."""
        out = np.zeros((self.state_rows, x.shape[1]))
        out[: self.dim] = x
        if self._scheme.start is not None:
            given = self._scheme.start(self.model, components(list(x)), t)
            rows = [row for name in self._scheme.auxiliary for row in given[name]]
            out[self.dim : self.dim + len(rows)] = np.stack([np.broadcast_to(row, x.shape[1:]) for row in rows])
        return out

    def spread(self, vectors: np.ndarray, n: int, dtype: Any) -> dict[str, np.ndarray]:
        """Return the parameters of a black box for n particles; ``vectors`` (members, P) are those of its members."""
        return self.model.process.spread(vectors, n, dtype)

    def advance(
        self,
        state: np.ndarray,
        z: np.ndarray,
        t: float | np.ndarray,
        dt: float,
        *,
        parameters: Mapping[str, Any] | None = None,
    ) -> np.ndarray:
        """Return the state ``(rows, n)`` at t + dt from that at t and normals ``z`` (normals, n), in the state's type.

        State and normals are arrays of NumPy, or both of one device: a black box then runs there; a process of
        formulas is for the host. On a process of formulas without tables each column may have a time of its own,
        ``t`` (n,). A black box takes ``parameters`` by name, ``(..., n)`` for each particle, in place of those that it
        states. What is not finite (a logarithm of a negative number, an overflow) passes through without a warning.
        """
        dt, model = float(dt), self.model
        if parameters is not None:
            assert isinstance(model, BlackBoxModel)  # formulas have numbers
            model = model.with_values(parameters)
        if isinstance(t, np.ndarray):
            t = t.view(Values)
        else:
            t = float(t)
            model = model.at_time(t)
        with np.errstate(all="ignore"):
            rows = self._assembly.advance(
                model,
                [values_of(row) for row in state],
                [values_of(row) for row in z.astype(state.dtype, copy=False)],
                t=t,
                dt=dt,
                sqrt_dt=math.sqrt(dt),
                ends=self._ends,
            )
            out = np.empty_like(state)
            for row, value in zip(out, rows, strict=True):
                row[:] = bare(value)
        return out


#: ArrayStep(scheme, process, tracked), whose Unsuited names the schemes that have a form.
array_step = offers_the_suited(ArrayStep)
