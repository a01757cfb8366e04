"""The seed's own case: 1000 noising steps from U(0, 1), Euler's form and the DDPM form, after every 100 steps.

beta_n = linspace(1e-4, 0.02, 1000);  x' = (1 - beta/2) x + sqrt(beta) z  against  x' = sqrt(1 - beta) x + sqrt(beta) z.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fpsde
from fpsde.checks import CheckResult, density, distances
from fpsde.plotting import BLUE, VERMILION, save, style

AT, TARGET = np.arange(100.0, 1001.0, 100.0), fpsde.Normal(0.0, 1.0)


def compare(scheme: fpsde.Scheme, n_particles: int, *, seed: int = 11) -> tuple[fpsde.SchemeLaw, list[CheckResult]]:
    """Return the exact law of the chain at every 100th step, and the check of the particles against each."""
    run = {"x0": fpsde.Uniform(0.0, 1.0), "t_end": 1000.0, "dt": 1.0}
    law = fpsde.scheme_law(fpsde.ddpm_chain(), scheme, at=AT, **run)
    observers = (fpsde.Snapshots(AT),)
    seen = fpsde.simulate(fpsde.ddpm_chain(), scheme, n_particles=n_particles, seed=seed, observers=observers, **run)
    return law, [density(x, p, alpha=1e-7) for (_, x), p in zip(seen.snapshots, law.laws, strict=True)]


def draw(n_particles: int = 1_000_000) -> Figure:
    """Return the distance of both chains to N(0, 1) over the steps, and of the particles to the exact laws."""
    looks = (
        {"color": VERMILION, "ls": "-", "marker": "o", "ms": 9},
        {"color": BLUE, "ls": "--", "marker": "s", "ms": 5},
    )
    with style():
        figure = Figure(figsize=(7.2, 6.0))
        above, below = figure.subplots(2, 1, sharex=True)
        for seed, look, scheme in zip((11, 12), looks, (fpsde.euler_maruyama, fpsde.ddpm_step), strict=True):
            law, results = compare(scheme, n_particles, seed=seed)
            tv, w1 = ([d(x, TARGET) for x in law.laws] for d in (distances.total_variation, distances.wasserstein1))
            above.semilogy(AT, tv, label=f"{scheme.name}: total variation", **look)
            above.semilogy(AT, w1, label=f"{scheme.name}: Wasserstein-1 [unit of x]", mfc="white", **look)
            ratios = [result.statistic / result.threshold for result in results]
            below.plot(AT, ratios, label=f"{scheme.name}: {results[-1].verdict.value}", **look)
        above.set(title="1000 noising steps from U(0, 1)", ylabel="distance of the exact law to N(0, 1)")
        below.axhline(1.0, color="black", lw=0.8, ls=":")
        below.set(xlabel="step n", ylabel="statistic / threshold", ylim=(0, 1.3))
        below.set_title(f"{n_particles:,} particles against the exact law of their own chain (fails above 1)")
        above.legend(fontsize=8)
        below.legend(fontsize=8, loc="upper right")
    return figure


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--particles", type=int, default=1_000_000)
    save(draw(options.parse_args().particles), Path(__file__).with_suffix(".png"))
