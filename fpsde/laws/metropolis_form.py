"""Steps that accept or reject a proposal by Metropolis's rule, read from the trace:  x' = y if log U < gain, else x."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import InvalidInput
from fpsde.functions import where
from fpsde.laws.noise_rule import row_of_uniform
from fpsde.laws.polynomial_form import PolynomialForm, polynomial_form
from fpsde.laws.step_form import StepForm
from fpsde.printing import numpy_function
from fpsde.schemes.inputs import UNIFORM
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import TracedStep, needed

#: Half of a short move, in standard deviations of the proposal.
SHORT = 1e-3


@dataclass(frozen=True, eq=False)
class MetropolisForm(StepForm):
    """A proposal y = A(x) + B(x) z with  P(accepted) = min(1, e^gain)."""

    proposal: PolynomialForm = field(kw_only=True)
    gains: Callable[..., tuple] = field(kw_only=True)  #: (x, z, *constants) -> gain

    def gain(self, x: np.ndarray, z: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Return the logarithm of the ratio that is compared with U; what is not a number is rejected."""
        with np.errstate(all="ignore"):
            (values,) = self.gains(x, z, *row)
        return np.where(np.isnan(values), -np.inf, values)

    def short_gain(self, x: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Return the gain of a short move up, with ``x`` in its middle."""
        half = SHORT * self.spread(x, row)[1]
        a, b = self.spread(x - half, row)
        return self.gain(x - half, (x + half - a) / b, row)

    def pilot(self, x: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return x' for noise that is drawn."""
        a, b = self.spread(x, row)
        z = rng.standard_normal(len(x))
        return np.where(np.log(rng.random(len(x))) < self.gain(x, z, row), a + b * z, x)

    def spread(self, x: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return A and B of the proposal."""
        a, b, _ = self.proposal.coefficients(x, row)
        return a, b


def metropolis_form(scheme: Scheme, process: Any, step: TracedStep) -> MetropolisForm | None:
    """Return the form of a step, or None where it takes no uniform variable.

    Raises InvalidInput where it does something else with it than Metropolis's rule, or reads the time.
    """
    row = row_of_uniform(step.inputs)
    if row is None:
        return None
    x, uniform = step.state[0], step.normals[row : row + 2]
    choice = step.outputs[0]
    log_u = -(uniform[0] ** 2 + uniform[1] ** 2) / 2
    if not (isinstance(choice, where) and isinstance(choice.args[0], sp.StrictLessThan) and choice.args[2] == x):
        raise InvalidInput(f"{scheme.name} on {process.name} rejects, and not by one comparison of log U")
    condition, proposed, _ = choice.args
    assignments, read = needed(step.assignments, [proposed, condition.rhs])
    normals = [z for z in step.normals if z not in uniform]
    if sp.nsimplify(condition.lhs - log_u) != 0 or read & {*uniform, *step.state[1:]} or len(normals) != 1:
        raise InvalidInput(f"{scheme.name} on {process.name} rejects by something else than log U < gain(x, z)")
    inputs = tuple((kind, count) for kind, count in step.inputs if kind is not UNIFORM)
    alone = replace(
        step,
        state=(x,),
        normals=tuple(normals),
        outputs=(proposed,),
        inputs=inputs,
        observed=0,
        tracked=1,
        flagged=False,
    )
    proposal = polynomial_form(scheme, process, alone)
    if proposal is None or process.time_dependent:
        raise InvalidInput(f"{scheme.name} on {process.name} proposes by something else than A(x) + B(x) z, free of t")
    # of the constants that it reads, the proposal is handed all, in its own order
    reads = np.array([i for i, symbol in enumerate(step.constants) if symbol in read], dtype=int)
    names = [step.constants[i] for i in reads]
    given = [list(reads).index(i) for i in proposal.reads]
    powers = proposal.powers
    proposal = replace(proposal, reads=reads, powers=lambda x, *row: powers(x, *(row[k] for k in given)))
    return MetropolisForm(
        scheme=scheme,
        step=step,
        process=process,
        reads=reads,
        proposal=proposal,
        gains=numpy_function([x, normals[0], *names], [condition.rhs], assignments=assignments),
    )
