"""Every scheme of the package, whoever wrote it: its compiled step is the formula that was traced, run on arrays."""

from __future__ import annotations

import numpy as np
import pytest
from bare_steps import both_steps
from plain_twins import ADDITIVE, COMMUTING, DIAGONAL, GENERAL

from fpsde.processes.process import Process
from fpsde.schemes import SCHEMES

NOISING = Process(drift=lambda x, t: -0.5 * (0.4 + t) * x, sigma=lambda x, t: np.sqrt(0.4 + t), rate=lambda t: 0.4 + t)
#: positions and velocities: unequal frictions, temperatures and masses, a force that couples and depends on t
UNDERDAMPED = Process(
    drift=lambda x, t, p: (
        x[2],
        x[3],
        (-np.sin(x[0]) - x[1] + 0.3 * t) / p.mass[0] - p.friction[0] * x[2],
        (-x[0] - x[1] ** 3) / p.mass[1] - p.friction[1] * x[3],
    ),
    sigma=lambda x, p: ((0.0, 0.0), (0.0, 0.0), (0.7 * np.sqrt(p.friction[0]), 0.0), (0.0, np.sqrt(p.friction[1]))),
    dim=4,
    params={"mass": [1.0, 2.5], "friction": [0.4, 1.9]},
)
GRADIENT = Process(
    drift=lambda x, p: (-p.mobility[0] * x[0] * x[1] ** 2, -p.mobility[1] * (x[0] ** 2 * x[1] + x[1])),
    sigma=lambda x, p: (np.sqrt(2 * p.temperature * p.mobility[0]), np.sqrt(2 * p.temperature * p.mobility[1])),
    dim=2,
    params={"temperature": 0.8, "mobility": [1.0, 0.3]},
    energy=lambda x: 0.5 * (x[0] ** 2 * x[1] ** 2 + x[1] ** 2),
)
SAMPLED = Process(
    drift=lambda x, p: (-p.k * x[0], 0.2 * x[1]),
    sigma=lambda x: (0.5, 0.3 * x[1]),
    dim=2,
    params={"k": 0.7},
    sample=lambda x, t, dt, z, p: (
        np.exp(-p.k * dt) * x[0] + 0.5 * np.sqrt(-np.expm1(-2 * p.k * dt) / (2 * p.k)) * z[0],
        x[1] * np.exp((0.2 - 0.045) * dt + 0.3 * np.sqrt(dt) * z[1]),
    ),
)

#: scheme: a process on which every term of its step acts; a new scheme of SCHEMES gets its line here
PROCESSES = {
    "euler_maruyama": GENERAL.process,
    "milstein": COMMUTING.process,
    "milstein_derivative_free": COMMUTING.process,
    "euler_heun": GENERAL.process,
    "heun": GENERAL.process,
    "sra1": ADDITIVE.process,
    "sra3": ADDITIVE.process,
    "sriw1": DIAGONAL.process,
    "platen_weak2": GENERAL.process,
    "ri1": GENERAL.process,
    "tamed_euler": GENERAL.process,
    "ddpm_step": NOISING,
    "implicit_euler": GENERAL.process,
    "trapezoidal": ADDITIVE.process,
    "split_step_backward_euler": GENERAL.process,
    "leimkuhler_matthews": ADDITIVE.process,
    "mala": GRADIENT,
    "baoab": UNDERDAMPED,
    "aboba": UNDERDAMPED,
    "obabo": UNDERDAMPED,
    "obab": UNDERDAMPED,
    "oabao": UNDERDAMPED,
    "lf_middle": UNDERDAMPED,
    "exact_sampling": SAMPLED,
}


def test_every_scheme_has_its_process():
    assert set(PROCESSES) == set(SCHEMES)


#: Steps whose terms those of the others hold as well: each compiles for seconds.
MORE = {"aboba", "obabo", "obab", "oabao", "lf_middle", "leimkuhler_matthews", "sra3", "ri1", "heun", "tamed_euler"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in MORE else n for n in PROCESSES])
def test_the_compiled_step_is_the_traced_formula_on_arrays(name, seed):
    _, _, compiled, arrays = both_steps(SCHEMES[name], PROCESSES[name], seed)
    assert np.all(np.isfinite(arrays)) and all(np.unique(row).size > 10 for row in compiled[: PROCESSES[name].dim])
    np.testing.assert_allclose(compiled[: len(arrays)], arrays, rtol=1e-13, atol=1e-14)


def test_a_last_digit_of_the_formula_would_be_seen(seed):
    def process(k):
        return Process(drift=lambda x, p: -p.k * np.sin(x), sigma=lambda x: 0.4 * x, params={"k": k})

    _, _, compiled, _ = both_steps(SCHEMES["heun"], process(0.6), seed)
    _, _, _, arrays = both_steps(SCHEMES["heun"], process(0.6 * (1 + 1e-10)), seed)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(compiled, arrays, rtol=1e-13, atol=1e-14)
