"""Audits of third-party solvers of Fokker-Planck equations; a convention that was found is pinned as what it is."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import constants

import fpsde
from fpsde import audit

fplanck = pytest.importorskip("fplanck")
pde = pytest.importorskip("pde")

KT, WINDOW, START = 0.32, (-4.5, 4.5), fpsde.Normal(1.0, 0.3)


def by_fplanck(faces, *, drag, t_end=0.5):
    h, n = faces[1] - faces[0], len(faces) - 1
    solver = fplanck.fokker_planck(
        temperature=KT / constants.k,
        drag=drag,
        extent=h * (n - 0.5),  # it rounds up
        resolution=h,
        potential=lambda x: 0.5 * (x - 0.4) ** 2,
    )
    return solver.propagate(lambda x: np.diff(START.cdf(faces)), t_end)


@pytest.fixture(autouse=True)
def _names_of_numpy_1(monkeypatch):
    """fplanck asks for np.product, which NumPy 2 has no more."""
    monkeypatch.setattr(np, "product", np.prod, raising=False)


def drag_at(x):
    return 1 + 0.4 * np.sin(x)


def in_that_drag(interpretation):
    return fpsde.Process(
        drift=lambda x: -(x - 0.4) / (1 + 0.4 * np.sin(x)),
        sigma=lambda x: np.sqrt(2 * KT / (1 + 0.4 * np.sin(x))),
        interpretation=interpretation,
        name="variable_drag",
    )


def test_fplanck_with_constant_drag_is_of_order_two() -> None:
    process = fpsde.ornstein_uhlenbeck(theta=1.0, mean=0.4, sigma=np.sqrt(2 * KT))
    found = audit.solution(lambda faces: by_fplanck(faces, drag=1.0), process, x0=START, t_end=0.5, window=WINDOW)
    assert found.holds, str(found)


def test_fplanck_reads_a_variable_drag_as_ito_and_so_misses_boltzmanns_law() -> None:
    """Its rates take D where a jump starts: p ~ exp(-U/kT)/D in the end, where exp(-U/kT) is said."""
    solve = lambda faces: by_fplanck(faces, drag=drag_at)  # noqa: E731
    asked = {"x0": START, "t_end": 0.5, "window": WINDOW}
    as_ito = audit.solution(solve, in_that_drag(fpsde.ITO), **asked)
    assert as_ito.holds, str(as_ito)
    thermal = audit.solution(solve, in_that_drag(fpsde.KINETIC), **asked)
    assert thermal.level == "order", str(thermal)


@cache
def masses_of_pde(n):
    faces = np.linspace(*WINDOW, n + 1)
    h = faces[1] - faces[0]
    state = pde.ScalarField(pde.CartesianGrid([WINDOW], n), np.diff(START.cdf(faces)) / h)
    equation = pde.PDE({"p": f"d_dx((x - 0.4) * p) + {KT} * laplace(p)"}, bc={"value": 0})
    steps = np.ceil(0.5 / (0.2 * h**2 / KT))  # its explicit step is stable below h^2/(2 D)
    return equation.solve(state, t_range=0.5, dt=0.5 / steps, tracker=None).data * h


def test_pde_on_ornstein_uhlenbeck_is_of_order_two() -> None:
    process = fpsde.ornstein_uhlenbeck(theta=1.0, mean=0.4, sigma=np.sqrt(2 * KT))
    asked = {"x0": START, "t_end": 0.5, "window": WINDOW, "positive_everywhere": False}
    found = audit.solution(lambda faces: masses_of_pde(len(faces) - 1), process, **asked)
    assert found.holds, str(found)
    other = fpsde.ornstein_uhlenbeck(theta=1.01, mean=0.4, sigma=np.sqrt(2 * KT))
    assert audit.solution(lambda faces: masses_of_pde(len(faces) - 1), other, **asked).level == "order"
