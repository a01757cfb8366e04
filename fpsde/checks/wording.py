"""Numbers in the words of a result."""

from __future__ import annotations

import math


def plus_minus(value: float, error: float, *, sign: bool = False) -> str:
    """Return "1.0201 +- 0.0014": a value with its standard error, rounded to two figures of the error."""
    digits = 4 if not (0 < error < math.inf) else min(15, max(0, 1 - math.floor(math.log10(error))))
    form = f"{'+' if sign else ''}.{digits}f"
    return f"{value:{form}} +- {error:.{digits}f}"
