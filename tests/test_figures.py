"""The figure scripts run in a small mode, and what they show is true."""

import importlib.util
import math
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import fpsde
from fpsde.checks import Verdict

FIGURES = Path(__file__).parents[1] / "figures"
SMALL = {
    "chain_of_laws": {"n_particles": 200_000},
    "seed_case": {"n_particles": 20_000},
    "weak_order": {"levels": 4},
    "forward_marginals": {"n_particles": 20_000},
    "sampler_errors": {"numbers": (6, 12)},
    "exact_p_theta": {"stop": 0.1},
    "score_errors": {"stop": 0.5},
}
#: Those of diffusion models take seconds even when they are small.
LONG = ("forward_marginals", "sampler_errors", "exact_p_theta", "score_errors")


def script(name):
    spec = importlib.util.spec_from_file_location(f"figure_{name}", FIGURES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _no_display():
    matplotlib.use("Agg")


def test_every_script_has_a_picture_and_a_place_in_the_gallery() -> None:
    scripts = {path.stem for path in FIGURES.glob("*.py")}
    assert scripts == SMALL.keys()
    gallery = (FIGURES / "README.md").read_text()
    for name in scripts:
        assert (FIGURES / f"{name}.png").exists()
        assert f"({name}.png)" in gallery


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in SMALL])
def test_a_figure_is_short_and_has_units_and_legends(name) -> None:
    assert len((FIGURES / f"{name}.py").read_text().splitlines()) <= 60
    figure = script(name).draw(**SMALL[name])
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert all(axes.get_ylabel() for axes in panels if axes.get_subplotspec().is_first_col())
    said = panels[-1].get_xlabel()
    assert "[" in said or said in ("step n", "steps n", "(x0 − mean)/standard deviation")
    assert figure.legends or all(axes.get_legend() for axes in figure.axes)


@pytest.mark.parametrize(
    ("scheme", "mean", "variance"),
    [
        (fpsde.ddpm_step, 0.003176, 0.999963),
        pytest.param(fpsde.euler_maruyama, 0.003231, 1.004724, marks=pytest.mark.slow),
    ],
)
def test_the_seed_case_ends_at_the_stated_laws(scheme, mean, variance) -> None:
    law, results = script("seed_case").compare(scheme, 200_000)
    assert law.law.mean == pytest.approx(mean, abs=5e-7)
    assert law.law.variance == pytest.approx(variance, abs=5e-7)
    assert [result.verdict for result in results] == [Verdict.PASS] * 10
    abar = math.prod(1 - np.linspace(1e-4, 0.02, 1000))
    if scheme is fpsde.ddpm_step:  # a second statement: X_n = sqrt(abar) X_0 + N(0, 1 - abar)
        assert law.law.mean == pytest.approx(0.5 * math.sqrt(abar), rel=1e-12)
        assert law.law.variance == pytest.approx(abar / 12 + 1 - abar, rel=1e-12)


@pytest.mark.slow
def test_the_two_forms_are_told_apart_by_their_particles() -> None:
    """Negative control: the particles of Euler's form against the law of the DDPM form, 0.47 % off in variance."""
    run = {"x0": fpsde.Uniform(0.0, 1.0), "t_end": 1000.0, "dt": 1.0}
    euler = fpsde.simulate(fpsde.ddpm_chain(), fpsde.euler_maruyama, n_particles=6_000_000, seed=3, **run)
    other = fpsde.scheme_law(fpsde.ddpm_chain(), fpsde.ddpm_step, **run)
    assert fpsde.checks.moments(euler, other.law, orders=(2,)).verdict is Verdict.FAIL
