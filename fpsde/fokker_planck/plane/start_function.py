"""A function of the starting point in a plane, as the backward equation gives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.start_function import cubic_between, interval_of
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.validation import finite_array


@dataclass(frozen=True, eq=False)
class PlaneFunction:
    """``values`` (n_1, n_2) at the centres of cells; called with arrays x and y, the function between them.

    It is a monotone cubic along the second axis, and through its values along the first, which overshoots nowhere; or,
    if it is ``additive``, linear along each axis, so that functions that add up to 1 at the centres do so everywhere.
    In the outer half of an outermost cell it is constant. ``turns`` are the lengths of the axes that are periodic,
    round which a point is turned back into the grid; None along the others. Raises InvalidInput beyond the grid.
    """

    grid: Grid
    values: np.ndarray = field(repr=False)
    turns: tuple[float | None, float | None] = (None, None)
    additive: bool = False

    def __call__(self, x: Any, y: Any) -> np.ndarray:
        points = np.broadcast_arrays(finite_array("x", x), finite_array("y", y))
        knots, values, inner = [], self.values, []
        for axis, (at, line, turn) in enumerate(zip(points, self.grid.lines, self.turns, strict=True)):
            middles, (first, last) = line.centres, line.faces[[0, -1]]
            if turn is not None:
                middles = np.concatenate([middles[-2:] - turn, middles, middles[:2] + turn])
                values = np.pad(values, [(2 * int(k == axis),) * 2 for k in (0, 1)], mode="wrap")
                at = first + (at - first) % turn
            elif at.min() < first or at.max() > last:
                raise InvalidInput(
                    f"{'xy'[axis]} from {at.min()} to {at.max()} reaches beyond the grid [{first}, {last}]; extend it"
                )
            knots.append(middles)
            inner.append(np.minimum(np.maximum(at, middles[0]), middles[-1]).ravel())
        return on_plane(*knots, np.ascontiguousarray(values), *inner, self.additive).reshape(points[0].shape)


@kernel()
def on_plane(x, y, values, at_x, at_y, additive):
    """Return what :class:`PlaneFunction` is at places ``at_x`` and ``at_y`` (m,), of values at x and y, ``(m,)``."""
    ends_x, ends_y, line = np.zeros(len(x), np.bool_), np.zeros(len(y), np.bool_), np.empty(len(x))
    ends_x[0] = ends_x[-1] = ends_y[0] = ends_y[-1] = True
    out = np.empty(len(at_x))
    for k in range(len(at_x)):
        i, j = interval_of(x, at_x[k]), interval_of(y, at_y[k])
        if additive:
            part, along = (at_x[k] - x[i]) / (x[i + 1] - x[i]), (at_y[k] - y[j]) / (y[j + 1] - y[j])
            low, high = values[i], values[i + 1]
            out[k] = (1.0 - part) * ((1.0 - along) * low[j] + along * low[j + 1])
            out[k] += part * ((1.0 - along) * high[j] + along * high[j + 1])
        else:
            for row in range(max(i - 1, 0), min(i + 3, len(x))):
                line[row] = cubic_between(y, values[row], ends_y, at_y[k])
            out[k] = cubic_between(x, line, ends_x, at_x[k])
    return out
