"""The strong order of every scheme, measured on Brownian paths that are read at several step sizes.

Where the solution is known as a function of W_t the errors are against it; elsewhere successive step sizes are compared
with each other.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from fpsde.checks import Verdict
from fpsde.convergence.documented import Kind, Study, documented, measured
from fpsde.convergence.measured import MEASURED
from fpsde.convergence.strong_problems import STRONG, STRONG_STUDIES
from fpsde.errors import InvalidInput
from fpsde.integrators import simulate
from fpsde.schemes.inputs import DW_I10

#: Of each measurement; there are some ninety.
ALPHA = 1e-9
#: No interval of an order is wider than +-WIDEST: half an order more or less lies far outside.
WIDEST = 0.08
#: What runs in the fast suite.
FAST = {("euler_maruyama", "scalar")}

CASES = [
    pytest.param(study, marks=[] if (study.scheme, study.problem) in FAST else [pytest.mark.slow], id=str(study))
    for study in documented()
    if study.kind is Kind.STRONG
]


def test_every_scheme_is_measured_or_claims_no_order() -> None:
    assert {name for name, scheme in MEASURED.items() if scheme.strong is not None} == STRONG_STUDIES.keys()


@pytest.mark.parametrize("study", CASES)
def test_the_strong_order_is_the_one_that_is_documented(study: Study, seed: int) -> None:
    found = measured(study, seed=seed, alpha=ALPHA)
    assert found.verdict is Verdict.PASS, found.detail
    assert found.low is not None and found.high is not None and found.alpha == ALPHA
    assert found.low < study.expected < found.high
    assert 0.5 * (found.high - found.low) < WIDEST


# --- what the measurement sees


@pytest.mark.slow
def test_noise_wrong_by_one_per_cent_leaves_no_order(seed: int) -> None:
    right = STRONG["scalar"]
    process = replace(right.process, sigma=lambda x: 1.01 * right.process.sigma(x))
    found = replace(right, process=process).order(MEASURED["milstein"], seed=seed, alpha=ALPHA)
    assert found.verdict is not Verdict.PASS
    assert found.errors[-1] > 0.3 * found.errors[0]  # Milstein's own fall by a factor of 16


@pytest.mark.slow
def test_a_scheme_without_its_second_integral_has_no_order_beyond_one(seed: int) -> None:
    """I(1,0) without a normal of its own is dt dW/2, which knows nothing of where the path was in between."""
    blind = replace(DW_I10, form=lambda z, sqrt_dt, dt: (sqrt_dt * z[0], 0.5 * dt * sqrt_dt * z[0]))
    scheme = replace(MEASURED["sra1"], inputs=(blind,))
    found = STRONG["additive, nonlinear"].order(scheme, seed=seed, alpha=ALPHA)
    assert found.verdict is Verdict.FAIL
    assert found.low is not None and found.high is not None and found.low < 1.0 < found.high


@pytest.mark.parametrize("name", ["platen_weak2", "ri1"])
def test_a_scheme_without_a_strong_order_refuses_a_refinement(name: str, seed: int) -> None:
    p = STRONG["general"]
    with pytest.raises(InvalidInput, match="has no dt-refinement"):
        simulate(p.process, MEASURED[name], x0=p.x0, t_end=p.t_end, dt=0.5, refinement=2, n_particles=1, seed=seed)
