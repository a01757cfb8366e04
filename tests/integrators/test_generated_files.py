"""Generated files: named by their contents, written whole or not at all, and found again by another process."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from bare_processes import ou
from numba import types

from fpsde import numba_text as module
from fpsde.errors import BackendUnavailable
from fpsde.generated import cache_directory
from fpsde.integrators import simulate
from fpsde.integrators.loop import coarsening
from fpsde.noise import Normals
from fpsde.numba_text import compiled
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama

SOURCE = "# a generated file of a test: {}\nanswer = {}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FPSDE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def own_process(constant):
    """Return a process whose text no other test compiles."""
    return Process(drift=lambda x: -x * constant, sigma=lambda x: 1.0)


def run(process):
    return simulate(process, euler_maruyama, x0=0.0, t_end=0.2, dt=0.1, n_particles=10, seed=1)


def test_a_file_is_named_by_its_contents_and_written_once(folder):
    assert compiled("test", SOURCE.format(folder, 1)).answer == 1
    (path,) = folder.rglob("test_*.py")
    assert path.parent == cache_directory() and path.read_text() == SOURCE.format(folder, 1)
    assert compiled("test", SOURCE.format(folder, 2)).answer == 2
    assert len(list(folder.rglob("test_*.py"))) == 2 and not list(folder.rglob("*.tmp"))
    stamp = path.stat().st_mtime_ns
    compiled.cache_clear()
    assert compiled("test", SOURCE.format(folder, 1)).answer == 1 and path.stat().st_mtime_ns == stamp


def test_a_change_of_what_generated_files_import_gives_other_names(folder, monkeypatch):
    compiled("test", SOURCE.format(folder, 3))
    compiled.cache_clear()
    monkeypatch.setattr(module, "_runtime_stamp", lambda: "another version")
    compiled("test", SOURCE.format(folder, 3))
    compiled.cache_clear()
    assert len(list(folder.rglob("test_*.py"))) == 2


def test_a_file_in_place_of_the_cache_directory_is_reported(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FPSDE_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(
        BackendUnavailable,
        match=r"generated into .*file/kernels, which cannot be made .*set FPSDE_CACHE_DIR to a directory",
    ):
        run(own_process(1.0000000001))


def test_a_full_disk_is_reported_and_leaves_nothing_half_written(folder, monkeypatch):
    class Full:
        name = str(folder / "kernels" / "x.tmp")

        def __init__(self, *args, **kwargs):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return False

        def write(self, text):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", Full)
    with pytest.raises(
        BackendUnavailable,
        match=r"cannot be written to .*No space left on device.*free some space or set FPSDE_CACHE_DIR",
    ):
        run(own_process(1.0000000002))
    assert not list(folder.rglob("step_*.py"))


def test_a_disk_that_fills_up_while_compiling_is_reported(folder, monkeypatch):
    with pytest.raises(BackendUnavailable, match=r"cannot be written to .*No space left on device"):
        compiled("test", f"# {folder}\nraise OSError(28, 'No space left on device')\n")


def test_a_file_that_another_process_has_just_written_is_used(folder):
    """Two processes generate one kernel: the second finds the file of the first."""
    program = (
        "from fpsde.processes.process import Process\n"
        "from fpsde.schemes import euler_maruyama\n"
        "from fpsde.integrators import simulate\n"
        "p = Process(drift=lambda x: -x * 1.0000000003, sigma=lambda x: 1.0)\n"
        "print(repr(simulate(p, euler_maruyama, x0=0.0, t_end=0.2, dt=0.1, n_particles=3, seed=1).x.tolist()))\n"
    )
    here = run(own_process(1.0000000003))
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*.py")}
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert eval(there) == here.x[:, :3].tolist()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.py")} == files


def test_the_same_model_is_compiled_once_in_a_process(folder):
    run(ou())
    before = compiled.cache_info().misses
    for _ in range(3):
        run(ou())
    assert compiled.cache_info().misses == before


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the instruction sets that are compared are those of x86-64")
def test_instruction_sets_change_no_bit(tmp_path):
    """The kernels compiled for AVX2 and for the widest vectors of this machine, where that is AVX-512, say."""
    program = (
        "import hashlib, numpy as np\n"
        "from bare_processes import MODELS\n"
        "from whole_runs import BURSTING, RING, bits_of, watched\n"
        "from fpsde.integrators import simulate\n"
        "for dtype in (np.float64, np.float32):\n"
        "    for name, (scheme, process, x0, dt) in MODELS.items():\n"
        "        run = simulate(process, scheme, x0=x0, t_end=300 * dt, dt=dt, n_particles=1000, seed=3, dtype=dtype)\n"
        "        print(name, hashlib.sha256(run.x.tobytes()).hexdigest())\n"
        "    for process, t_end in ((RING, 2.0), (BURSTING, 4.0)):\n"
        "        said = bits_of(watched(process=process, t_end=t_end, dtype=dtype))\n"
        "        for name, value in said.items():\n"
        "            print(name, hashlib.sha256(repr(value).encode()).hexdigest())\n"
    )
    avx2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+sse4.2,+popcnt"}
    paths = {"PYTHONPATH": str(Path(__file__).parents[1]), "FPSDE_CACHE_DIR": str(tmp_path)}
    printed = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **paths, **more},
        ).stdout
        for more in ({}, avx2)
    ]
    assert printed[0] == printed[1] and len(printed[0].splitlines()) > 20


@pytest.mark.parametrize("normals", Normals)
def test_what_python_calls_with_a_generator_is_compiled_once_for_all_processes(normals):
    """A type of this one generator in Numba's index would be compiled again by each process that reads the index."""
    (signature,) = coarsening(normals).signatures
    assert isinstance(signature[0], types.FunctionType)
