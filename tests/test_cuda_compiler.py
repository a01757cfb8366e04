"""NVIDIA's compiler takes the kernel of every scheme and wall, and keeps the state in registers."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import partial

import numpy as np
import pytest
from gpu_runs import CASES

from fpsde.arrays import FAST, STRICT, binary
from fpsde.fokker_planck.plane.jumps_on_gpu import product_program
from fpsde.fokker_planck.rates_on_gpu import rates_program
from fpsde.fokker_planck.sweeps import cuda_program as cuda_program_of_lines
from fpsde.fokker_planck.sweeps_in_pieces import program_in_pieces
from fpsde.integrators.cuda_text import cuda_program
from fpsde.integrators.gpu_array_machine import look_program, normals_program
from fpsde.noise import Normals
from fpsde.processes.black_box import BlackBox
from fpsde.processes.process import Process
from fpsde.schemes import mala
from fpsde.schemes.array_step import ArrayStep
from fpsde.schemes.tracing import traced_step

pytestmark = pytest.mark.slow
needs_nvcc = pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is needed to compile CUDA text for a device")
DRIVEN = Process(
    drift=lambda x, t: (x[1], np.sin(4 * t) * np.tanh(x[0]) - np.where(x[1] > t, x[1], x[0])),
    sigma=lambda x, t: (0.0, 0.8 + 0.2 * np.cos(t + x[0])), dim=2,
)  # fmt: skip
OF_FOKKER_PLANCK = (
    cuda_program_of_lines, program_in_pieces, product_program, partial(rates_program, DRIVEN, 0),
    partial(rates_program, DRIVEN, 1),
)  # fmt: skip
ARCHITECTURES = ("sm_75", "sm_80", "sm_90")


def compiled(text, folder, architecture, *options):
    """Return what nvcc and ptxas say of a text; CalledProcessError where it is wrong."""
    source = folder / "kernel.cu"
    source.write_text(text)
    command = ["nvcc", *STRICT, f"-arch={architecture}", "-cubin", "-Xptxas", "-v", "-diag-suppress", "177", *options]
    done = subprocess.run(
        [*command, "-o", str(folder / "kernel.cubin"), str(source)], check=True, capture_output=True, text=True
    )
    return done.stderr


def in_local_memory(said):
    """Return the bytes of the stack frame, of spill stores and of spill loads."""
    return [int(v) for v in re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+)", said).groups()]


@needs_nvcc
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", CASES)
def test_every_kernel_compiles_without_spills(name, architecture, tmp_path, record_property):
    scheme, process, *_ = CASES[name]
    step = traced_step(scheme, process)
    for dtype in ("float64", "float32"):
        said = compiled(cuda_program(step, dtype=dtype, normals=Normals.FLOAT32), tmp_path, architecture)
        record_property(f"registers {dtype}", int(re.search(r"Used (\d+) registers", said)[1]))
        assert in_local_memory(said) == [0, 0, 0], said


@needs_nvcc
@pytest.mark.parametrize("program", [look_program, normals_program])
def test_the_kernels_beside_array_code_compile_without_spills(program, tmp_path):
    step = ArrayStep(
        mala, BlackBox(drift=lambda x, t: -x, sigma=1.0, dim=2, energy=_energy, params={"temperature": 0.5})
    )
    for architecture, dtype in zip(ARCHITECTURES, ("float64", "float32", "float64"), strict=True):
        said = compiled(program(step, dtype=dtype, normals=Normals.FLOAT32), tmp_path, architecture)
        assert in_local_memory(said) == [0, 0, 0], said


@pytest.mark.parametrize("program", OF_FOKKER_PLANCK)
def test_the_kernels_of_fokker_planck_equations_compile_without_spills(program, tmp_path):
    for architecture in ARCHITECTURES:
        said = compiled(program(), tmp_path, architecture)
        frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+)", said)
        assert len(frames) == program().count("__global__") and {int(v) for frame in frames for v in frame} == {0}, said


def _energy(x, t):
    return 0.5 * np.sum(x * x, axis=0)


@needs_nvcc
def test_an_index_at_run_time_would_be_seen(tmp_path):
    scheme, process, *_ = CASES["lf middle"]
    text = cuda_program(traced_step(scheme, process), dtype="float64", normals=Normals.FLOAT32)
    selected = "for (int i = 1; i < ROWS; ++i) v = row == i ? w[i] : v;"
    assert selected in text
    said = compiled(text.replace(selected, "v = w[row];"), tmp_path, "sm_90")
    assert max(in_local_memory(said)) > 0


@pytest.fixture
def nvrtc():
    """The compiler that runs take, which needs CuPy and CUDA's library and no device."""
    found = pytest.importorskip("cupy", reason="CuPy is needed to call NVRTC").cuda.nvrtc
    try:
        found.getVersion()
    except Exception as error:  # in CuPy's own ways
        pytest.skip(f"CuPy does not find NVRTC: {error}")
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_the_compiler_of_runs_takes_every_kernel(name, dtype, nvrtc):
    scheme, process, *_ = CASES[name]
    text = cuda_program(traced_step(scheme, process), dtype=dtype, normals=Normals.FLOAT32)
    assert binary(nvrtc, text, STRICT, 90).startswith(b"\x7fELF")
    rounded = binary(nvrtc, text, STRICT, 9999).decode()  # PTX, which can be read: for a device newer than any
    assert ".ftz." not in rounded and "mul.rn.f32" in rounded
    fused = re.findall(r"fma\.rn\.f\d\d", rounded)
    assert fused and len(fused) < len(re.findall(r"fma\.rn\.f\d\d", binary(nvrtc, text, FAST, 9999).decode()))


@pytest.mark.parametrize("program", OF_FOKKER_PLANCK)
def test_the_compiler_of_runs_takes_the_kernels_of_fokker_planck_equations(program, nvrtc):
    assert binary(nvrtc, program(), STRICT, 90).startswith(b"\x7fELF")
    rounded = binary(nvrtc, program(), STRICT, 9999).decode()
    assert ".ftz." not in rounded and "fma.rn" not in rounded
    assert "fma.rn" in binary(nvrtc, program(), FAST, 9999).decode()


@pytest.mark.parametrize("program", [look_program, normals_program])
def test_the_compiler_of_runs_takes_the_kernels_beside_array_code(program, nvrtc):
    step = ArrayStep(
        mala, BlackBox(drift=lambda x, t: -x, sigma=1.0, dim=2, energy=_energy, params={"temperature": 0.5})
    )
    for dtype in ("float64", "float32"):
        text = program(step, dtype=dtype, normals=Normals.FLOAT32)
        assert binary(nvrtc, text, STRICT, 90).startswith(b"\x7fELF")
