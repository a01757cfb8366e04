"""Adam, and the average of the parameters that it leaves behind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fpsde.arrays import module_of

#: How much of the mean gradient and of the mean square is kept in a step, and what keeps a division finite.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
#: Steps over which the rate rises from 0, and after which it falls as 1/sqrt(step).
WARMING, FALLING = 100, 1000
#: The average weights the steps by this power of their number: it remembers the last tenth of a run of any length.
POWER = 8


@dataclass(frozen=True, eq=False)
class AdamState:
    """Parameters, the running means of gradient and squared gradient, and averaged parameters: arrays of one size.

        mean <- b1 mean + (1 - b1) g,   square <- b2 square + (1 - b2) g^2
        parameters <- parameters - rate_k (mean/(1 - b1^k))/(sqrt(square/(1 - b2^k)) + 1e-8)
        averaged <- c averaged + (1 - c) parameters,   c = k/(k + 9)

    at step k = 1, 2, ... They are changed in place. The rate is rate_k = rate min(1, k/100, sqrt(1000/k)): how many
    steps are still to come enters neither into it nor into the average, so that a run can be made longer.
    Sources: Kingma & Ba, ICLR (2015), algorithm 1; averages by a power: Karras et al., CVPR (2024), section 3.1.
    """

    parameters: Any
    mean: Any
    square: Any
    averaged: Any

    @staticmethod
    def begun(parameters: Any) -> AdamState:
        """Return the state before the first step, with copies of ``parameters``."""
        zeros = module_of(parameters).zeros_like
        return AdamState(parameters.copy(), zeros(parameters), zeros(parameters), parameters.copy())

    def step(self, gradient: Any, k: int, *, rate: float) -> None:
        """Take step ``k`` with this ``gradient``."""
        parameters, mean, square, averaged = self.parameters, self.mean, self.square, self.averaged
        mean *= BETA1
        mean += (1 - BETA1) * gradient
        square *= BETA2
        square += gradient * gradient * (1 - BETA2)
        length = rate * min(1.0, k / WARMING, math.sqrt(FALLING / k)) / (1 - BETA1**k)
        size = module_of(square).sqrt(square * (1 / (1 - BETA2**k))) + EPSILON
        parameters -= mean / size * length
        averaged += (parameters - averaged) * ((POWER + 1) / (k + POWER + 1))
