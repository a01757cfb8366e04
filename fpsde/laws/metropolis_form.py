"""Steps that accept or reject a proposal by Metropolis's rule, read from the trace:  x' = y if log U < gain, else x."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import InvalidInput
from fpsde.functions import where
from fpsde.laws.noise_rule import row_of_uniform
from fpsde.laws.step_form import TracedForm
from fpsde.printing import numpy_function
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import TracedStep, needed, substituted

#: Half of a short move, in standard deviations of the proposal.
SHORT = 1e-3
_KNOWN = "laws are known where  x' = y if log U < gain(x, y), else x,  with y = A(x) + B(x) z, free of t, as in mala"


@dataclass(frozen=True, eq=False)
class MetropolisForm(TracedForm):
    """A proposal y = A(x) + B(x) z with  P(accepted) = min(1, e^gain)."""

    proposal: Callable[..., tuple] = field(kw_only=True)  #: (x, *constants) -> A, B
    ratio: Callable[..., tuple] = field(kw_only=True)  #: (x, z, *constants) -> gain

    def gain(self, x: np.ndarray, y: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Return the gain of moves from ``x`` to ``y``: the logarithm that is compared with that of U.

        What is not a number is rejected.
        """
        with np.errstate(all="ignore"):
            a, b = self.proposal(x, *row)
            (values,) = self.ratio(x, (y - a) / b, *row)
        return np.where(np.isnan(values), -np.inf, values)

    def short_gain(self, x: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Return the gain of a short move up, with ``x`` in its middle."""
        half = SHORT * self.spread(x, row)[1]
        return self.gain(x - half, x + half, row)

    def pilot(self, x: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return x' for noise that is drawn."""
        a, b = self.spread(x, row)
        y = a + b * rng.standard_normal(len(x))
        return np.where(np.log(rng.random(len(x))) < self.gain(x, y, row), y, x)

    def spread(self, x: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return A and |B| of the proposal."""
        with np.errstate(all="ignore"):
            a, b = self.proposal(x, *row)
        shape = np.broadcast_shapes(np.shape(x), *(np.shape(v) for v in row))
        return np.broadcast_to(a, shape), np.broadcast_to(np.abs(b), shape)


def metropolis_form(scheme: Scheme, process: Any, step: TracedStep) -> MetropolisForm | None:
    """Return the form of a step, or None where it takes no uniform variable.

    Raises InvalidInput where it does something else with it than Metropolis's rule, or reads the time.
    """
    row = row_of_uniform(step.inputs)
    if row is None:
        return None
    x, uniform, choice = step.state[0], step.normals[row : row + 2], step.outputs[0]
    normals = [z for z in step.normals if z not in uniform]
    if not (isinstance(choice, where) and isinstance(choice.args[0], sp.StrictLessThan) and len(normals) == 1):
        raise InvalidInput(f"{scheme.name} on {process.name} rejects, and not by one comparison of log U; {_KNOWN}")
    (z,), (condition, proposed, stays) = normals, choice.args
    assignments, read = needed(step.assignments, [proposed, condition.rhs])
    log_u = -(uniform[0] ** 2 + uniform[1] ** 2) / 2
    y = substituted(proposed, step.assignments)
    a, b = y.xreplace({z: sp.Integer(0)}), sp.diff(y, z)
    if (
        stays != x
        or sp.nsimplify(condition.lhs - log_u) != 0
        or read & {*uniform, *step.state[1:]}
        or b.has(z)
        or process.time_dependent
    ):
        raise InvalidInput(f"{scheme.name} on {process.name} rejects by another rule, or in time; {_KNOWN}")
    reads = [i for i, symbol in enumerate(step.constants) if symbol in read]
    names = [step.constants[i] for i in reads]
    return MetropolisForm(
        scheme=scheme,
        step=step,
        process=process,
        reads=np.array(reads, dtype=int),
        proposal=numpy_function([x, *names], (a, b)),
        ratio=numpy_function([x, z, *names], [condition.rhs], assignments=assignments),
    )
