"""Runs on a real GPU, against the CPU's kernels: strict runs have their bits."""

from __future__ import annotations

import time

import numpy as np
import pytest
from gpu_runs import CASES, run_of, run_of_subnormals, said
from whole_runs import BURSTING, bits_of, watched

import fpsde
from fpsde import arrays
from fpsde.arrays import CudaDevice
from fpsde.cli import main
from fpsde.corners import Corners
from fpsde.errors import BackendUnavailable, InvalidInput
from fpsde.integrators import Backend, gpu_machine, simulate, steps
from fpsde.integrators.machine import Stopped
from fpsde.integrators.shards import shard
from fpsde.noise import Normals
from fpsde.schemes import euler_maruyama, milstein

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("devices")]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_case_with_every_observer_has_the_bits_of_the_cpu(dtype, name):
    cpu, gpu = (run_of(name, backend, dtype=dtype, every=True) for backend in (Backend.CPU, Backend.GPU))
    assert bits_of(gpu) == bits_of(cpu)
    assert np.unique(cpu.x).size > 10 and cpu.not_finite == 0


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_explosions_and_their_steps_are_those_of_the_cpu(dtype):
    cpu, gpu = (watched(process=BURSTING, dtype=dtype, backend=backend) for backend in (Backend.CPU, Backend.GPU))
    assert cpu.not_finite > 0
    assert said(gpu) == said(cpu)


@pytest.mark.parametrize(
    "changes",
    [
        {"normals": Normals.FLOAT64},
        {"refinement": 3},
        {"refinement": 3, "dtype": "float32"},
        {"n_particles": 10**6, "t_end": 8.0},
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_other_noise_and_more_particles_have_the_bits_of_the_cpu(changes):
    cpu, gpu = (watched(scheme=milstein, backend=backend, **changes) for backend in (Backend.CPU, Backend.GPU))
    assert bits_of(gpu) == bits_of(cpu)


def test_subnormal_numbers_are_those_of_the_cpu():
    """CuPy's own way from text to kernel takes them for zero; starts and noise are below the least normal one."""
    cpu, gpu = (run_of_subnormals(backend) for backend in (Backend.CPU, Backend.GPU))
    assert bits_of(gpu) == bits_of(cpu)
    assert 0 < np.abs(cpu.x).max() < np.finfo(np.float32).tiny and np.unique(cpu.x).size > 100


def test_kernels_are_compiled_once_and_kept_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("FPSDE_CACHE_DIR", str(tmp_path))
    arrays._kernel.cache_clear()  # as in a new process
    first = bits_of(watched(backend=Backend.GPU))
    kept = list(tmp_path.rglob("*.cubin"))
    assert kept
    arrays._kernel.cache_clear()
    monkeypatch.setattr(arrays, "binary", None)  # it would not compile again
    assert bits_of(watched(backend=Backend.GPU)) == first
    kept[0].write_bytes(b"no kernel")
    arrays._kernel.cache_clear()
    with pytest.raises(BackendUnavailable):
        watched(backend=Backend.GPU)
    arrays._kernel.cache_clear()


def test_starts_may_lie_on_the_device(seed):
    cupy = pytest.importorskip("cupy")
    x = np.random.default_rng(seed).normal(size=(2, 700))
    given = dict(n_particles=700, observers=(), backend=Backend.GPU)
    right = bits_of(watched(x0=x, **given))
    starts = [cupy.asarray(x), tuple(cupy.asarray(x))]
    try:
        import torch
    except ImportError:
        pass
    else:
        starts += [torch.as_tensor(x, device="cuda")] if torch.cuda.is_available() else []
    for start in starts:
        assert bits_of(watched(x0=start, **given)) == right


def test_a_step_of_many_finer_ones_has_the_bits_of_the_cpu():
    cpu, gpu = (watched(refinement=1000, observers=(), backend=b) for b in (Backend.CPU, Backend.GPU))
    assert bits_of(gpu) == bits_of(cpu)


def test_ctrl_c_is_heard_between_two_launches(monkeypatch):
    monkeypatch.setattr(gpu_machine, "LONGEST_LAUNCH", 0.0)  # a step to a launch
    plan = watched(observers=(), backend=Backend.GPU).shards.plan
    answers = iter([False, False, True])
    with pytest.raises(Stopped):
        shard(plan, lambda first, count: np.zeros((2, 1)), first=0, count=512, stop=lambda: next(answers))


def test_the_command_line_judges_the_gpu():
    judge = ["verify", "ornstein_uhlenbeck", "--backend", "gpu", "--particles", "1e6", "--dt", "0.1"]
    assert main(judge) == 0
    assert main([*judge, "--plant", "sqrt(dt)->dt"]) == 1


def test_a_black_box_of_sums_and_products_has_the_bits_of_the_cpu():
    """Sums and products are rounded alike by NumPy and CuPy; functions such as the sine need not be."""
    box = fpsde.BlackBox(drift=lambda x, t: x - x[::-1] * x * x + t, sigma=[0.6, 0.5], dim=2)
    observers = [
        fpsde.Moments(centre=0.1),
        fpsde.Histogram(-2.0, 2.0, 30),
        fpsde.FirstPassage(lambda x: x[1] > 0.4),
        fpsde.Snapshots([1.0]),
        fpsde.Paths([3, 700]),
    ]
    cpu, gpu = (watched(process=box, observers=observers, backend=backend) for backend in (Backend.CPU, Backend.GPU))
    assert bits_of(gpu) == bits_of(cpu)


def test_no_cut_into_launches_and_chunks_changes_a_bit(monkeypatch):
    whole = bits_of(watched(backend=Backend.GPU))
    monkeypatch.setattr(gpu_machine, "CHUNK_BLOCKS", 2)
    monkeypatch.setattr(gpu_machine, "FIRST_LAUNCH", 3)
    monkeypatch.setattr(gpu_machine, "LONGEST_LAUNCH", 0.0)
    assert bits_of(watched(backend=Backend.GPU)) == whole


def test_several_devices_give_the_bits_of_one(devices, monkeypatch):
    if len(devices) < 2:
        pytest.skip("one GPU is here; two are needed")
    all_of_them = bits_of(watched(backend=Backend.GPU, shard_size=512))
    monkeypatch.setattr(steps, "gpus", lambda: devices[:1])
    assert bits_of(watched(backend=Backend.GPU)) == all_of_them


def test_a_checkpoint_of_a_gpu_run_goes_on_to_the_same_bits(tmp_path):
    whole = bits_of(watched(backend=Backend.GPU))
    cut = dict(backend=Backend.GPU, checkpoint=tmp_path, shard_size=512)
    watched(**cut)
    for path in sorted(tmp_path.glob("shard-*"))[:4]:
        path.unlink()
    assert bits_of(watched(**cut)) == whole


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-2)])
def test_fused_products_stay_close_to_separate_ones(dtype, tolerance):
    given = dict(x0=0.3, t_end=3.0, dt=0.01, n_particles=2048, seed=3, dtype=dtype)
    runs = (
        simulate(fpsde.double_well(), euler_maruyama, backend=b, **given).x for b in (Backend.GPU, Backend.GPU_FAST)
    )
    exact, fused = runs
    assert not np.array_equal(exact, fused)
    np.testing.assert_allclose(fused, exact, rtol=0, atol=tolerance)


