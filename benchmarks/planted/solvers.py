"""Defects of solvers of Fokker-Planck equations."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from scipy import special
from scipy.linalg import solve_banded

import fpsde
from fpsde import audit
from planted.record import Planted

Coefficient = Callable[[np.ndarray], np.ndarray]
T = 0.5


@cache
def process() -> fpsde.Process:
    """Multiplicative noise, between reflecting walls that the law reaches."""
    return fpsde.Process(
        drift=lambda x: 0.5 - x,
        sigma=lambda x: 0.6 + 0.3 * x,
        domain=fpsde.Interval(-0.5, 2.0, fpsde.Wall.REFLECTING, fpsde.Wall.REFLECTING),
        name="between_walls",
    )


START = fpsde.Normal(0.6, 0.12)


def mu(x: np.ndarray) -> np.ndarray:
    """The drift."""
    return 0.5 - x


def diffusivity(x: np.ndarray) -> np.ndarray:
    """sigma^2/2."""
    return 0.5 * (0.6 + 0.3 * x) ** 2


def solved(
    faces: np.ndarray,
    *,
    drift: Coefficient = mu,
    D: Coefficient = diffusivity,
    fick: bool = False,
    upwind: bool = False,
    fitted: bool = False,
    half: float = 0.0,
    neumann: bool = False,
    steps: int | None = None,
    lost: int = 0,
    implicit: float = 0.5,
) -> np.ndarray:
    """Finite volumes in Itô form, J = mu p - (D p)', and the theta rule in time: the right solver, and its switches."""
    h, n = faces[1] - faces[0], len(faces) - 1
    inner, centres = faces[1:-1] + half * h, 0.5 * (faces[1:] + faces[:-1])
    m, d = drift(inner), D(inner) if fick else D(centres)
    left, right = (d, d) if fick else (d[:-1], d[1:])
    up = left / h**2 + (np.maximum(m, 0) / h if upwind else m / (2 * h))
    down = right / h**2 + (np.maximum(-m, 0) / h if upwind else -m / (2 * h))
    if fitted:  # Scharfetter and Gummel's: B(-w) D p on the left less B(w) D p on the right, w = h mu/D
        w = h * m / D(inner)
        up, down = left / special.exprel(-w) / h**2, right / special.exprel(w) / h**2
    main = np.zeros(n)
    main[:-1] -= up
    main[1:] -= down
    if neumann:  # dp/dx = 0: the drift carries mass through the walls
        main[0] += drift(faces[:1])[0] / h
        main[-1] -= drift(faces[-1:])[0] / h
    count = 2 * n if steps is None else steps
    tau = T / count
    bands = np.zeros((3, n))
    bands[0, 1:], bands[1], bands[2, :-1] = -implicit * tau * down, 1 - implicit * tau * main, -implicit * tau * up
    p = np.diff(START.cdf(faces))
    for _ in range(count - lost):
        q = p + (1 - implicit) * tau * main * p
        q[1:] += (1 - implicit) * tau * up * p[:-1]
        q[:-1] += (1 - implicit) * tau * down * p[1:]
        p = solve_banded((1, 1), bands, q)
    return p


def audited(solve: Callable[..., np.ndarray], **switches: Any) -> Callable[[], audit.Audit]:
    """Return the audit of a solver with its switches."""
    return lambda: audit.solution(
        lambda faces: solve(faces, **switches),
        process(),
        x0=START,
        t_end=T,
        window=(-0.5, 2.0),
        positive_everywhere=False,
    )


def _normalised(faces: np.ndarray) -> np.ndarray:
    p = solved(faces, neumann=True)
    return p / p.sum()


DEFECTS = [
    Planted("fokker-planck", name, source, found)
    for name, source, found in (
        ("D = sigma^2", "deeptime (sigma and D)", audited(solved, D=lambda x: 2 * diffusivity(x))),
        ("d(D dp) for dd(D p)", "fplanck (convention of D(x))", audited(solved, fick=True)),
        (
            "stratonovich drift",
            "convention not stated",
            audited(solved, drift=lambda x: mu(x) + 0.5 * (0.6 + 0.3 * x) * 0.3),
        ),
        ("sign of the drift", "sign of the force", audited(solved, drift=lambda x: -mu(x))),
        ("drift 1 % too large", "a scale error", audited(solved, drift=lambda x: 1.01 * mu(x))),
        ("diffusivity 1 % too large", "a scale error", audited(solved, D=lambda x: 1.01 * diffusivity(x))),
        ("dp/dx = 0 at walls", "py-pde (mass 5.9)", audited(solved, neumann=True)),
        ("the leak divided out", "normalised every time", audited(_normalised)),
        ("drift at cell centres", "faces and centres mixed", audited(solved, half=0.5)),
        ("upwind said to be of order 2", "upwind for central", audited(solved, upwind=True)),
        ("backward euler said to be of order 2", "theta = 1, dt = h", audited(solved, implicit=1.0)),
        ("time steps that are not refined", "a fixed dt", audited(solved, steps=8)),
        ("one time step less", "range(1, N)", audited(solved, lost=1)),
        ("densities for masses", "forgotten cell width", audited(lambda faces: solved(faces) / np.diff(faces))),
        ("a cell less", "np.gradient and its ends", audited(lambda faces: solved(faces)[1:])),
        (
            "constant D",
            "D at the centre of the domain",
            audited(solved, D=lambda x: np.full_like(x, diffusivity(np.array(0.6)))),
        ),
    )
]
