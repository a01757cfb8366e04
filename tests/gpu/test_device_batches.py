"""Batches on a real GPU: members side by side have the bits of the CPU's, and one launch holds thousands."""

from __future__ import annotations

import numpy as np
import pytest
from gpu_runs import CASES, observers_of, times_of
from whole_runs import BURSTING, bits_of, everything

import fpsde
from fpsde.errors import InvalidInput
from fpsde.integrators import Backend, FirstPassage, Histogram, Moments, gpu_machine, simulate_batch
from fpsde.schemes import euler_maruyama

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("devices")]
BACKENDS = (Backend.CPU, Backend.GPU)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_batch_of_every_case_has_the_bits_of_the_cpu(dtype, name):
    scheme, process, start, _ = CASES[name]
    x0 = np.asarray(start, float)[:, None] + np.linspace(0, 0.3, 77)
    varied = {key: np.stack([value, 1.25 * np.asarray(value)]) for key, value in process.params.items()}
    given = dict(times=times_of(CASES[name]), n_particles=77, seed=21, observers=observers_of(name, every=True))
    given |= {"x0": x0, "params": varied} if varied else {"starts": [x0, x0 + 0.01]}
    cpu, gpu = (
        [bits_of(run) for run in simulate_batch(process, scheme, **given, first_particle=1536, dtype=dtype, backend=b)]
        for b in BACKENDS
    )
    assert gpu == cpu and cpu[0] != cpu[1]


@pytest.mark.parametrize("blocks", [2**13, 4, 2])
def test_no_cut_into_packs_changes_a_bit(blocks, monkeypatch):
    given = dict(x0=(0.2, 0.3), t_end=4.0, dt=0.25, n_particles=1031, seed=11, observers=everything(1536))
    given["params"] = {"force": [1.0, 1.5, 2.0], "s": [0.5, 0.7, 0.6]}
    cpu = [bits_of(run) for run in simulate_batch(BURSTING, euler_maruyama, **given)]
    monkeypatch.setattr(gpu_machine, "CHUNK_BLOCKS", blocks)
    gpu = simulate_batch(BURSTING, euler_maruyama, **given, backend=Backend.GPU)
    assert [bits_of(run) for run in gpu] == cpu and all(run["not_finite"] > 0 for run in cpu)


def test_thousands_of_members_have_the_bits_of_the_cpu():
    observers = [Moments(), Histogram(-2.0, 2.0, 64), FirstPassage(lambda x, p: x > p.temperature)]
    given = dict(x0=-1.0, t_end=1.0, dt=0.01, n_particles=256, seed=3, observers=observers)
    given["params"] = {"temperature": np.linspace(0.1, 1.0, 4096)}
    cpu, gpu = (simulate_batch(fpsde.double_well(), euler_maruyama, **given, backend=b) for b in BACKENDS)
    for m in range(0, 4096, 97):
        assert bits_of(gpu[m]) == bits_of(cpu[m])


def test_members_of_a_black_box_have_the_bits_of_the_cpu():
    """Sums and products are rounded alike by NumPy and CuPy. Members side by side, and in packs."""
    box = fpsde.BlackBox(
        drift=lambda x, t, p: p.k[0] * x - p.k[1] * x[::-1] * x * x + t, sigma=[0.6, 0.5], dim=2,
        params={"k": np.array([0.5, 1.0])},
    )  # fmt: skip
    given = dict(x0=(0.2, 0.3), t_end=1.0, dt=0.0625, n_particles=700, seed=5, dtype=np.float32)
    given |= {"params": {"k": np.stack([np.linspace(0.1, 1.0, 600), np.linspace(2.0, 0.5, 600)], axis=1)}}
    observers = [Moments([0.5, 1.0], centre=0.1), Histogram(-2.0, 2.0, 30)]
    cpu, gpu = (simulate_batch(box, euler_maruyama, **given, observers=observers, backend=b) for b in BACKENDS)
    for m in range(0, 600, 37):
        assert bits_of(gpu[m]) == bits_of(cpu[m])


def test_more_members_than_the_device_holds_are_refused_with_the_size(devices):
    if len(devices) > 1:
        pytest.skip("with several GPUs positions are gathered on the host")
    n = devices[0].memory() // (8 * 1000)
    with pytest.raises(InvalidInput, match=r"need .* GiB"):
        simulate_batch(
            fpsde.brownian(), euler_maruyama, params={"drift": np.linspace(0, 1, 1000)}, x0=0.0, t_end=1.0, dt=1.0,
            n_particles=n, seed=1, backend=Backend.GPU,
        )  # fmt: skip