def test_positions_stay_on_the_device_until_they_are_asked_for(devices):
    if len(devices) > 1:
        pytest.skip("with several GPUs positions are gathered on the host")
    run = watched(backend=Backend.GPU, observers=())
    assert type(run.held).__module__.startswith("cupy")
    np.testing.assert_array_equal(run.x, run.held.get())


def test_no_launch_of_a_long_run_takes_longer_than_a_display_driver_allows(monkeypatch):
    launch, took = CudaDevice.launch, []

    def timed(self, *given, **more):
        begin = time.perf_counter()
        launch(self, *given, **more)
        took.append(time.perf_counter() - begin)

    monkeypatch.setattr(CudaDevice, "launch", timed)
    simulate(
        fpsde.double_well(), euler_maruyama, x0=0.3, t_end=200.0, dt=0.001, n_particles=2**22, seed=3, dtype="float32",
        backend=Backend.GPU, keep_positions=False,
    )  # fmt: skip
    assert len(took) > 100 and max(took[1:]) < 1.0  # the first one compiles


def test_more_particles_than_the_device_holds_are_refused_with_the_size(devices):
    if len(devices) > 1:
        pytest.skip("with several GPUs positions are gathered on the host")
    n = devices[0].memory() // 8
    with pytest.raises(InvalidInput, match=f"{n} particles need .* GiB"):
        simulate(
            fpsde.brownian(), euler_maruyama, x0=0.0, t_end=1.0, dt=1.0, n_particles=n, seed=1, backend=Backend.GPU
        )


def test_the_chain_of_laws_holds_on_a_gpu(seed):
    corners = Corners(particles=lambda *given, **run: simulate(*given, backend=Backend.GPU, **run))
    assert fpsde.verify(fpsde.double_well(), euler_maruyama, seed=seed, alpha=1e-8, corners=corners).holds
