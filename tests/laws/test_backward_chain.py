"""The expectations without sampling against closed forms, and against themselves with more nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from order_problems import altered

from fpsde.convergence.weak_problems import WEAK
from fpsde.errors import InvalidInput
from fpsde.laws.axes import gaussian_line, polynomial_line, ring, segment
from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.backward_equation import process_expectations
from fpsde.laws.frame import Frame
from fpsde.processes import underdamped
from fpsde.processes.process import Process
from fpsde.schemes import SCHEMES, obabo
from fpsde.schemes.advance import Advance

MU, SIGMA, H, STEPS = 0.3, 0.5, 0.25, 6
GEOMETRIC = Process(drift=lambda x: MU * x, sigma=lambda x: SIGMA * x)
POLYNOMIALS = Frame((polynomial_line(2),))
#: Factors of E X and E X^2 in one step on geometric Brownian motion.
GROWTH = {
    "euler_maruyama": (1 + MU * H, (1 + MU * H) ** 2 + SIGMA**2 * H),
    "milstein": (1 + MU * H, (1 + MU * H) ** 2 + SIGMA**2 * H + SIGMA**4 * H**2 / 2),
    "platen_weak2": (
        1 + MU * H + (MU * H) ** 2 / 2,
        (1 + MU * H + (MU * H) ** 2 / 2) ** 2 + SIGMA**2 * (1 + MU * H) ** 2 * H + SIGMA**4 * H**2 / 2,
    ),
}


@pytest.mark.parametrize("name", GROWTH)
@pytest.mark.parametrize("power", [1, 2])
def test_a_chain_on_geometric_brownian_motion_has_the_moments_of_its_factors(name: str, power: int) -> None:
    chain = BackwardChain(SCHEMES[name], GEOMETRIC, POLYNOMIALS)
    (found,) = chain.expectations([lambda x: x**power], (1.3,), t_end=H * STEPS, n_steps=STEPS)
    assert found == pytest.approx(1.3**power * GROWTH[name][power - 1] ** STEPS, rel=1e-12)


def test_the_process_has_its_moments() -> None:
    t = H * STEPS
    (second,) = process_expectations(GEOMETRIC, POLYNOMIALS, [lambda x: x**2], (1.3,), t_end=t)
    assert second == pytest.approx(1.3**2 * np.exp((2 * MU + SIGMA**2) * t), rel=1e-12)
    moving = WEAK["variance preserving"]
    a = np.exp(-0.5 * (1 + 0.5))  # exp(-int_0^1 (1 + t) dt/2)
    exact = (1.2 * a) ** 2 + 1 - a**2 + 1.2 * a
    (found,) = process_expectations(moving.process, Frame(moving.axes), [moving.observable], (1.2,), t_end=1.0)
    assert found == pytest.approx(exact, rel=1e-12)


def test_a_turn_of_the_circle_at_constant_speed_is_exact() -> None:
    """x' = x + c t + s W:  E cos(2 x) = exp(-2 s^2 t) cos(2 (x0 + c t)), for the process and for Euler's chain."""
    process = Process(drift=lambda x: 0.8, sigma=lambda x: 0.6)
    exact = np.exp(-2 * 0.36) * np.cos(2 * (0.3 + 0.8))
    frame, wave = Frame((ring(7),)), [lambda x: np.cos(2 * x)]
    found = BackwardChain(SCHEMES["euler_maruyama"], process, frame).expectations(wave, (0.3,), t_end=1.0, n_steps=3)
    assert found == pytest.approx(exact, abs=1e-13)
    assert process_expectations(process, frame, wave, (0.3,), t_end=1.0) == pytest.approx(exact, abs=1e-13)


@pytest.mark.parametrize("name", ["circle, Stratonovich", "variance preserving"])
def test_steps_taken_together_are_the_steps_one_by_one(name: str) -> None:
    """Coefficients that depend on time: each step is read at its own; read at the start of its run it is another."""
    problem, n = WEAK[name], 6
    chain = BackwardChain(SCHEMES["trapezoidal"], problem.process, Frame(problem.axes), nodes=10)
    (found,) = chain.expectations([problem.observable], problem.x0, t_end=0.6, n_steps=n)
    one_by_one = standing = chain.frame.holding([problem.observable])
    for k in reversed(range(n)):
        one_by_one, standing = chain.matrix(0.1 * k, 0.1) @ one_by_one, chain.matrix(0.0, 0.1) @ standing
    start = chain.frame.at(problem.x0)
    assert found == pytest.approx(float(start @ one_by_one[:, 0]), rel=1e-13)
    assert found != pytest.approx(float(start @ standing[:, 0]), rel=1e-3)


@pytest.mark.parametrize("axis", [ring(9), gaussian_line(8, 0.7), segment(-1.5, 2.0, 12)], ids=["ring", "line", "box"])
def test_an_axis_interpolates_and_differentiates(axis: Any) -> None:
    x = np.linspace(-1.4, 1.9, 7)
    for u, slope in ((np.sin, np.cos), (lambda x: np.cos(2 * x), lambda x: -2 * np.sin(2 * x))):
        if len(axis.nodes) != 9:  # a polynomial instead of a wave
            u, slope = (lambda x: x**5 - 2 * x, lambda x: 5 * x**4 - 2)
        np.testing.assert_allclose(axis.at(x) @ u(axis.nodes), u(x), atol=1e-12)
        np.testing.assert_allclose(axis.slopes @ u(axis.nodes), slope(axis.nodes), atol=1e-11)


@pytest.mark.parametrize("name", ["circle, multiplicative", "torus, general", "torus, additive", "pendulum"])
def test_more_nodes_change_nothing_that_an_order_sees(name: str) -> None:
    """The error of a scheme at a large step, to three digits: by two grids and two rules for the noise."""
    problem = WEAK[name]
    scheme = SCHEMES["platen_weak2" if "torus" in name else "euler_maruyama"]
    finer = tuple(gaussian_line(17, 0.8) if len(a.nodes) == 15 else ring(len(a.nodes) + 4) for a in problem.axes)
    found = []
    for p, nodes in ((problem, None), (replace(problem, axes=finer), 64)):
        frame, u = Frame(p.axes), [p.observable]
        chain = BackwardChain(scheme, p.process, frame, nodes=nodes)
        exact = process_expectations(p.process, frame, u, p.x0, t_end=p.t_end)
        found.append(chain.expectations(u, p.x0, t_end=p.t_end, n_steps=8)[0] - exact[0])
    assert found[0] == pytest.approx(found[1], rel=1e-3)


@pytest.mark.parametrize("start", [None, lambda model, x, t: {"before": 0.0 * x}])
def test_a_scheme_with_a_memory_is_no_chain_of_positions(start: Any) -> None:
    def step(model: Any, x: Any, t: Any, dt: Any, noise: Any, aux: Any) -> Advance:
        """Adams & Bashforth's drift: it remembers the last one."""
        drift = model.drift(x, t)
        return Advance(x + (1.5 * drift - 0.5 * aux["before"]) * dt + noise.dw, aux={"before": drift})

    scheme = replace(SCHEMES["euler_maruyama"], step=step, auxiliary=("before",), start=start)
    with pytest.raises(InvalidInput, match="remembers more than positions"):
        BackwardChain(scheme, GEOMETRIC, POLYNOMIALS)


def test_a_step_of_parts_is_the_product_of_theirs_and_a_replaced_step_is_not() -> None:
    """OBABO takes two normals: its parts one each. A mutant that still names the parts of its twin is taken whole."""
    process = underdamped(lambda x: 0.6 * x**2, 0.8, friction=1.5)
    frame = Frame((polynomial_line(2), polynomial_line(2)))
    squares = frame.holding([lambda x, v: x**2, lambda x, v: x * v, lambda x, v: v**2])
    parted, whole = BackwardChain(obabo, process, frame), BackwardChain(replace(obabo, parts=()), process, frame)
    assert len(parted.parts) == 2 and not whole.parts
    np.testing.assert_allclose(parted.matrix(0.0, 0.3) @ squares, whole.matrix(0.0, 0.3) @ squares, atol=1e-12)
    mutant = BackwardChain(altered(obabo, lambda value: 1.01 * value), process, frame)
    assert not mutant.parts
    assert np.max(np.abs(mutant.matrix(0.0, 0.3) @ squares - whole.matrix(0.0, 0.3) @ squares)) > 1e-3
