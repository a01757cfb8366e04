"""The seven-point stencil of correlated noise: weights of the jumps from a cell of a plane to its neighbours.

Written with operators and NumPy's functions, so that it is traced where coefficients are compiled, and read on arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: The offsets of its jumps, one way, in the order in which a split step takes them; one diagonal may have no weight.
NEIGHBOURS = ((1, 1), (1, 0), (1, -1), (0, 1))
DIAGONALS = NEIGHBOURS[0], NEIGHBOURS[2]


def seven_point_weight(offset: tuple[int, int], d: Any, h: Any, beside: Any) -> Any:
    """Return the weight rho (1/time) along one of the :data:`NEIGHBOURS` of a diffusivity ``d`` (2, 2, ...).

    ``h`` are the widths of the cells. With A = D_11 / h_1^2, B = D_12 / (h_1 h_2) and C = D_22 / h_2^2,

        rho = A - |B| and C - |B| along the axes,      max(+-B, 0) along (1, +-1),

    which are not negative where |B| <= min(A, C). Along an axis |B| (1 - |B|/N), with N that of A and C across the
    wall, is added ``beside`` times: 1/2 in the cells beside a wall without flux along which the axis goes, and else 0
    (see ``plane/assembly.py``).
    """
    cross = d[0, 1] / (h[0] * h[1])
    if 0 not in offset:
        return np.maximum(offset[0] * offset[1] * cross, 0)
    size = np.abs(cross)
    along = offset.index(1)
    own, across = (d[k, k] / h[k] ** 2 for k in (along, 1 - along))
    return own - size + beside * size * (1 - size / across)
