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

AT = np.arange(100.0, 1001.0, 100.0)


def compare(scheme: fpsde.Scheme, n_particles: int, *, seed: int = 11, alpha: float = 1e-6) -> tuple[fpsde.SchemeLaw, list[CheckResult]]:
    """Return the exact law of the chain at every 100th step, and the check of the particles against each."""
    run = {"x0": fpsde.Uniform(0.0, 1.0), "t_end": 1000.0, "dt": 1.0}
    law = fpsde.scheme_law(fpsde.ddpm_chain(), scheme, at=AT, **run)
    seen = fpsde.simulate(fpsde.ddpm_chain(), scheme, n_particles=n_particles, seed=seed, observers=(fpsde.Snapshots(AT),), **run)
    return law, [density(x, exact, alpha=alpha / len(AT)) for (_, x), exact in zip(seen.snapshots, law.laws, strict=True)]


def draw(n_particles: int = 1_000_000) -> Figure:
    """Return the distance of both chains to N(0, 1) over the steps, and how far the particles are from the exact laws."""
    target = fpsde.Normal(0.0, 1.0)
    with style():
        figure = Figure(figsize=(7.2, 6.0))
        above, below = figure.subplots(2, 1, sharex=True)
        cases = ((fpsde.euler_maruyama, VERMILION, "o-", 9, "Euler's form"), (fpsde.ddpm_step, BLUE, "s--", 5, "DDPM form"))
        for seed, (scheme, colour, mark, size, name) in enumerate(cases, start=11):
            law, results = compare(scheme, n_particles, seed=seed)
            for distance, fill in ((distances.total_variation, colour), (distances.wasserstein1, "white")):
                label = f"{name}: {'total variation' if fill == colour else 'Wasserstein-1 [unit of x]'}"
                above.semilogy(AT, [distance(x, target) for x in law.laws], mark, color=colour, mfc=fill, ms=size, label=label)
            below.plot(AT, [r.statistic / r.threshold for r in results], mark, color=colour, ms=size, label=f"{name}: {results[-1].verdict.value}")
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
