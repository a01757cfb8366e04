"""The chain whose law is wanted, and the panels that its laws are held on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from fpsde.cached import cached_property
from fpsde.density import Law
from fpsde.laws.kinks import kinks
from fpsde.laws.mesh import Mesh, kernel_widths, laid, refuse_if_too_many
from fpsde.laws.step_form import StepForm
from fpsde.laws.transition_operator import Operator

#: Meshes that a chain keeps: a run reads the last one only, and the next run may start with it.
_KEPT = 8


@dataclass(frozen=True, eq=False)
class Chain:
    """Steps of a form over the intervals of ``times`` from ``initial``; laws are wanted after numbers of ``steps``."""

    form: StepForm
    times: np.ndarray
    initial: Law
    steps: Sequence[int]
    operator: type[Operator] = Operator  #: how masses are moved
    _meshes: dict[tuple, Mesh] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def rows(self) -> np.ndarray:
        """The constants of each step, ``(n_steps, n_reads)``."""
        return self.form.rows(self.times)

    @cached_property
    def repeats(self) -> list[bool]:
        """For each step, and for one after the last: whether it is the step before, between the same two meshes."""
        equal = np.concatenate([[False], np.all(self.rows[1:] == self.rows[:-1], axis=1), [True]])
        same = np.zeros(len(self.rows) + 1, dtype=bool)
        same[2:-1] = equal[1:-2] & equal[2:-1] & equal[3:]
        return same.tolist()

    def noise_at(self, x: float) -> float:
        """Return the least standard deviation |B| of all steps from ``x``."""
        return float(self.form.spread(np.array(x), self.rows.T)[1].min())

    def start_mesh(self, low: float, high: float) -> Mesh:
        """Return panels on (low, high) that resolve the first kernel in the point from which it starts."""
        return self._laid(low, high, self.rows[:1], 0)

    def mesh(self, n: int, low: float, high: float, *, cuts: int = 0) -> Mesh:
        """Return the panels that the law after ``n`` steps is held on, each cut into ``2**cuts``.

        That law is as smooth as the kernel of the last step, and the next kernel is integrated over it.
        """
        around = self.rows[n - 1 : n + 1]
        return self._laid(low, high, around[:1] if np.all(around == around[0]) else around, cuts)

    def _laid(self, low: float, high: float, rows: np.ndarray, cuts: int) -> Mesh:
        key = (low, high, cuts, rows.tobytes())
        if key not in self._meshes:
            if len(self._meshes) >= _KEPT:
                self._meshes.clear()
            self._meshes[key] = self._cut(low, high, rows, cuts) if cuts else self._uncut(low, high, rows)
        return self._meshes[key]

    def _cut(self, low: float, high: float, rows: np.ndarray, cuts: int) -> Mesh:
        mesh = self._laid(low, high, rows, cuts - 1)
        refuse_if_too_many(2 * (len(mesh.faces) - 1))
        return mesh.halved

    def _uncut(self, low: float, high: float, rows: np.ndarray) -> Mesh:
        mesh = laid(partial(kernel_widths, self.form, rows), low, high)
        if self.form.switches is None:
            return mesh
        return Mesh(np.union1d(mesh.faces, kinks(self.form.switches, rows[-1], low, high)))
