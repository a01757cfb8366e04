"""The strong order of every scheme, measured on Brownian paths that are read at several step sizes.

Where the solution is known as a function of W_t the errors are against it; elsewhere successive step sizes are compared
with each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from coupled_paths import StrongOrder, StrongProblem, strong_order
from order_problems import STRONG, arctan_of_brownian

from fpsde.errors import InvalidInput
from fpsde.integrators import simulate
from fpsde.schemes import SCHEMES
from fpsde.schemes.inputs import DW_I10

#: Of each measurement; there are some eighty.
ALPHA = 1e-9
#: No interval of an order is wider than +-WIDEST: half an order more or less lies far outside.
WIDEST = 0.06
#: What powers of h beyond the first correction, which is fitted, may still do to an order at these steps.
REMAINDER = 0.02
STEPS = (32, 64, 128, 256, 512)

COMMUTING = ("scalar", "commuting", "diagonal")
GENERAL = ("general", *COMMUTING)
UNDERDAMPED = ("pendulum", "oscillator")
ADDITIVE = ("additive, nonlinear", "pendulum")

#: The problems on which each scheme is measured.
PROBLEMS: dict[str, tuple[str, ...]] = {
    "euler_maruyama": (*GENERAL, "additive", *ADDITIVE),
    "milstein": (*COMMUTING, "additive", *ADDITIVE),
    "milstein_derivative_free": (*COMMUTING, "additive", *ADDITIVE),
    "euler_heun": (*GENERAL, "additive", *ADDITIVE),
    "heun": (*GENERAL, *ADDITIVE),
    "sra1": ("additive, nonlinear",),
    "sra3": ("additive, nonlinear",),
    "sriw1": ("diagonal", "scalar"),
    "tamed_euler": (*GENERAL, "additive", *ADDITIVE),
    "implicit_euler": (*GENERAL, "additive", *ADDITIVE),
    "trapezoidal": (*GENERAL, *ADDITIVE),
    "split_step_backward_euler": (*GENERAL, "additive", *ADDITIVE),
    "leimkuhler_matthews": ADDITIVE,
    "baoab": UNDERDAMPED,
    "aboba": UNDERDAMPED,
    "obabo": UNDERDAMPED,
    "obab": UNDERDAMPED,
    "oabao": UNDERDAMPED,
    "lf_middle": UNDERDAMPED,
}
#: Where a term that limits the order drops out because the drift is linear and one motion drives all: (order there).
SUPERCONVERGENT = {(name, "additive"): 2.0 for name in ("heun", "trapezoidal", "sra1", "sra3", "sriw1")}
#: Schemes whose random inputs say nothing of one path at several step sizes: they claim no strong order.
UNCLAIMED = ("platen_weak2", "ri1", "mala", "exact_sampling", "ddpm_step")
#: What runs in the fast suite.
FAST = {("euler_maruyama", "scalar"), ("milstein", "commuting"), ("baoab", "pendulum")}

CASES = [
    pytest.param(*case, marks=[] if case in FAST else [pytest.mark.slow], id=", ".join(case))
    for case in [*((name, problem) for name, problems in PROBLEMS.items() for problem in problems), *SUPERCONVERGENT]
]
HEADING = ("strong order", "problem", "claimed", "measured", "+-", "root mean square at the finest step")


def measured(scheme: Any, problem: StrongProblem, seed: int) -> StrongOrder:
    steps = STEPS if problem.path else (*STEPS, 2 * STEPS[-1])
    return strong_order(scheme, problem, steps=steps, seed=seed, alpha=ALPHA)


def test_every_scheme_is_measured_or_claims_no_order() -> None:
    assert sorted([*PROBLEMS, *UNCLAIMED]) == sorted(SCHEMES)
    for name in UNCLAIMED:
        assert SCHEMES[name].strong is None


@pytest.mark.parametrize(("name", "problem"), CASES)
def test_the_strong_order_is_the_one_that_is_claimed(name: str, problem: str, table: Callable, seed: int) -> None:
    scheme = SCHEMES[name]
    assert scheme.strong is not None
    claimed = SUPERCONVERGENT.get((name, problem), scheme.strong.on(STRONG[problem].process))
    assert claimed is not None
    found = measured(scheme, STRONG[problem], seed)
    table(
        HEADING,
        (name, problem, f"{claimed:g}", f"{found.order:.3f}", f"{found.radius:.3f}", f"{found.errors[-1]:.1e}"),
    )
    assert REMAINDER + found.radius < WIDEST
    assert abs(found.order - claimed) < REMAINDER + found.radius


# --- what the measurement sees


def test_noise_wrong_by_one_per_cent_leaves_no_order(seed: int) -> None:
    found = measured(SCHEMES["milstein"], arctan_of_brownian(noise=1.01), seed)
    assert found.order < 0.5


@pytest.mark.slow
def test_a_scheme_without_its_second_integral_has_no_order_beyond_one(seed: int) -> None:
    """I(1,0) without a normal of its own is dt dW/2, which knows nothing of where the path was in between."""
    blind = replace(DW_I10, form=lambda z, sqrt_dt, dt: (sqrt_dt * z[0], 0.5 * dt * sqrt_dt * z[0]))
    found = measured(replace(SCHEMES["sra1"], inputs=(blind,)), STRONG["additive, nonlinear"], seed)
    assert abs(found.order - 1.0) < REMAINDER + found.radius


@pytest.mark.parametrize("name", ["platen_weak2", "ri1"])
def test_a_scheme_without_a_strong_order_refuses_a_refinement(name: str, seed: int) -> None:
    p = STRONG["general"]
    with pytest.raises(InvalidInput, match="has no dt-refinement"):
        simulate(p.process, SCHEMES[name], x0=p.x0, t_end=1.0, dt=0.5, refinement=2, n_particles=1, seed=seed)
