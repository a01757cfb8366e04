"""A run on a GPU needs neither Numba nor SciPy nor rich nor platformdirs; what needs them says so."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from emulated_gpu import NEEDS_COMPILER, compiler_is_missing

import fpsde
from fpsde.errors import BackendUnavailable
from fpsde.optional import Later, optional
from fpsde.processes.process import Process

BARE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("numba", "llvmlite", "scipy", "rich", "matplotlib", "platformdirs"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def run_bare(code, folder):
    """Return what a program prints as JSON where those packages are not installed."""
    here = Path(__file__).parent
    whole = f"{BARE}sys.path[:0] = [{str(here)!r}, {str(here.parent)!r}]\n{code}"
    done = subprocess.run([sys.executable, "-c", whole, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def driven():
    """Return processes on a line and in the plane whose coefficients depend on time."""
    line = Process(
        drift=lambda x, t, p: -p.k * x * np.exp(-t), sigma=lambda x, t: np.sqrt(1 + 0.2 * np.cos(x + t)),
        params={"k": 1.0}, domain=fpsde.Interval(-2.0, 2.0, fpsde.Wall.ABSORBING, fpsde.Wall.REFLECTING),
    )  # fmt: skip
    plane = Process(
        drift=lambda x, t: (np.sin(t) - x[0], -x[1] - t * x[0]), sigma=lambda x: ((1.0, 0.0), (0.0, 0.7)), dim=2
    )
    return line, plane


def equations():
    """Return what solves equations of a line and of a plane; each returns masses, and what is said of them."""
    line = Process(
        drift=lambda x, t, p: -p.k * x, sigma=lambda x: np.sqrt(1 + 0.2 * np.cos(x)), params={"k": 1.0},
        domain=fpsde.Interval(-2.0, 2.0, fpsde.Wall.ABSORBING, fpsde.Wall.REFLECTING),
    )  # fmt: skip
    plane = Process(
        drift=lambda x: (-x[0] + 0.3 * x[1], -x[1] - 0.3 * x[0]), sigma=lambda x: ((1.0, 0.0), (0.0, 0.7)), dim=2
    )
    driven_line, driven_plane = driven()
    on_line, on_driven_line = (
        fpsde.FokkerPlanck(one, fpsde.Grid.uniform((-2.0, 2.0), cells=21)) for one in (line, driven_line)
    )
    on_plane, on_driven_plane = (
        fpsde.FokkerPlanck(one, fpsde.Grid.uniform((-4.0, 4.0), (-3.5, 3.5), cells=(11, 10)))
        for one in (plane, driven_plane)
    )

    def batch(run):
        return run.masses[-1], *run.minimum, *run.mass_error, *run.peclet, *run.cells_per_length

    def one(run):
        return run.law.masses, run.minimum, run.mass_error, *run.peclet, *run.cells_per_length

    members, times = {"k": np.array([0.5, 2.0, 20.0])}, {"t_end": 0.25}
    return [
        lambda **on: batch(on_line.evolve_batch(0.3, members, dt=0.125, **times, **on)),
        lambda **on: batch(on_line.evolve_batch_by_uniformisation(0.3, members, **times, **on)),
        lambda **on: one(on_plane.evolve((0.5, -0.3), dt=0.125, **times, **on)),
        lambda **on: one(on_plane.evolve_by_uniformisation((0.5, -0.3), **times, **on)),
        lambda **on: batch(on_driven_line.evolve_batch(0.3, members, dt=0.125, **times, **on)),
        lambda **on: one(on_driven_plane.evolve((0.5, -0.3), dt=0.125, **times, **on)),
    ]


RUN = """
import json
from pathlib import Path
import fpsde
from emulated_gpu import EmulatedGpu
from fpsde.errors import FpsdeError
from fpsde.integrators import steps

steps.gpus = lambda: (EmulatedGpu(Path(sys.argv[1])),)
observers = [fpsde.Moments(), fpsde.Histogram(-2.0, 2.0, 8), fpsde.FirstPassage(lambda x: x > 0.5)]

def run(backend, **more):
    return fpsde.simulate(
        fpsde.double_well(), fpsde.milstein, x0=0.2, t_end=1.0, dt=0.1, n_particles=700, seed=5, observers=observers,
        backend=backend, **more,
    )

