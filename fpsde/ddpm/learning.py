"""Learning: steps of Adam on fresh batches."""

from __future__ import annotations

from dataclasses import replace

from fpsde.arrays import module_of
from fpsde.ddpm.adam import AdamState
from fpsde.ddpm.batches import Batches
from fpsde.ddpm.network import Network

#: Steps whose batches are drawn at once.
DRAWN = 50


def learn(network: Network, state: AdamState, batches: Batches, *, begin: int, end: int, rate: float) -> float:
    """Take steps begin + 1, ..., end with the parameters of ``state``, and return the mean loss of their batches.

        repeat:  x0 ~ q(x0),  t ~ Uniform(1, ..., T),  eps ~ N(0, I)
                 a step of Adam on the gradient of w_t |eps - eps_theta(a x0 + s eps, t)|^2

    Source: Ho, Jain & Abbeel (2020), algorithm 1 and eq. 14.
    """
    learner = replace(network, parameters=state.parameters)  # they are changed in place
    gradient, total = module_of(state.mean).empty_like(state.mean), 0.0
    for first in range(begin, end, DRAWN):
        drawn = batches.drawn(first, min(DRAWN, end - first), learner)
        for k, batch in enumerate(drawn, start=first + 1):
            value, pull = learner.with_gradient(batch.features)
            loss, slopes = batch.loss_and_slopes(value)
            pull(slopes, gradient)
            state.step(gradient, k, rate=rate)
            total = total + loss
    return float(total) / (end - begin)
