"""The strong order of every scheme, measured on Brownian paths that are read at several step sizes.

Where the solution is known as a function of W_t the errors are against it; elsewhere successive step sizes are compared
with each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from order_problems import STRONG, StrongProblem, arctan_of_brownian

from fpsde.checks import Verdict
from fpsde.convergence import StrongOrder, strong_order
from fpsde.errors import InvalidInput
from fpsde.integrators import simulate
from fpsde.schemes import SCHEMES
from fpsde.schemes.inputs import DW_I10

#: Of each measurement; there are some eighty.
ALPHA = 1e-9
#: No interval of an order is wider than +-WIDEST: half an order more or less lies far outside.
WIDEST = 0.08
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
    steps = STEPS if problem.process.exact.path else (*STEPS, 2 * STEPS[-1])
    start = problem.x0 if problem.process.dim > 1 else problem.x0[0]
    return strong_order(
        problem.process, scheme, seed=seed, x0=start, t_end=problem.t_end, steps=steps,
        n_particles=problem.n_particles, alpha=ALPHA,
    )  # fmt: skip


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
    assert found.order is not None and found.low is not None and found.high is not None, found.detail
    radius = 0.5 * (found.high - found.low)
    table(HEADING, (name, problem, f"{claimed:g}", f"{found.order:.3f}", f"{radius:.3f}", f"{found.errors[-1]:.1e}"))
    assert radius < WIDEST
    assert found.low < claimed < found.high
    above = (name, problem) in SUPERCONVERGENT
    assert found.verdict is (Verdict.NOT_APPLICABLE if above else Verdict.PASS)


# --- what the measurement sees


def test_noise_wrong_by_one_per_cent_leaves_no_order(seed: int) -> None:
    found = measured(SCHEMES["milstein"], arctan_of_brownian(noise=1.01), seed)
    assert found.verdict is not Verdict.PASS
    assert found.errors[-1] > 0.3 * found.errors[0]  # Milstein's own fall by a factor of 16


@pytest.mark.slow
def test_a_scheme_without_its_second_integral_has_no_order_beyond_one(seed: int) -> None:
    """I(1,0) without a normal of its own is dt dW/2, which knows nothing of where the path was in between."""
    blind = replace(DW_I10, form=lambda z, sqrt_dt, dt: (sqrt_dt * z[0], 0.5 * dt * sqrt_dt * z[0]))
    found = measured(replace(SCHEMES["sra1"], inputs=(blind,)), STRONG["additive, nonlinear"], seed)
    assert found.verdict is Verdict.FAIL
    assert found.low is not None and found.high is not None and found.low < 1.0 < found.high


@pytest.mark.parametrize("name", ["platen_weak2", "ri1"])
def test_a_scheme_without_a_strong_order_refuses_a_refinement(name: str, seed: int) -> None:
    p = STRONG["general"]
    with pytest.raises(InvalidInput, match="has no dt-refinement"):
        simulate(p.process, SCHEMES[name], x0=p.x0, t_end=p.t_end, dt=0.5, refinement=2, n_particles=1, seed=seed)
