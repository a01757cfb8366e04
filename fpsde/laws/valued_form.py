"""Steps in one dimension of which values are known and nothing else: the text of the trace, run by NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import InvalidInput
from fpsde.laws.kinks import switches
from fpsde.laws.noise_rule import continuous_rows, noise_rule, row_of_uniform
from fpsde.laws.step_form import TracedForm
from fpsde.printing import numpy_function
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import TracedStep, needed, substituted


@dataclass(frozen=True, eq=False)
class ValuedForm(TracedForm):
    """x' = Phi(x, z), with the rows of normals z of the trace: discrete inputs are functions of theirs."""

    unread: frozenset[int] = field(kw_only=True)  #: rows of normals that a step does not read
    advance: Callable[..., tuple] = field(kw_only=True)  #: (x, *normals, *constants) -> x', what is seen, failed

    @property
    def summed(self) -> list[int]:
        """The rows of the continuous normals that a step reads."""
        return [row for row in continuous_rows(self.step.inputs) if row not in self.unread]

    def moved(self, x: Any, normals: Any, row: Any, *, seen: bool = False) -> np.ndarray:
        """Return x', or what observers see, NaN where the step fails; ``normals`` are its rows of normals."""
        with np.errstate(all="ignore"):
            outputs = self.advance(x, *normals, *row)
            return np.where(outputs[2], np.nan, outputs[int(seen)])

    def pilot(self, x: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return x' for noise that is drawn."""
        return self.moved(x, rng.standard_normal((len(self.step.normals), len(x))), row)

    def rule(self, nodes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return normals (r, m) and weights (m,) that sum over the noise, with so many nodes for each normal."""
        return noise_rule(self.step.inputs, nodes, without=self.unread)

    def spread(self, x: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of x' from ``x``, by two nodes for each normal."""
        z, w = self.rule(2)
        shape = np.broadcast_shapes(np.shape(x), *(np.shape(v) for v in row))
        y = np.broadcast_to(self.moved(x, z.reshape(*z.shape, *(1 for _ in shape)), row), (len(w), *shape))
        mean = np.tensordot(w, y, axes=1)
        return mean, np.sqrt(np.tensordot(w, (y - mean) ** 2, axes=1))


def valued_form(scheme: Scheme, process: Any, step: TracedStep) -> ValuedForm:
    """Return the form of a step; InvalidInput where it remembers more than x, or rejects."""
    if row_of_uniform(step.inputs) is not None:
        raise InvalidInput(f"{scheme.name} on {process.name} rejects steps; its law by scheme_law has expectations")
    x, *others = step.state
    failed = step.outputs[-1].xreplace({step.state[-1]: sp.Integer(0)}) if step.flagged else sp.Integer(0)
    outputs = (step.outputs[0], step.outputs[step.observed], failed)
    assignments, read = needed(step.assignments, outputs)
    if read & set(others):
        names = ", ".join(sorted(map(str, read & set(others))))
        raise InvalidInput(
            f"{scheme.name} reads {names} of the step before: its positions on {process.name} alone are no chain"
        )
    smooth, _ = needed(step.assignments, outputs[:2])  # a test for failure has no part in where x' is smooth
    changes = [substituted(e, tuple(assignments)) for e in switches([*outputs[:2], *(e for _, e in smooth)])]
    changes = [e for e in changes if e.has(x) and not e.has(*step.normals)]
    reads = [i for i, symbol in enumerate(step.constants) if symbol in read]
    arguments = [x, *step.normals, *(step.constants[i] for i in reads)]
    return ValuedForm(
        scheme=scheme,
        step=step,
        process=process,
        reads=np.array(reads, dtype=int),
        switches=numpy_function([x, *(step.constants[i] for i in reads)], changes) if changes else None,
        unread=frozenset(row for row, z in enumerate(step.normals) if z not in read),
        advance=numpy_function(arguments, outputs, assignments=assignments),
    )
