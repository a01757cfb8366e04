"""What the library documents of its schemes: every claim has a study, and a wrong one does not pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fpsde.checks import Verdict
from fpsde.convergence import documented as module
from fpsde.convergence.documented import SHARP, Kind, documented, judged, measured, measured_orders
from fpsde.convergence.measured import MEASURED
from fpsde.errors import InvalidInput

STUDIES = documented()


def euler(kind: Kind, problem: str):
    return next(s for s in STUDIES if (s.scheme, s.kind, s.problem) == ("euler_maruyama", kind, problem))


@pytest.mark.parametrize("name", MEASURED)
def test_every_claim_on_every_class_of_noise_has_a_study(name: str) -> None:
    scheme = MEASURED[name]
    claims = {(Kind.STRONG, scheme.strong), (Kind.WEAK, scheme.weak)}
    claimed = {
        (kind, noise)
        for kind, orders in claims
        for noise in ("additive", "commutative", "general")
        if orders is not None and getattr(orders, noise) not in (None, np.inf)
    }
    made = {(study.kind, study.noise.value) for study in STUDIES if study.scheme == name}
    assert claimed <= made
    assert (scheme.stationary is None) != any(s.kind is Kind.BIAS for s in STUDIES if s.scheme == name)


def test_names_choose_schemes_and_an_unknown_one_is_refused() -> None:
    chosen = documented(["milstein", "baoab", "milstein"])
    assert [study.scheme for study in chosen] == sorted((s.scheme for s in chosen), key=["milstein", "baoab"].index)
    with pytest.raises(InvalidInput, match="did you mean 'milstein'"):
        documented(["milstien"])


def test_an_interval_that_is_wide_is_underpowered_and_a_wrong_order_fails() -> None:
    study, h = euler(Kind.BIAS, "ring, two waves"), 0.1 / 2.0 ** np.arange(6)
    assert judged(study, h, h + 0.1 * h**2, 1e-13).verdict is Verdict.PASS
    assert judged(study, h, h**2, 1e-13).verdict is Verdict.FAIL
    assert judged(study, h, 0.01 + h, 1e-13).verdict is Verdict.FAIL
    found = judged(study, h, h + 8 * h**2, 1e-13)
    assert found.verdict is Verdict.UNDERPOWERED and f"wider than +-{SHARP}" in found.detail
    assert judged(study, h, 0 * h, 1e-13).verdict is Verdict.UNDERPOWERED


def test_a_scheme_that_is_stated_wrong_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    study = euler(Kind.BIAS, "ring, two waves")
    assert measured(study, seed=1, alpha=0.0).verdict is Verdict.PASS
    right = MEASURED["euler_maruyama"]

    def step(model, x, t, dt, noise):
        return x + model.drift(x, t) * dt + 1.001 * model.noise(x, t, noise.dw)

    monkeypatch.setitem(MEASURED, "euler_maruyama", replace(right, step=step))
    found = measured(study, seed=1, alpha=0.0)
    assert found.verdict is Verdict.FAIL and "biased at order 0" in found.detail


def test_studies_that_sample_share_the_false_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = []

    def look(study, *, seed, alpha):
        levels.append((study.kind, alpha))

    monkeypatch.setattr(module, "measured", look)
    assert len(list(measured_orders(STUDIES, seed=1, alpha=1e-6))) == len(STUDIES)
    sampled = [alpha for kind, alpha in levels if kind is Kind.STRONG]
    assert len(sampled) > 80 and sum(sampled) == pytest.approx(1e-6)
