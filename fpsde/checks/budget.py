"""One false-alarm budget for a session, divided before anything is judged.

With levels alpha_i that sum to alpha, P(any false alarm) <= alpha whatever the dependence of the checks (Bonferroni),
and each verdict is final when it is given: Holm's procedure turns the same sessions red, since its first step is the
same one, so waiting for all p-values would buy nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.validation import finite_array, integer, positive, probability

#: False-alarm probability of a whole session, and of a check that is called on its own.
SESSION_ALPHA = 1e-6


class Budget:
    """The false-alarm probability of a session: ``alpha`` in all, ``spent`` so far."""

    def __init__(self, alpha: float = SESSION_ALPHA) -> None:
        self.alpha = probability("alpha", alpha)
        self.spent = 0.0

    def __repr__(self) -> str:
        return f"Budget(alpha={self.alpha:g}, spent={self.spent:g})"

    @property
    def left(self) -> float:
        """What is not spent yet."""
        return max(0.0, self.alpha - self.spent)

    def share(
        self, n_checks: int, *, weights: Sequence[float] | None = None, alpha: float | None = None
    ) -> tuple[float, ...]:
        """Return the level of each of ``n_checks`` checks and count them as spent.

        alpha_i = alpha w_i / sum(w); equal weights unless given; ``alpha`` is all that is left unless given.
        Raises InvalidInput where more would be spent than is left.
        """
        n = integer("n_checks", n_checks, least=1)
        amount = self.left if alpha is None else positive("alpha", alpha)
        slack = 1e-12 * self.alpha  # round-off of earlier sums is not overspending
        if amount > self.left + slack or amount <= slack:
            raise InvalidInput(
                f"{n} check(s) ask for alpha={amount:g}, but {self.spent:g} of {self.alpha:g} is spent and "
                f"{self.left:g} is left; divide the budget once, over all checks of the session, or give it more"
            )
        w = self._weights(n, weights)
        self.spent = min(self.alpha, self.spent + amount)
        return tuple(float(part) for part in amount * w / w.sum())

    @staticmethod
    def _weights(n: int, weights: Sequence[float] | None) -> np.ndarray:
        if weights is None:
            return np.ones(n)
        w = finite_array("weights", weights, ndim=1)
        if len(w) != n or np.any(w <= 0) or not math.isfinite(w.sum()):
            raise InvalidInput(f"weights {w.tolist()} for {n} checks; give one positive weight for each")
        return w
