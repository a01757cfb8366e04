"""Defects planted in the text of the checks themselves: each is found by a test that is named here.

A mutant is one line of a module of ``fpsde.checks``, changed. The module is compiled again with it, and the functions
and classes that it states take the place of the right ones in every module that holds them, while the test is run.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fpsde import checks
from fpsde.checks import design, zero_means


@dataclass(frozen=True)
class Mutant:
    """``old`` stands once in the module and is replaced by ``new``; ``test`` of ``file`` with ``given`` must fail."""

    name: str
    module: str
    old: str
    new: str
    file: str
    test: str
    given: dict[str, Any] = field(default_factory=dict)
    quick: bool = False


#: The quick ones are a mutant for each kind of defect; the others run with the slow tests.
MUTANTS = [
    Mutant(
        "tolerance dropped", "design", "tau, parts = tolerance_of(tolerance)", "tau, parts = 0.0, ()",
        "test_zero_means", "test_a_tolerance_is_forgiven_and_no_more", quick=True,
    ),
    Mutant(
        "tolerance taken off", "zero_means", "threshold=design.tau + cut * error", "threshold=cut * error - design.tau",
        "test_zero_means", "test_a_tolerance_is_forgiven_and_no_more",
    ),
    Mutant(
        "one-sided cut for a two-sided test", "radii", "high = bias + normal_radius(0.5 * alpha)\n"
        "    while two_sided_tail(high, bias=bias, skewness=skewness) >= alpha:",
        "return bias + normal_radius(alpha)\n    while two_sided_tail(high, bias=bias, skewness=skewness) >= alpha:",
        "test_moment_check", "test_the_variance_of_a_normal_sample_is_exactly_chi_square", quick=True,
    ),
    Mutant(
        "errors of one sign only", "moment_tests", "cut = _cut(abs(signed), error", "cut = _cut(signed, error",
        "test_density_check", "test_a_failure_is_a_p_value_below_the_level_in_every_part",
    ),
    Mutant(
        "half of the level on the wrong side", "zero_means", "plain = float(-special.stdtrit(n - 1, 0.5 * alpha))",
        "plain = float(-special.stdtrit(n - 1, alpha))", "test_zero_means", "test_the_cut_of_normal_values_is_students",
    ),
    Mutant(
        "divisor n in place of n - 1", "zero_means", "np.std(g, ddof=1)", "np.std(g, ddof=0)",
        "test_mutants", "test_the_spread_of_two_values_has_divisor_one", quick=True,
    ),
    Mutant(
        "degrees of freedom off by one", "zero_means", "plain = float(-special.stdtrit(n - 1,",
        "plain = float(-special.stdtrit(n,", "test_zero_means", "test_the_cut_of_normal_values_is_students",
        quick=True,
    ),
    Mutant(
        "degrees of freedom of the cells: B", "cell_distance", "float(np.min(p)), len(p) - 1",
        "float(np.min(p)), len(p)",
        "test_mutants", "test_the_degrees_of_freedom_of_cells_are_one_less", quick=True,
    ),
    Mutant(
        "five modes counted as four", "smooth_test", "special.chdtri(ORDER, alpha)", "special.chdtri(ORDER - 1, alpha)",
        "test_density_check", "test_the_smooth_test_keeps_tiny_levels_in_small_samples", {"n": 1000, "alpha": 1e-8},
    ),
    Mutant(
        "variance of the data for that of the law", "moment_tests", "math.sqrt((mu_2k - mu_k**2) / sums.n)",
        "math.sqrt(mu_2k / sums.n)", "test_moment_check",
        "test_the_reference_table_of_sample_sizes_for_one_per_cent_of_variance",
        {"n": 1.57e6, "alpha": 1e-8, "power": 0.999},
    ),
    Mutant(
        "level not divided", "design", "replace(self, alpha=self.alpha / n_checks)", "self",
        "test_density_check", "test_a_failure_is_a_p_value_below_the_level_in_every_part",
    ),
    Mutant(
        "alpha and beta exchanged", "design", 'cls(\n            probability("alpha", alpha), beta,',
        'cls(\n            beta, probability("alpha", alpha),', "test_moment_check",
        "test_the_reference_table_of_sample_sizes_for_one_per_cent_of_variance",
        {"n": 1.31e6, "alpha": 1e-8, "power": 0.99}, quick=True,
    ),
    Mutant(
        "sample and law exchanged in sign", "band_test", "after, before = (rank + 1) / n - cdf[part]",
        "after, before = cdf[part] - (rank + 1) / n", "test_density_check", "test_the_sup_distance_is_scipys",
        quick=True,
    ),
    Mutant(
        "only the upper side of the steps", "band_test",
        "return max(above, below, key=lambda found: _size((abs(found[0]), found[1])))", "return above",
        "test_density_check", "test_the_sup_distance_is_scipys",
    ),
    Mutant(
        "radius of the band without its factor two", "radii", "math.sqrt(math.log(2 / alpha) / (2 * n))",
        "math.sqrt(math.log(1 / alpha) / (2 * n))", "test_density_check",
        "test_a_failure_is_a_p_value_below_the_level_in_every_part",
    ),
    Mutant(
        "NaN passed over", "samples", "int(np.count_nonzero(~np.isfinite(values)))", "0",
        "test_sample_door", "test_one_bad_value_among_many_fails_every_check", {"bad": np.nan}, quick=True,
    ),
    Mutant(
        "a statistic that is NaN passes", "design", "if not math.isfinite(statistic):\n        return Verdict.FAIL",
        "if not math.isfinite(statistic):\n        return Verdict.PASS",
        "test_check_results", "test_a_statistic_that_is_no_number_fails_and_is_stored_as_none", quick=True,
    ),
    Mutant(
        "a check that cannot fail passes", "design", "if threshold >= largest:", "if threshold > 2 * largest:",
        "test_check_results", "test_a_check_that_cannot_fail_is_underpowered", quick=True,
    ),
    Mutant(
        "resolution without the miss probability", "zero_means",
        "resolution=design.tau + cut * error + missed", "resolution=design.tau + cut * error",
        "test_zero_means", "test_an_error_of_the_resolution_is_seen_with_the_stated_power",
    ),
    Mutant(
        "underpowered beats failed", "result", "(Verdict.FAIL, Verdict.UNDERPOWERED, Verdict.PASS",
        "(Verdict.UNDERPOWERED, Verdict.FAIL, Verdict.PASS", "test_check_results",
        "test_fail_beats_underpowered_beats_pass_and_the_rest_is_neutral",
        {"given": "pass fail underpowered", "expected": "fail"}, quick=True,
    ),
    Mutant(
        "upper limit of a count at the lower tail", "binomial_test", "at_least(k, n, p_high) >= level",
        "at_most(k, n, p_high) >= level", "test_invariants",
        "test_leaving_with_the_allowed_probability_alarms_at_most_at_the_level",
    ),
    Mutant(
        "noncentrality without n", "cell_distance", "n * allowed**2", "allowed**2",
        "test_chi_square", "test_a_bias_of_the_tolerance_alarms_at_most_at_the_level_and_without_it_is_found",
    ),
    Mutant(
        "chi^2 tail for small counts", "cell_distance",
        "return 2 * float(special.rel_entr(q, least) + special.rel_entr(1 - q, 1 - least))", "return size**2",
        "test_chi_square", "test_the_level_is_kept_at_every_size", {"masses": (0.02, 0.02, 0.96)},
    ),
    Mutant(
        "p-values of permutations without the sample itself", "energy_test", "(1 + n - below) / (n + 1)",
        "np.maximum(n - below, 1e-9) / n", "test_energy",
        "test_a_sample_counts_as_one_of_its_own_permutations",
    ),
    Mutant(
        "half of the degrees of freedom of Fisher's sum", "energy_test", "special.chdtrc(2 * k, found)",
        "special.chdtrc(k, found)", "test_energy", "test_p_values_are_never_too_small",
    ),
    Mutant(
        "labels not permuted", "energy_test", "labels[:, 1:] = rng.permuted(labels[:, 1:], axis=0)", "pass",
        "test_energy", "test_the_first_energy_is_scipys_and_the_others_those_of_relabelled_points",
    ),
    Mutant(
        "components taken as independent", "rosenblatt", "row @ (x - law.mean[: k + 1, None])",
        "(x[k] - law.mean[k]) / law.covariance[k, k] ** 0.5", "test_joint_density",
        "test_conditionals_of_a_normal_law_and_of_its_cells_are_those_written_by_hand",
    ),
    Mutant(
        "pairs not judged", "rosenblatt", "pairs = list(combinations(range(d), 2))", "pairs = []",
        "test_joint_density", "test_what_the_components_hide_alone_is_named_with_their_pair",
    ),
    Mutant(
        "before and after exchanged in one factor", "dynamics",
        "_at(f, x, name) * _at(g, y, name) - _at(f, y, name) * _at(g, x, name)",
        "_at(f, x, name) * _at(g, y, name) - _at(f, x, name) * _at(g, y, name)",
        "test_zero_means", "test_a_current_is_seen_by_reversibility_and_by_nothing_else", quick=True,
    ),
    Mutant(
        "generator without its second derivative", "stein", "-w * w * c - w * s[i] * sine", "-w * s[i] * sine",
        "test_zero_means", "test_a_sample_of_the_law_with_this_score_passes_and_a_wider_one_fails",
    ),
    Mutant(
        "ranks of one sample in place of both", "two_samples", "(size - 1) / size / spread", "1 / spread / 4",
        "test_two_samples", "test_p_values_of_the_modes_are_uniform_where_both_have_one_law",
    ),
    Mutant(
        "both radii of two samples at the whole level", "two_samples",
        "band_radius(n, design.alpha / 2) + band_radius(m, design.alpha / 2)",
        "band_radius(n, design.alpha) + band_radius(m, design.alpha)",
        "test_two_samples", "test_the_sum_of_both_radii_is_cut_at_its_own_level", {"level": 1e-3}, quick=True,
    ),
    Mutant(
        "screen judged at the level of the whole", "planning", "judged(sizes[0], seeds[0], first_level)",
        "judged(sizes[0], seeds[0], level)", "test_planning",
        "test_two_stages_pass_at_the_screen_and_fail_at_the_confirmation",
    ),
    Mutant(
        "radius of one size at any time", "planning", "(math.log(math.log(math.e * n)) + 0.8 * math.log(1612 / alpha))",
        "(0.8 * math.log(2 / alpha))", "test_planning",
        "test_the_radius_for_all_times_is_wider_by_a_third_and_gives_back_its_level",
    ),
    Mutant(
        "lag off by one", "serial", "inner(z[:-lag], z[lag:])", "inner(z[: -lag - 1], z[lag + 1 :])",
        "test_mutants", "test_a_lag_is_the_lag_that_is_named", quick=True,
    ),
    Mutant(
        "expected copies without the pairs", "distinct_values", "0.5 * len(x) ** 2 * lattice", "len(x) * lattice",
        "test_calibration", "test_few_right_samples_alarm_as_stated_and_few_wrong_ones_do_not", {"name": "distinct"},
    ),
]  # fmt: skip


def test_the_spread_of_two_values_has_divisor_one():
    """Of 0 and 2 the spread is sqrt(2), so that the mean 1 is one standard error away from 0."""
    result = zero_means.zero_means("mean", {"g": np.array([0.0, 2.0])}, design.Design.of(alpha=0.01, power=0.9))
    assert result.p_value == pytest.approx(2 * stats.t.sf(1.0, 1), rel=1e-12)


def test_the_degrees_of_freedom_of_cells_are_one_less():
    """Of two cells with large counts T is that of the one count: a normal variable squared."""
    result = checks.chi_square([500_500, 499_500], [0.5, 0.5])
    assert result.p_value == pytest.approx(stats.chi2.sf(1.0, 1), rel=1e-3)


def test_a_lag_is_the_lag_that_is_named(rng):
    z = rng.standard_normal(2003)
    result = checks.independent(z[3:] + z[:-3], lags=(2, 3))
    assert "correlation at lag 3" in result.detail and not result.holds


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Put what the changed module states into the place of what the right one states, everywhere."""
    right = importlib.import_module(f"fpsde.checks.{mutant.module}")
    text = Path(inspect.getsourcefile(right) or "").read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, f"{mutant.name}: {mutant.old!r} stands {text.count(mutant.old)} times"
    wrong = types.ModuleType(right.__name__)
    wrong.__file__ = right.__file__
    original = sys.modules[right.__name__]
    sys.modules[right.__name__] = wrong
    try:
        exec(compile(text.replace(mutant.old, mutant.new), str(right.__file__), "exec"), wrong.__dict__)
    finally:
        sys.modules[right.__name__] = original
    own = {id(value): name for name, value in vars(right).items() if _stated_in(value, right)}
    swapped = [
        (module, name, value)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith(("fpsde", "test_", "right_samples"))
        for name, value in list(vars(module).items())
        if id(value) in own
    ]
    try:
        for module, name, value in swapped:
            setattr(module, name, getattr(wrong, own[id(value)]))
        yield
    finally:
        for module, name, value in swapped:
            setattr(module, name, value)


def _stated_in(value: object, module: types.ModuleType) -> bool:
    return callable(value) and getattr(value, "__module__", "") == module.__name__


def arguments(mutant: Mutant, request: pytest.FixtureRequest) -> tuple[Callable[..., None], dict[str, Any]]:
    """The named test and what it is called with: ``given``, and fixtures for the rest."""
    test = getattr(importlib.import_module(mutant.file), mutant.test)
    names = inspect.signature(test).parameters
    return test, {n: mutant.given[n] if n in mutant.given else request.getfixturevalue(n) for n in names}


@pytest.mark.parametrize(
    "mutant", [pytest.param(m, id=m.name, marks=() if m.quick else pytest.mark.slow) for m in MUTANTS]
)
def test_a_mutant_is_found_by_its_named_test(mutant, request):
    test, given = arguments(mutant, request)
    with planted(mutant), pytest.raises((AssertionError, pytest.fail.Exception)):
        test(**given)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_named_tests_hold_for_the_right_checks(mutant, request):
    test, given = arguments(mutant, request)
    test(**given)
