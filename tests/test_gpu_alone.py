"""A run on a GPU needs neither Numba nor SciPy nor rich nor platformdirs; what needs them says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from emulated_gpu import NEEDS_COMPILER, compiler_is_missing

import fpsde
from fpsde.errors import BackendUnavailable
from fpsde.optional import Later, optional

BARE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("numba", "llvmlite", "scipy", "rich", "matplotlib", "platformdirs"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""
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


@pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)
def test_a_gpu_run_needs_no_numba_no_scipy_and_no_rich(tmp_path):
    here = Path(__file__).parent
    code = f"{BARE}sys.path[:0] = [{str(here)!r}, {str(here.parent)!r}]\n{RUN}"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said, loaded, on_cpu, with_bar = json.loads(done.stdout)
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
