"""One step of a scheme in one dimension, read from its trace:  x' = A(x) + B(x) z + C(x) z^2  with  z ~ N(0, 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from fpsde.domain import LINE
from fpsde.errors import InvalidInput
from fpsde.laws.kinks import switches
from fpsde.printing import numpy_function
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import TracedStep, constant_rows, traced_step
from fpsde.schemes.walls import CORRECTED

_POSSIBLE = (
    "scheme_law takes processes of one dimension and schemes whose step there is x' = A(x) + B(x) z + C(x) z^2 in one "
    "standard normal z; that of euler_maruyama is one on every process"
)


@dataclass(frozen=True, eq=False)
class StepForm:
    """A step before any wall has its say. ``reads`` are the constants (t, dt, parameters, tables) in A, B and C."""

    scheme: Scheme
    step: TracedStep
    process: Any  #: the process without its walls
    reads: np.ndarray
    affine: Callable[..., tuple] | None  #: constants -> (a, c, b) of x' = a x + c + b z, where the step is that
    switches: Callable[..., tuple] | None  #: (x, *constants) -> what vanishes where A, B or C is not smooth in x
    _coefficients: Callable[..., tuple]

    def coefficients(self, x: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return A, |B| and C at ``x``; ``row`` holds the constants, arrays of them broadcast against ``x``.

        The sign of B is that of z, which is symmetric: B z + C z^2 and |B| z + C z^2 have one law.
        """
        # far out in a trial box coefficients may overflow or leave their range: callers look for what is not finite
        with np.errstate(all="ignore"):
            a, b, c = self._coefficients(x, *row)
        shape = np.broadcast_shapes(np.shape(x), *(np.shape(v) for v in row))
        return np.broadcast_to(a, shape), np.abs(np.broadcast_to(b, shape)), np.broadcast_to(c, shape)

    def rows(self, times: np.ndarray) -> np.ndarray:
        """Return the constants of each step ``(n_steps, n_reads)``; equal steps get equal rows."""
        rows = constant_rows(self.process, times)
        dt = np.diff(times)
        rounding = 8 * np.finfo(float).eps * np.max(np.abs(times))
        if np.ptp(dt) <= rounding:
            rows[:, 1], rows[:, 2] = dt.mean(), np.sqrt(dt.mean())
        return rows[:, self.reads]


@lru_cache(maxsize=64)
def step_form(scheme: Scheme, process: Any) -> StepForm:
    """Return the form of a scheme's step on a process; InvalidInput says what is possible where it has none."""
    if process.dim != 1:
        raise InvalidInput(f"{process.name} has dim={process.dim}; {_POSSIBLE}")
    if process.intervals[0].walled:
        traced_step(scheme, process)  # a scheme that has no form at these walls is refused with its own words
        if scheme.wall_form is not CORRECTED:
            raise InvalidInput(f"{scheme.name} has walls of its own kind; scheme_law knows the corrected ones only")
    free = replace(process, domain=LINE)
    step = traced_step(scheme, free)
    if len(step.state) != 1 or any(kind.support is not None for kind, _ in step.inputs):
        raise InvalidInput(f"{scheme.name} carries auxiliary state or discrete noise; {_POSSIBLE}")
    x, e = step.state[0], sp.sympify(step.expanded[0])
    a, b, c = _powers_of_noise(e, step.normals, scheme.name)
    read = {s for expression in (a, b, c) for s in expression.free_symbols}
    reads = [i for i, symbol in enumerate(step.constants) if symbol in read]
    names = [step.constants[i] for i in reads]
    changes = [e for e in switches((a, b, c)) if e.has(x)]
    return StepForm(
        scheme=scheme,
        step=step,
        process=free,
        reads=np.array(reads, dtype=int),
        affine=_affine(a, b, c, x, names),
        switches=numpy_function([x, *names], changes) if changes else None,
        _coefficients=numpy_function([x, *names], (a, b, c)),
    )


def _powers_of_noise(e: sp.Expr, normals: tuple[sp.Symbol, ...], name: str) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """Return A, B, C of e = A + B z + C z^2, by derivatives at z = 0: expanding the polynomial would lose digits.

    Several normals that enter linearly are one, with B^2 the sum of their squares.
    """
    at_zero = dict.fromkeys(normals, sp.Integer(0))
    second = [sp.diff(e, z, w) for z in normals for w in normals]
    polynomial = not any(f.has(*normals) for f in (*e.atoms(sp.Function), *second))
    if not normals or not polynomial or (len(normals) > 1 and any(second)):
        raise InvalidInput(f"the step of {name} is no polynomial of degree 2 in one standard normal; {_POSSIBLE}")
    slopes = [sp.diff(e, z).xreplace(at_zero) for z in normals]
    b = slopes[0] if len(slopes) == 1 else sp.sqrt(sp.Add(*(s**2 for s in slopes)))
    return e.xreplace(at_zero), b, second[0] / 2


def _affine(a: sp.Expr, b: sp.Expr, c: sp.Expr, x: sp.Symbol, names: list[sp.Symbol]) -> Callable[..., tuple] | None:
    slope = sp.expand(sp.diff(a, x))
    shift = sp.expand(a - slope * x)  # a jump has no slope and stays in here
    if c != 0 or any(e.has(x) for e in (b, slope, shift)):
        return None
    return numpy_function(names, (slope, shift, b))