def refused(*given, **more):
    try:
        run(*given, **more)
    except FpsdeError as error:
        return f"{type(error).__name__}: {error}"

gpu = run(fpsde.Backend.GPU)
said = [gpu.x.tolist(), gpu.moments[0].sums.tolist(), gpu.histograms[0].counts.tolist(), repr(gpu.results[2].mean)]
loaded = sorted({name.split(".")[0] for name in sys.modules} & {"numba", "scipy", "rich"})
print(json.dumps([said, loaded, refused(fpsde.Backend.CPU), refused(fpsde.Backend.GPU, progress=True)]))
"""
EQUATIONS = (
    """
import json
from pathlib import Path
import fpsde
import numpy as np
from emulated_gpu import EmulatedGpu
from fpsde.errors import FpsdeError
from fpsde.fokker_planck import sweeps
from fpsde.fokker_planck.plane.jumps_on_gpu import product_program
from fpsde.fokker_planck.rates_on_gpu import rates_program
from fpsde.processes.process import Process

"""
    + inspect.getsource(driven)
    + inspect.getsource(equations)
    + """
line, plane = driven()
rates = [rates_program(*of) for of in ((line, 0), (plane, 0), (plane, 1))]
device = EmulatedGpu(Path(sys.argv[1]), together=(sweeps.cuda_program(), product_program(), *rates))
sweeps.gpus = lambda: (device,)
gpu, cpu = [], []
for solve in equations():
    masses, *said = solve(backend=fpsde.Backend.GPU)
    gpu.append([masses.tolist(), *said])
    try:
        solve(backend=fpsde.Backend.CPU)
    except FpsdeError as error:
        cpu.append(f"{type(error).__name__}: {error}")
print(json.dumps([gpu, cpu, sorted({name.split(".")[0] for name in sys.modules} & {"numba", "scipy", "rich"})]))
"""
)


@pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)
def test_fokker_planck_on_a_gpu_needs_neither_numba_nor_scipy(tmp_path):
    gpu, on_cpu, loaded = run_bare(EQUATIONS, tmp_path)
    assert loaded == []
    cpu = [solve() for solve in equations()]
    for (masses, *said), (right, *told) in zip(gpu, cpu, strict=True):
        np.testing.assert_allclose(masses, right, rtol=0, atol=1e-13)
        np.testing.assert_allclose(said, told, rtol=1e-12, atol=1e-15)
    assert np.abs(cpu[0][0][0] - cpu[0][0][1]).max() > 1e-3 and np.abs(cpu[2][0] - cpu[3][0]).max() > 1e-4
    assert [error.partition(" is not")[0] for error in on_cpu] == [
        f"BackendUnavailable: {missing}" for missing in ("numba", "scipy", "numba", "scipy", "numba", "numba")
    ]  # fmt: skip


@pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)
def test_a_gpu_run_needs_no_numba_no_scipy_and_no_rich(tmp_path):
    said, loaded, on_cpu, with_bar = run_bare(RUN, tmp_path)
    assert loaded == []
    observers = [fpsde.Moments(), fpsde.Histogram(-2.0, 2.0, 8), fpsde.FirstPassage(lambda x: x > 0.5)]
    cpu = fpsde.simulate(
        fpsde.double_well(), fpsde.milstein, x0=0.2, t_end=1.0, dt=0.1, n_particles=700, seed=5, observers=observers
    )
    right = [cpu.x.tolist(), cpu.moments[0].sums.tolist(), cpu.histograms[0].counts.tolist(), repr(cpu.results[2].mean)]
    assert said == right
    assert on_cpu == "BackendUnavailable: numba is not installed, and this needs it: pip install numba"
    assert with_bar == "BackendUnavailable: rich is not installed, and this needs it: pip install rich"


def test_a_package_is_loaded_when_it_is_first_used():
    later = optional("wave")
    assert "wave" not in sys.modules and isinstance(later, Later)
    assert later.Wave_read is sys.modules["wave"].Wave_read
    with pytest.raises(BackendUnavailable, match=r"no_such_package is not installed.*: pip install no_such_package"):
        _ = optional("no_such_package.part").thing
