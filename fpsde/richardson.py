"""What a value on a grid still lacks of its limit, from two grids or three: Richardson extrapolation, Roache's index.

With f(h) = f + c h^p + ..., and f_1, f_2, f_3 on h_1 > h_2 > h_3, the finest still lacks

    f - f_3 = (f_3 - f_2) / (r^p - 1) + ...,      r = h_2/h_3      (Richardson)

and Roache's grid-convergence index bounds it by F_s |f_2 - f_3| / (r^p - 1). F_s = 1.25 where the observed order is
within 10 % of the formal one, else 3; p is the smaller of the two orders.
Source: P. J. Roache, Verification and Validation in Computational Science and Engineering (1998), ch. 5; ASME V&V
20-2009.
"""

from __future__ import annotations

from typing import Any

#: Roache's factors of safety, where the observed order confirms the formal one, and where the order is in question.
CONFIRMED_SAFETY, SAFETY = 1.25, 3.0
#: The part of the formal order by which the observed one may miss it and still confirms it.
NEAR = 0.1


def lacking(coarse: Any, fine: Any, ratio: Any, order: float) -> Any:
    """Return limit - ``fine``, same shape, from values on cells ``ratio`` times as wide and on fine ones."""
    return (fine - coarse) / (ratio**order - 1)


def safety_and_order(observed: float, formal: float) -> tuple[float, float]:
    """Return Roache's factor of safety, and the order p that goes with it."""
    return CONFIRMED_SAFETY if abs(observed - formal) <= NEAR * formal else SAFETY, min(observed, formal)
