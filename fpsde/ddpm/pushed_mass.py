"""The exact law p_theta of what a sampler makes of its noise, by mass pushed through the chain: on the line and plane.

Steps with noise move densities at nodes by their kernels; the steps without noise that follow are a change of variables

    p_0(F(x)) = p(x)/|det F'(x)|

at the images of the nodes, so that divergences from known data are sums over the nodes, with nothing sampled:

    KL(data || p_theta) = int q(F(x)) |det F'(x)| (log q(F(x)) + log |det F'(x)| - log p(x)) dx
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from fpsde.ddpm.derivatives import jacobian
from fpsde.ddpm.moving_nodes import Nodes, moving_densities
from fpsde.ddpm.sampler_laws import is_silent
from fpsde.ddpm.samplers import Sampler
from fpsde.errors import InvalidInput, NotConverged
from fpsde.known_law import KnownLaw
from fpsde.processes.black_box import BlackBox
from fpsde.processes.denoising import prior_of
from fpsde.processes.process import Process
from fpsde.schemes.scheme import Scheme
from fpsde.validation import positive

#: Mass of the data that may lie where p_theta has none, and log q/p where the nodes end, on which mass may be missed.
NOTHING, STEEP = 1e-9, 50.0


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


def model_law(chain: Process | BlackBox, scheme: Scheme, data: KnownLaw, *, tolerance: float = 1e-3) -> JudgedModel:
    """Return the exact law of all steps of a sampler from its prior, on nodes that see ``data``, and how far they are.

    ``chain`` is a process from noise to data of one or two components: of an exact denoiser
    (:func:`~fpsde.ddpm.samplers.exact_chain`), or of a trained one
    (:func:`~fpsde.ddpm.samplers.network_chain`; the denoiser must work in float64). Steps with noise come first and are
    affine in normals; those without follow. Nodes are doubled until KL(data || p_theta) changes by less than
    ``tolerance`` nats, and the nodes account for the mass of the data to a fiftieth of it.

    Raises InvalidInput for more components, a silent step before one with noise, and a sampler that folds: one that
    takes different points to the same; NotConverged where the nodes do not settle, or are too many.
    """
    tolerance, d = positive("tolerance", tolerance), chain.dim
    if d > 2 or data.dim != d:
        raise InvalidInput(f"{chain.name} has {d} components, the data {data.dim}; one or two are needed, and as many")
    prior_of(chain)  # refuses what does not go from noise to data
    sampler = Sampler(chain, scheme)
    quiet = [is_silent(sampler, i) for i in range(sampler.n_steps)]
    noisy = quiet.index(True) if any(quiet) else len(quiet)
    if not all(quiet[noisy:]):
        raise InvalidInput(f"{scheme.name} has a step without noise, {noisy}, before one with noise; it must come last")
    before: JudgedModel | None = None
    change = math.inf
    for nodes, density in moving_densities(sampler, noisy):
        law = _pushed(nodes, density, sampler, noisy)
        found = JudgedModel(law, law.divergence_from(data), law.cross_entropy(data), change)
        if before is not None:
            change = abs(found.divergence - before.divergence) if math.isfinite(found.divergence) else math.inf
            missed = STEEP * abs(law.mass_of(data) - 1)
            if max(change, missed) <= tolerance:
                return replace(found, accuracy=max(change, missed))
        before = found
    raise NotConverged(
        f"KL(data || p_theta) of {scheme.name} on {chain.name} settled to {change:.2g} nats on {law.points.shape[1]} "
        f"nodes, which see {law.mass_of(data):.6f} of the data, not to tolerance={tolerance:g}"
    )


def _pushed(nodes: Nodes, density: np.ndarray, sampler: Sampler, first: int) -> ModelLaw:
    """Return the law after the steps from ``first`` on, which have no noise, of a density at nodes."""
    with np.errstate(divide="ignore"):  # a density of 0 has the logarithm -inf
        logs = np.log(density.ravel())
    x, log_stretch, volume = nodes.points, np.zeros(len(logs)), nodes.volume
    silent = np.zeros((sampler.normals, 1))
    levels = np.append(sampler.chain.tables["level"], sampler.chain.tables["next_level"][-1])
    folded = np.zeros(len(log_stretch), dtype=bool)
    for i, (level, after) in enumerate(pairwise(levels)):
        if i < first:
            continue

        def moved(points: np.ndarray, i: int = i) -> np.ndarray:
            return sampler.step(points, i, np.broadcast_to(silent, (sampler.normals, points.shape[1])))

        J = jacobian(moved, x, scale=min(level, after) if after > 0 else level)
        determinant = J[0, 0] if len(J) == 1 else J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0]
        folded |= ~(determinant > 0)
        log_stretch += np.log(np.where(determinant > 0, determinant, 1.0))
        x = moved(x)
    lost = volume * float(np.sum(density.ravel()[folded]))
    if lost > NOTHING:
        raise InvalidInput(
            f"{sampler.scheme.name} on {sampler.chain.name} turns {lost:.2g} of the mass over: its steps without noise "
            "take different points to the same; take more steps, or a network that has learned more"
        )
    return ModelLaw(x, logs - log_stretch, np.where(folded, 0.0, volume * np.exp(log_stretch)))
