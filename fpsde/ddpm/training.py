"""Training: Adam on fresh batches, until the loss is near its exact floor; interrupted or not, the same bits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fpsde.arrays import on_device
from fpsde.backend import Backend
from fpsde.ddpm.adam import AdamState
from fpsde.ddpm.batches import Batches
from fpsde.ddpm.denoiser import Denoiser, scaling_of
from fpsde.ddpm.floors import PriorGap, refuse_short_schedule
from fpsde.ddpm.learning import learn
from fpsde.ddpm.looks import Looks, measured
from fpsde.ddpm.losses import Weights, simple_weights, weighted_floor, weights_of
from fpsde.ddpm.network import Network, NetworkShape, new_network
from fpsde.ddpm.places import working_on
from fpsde.ddpm.saved_training import SavedTraining
from fpsde.errors import InvalidInput, UnstableStep
from fpsde.known_law import KnownLaw
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.progress import progress_bar
from fpsde.provenance import environment
from fpsde.validation import integer, positive, seed64


@dataclass(frozen=True, eq=False)
class Training:
    """A trained ``denoiser`` and how it came about.

    ``looks`` are what was seen on the way; ``floor`` is the exact least loss, ``gap`` how far x_T is from the prior.
    ``reached`` says whether the loss came
    as near to it as was asked for: loss = floor (1 + looks.excesses[-1]).
    """

    denoiser: Denoiser
    floor: float
    gap: PriorGap
    looks: Looks
    reached: bool
    provenance: dict[str, Any]


def train(
    law: KnownLaw,
    schedule: NoiseSchedule,
    *,
    seed: int,
    steps: int = 10_000,
    stop: float | None = 0.02,
    weights: Weights = simple_weights,
    network: Network | None = None,
    batch: int = 512,
    rate: float = 3e-3,
    look: int = 250,
    backend: Backend | None = None,
    checkpoint: Path | str | None = None,
    progress: bool = False,
) -> Training:
    """Return a network trained to predict data of ``law`` at the levels t = 1, ..., T, in at most ``steps``.

        loss = sum_t w_t E|z - eps(x_t, t)|^2/(T d)

    Batches of ``batch`` points are drawn afresh from the law, by counter: a pure function of the seed and the step.
    Every ``look`` steps the averaged parameters are measured at 4096 fixed points, against the *exact* denoiser:
    excess = (loss - floor)/floor, and training ends where it is at most ``stop`` (None: never).

    ``network`` is where it starts: one of 3 layers of 128 units if left out. It says the precision; an
    :class:`~fpsde.ddpm.energy_network.EnergyNetwork` predicts a gradient. ``backend`` says where it is trained,
    ``Backend.CPU`` (NumPy) or ``Backend.GPU`` (CuPy); left out, where its parameters lie. ``rate`` is the largest step
    of Adam. ``checkpoint`` is a file that is written whole at every look and at the end; the same call then goes on
    from it, also with more ``steps`` or another ``stop``, and ends in the bits that it would have had (on the same
    machine, with as many threads of BLAS).

    Raises InvalidInput for a schedule that leaves no signal at T, or so much that x_T is 0.01 nats from the prior where
    sampling starts (:func:`~fpsde.ddpm.floors.refuse_short_schedule`), a network of another number of components,
    numbers out of range, and the checkpoint of another training; UnstableStep where the loss is no longer finite;
    BackendUnavailable where there is no GPU or the checkpoint cannot be written; errors of
    :func:`~fpsde.ddpm.losses.weighted_floor`.
    """
    start = new_network(NetworkShape(law.dim), seed=seed) if network is None else network
    last, every = integer("steps", steps, least=1), integer("look", look, least=1)
    largest, near = positive("rate", rate), None if stop is None else positive("stop", stop)
    if schedule.signals[-1] == 0:
        raise InvalidInput("the schedule leaves no signal at its last timestep; take a subset without it")
    if start.shape.dim != law.dim:
        raise InvalidInput(f"the network has dim={start.shape.dim}, the law {law.dim}; they must be the same")
    gap = refuse_short_schedule(law, schedule)
    batches = Batches(
        law, schedule, scaling_of(law), weights_of(weights, schedule), integer("batch", batch, least=1), seed64(seed)
    )
    with nullcontext(lambda array: array) if backend is None else working_on(backend) as bring:
        start = replace(start, parameters=bring(start.parameters))
        saved = SavedTraining.of(checkpoint, start, batches, rate=largest, look=every)
        state, looks = saved.loaded(start) if saved is not None else (AdamState.begun(start.parameters), Looks.none())
        floor = weighted_floor(law, schedule, weights=weights)
        judged = measured(batches, start)
        averaged = replace(start, parameters=state.averaged)
        with progress_bar("training", total=last, finished=looks.taken, shown=progress) as show:
            while looks.taken < last and not _near(looks, near):
                begin = looks.taken
                end = min(begin - begin % every + every, last)
                with _kept(saved, begin):
                    loss = learn(start, state, batches, begin=begin, end=end, rate=largest)
                if not math.isfinite(loss):
                    raise UnstableStep(
                        f"the loss is {loss} between steps {begin} and {end}; take a rate below {rate:g}"
                    )
                excess = float(judged.loss_and_slopes(averaged(judged.features))[0]) / floor
                looks = looks.and_then(end, loss, excess)
                if saved is not None:
                    saved.save(state, looks)
                show(end, f"loss {floor * (1 + excess):.5f}, floor {floor:.5f} (+{excess:.1%})")
    where = Backend.GPU if on_device(averaged.parameters) else Backend.CPU
    provenance = {"seed": seed, "batch": batch, "rate": rate, "shape": start.shape, "backend": where.value}
    return Training(
        denoiser=Denoiser(averaged, batches.scaling),
        floor=floor,
        gap=gap,
        looks=looks,
        reached=_near(looks, near),
        provenance=provenance | environment(),
    )


def _near(looks: Looks, stop: float | None) -> bool:
    return stop is not None and len(looks.excesses) > 0 and bool(looks.excesses[-1] <= stop)


@contextmanager
def _kept(saved: SavedTraining | None, steps: int) -> Iterator[None]:
    """Say after Ctrl-C what is kept."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if saved is None:
            raise
        raise KeyboardInterrupt(f"{saved.path} holds {steps} steps; the same call goes on from them") from stop
