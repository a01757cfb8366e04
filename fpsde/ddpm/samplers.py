"""Samplers as pure functions: a scheme of :mod:`fpsde.schemes.denoising` bound to a denoiser and a schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from fpsde.arrays import beside, on_device, placed
from fpsde.cached import cached_property
from fpsde.ddpm.denoiser import Denoiser
from fpsde.errors import InvalidInput
from fpsde.gaussian_mixture import GaussianMixture
from fpsde.integrators.driving_paths import increments
from fpsde.known_law import KnownLaw
from fpsde.noise import Normals, Purpose, uniforms
from fpsde.processes.annealed import annealed_langevin
from fpsde.processes.black_box import BlackBox
from fpsde.processes.denoising import denoising_box, denoising_chain, prior_std
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.processes.process import Process
from fpsde.schemes.array_step import ArrayStep, array_step
from fpsde.schemes.scheme import Scheme
from fpsde.validation import finite_placed, integer, seed64

#: Parts of a mixture up to which its denoiser is traced: kernels and exact laws then follow.
FEW_PARTS = 8


def exact_chain(law: KnownLaw, schedule: NoiseSchedule, *, last: int = 0) -> Process | BlackBox:
    """Return the process from noise to data of the exact denoiser of ``law``, down to the level ``last``.

    A Process, with kernels and exact laws, for a mixture of few normals; else :func:`exact_box`. Errors of
    :func:`~fpsde.processes.denoising.denoising_chain`.
    """
    d = law.dim
    if isinstance(law, GaussianMixture) and len(law.weights) <= FEW_PARTS:
        return denoising_chain(_traceable(law), schedule, last=last, dim=d)
    return exact_box(law, schedule, last=last)


def exact_box(law: KnownLaw, schedule: NoiseSchedule, *, last: int = 0) -> BlackBox:
    """Return the process from noise to data of the exact denoiser of ``law`` as array functions, for the host or a GPU.

    Errors of :func:`~fpsde.processes.denoising.denoising_box`.
    """
    return denoising_box(law.denoiser, schedule, last=last, dim=law.dim)


def network_chain(denoiser: Denoiser, schedule: NoiseSchedule, *, last: int = 0) -> BlackBox:
    """Return the process from noise to data of a trained denoiser, evaluated in float64: what exact laws are taken of.

    The law is then that of the function which the parameters state, and derivatives of it have ten digits.
    Errors of :func:`~fpsde.processes.denoising.denoising_box`.
    """
    return denoising_box(denoiser.in_float64(), schedule, last=last, dim=denoiser.network.shape.dim)


def annealed_chain(
    law: GaussianMixture, noise_levels: Sequence[float] | np.ndarray, *, step: float, steps_per_level: int
) -> Process:
    """Return annealed Langevin dynamics with the exact score of a mixture, of which Euler-Maruyama is the sampler.

    Arguments and errors are those of :func:`fpsde.annealed_langevin`, which also says what its steps are.
    """

    def score(x: Any, p: Any) -> Any:
        return law.score((x,), 1.0, p.noise_level)[0] if law.dim == 1 else law.score(x, 1.0, p.noise_level)

    return annealed_langevin(score, noise_levels, step=step, steps_per_level=steps_per_level, dim=law.dim)


def _traceable(law: GaussianMixture) -> Callable:
    """Return the denoiser as a model function: of the component itself where there is one."""
    if law.dim == 1:
        return lambda x, level, p: law.denoiser((x,), level)[0]
    return lambda x, level, p: law.denoiser(x, level)


@dataclass(frozen=True, eq=False)
class Sampler:
    """The steps of ``scheme`` on ``chain``, a process from noise to data; step 0 starts at the most noisy level.

    Points of a black box may lie on the host or on a device: steps are taken there. Formulas run on a GPU as kernels,
    by ``fpsde.simulate(..., backend=fpsde.Backend.GPU)``, and not here.
    """

    chain: Process | BlackBox
    scheme: Scheme

    @cached_property
    def _step(self) -> ArrayStep:
        return array_step(self.scheme, self.chain)

    @property
    def n_steps(self) -> int:
        """The number of steps."""
        return len(next(iter(self.chain.tables.values())))

    @property
    def normals(self) -> int:
        """How many rows of normals a step takes."""
        return self._step.normals

    def step(self, x: Any, i: int, z: Any) -> Any:
        """Return the points (d, n) after step ``i`` from ``x`` (d, n) and standard normals ``z`` (normals, n).

        The normals are brought to where the points lie. Raises InvalidInput for other shapes, i outside of
        [0, n_steps), and points of a device where the chain is made of formulas.
        """
        n = integer("i", i, least=0)
        if n >= self.n_steps:
            raise InvalidInput(f"i={n} is no step of {self.n_steps}; give 0 to {self.n_steps - 1}")
        points, noise = placed(x), placed(z)
        if on_device(points) and not isinstance(self.chain, BlackBox):
            raise InvalidInput(
                f"x lies on a device, and {self.chain.name} is made of formulas: give an exact_box, or run its kernels "
                "by simulate(..., backend=fpsde.Backend.GPU)"
            )
        if points.ndim != 2 or len(points) != self.chain.dim or noise.shape != (self.normals, points.shape[1]):
            raise InvalidInput(
                f"x has shape {points.shape}, z {noise.shape}; ({self.chain.dim}, n) and ({self.normals}, n) are needed"
            )
        return self._step.advance(points, beside(noise, points), float(n), 1.0)

    def trajectory(self, x: Any, *, seed: int, first: int = 0) -> Iterator[Any]:
        """Yield the points (d, n) after each step from ``x`` (d, n), those of the ids from ``first`` on.

        The normals are those that :func:`fpsde.simulate` gives to the same seed, ids and steps (Normals.FLOAT64).
        """
        points = finite_placed("x", x, ndim=2)
        noise = increments(
            seed=seed, dt=1.0, n_steps=self.n_steps, n_particles=points.shape[1], channels=self.normals,
            first_particle=first, normals=Normals.FLOAT64,
        )  # fmt: skip
        for i in range(self.n_steps):
            points = self.step(points, i, noise[:, i])
            yield points

    def flow(self, x: Any) -> Any:
        """Return the points (d, n) after all steps from ``x`` (d, n), without noise: for samplers that take none."""
        points = finite_placed("x", x, ndim=2)
        silent = np.zeros((self.normals, points.shape[1]))
        for i in range(self.n_steps):
            points = self.step(points, i, silent)
        return points


def is_silent(sampler: Sampler, i: int) -> bool:
    """Return whether step ``i`` of a sampler reads no noise."""
    x, z = np.zeros((sampler.chain.dim, 2)), np.ones((sampler.normals, 2)) * np.array([0.0, 1.0])
    after = sampler.step(x, i, z)
    return bool(np.all(after[:, 0] == after[:, 1]))


def starting_points(schedule: NoiseSchedule, n: int, *, dim: int, seed: int, first: int = 0) -> np.ndarray:
    """Return n points (dim, n) of the law that sampling starts with, N(0, 1) or N(0, level_T^2), drawn by counter."""
    count, d = integer("n", n, least=1), integer("dim", dim, least=1)
    ids = np.arange(first, first + count, dtype=np.uint64)
    u = uniforms(seed64(seed), Purpose.INITIAL, particles=ids, count=d)
    return prior_std(schedule) * special.ndtri(u)
