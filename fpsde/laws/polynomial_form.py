"""Steps that are polynomials of their noise, read from the trace:  x' = A(x) + B(x) z + C(x) z^2  with  z ~ N(0, 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import NotConverged
from fpsde.laws.kernels import NOISE_NEEDED, QuadraticKernel
from fpsde.laws.kinks import switches
from fpsde.laws.step_form import TracedForm
from fpsde.printing import numpy_function
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import TracedStep

#: Where a slope is looked at before it is expanded, and the relative difference that is no rounding.
PROBES, SEEN = np.array([-1.1, -0.2, 0.4, 1.3]), 1e-6


@dataclass(frozen=True, eq=False)
class PolynomialForm(TracedForm):
    """A step whose coefficients A, B and C are known as formulas."""

    powers: Callable[..., tuple] = field(kw_only=True)  #: (x, *constants) -> A, B, C

    def coefficients(self, x: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return A, |B| and C at ``x``; ``row`` holds the constants, arrays of them broadcast against ``x``.

        The sign of B is that of z, which is symmetric: B z + C z^2 and |B| z + C z^2 have one law.
        """
        # far out in a trial box coefficients may overflow or leave their range: callers look for what is not finite
        with np.errstate(all="ignore"):
            a, b, c = self.powers(x, *row)
        shape = np.broadcast_shapes(np.shape(x), *(np.shape(v) for v in row))
        a, b, c = (v if np.shape(v) == shape else np.broadcast_to(v, shape) for v in (a, np.abs(b), c))
        return a, b, c

    def pilot(self, x: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return x' for noise that is drawn."""
        a, b, c = self.powers(x, *row)
        z = rng.standard_normal(len(x))
        return a + z * (b + z * c)

    def spread(self, x: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return A and |B|."""
        return self.coefficients(x, row)[:2]

    def kernel(self, x: np.ndarray, row: np.ndarray, *, cuts: int, seen: bool = False) -> QuadraticKernel:
        """Return the kernel of the steps from ``x``, in closed form; NotConverged where a step has no noise."""
        a, b, c = self.coefficients(x, row)
        bad = ~(np.isfinite(a) & np.isfinite(c) & (b > 0) & (b < np.inf))
        if bad.any():
            k = int(np.argmax(bad))
            raise NotConverged(
                f"from x={x[k]:.6g} the step of {self.process.name} has mean {a[k]:.4g} and standard deviation "
                f"{b[k]:.4g}, so its law has no density; {NOISE_NEEDED}"
            )
        return QuadraticKernel(x, a, b, c)


def polynomial_form(scheme: Scheme, process: Any, step: TracedStep) -> PolynomialForm | None:
    """Return the form of a step, or None where it is no polynomial of degree 2 in normals, or has more state than x."""
    if len(step.state) != 1 or any(kind.support is not None for kind, _ in step.inputs):
        return None
    x, powers = step.state[0], _powers_of_noise(sp.sympify(step.expanded[0]), step.normals)
    if powers is None:
        return None
    read = {s for expression in powers for s in expression.free_symbols}
    reads = [i for i, symbol in enumerate(step.constants) if symbol in read]
    names = [step.constants[i] for i in reads]
    changes = [e for e in switches(powers) if e.has(x)]
    return PolynomialForm(
        scheme=scheme,
        step=step,
        process=process,
        reads=np.array(reads, dtype=int),
        affine=_affine(*powers, x, names),
        switches=numpy_function([x, *names], changes) if changes else None,
        powers=numpy_function([x, *names], powers),
    )


def _powers_of_noise(e: sp.Expr, normals: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, sp.Expr, sp.Expr] | None:
    """Return A, B, C of e = A + B z + C z^2, by derivatives at z = 0: expanding the polynomial would lose digits.

    Several normals that enter linearly are one, with B^2 the sum of their squares. None where e is no such polynomial.
    """
    at_zero = dict.fromkeys(normals, sp.Integer(0))
    second = [sp.diff(e, z, w) for z in normals for w in normals]
    polynomial = not any(f.has(*normals) for f in (*e.atoms(sp.Function), *second))
    if not normals or not polynomial or (len(normals) > 1 and any(second)):
        return None
    slopes = [sp.diff(e, z).xreplace(at_zero) for z in normals]
    b = slopes[0] if len(slopes) == 1 else sp.sqrt(sp.Add(*(s**2 for s in slopes)))
    return e.xreplace(at_zero), b, second[0] / 2


def _affine(a: sp.Expr, b: sp.Expr, c: sp.Expr, x: sp.Symbol, names: list[sp.Symbol]) -> Callable[..., tuple] | None:
    if c != 0 or b.has(x) or _bends(sp.diff(a, x), x, names):
        return None
    slope = sp.expand(sp.diff(a, x))
    shift = sp.expand(a - slope * x)  # a jump has no slope and stays in here
    if slope.has(x) or shift.has(x):
        return None
    return numpy_function(names, (slope, shift, b))


def _bends(slope: sp.Expr, x: sp.Symbol, names: list[sp.Symbol]) -> bool:
    """Return whether the slope differs from x to x for some constants: then it need not be expanded, which is slow."""
    if not slope.has(x):
        return False
    with np.errstate(all="ignore"):
        values = np.asarray(numpy_function([x, *names], (slope,))(PROBES, *np.full(len(names), 0.5))[0], dtype=float)
    known = np.isfinite(values)
    return bool(known.all() and np.ptp(values) > SEEN * np.abs(values).max())
