"""Where a learned score is wrong: by level of noise, by region, by its own equation, and by its curl.

Of x = x0 + sigma z, score = (D(x, sigma) - x)/sigma^2 and eps = (x - D)/sigma, so that with the exact D*

    E|eps - eps*|^2 = E|D - D*|^2/sigma^2,    E|score - score*|^2 = E|D - D*|^2/sigma^4  (the Fisher divergence)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fpsde.arrays import module_of
from fpsde.ddpm.derivatives import along, jacobian
from fpsde.ddpm.divergences import divergence
from fpsde.ddpm.floors import mean_of
from fpsde.ddpm.moves import in_pieces
from fpsde.errors import InvalidInput
from fpsde.known_law import KnownLaw
from fpsde.panels import panel_rule
from fpsde.signal_and_noise import Prediction, prediction_of
from fpsde.validation import finite_array, increasing, positive

#: Gauss-Legendre nodes of a cell along each axis, by the number of components, and the least mass of one that counts.
NODES, LEAST = {1: 16, 2: 4}, 1e-12
#: A denoiser D(x, sigma) -> (d, n) of x (d, n) and a number.
Denoises = Callable[[Any, float], Any]


def excess_errors(denoiser: Denoises, law: KnownLaw, sigmas: Any) -> np.ndarray:
    """Return E|D - D*|^2 at each of ``sigmas`` (k,), (k,): how far the error of x0 is above the least one, that of D*.

    By quadrature, on the host, to the accuracy of the floors. Over sigma^2 it is E|eps - eps*|^2, over sigma^4 the
    Fisher divergence.
    Errors of :func:`~fpsde.ddpm.floors.denoising_error`.
    """
    return np.array([mean_of(law, sigma, _square(denoiser, law, sigma)) for sigma in _levels(sigmas)])


def fisher_divergences(denoiser: Denoises, law: KnownLaw, sigmas: Any) -> np.ndarray:
    """Return E|score - score*|^2 under the law of x0 + sigma z at each of ``sigmas`` (k,), (k,), in 1/length^2."""
    at = np.array(_levels(sigmas))
    return excess_errors(denoiser, law, at) / at**4


def error_map(denoiser: Denoises, law: KnownLaw, sigmas: Any, faces: Any) -> np.ndarray:
    """Return E[|eps - eps*|^2 | x in cell] by level and cell, (k, cells) or (k, cells, cells); NaN where no mass is.

    ``faces`` (cells + 1,), along each axis, are those of cells of (x - E x0)/sqrt(Var x0 + sigma^2): one picture shows
    all levels. By Gauss-Legendre quadrature in each cell, with 16 nodes on the line and 4 x 4 in the plane, where cells
    should not be much wider than the noise. Raises InvalidInput for more than two components, and faces that do not
    increase.
    """
    if law.dim > 2:
        raise InvalidInput(f"the law has {law.dim} components; a map by level and cell is of one or two")
    places = increasing("faces", faces)
    found = [_by_cell(denoiser, law, sigma, places) for sigma in _levels(sigmas)]
    return np.array([np.where(mass > LEAST, total / np.maximum(mass, LEAST), np.nan) for mass, total in found])


def _by_cell(denoiser: Denoises, law: KnownLaw, sigma: float, places: np.ndarray) -> np.ndarray:
    """Return the mass of x0 + sigma z in each cell, and the integral of |eps - eps*|^2 over it: (2, cells, ...)."""
    d, n, nodes, square = law.dim, len(places) - 1, NODES[law.dim], _square(denoiser, law, sigma)
    spreads = np.sqrt(np.diag(law.covariance) + sigma**2)
    rules = [panel_rule(mean + spread * places, nodes=nodes) for mean, spread in zip(law.mean, spreads, strict=True)]
    x, w = (np.stack(np.meshgrid(*axes, indexing="ij")).reshape(d, -1) for axes in zip(*rules, strict=True))

    def densities(at: np.ndarray) -> np.ndarray:
        p = np.exp(law.log_density(at, 1.0, sigma))
        return np.stack([p, p * square(at) / sigma**2])

    weighted = in_pieces(densities, x) * np.prod(w, axis=0)
    return weighted.reshape(2, *(n, nodes) * d).sum(axis=tuple(range(2, 2 + 2 * d, 2)))


def equation_residual(denoiser: Denoises, x: Any, sigma: float) -> tuple[Any, Any]:
    """Return what is left of the score's Fokker-Planck equation at ``x`` (d, n), and d score/d(log sigma), each (d, n).

        d score/d(log sigma) = sigma^2 grad(div score + |score|^2)

    which the score of every law obeys under growing noise, and a learned one only as far as it is a score. It needs
    no knowledge of the data. Sources: Song et al. (2021) for the flow; Lai et al., ICML (2023), eq. 8.
    """
    level = positive("sigma", sigma)

    def score(points: Any, at: float = level) -> Any:
        return prediction_of(Prediction.SCORE, denoiser(points, at), points, signal=1.0, level=at)

    def bracket(points: Any) -> Any:
        return (divergence(score, points, scale=level) + (score(points) ** 2).sum(axis=0))[None]

    moved = along(lambda logs: score(x, level * float(np.exp(logs))), 0.0, 1.0, scale=1.0)
    return moved - level**2 * jacobian(bracket, x, scale=level)[0], moved


def curl(denoiser: Denoises, x: Any, sigma: float) -> Any:
    """Return the size of the rotation of the score at ``x`` (d, n), (n,): sqrt(sum_{i<j} (d_i s_j - d_j s_i)^2).

    It is 0 for a gradient: the exact score, and that of an :class:`~fpsde.ddpm.energy_network.EnergyNetwork`.
    """
    level = positive("sigma", sigma)
    J = jacobian(lambda points: denoiser(points, level), x, scale=level) / level**2
    xp = module_of(x)
    return xp.sqrt(((J - xp.swapaxes(J, 0, 1)) ** 2).sum(axis=(0, 1)) / 2)


def _square(denoiser: Denoises, law: KnownLaw, sigma: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.sum((np.asarray(denoiser(x, sigma)) - law.denoiser(x, sigma)) ** 2, axis=0)


def _levels(sigmas: Any) -> list[float]:
    return [positive("sigma", float(sigma)) for sigma in finite_array("sigmas", sigmas, ndim=1)]
