"""Diffusion models: samplers with an exact model in them, and the forward noising.

A sampler is audited on data whose denoiser is known at every level, so that nothing is forgiven to a network. What is
left out here avoids what hides defects: data whose mean is not 0 and whose spread is not 1, in two unequal parts, of
which 13 levels of 1000 are kept, and half of the noise of ancestral sampling (eta = 1/2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.audit.claimed import Claim, Target, View, generator, views
from fpsde.audit.findings import ALGEBRA, LAW, LEVELS, PROBE, Audit, Judge, Level, Quantity, fails, holds, judged
from fpsde.audit.foreign import Layout, ToLibrary, as_array
from fpsde.audit.probe import algebra, probe, round_off
from fpsde.cached import cached_property
from fpsde.chain import SEED
from fpsde.checks import CheckResult, Verdict
from fpsde.ddpm import KnownLaw, exact_chain, round_mixture, sampler_law
from fpsde.density import Normal
from fpsde.errors import InvalidInput
from fpsde.laws import joint_scheme_law
from fpsde.processes import linear_schedule, trailing_timesteps
from fpsde.processes.denoising import prior_std
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.processes.process import Process
from fpsde.schemes import ddim
from fpsde.schemes.scheme import Scheme
from fpsde.signal_and_noise import Prediction, prediction_of
from fpsde.validation import integer, refuse_no_function, seed64

#: Data in two unequal parts, off the middle, of spreads that are not 1; 13 levels of 1000.
DATA = round_mixture([0.3, 0.7], [[-1.5], [1.0]], [0.3, 0.5])
KEPT = 13
#: Points of data and noise at which every level of a noising is looked at.
POINTS = 512


def default_schedule() -> NoiseSchedule:
    """Return 13 levels of the linear schedule of 1000, which 13 does not divide."""
    return linear_schedule().subset(trailing_timesteps(1000, KEPT))


@dataclass(frozen=True, eq=False, kw_only=True)
class DenoisingClaim(Claim):
    """That code is a sampler with the exact denoiser of ``data`` along ``schedule``, the most noisy level first."""

    data: KnownLaw
    schedule: NoiseSchedule

    def __str__(self) -> str:
        return f"{self.scheme.name} with an exact model, {self.n_steps} steps"

    @property
    def timesteps(self) -> np.ndarray:
        """The names t of the levels from which the steps start, (n_steps,), falling."""
        return self.schedule.timesteps[self.schedule.n_steps - np.arange(self.n_steps)]

    def model(self, kind: Prediction = Prediction.NOISE, *, batch_first: bool = False) -> Callable[[Any, Any], Any]:
        """Return the exact model: ``model(x, t)`` predicts what ``kind`` says of x at the level named t.

        x is (n,), (d, n), or (n, d) with ``batch_first``, and so is what comes back. Raises InvalidInput for a t that
        is no level of the schedule, and other shapes.
        """

        def predicted(x: Any, t: Any) -> Any:
            points = as_array("x", x)
            flat = points.reshape(self.dim, -1) if not batch_first else points.reshape(-1, self.dim).T
            at = int(np.ravel(as_array("t", t))[0])
            found = np.flatnonzero(self.schedule.timesteps == at)
            if not len(found) or at == 0:
                raise InvalidInput(f"t={at} is no level with noise; the sampler's are {self.timesteps.tolist()}")
            signal, level = (float(v[found[0]]) for v in (self.schedule.signals, self.schedule.levels))
            x0 = np.asarray(self.data.denoised(flat, signal, level))
            value = prediction_of(kind, x0, flat, signal=signal, level=level)
            return (value.T if batch_first else value).reshape(points.shape)

        return predicted

    def _laws(self, step: int) -> list[View]:
        process = self.process
        if not isinstance(process, Process):
            raise InvalidInput(f"{process.name} is a black box, whose samplers have no law here")
        first = replace(process, tables={name: values[:step] for name, values in process.tables.items()})
        if self.dim == 1:
            return [View("x", np.ones(1), sampler_law(first, self.scheme, x0=self.x0))]
        return views(joint_scheme_law(first, self.scheme, x0=self.x0, times=self.times[: step + 1]).law)

    @cached_property
    def order(self) -> list[CheckResult]:
        """That a table of levels has no finer ones."""
        detail = "the steps are those of a table of levels: no order in dt is claimed"
        return [CheckResult("order", Verdict.NOT_APPLICABLE, detail=detail)]

    def _target(self, step: int) -> Target:
        at = self.schedule.n_steps - step
        law = self.data.line_law(float(self.schedule.signals[at]), float(self.schedule.levels[at]))
        return Target(law, (), "noised data")

    def cut(self, k: int) -> Claim:
        """Raise InvalidInput: a table has no finer levels."""
        raise InvalidInput("the levels of a table cannot be cut; leave finer= out")


def denoising(
    scheme: Scheme | None = None,
    *,
    data: KnownLaw | None = None,
    schedule: NoiseSchedule | None = None,
    last: int = 0,
) -> DenoisingClaim:
    """Return the claim that code is the sampler ``scheme`` (``fpsde.ddim(0.5)`` unless given) with an exact model.

    ``claim.model(kind)`` is that model, in whichever prediction the code asks for; ``claim.timesteps`` are its levels,
    the most noisy first, and step i goes from ``timesteps[i]`` to the next, the last one to the level ``last``: 0 is
    the data, 1 the least noisy level. The claim goes to the doors for steps and runs: marginals are judged by the
    noised data at each level, the end by the data; what N(0, 1) as a start and the number of steps change is computed
    and allowed for. Laws are exact in one component, and of normal data; else a sample of the claimed step is taken.

    Raises InvalidInput for other data, schedules or ``last``; errors of ``fpsde.ddpm.exact_chain``.
    """
    chosen, levels = DATA if data is None else data, default_schedule() if schedule is None else schedule
    if not isinstance(chosen, KnownLaw):
        raise InvalidInput(f"data={chosen!r} is no law with known denoisers; give one of fpsde.ddpm, or leave it out")
    chain = exact_chain(chosen, levels, last=integer("last", last, least=0))
    start = Normal(0.0, prior_std(levels))
    n = len(next(iter(chain.tables.values())))
    made = DenoisingClaim(
        process=chain,  # type: ignore[arg-type]  # a black box where the data are no mixture: stepped as arrays
        scheme=ddim(0.5) if scheme is None else scheme,
        x0=start if chosen.dim == 1 else (start,) * chosen.dim,
        times=np.arange(n + 1.0),
        data=chosen,
        schedule=levels,
    )
    assert made.reference is not None  # refused here where the scheme is no sampler
    return made


@dataclass(frozen=True, eq=False)
class NoisingClaim:
    """That code is x_t = signal_t x_0 + level_t z at t = 1, ..., T, as steps that all start from the data."""

    data: KnownLaw
    schedule: NoiseSchedule

    @property
    def n_steps(self) -> int:
        """T."""
        return self.schedule.n_steps

    @property
    def dim(self) -> int:
        """The number of components."""
        return self.data.dim

    @property
    def normals(self) -> int:
        """A normal for each component."""
        return self.data.dim

    def advance(self, x: np.ndarray, i: int, z: np.ndarray, *, stretch: float = 1.0) -> np.ndarray:
        """Return x_t at t = i + 1; it has no length to be stretched."""
        return self.schedule.signals[i + 1] * x + self.schedule.levels[i + 1] * z

    def paths(self, n: int, seed: int) -> np.ndarray:
        """Return the same n points of data at every t, (T + 1, d, n)."""
        points = self.data.draw(generator(seed).random((self.data.uniforms, n)))
        return np.broadcast_to(points, (self.n_steps + 1, *points.shape))


def noising(
    noise: Callable[[Any, int, Any], Any],
    schedule: NoiseSchedule | None = None,
    *,
    data: KnownLaw | None = None,
    seed: int = SEED,
    batch_first: bool = False,
    arrays: ToLibrary | None = None,
) -> Audit:
    """Return the audit of a forward noising ``noise(x0, t, z)``: x_t of the data x0 and normals z, t by its name.

        x_t = signal_t x_0 + level_t z

    Judged without sampling error at every t: algebra, the probe (mean coefficient, level, an index that is off), and
    random points and noise. Layouts as in :func:`~fpsde.audit.step`. Raises InvalidInput for what is no function.
    """
    refuse_no_function("the code", noise, "noise(x0, t, z)")
    claim = NoisingClaim(DATA if data is None else data, default_schedule() if schedule is None else schedule)
    layout, key = Layout(batch_first, arrays), seed64(seed)

    def called(x: np.ndarray, i: int, z: np.ndarray) -> np.ndarray:
        t = int(claim.schedule.timesteps[i + 1])
        return layout.back(noise(layout.out(x), t, layout.out(z)), claim.dim, x.shape[1])

    judges: dict[str, Judge | str] = dict.fromkeys(LEVELS, "a noising is one map for each t, and no chain")
    judges |= {
        ALGEBRA: lambda: algebra(called, claim, key),
        PROBE: lambda: probe(called, claim, key)[0],
        LAW: lambda: _everywhere(called, claim, key),
    }
    return judged(f"a noising of {claim.n_steps} levels", "noise(x0, t, z)", judges, 0.0)


def _everywhere(step: Callable[..., np.ndarray], claim: NoisingClaim, seed: int) -> Level:
    """Judge random data and noise at every t; turned normals are told from others by the law of z."""
    rng, x = generator(seed + 1), claim.paths(POINTS, seed)[0]
    for i in range(claim.n_steps):
        z = rng.standard_normal((claim.normals, POINTS))
        found = step(x, i, z)
        apart = min(np.abs(found - claim.advance(x, i, sign * z)).max() for sign in (1, -1))
        if not apart <= round_off(found) * (np.abs(found).max() + 1):
            return fails(LAW, Quantity.LAW, f"level {i + 1} is off by {apart:.3g} at some of {POINTS} points")
    return holds(LAW, f"{claim.n_steps} levels at {POINTS} random points and normals agree to round-off")
