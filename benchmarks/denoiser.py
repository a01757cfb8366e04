"""How long does a step of training take, beside PyTorch on the same network and the same batch?

    python benchmarks/denoiser.py [--quick] [--json FILE]

A step is value, gradient and Adam; ours also averages the parameters. One thread each. Rates count the points of a
batch. PyTorch runs with each of its three forms of Adam, and the fastest of them is what the goal is about.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import harness
import numpy as np
from harness import Contest, Contestant, Goal, Sense

from fpsde.ddpm import Network, NetworkShape, new_network
from fpsde.ddpm.adam import AdamState
from fpsde.ddpm.batches import Batch

torch = harness.optional("torch")

SHAPE, BATCH, RATE = NetworkShape(2), 512, 1e-3
OURS = "fpsde"
#: Our step takes at most so many times the fastest of PyTorch.
GOAL = 1.3
ADAMS: dict[str, dict[str, Any]] = {"": {"foreach": False}, " foreach": {"foreach": True}, " fused": {"fused": True}}


def our_step(batch: Batch) -> Callable[[], None]:
    """Return our step, from a new network."""
    state = AdamState.begun(new_network(SHAPE, seed=1).parameters)
    network, gradient, taken = Network(SHAPE, state.parameters), np.empty_like(state.mean), 0

    def step() -> None:
        nonlocal taken
        taken += 1
        value, pull = network.with_gradient(batch.features)
        pull(batch.loss_and_slopes(value)[1], gradient)
        state.step(gradient, taken, rate=RATE)

    return step


def their_step(batch: Batch, **adam: Any) -> Callable[[], None]:
    """Return the step of PyTorch on the same network and batch."""
    assert torch is not None
    parts = [part for units, inputs in SHAPE.layers for part in (torch.nn.Linear(inputs, units), torch.nn.SiLU())]
    network = torch.nn.Sequential(*parts[:-1])
    torch.nn.utils.vector_to_parameters(torch.tensor(new_network(SHAPE, seed=1).parameters), network.parameters())
    features, velocity = (torch.tensor(np.ascontiguousarray(one.T)) for one in (batch.features, batch.velocity))
    weights, optimiser = torch.tensor(batch.weights)[:, None], torch.optim.Adam(network.parameters(), lr=RATE, **adam)

    def step() -> None:
        optimiser.zero_grad()
        loss = (weights * (network(features) - velocity) ** 2).sum() / len(weights)
        loss.backward()
        optimiser.step()

    return step


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 where the goal is met or there is no peer, 1 where it is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds, to see that it runs")
    parser.add_argument("--json", metavar="FILE", help="write the record here; - is standard output")
    options = parser.parse_args(arguments)
    harness.on_one_thread()
    harness.restrict_to_cores(1)
    rng = np.random.default_rng(0)
    x, log_sigma = rng.normal(size=(2, BATCH)), rng.normal(size=BATCH)
    made = SHAPE.features(x, log_sigma), rng.normal(size=(2, BATCH)), np.ones(BATCH)
    batch = Batch(*(part.astype(np.float32) for part in made))
    steps = {OURS: our_step(batch)}
    if torch is not None:
        steps |= {f"PyTorch, Adam{name}": their_step(batch, **given) for name, given in ADAMS.items()}
    contestants = [Contestant(name, step, work=BATCH, repeats=20) for name, step in steps.items()]
    timings = harness.measure(contestants, rounds=2 if options.quick else 30)
    contest, ours = Contest("training steps", timings), timings[0]
    goals = []
    if len(timings) > 1:
        fastest = max(timings[1:], key=lambda one: float(np.median(one.rates)))
        found = harness.ratio(fastest, ours)
        claim = f"time of our step / {fastest.name}"
        goals = [Goal(claim, found.paired, Sense.AT_MOST, GOAL, "times", also=found.of_medians)]
    console = harness.console(options.json)
    console.print(harness.rates_table(contest, unit=1e3, heading="thousand points/s"))
    console.print(harness.goals_table(goals) if goals else "PyTorch is not installed: there is nothing to compare with")
    if options.json:
        records = [harness.goal_record(goal) for goal in goals]
        contests = [harness.contest_record(contest)]
        harness.write_json({"environment": harness.environment(), "contests": contests, "goals": records}, options.json)
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
