"""The exact law p_theta of what a sampler makes of its noise, by mass pushed through the chain: on the line and plane.

Steps with noise move densities at points by their kernels; steps without noise that follow are a change of variables

    p_0(F(x)) = p(x)/|det F'(x)|

at the images of the points, so that divergences from known data are sums over the points, with nothing sampled:

    KL(data || p_theta) = int q(F(x)) |det F'(x)| (log q(F(x)) + log |det F'(x)| - log p(x)) dx
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.ddpm.adapted_cells import adapted_cells
from fpsde.ddpm.moves import Flow, Move, images, taken_apart
from fpsde.ddpm.moving_cells import START_REACH, moving_densities
from fpsde.ddpm.samplers import Sampler
from fpsde.errors import InvalidInput, NotConverged
from fpsde.known_law import KnownLaw
from fpsde.processes.black_box import BlackBox
from fpsde.processes.denoising import prior_of
from fpsde.processes.process import Process
from fpsde.schemes.scheme import Scheme
from fpsde.validation import positive

#: Mass of the data that may lie where p_theta has none, and log q/p where the points end, on which mass may be missed.
NOTHING, STEEP = 1e-9, 50.0
#: Error of means under p_theta (where steps have noise it is 2e-5 or less, once a divergence has settled), and most
#: points, by the number of components, where no step has noise.
MEANS, MOST_IMAGES = 1e-4, {1: 2**17, 2: 2**19}


@dataclass(frozen=True, eq=False)
class ModelLaw:
    """p_theta at ``points`` (d, n): its ``log_density`` (n,), and the ``volumes`` (n,) that the points stand for."""

    points: np.ndarray
    log_density: np.ndarray
    volumes: np.ndarray

    @property
    def masses(self) -> np.ndarray:
        """The mass that each point stands for, (n,)."""
        return self.volumes * np.exp(self.log_density)

    def expectation(self, f: Any) -> float:
        """Return E f(X), f from (d, n) to (n,)."""
        return float(np.sum(self.masses * f(self.points)))

    def mass_of(self, law: KnownLaw) -> float:
        """Return the mass of a law that the points account for: 1 where they see all of it."""
        return float(np.sum(self.volumes * np.exp(law.log_density(self.points, 1.0, 0.0))))

    def cross_entropy(self, law: KnownLaw) -> float:
        """Return E[-log p_theta(X)] in nats, X of ``law``; inf where the law has mass and p_theta none."""
        return self._mean_under(law, lambda log_q: -self.log_density)

    def divergence_from(self, law: KnownLaw) -> float:
        """Return KL(law || p_theta) in nats; inf where the law has mass and p_theta none."""
        return self._mean_under(law, lambda log_q: log_q - self.log_density)

    def divergence_to(self, law: KnownLaw) -> float:
        """Return KL(p_theta || law) in nats; inf where p_theta has mass and the law none."""
        p = self.masses
        log_q = law.log_density(self.points, 1.0, 0.0)
        seen = p > 0
        if float(np.sum(p[seen & ~np.isfinite(log_q)])) > NOTHING:
            return math.inf
        seen &= np.isfinite(log_q)
        return float(np.sum(p[seen] * (self.log_density[seen] - log_q[seen])))

    def _mean_under(self, law: KnownLaw, of: Any) -> float:
        log_q = law.log_density(self.points, 1.0, 0.0)
        q = self.volumes * np.exp(log_q)
        if float(np.sum(q[~np.isfinite(self.log_density)])) > NOTHING:
            return math.inf
        seen = (q > 0) & np.isfinite(self.log_density)
        return float(np.sum(q[seen] * of(log_q)[seen]))


@dataclass(frozen=True, eq=False)
class JudgedModel:
    """p_theta beside the data: ``law``; ``divergence`` KL(data || p_theta), which settled to ``accuracy``, in nats.

    ``cross_entropy`` is E[-log p_theta] over the data, the negative log-likelihood: the divergence and the entropy.
    """

    law: ModelLaw
    divergence: float
    cross_entropy: float
    accuracy: float

    def __repr__(self) -> str:
        return (
            f"<JudgedModel: KL(data || p_theta)={self.divergence:.6g} nats, settled to {self.accuracy:.2g}; "
            f"cross_entropy={self.cross_entropy:.6g}>"
        )


def model_law(chain: Process | BlackBox, scheme: Scheme, data: KnownLaw, *, tolerance: float = 1e-3) -> JudgedModel:
    """Return the exact law of all steps of a sampler from its prior, on points that see ``data``, and how far they are.

    ``chain`` is a process from noise to data of one or two components: of an exact denoiser
    (:func:`~fpsde.ddpm.samplers.exact_chain`), or of a trained one
    (:func:`~fpsde.ddpm.samplers.network_chain`; the denoiser must work in float64), or annealed Langevin dynamics
    (:func:`~fpsde.ddpm.samplers.annealed_chain`). Steps, or the parts that they are made of (a rise of the noise and a
    flow, a predictor and its corrector), are affine in normals, or have none. Points are doubled until
    KL(data || p_theta) changes by less than ``tolerance`` nats; where no step has noise, cells of the prior are halved
    where the images of their points need it. The points account for the mass of the data to a fiftieth of
    ``tolerance``.

    Raises InvalidInput for more components, for data that are no :class:`~fpsde.known_law.KnownLaw`, and a sampler that
    folds: one whose last steps, without noise, take different points to the same; NotConverged where the points do not
    settle, or are too many.
    """
    if not isinstance(data, KnownLaw):
        raise InvalidInput(
            f"data={data!r} is no law that is known under noise; give a GaussianMixture, for one normal law "
            "fpsde.ddpm.round_mixture([1], [[mean]], [std]), or fpsde.ddpm.toy_data(name).law"
        )
    tolerance, d = positive("tolerance", tolerance), chain.dim
    if d > 2 or data.dim != d:
        raise InvalidInput(f"{chain.name} has {d} components, the data {data.dim}; one or two are needed, and as many")
    std = prior_of(chain)  # refuses what does not go from noise to data
    moves, flows = taken_apart(Sampler(chain, scheme))
    found = _by_moves(moves, flows, std, data) if moves else _by_cells(flows, std, data, tolerance)
    for one in found:
        if one.turned > NOTHING:
            raise InvalidInput(
                f"{scheme.name} on {chain.name} turns {one.turned:.2g} of the mass over: its steps without noise "
                "take different points to the same; take more steps, or a network that has learned more"
            )
        law, missed = one.law, STEEP * abs(one.law.mass_of(data) - 1)
        if max(one.change, missed) <= tolerance and one.means <= MEANS:
            divergence, cross_entropy = law.divergence_from(data), law.cross_entropy(data)
            return JudgedModel(law, divergence, cross_entropy, max(one.change, missed))
    raise NotConverged(
        f"KL(data || p_theta) of {scheme.name} on {chain.name} settled to {one.change:.2g} nats on "
        f"{law.points.shape[1]} points, which see {law.mass_of(data):.6f} of the data, not to tolerance={tolerance:g}"
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """A law on some points; how much the points may be wrong by, and which mass lies where a map turns over."""

    law: ModelLaw
    change: float  #: of KL(data || law), in nats
    means: float  #: of means under the law
    turned: float


def _by_moves(moves: list[Move], flows: list[Flow], std: float, data: KnownLaw) -> Iterator[_Found]:
    """Yield the law after moves with noise and the maps that follow, on ever more points."""
    before = math.inf
    for density in moving_densities(data.dim, std, moves):
        x, stretch, folded = images(flows, density.cells.points)
        volumes = np.where(folded, 0.0, density.cells.weights * np.exp(stretch))
        law = ModelLaw(x, density.log_density - stretch, volumes)
        divergence = law.divergence_from(data)
        change = abs(divergence - before) if math.isfinite(divergence) else math.inf
        yield _Found(law, change, 0.0, float(np.sum(density.masses[folded])))
        before = divergence


def _by_cells(flows: list[Flow], std: float, data: KnownLaw, tolerance: float) -> Iterator[_Found]:
    """Yield the law of what maps make of N(0, std^2 I), on ever more points of cells of it."""
    d, middle, scales = data.dim, data.mean[:, None], np.sqrt(np.diag(data.covariance))[:, None]

    def prior(x: np.ndarray) -> np.ndarray:
        return -0.5 * np.sum((x / std) ** 2, axis=0) - d * math.log(math.sqrt(2 * math.pi) * std)

    def pushed(x: np.ndarray) -> np.ndarray:
        y, stretch, folded = images(flows, x)
        return np.concatenate([y, stretch[None], folded[None]])

    def integrands(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        y, stretch, logs = rows[:d], rows[d], prior(x)
        log_q = data.log_density(y, 1.0, 0.0) + stretch
        q, p, waves = np.exp(log_q), np.exp(logs), (y - middle) / scales
        apart = np.where(q > 0, log_q - logs, 0.0)
        return np.concatenate([[q, q * apart, p], p * np.cos(waves), p * np.sin(waves)])

    goals = np.array([tolerance, tolerance, *[MEANS] * (1 + 2 * d)])
    for cells in adapted_cells(pushed, integrands, dim=d, reach=START_REACH[d] * std, goals=goals, most=MOST_IMAGES[d]):
        x, rows, errors = cells.at.points, cells.values, cells.errors.sum(axis=1)
        folded, logs = rows[d + 1] > 0, prior(x)
        order = np.argsort(rows[0]) if d == 1 else slice(None)
        volumes = np.where(folded, 0.0, cells.at.weights * np.exp(rows[d]))
        law = ModelLaw(rows[:d, order], (logs - rows[d])[order], volumes[order])
        turned = float(np.sum((cells.at.weights * np.exp(logs))[folded]))
        yield _Found(law, float(max(errors[:2])), float(max(errors[2:])), turned)
