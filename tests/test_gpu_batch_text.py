"""Batches on an emulated GPU: members side by side in one launch have the bits of the CPU's, observers and all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from emulated_gpu import NEEDS_COMPILER, EmulatedGpu, compiler_is_missing, losing
from gpu_runs import CASES, looks, observers_of, times_of
from whole_runs import BURSTING, bits, bits_of, everything

import fpsde
from fpsde.errors import BackendUnavailable, InvalidInput
from fpsde.integrators import Backend, gpu_machine, packs, simulate_batch, steps
from fpsde.schemes import euler_maruyama

pytestmark = pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)


@pytest.fixture
def on_gpu(tmp_path, monkeypatch):
    """Return a function that makes runs take other devices than the emulated one."""

    def taken(*devices):
        monkeypatch.setattr(steps, "gpus", lambda: devices)

    taken(EmulatedGpu(tmp_path))
    EmulatedGpu.launches.clear()
    return taken


WELL = dict(x0=-0.2, t_end=1.0, dt=0.1, n_particles=300, seed=5, params={"temperature": [0.1, 0.3, 0.2, 0.7]})
TIMES = 0.1 * np.arange(11)


def well(**changes):
    """Return a short batch of the double well that everything looks at, with changes."""
    return simulate_batch(fpsde.double_well(), euler_maruyama, **WELL | {"observers": looks(TIMES, 1)[:5]} | changes)


def test_members_side_by_side_have_the_bits_of_the_cpu(on_gpu):
    cpu, gpu = well(), well(backend=Backend.GPU)
    assert [bits_of(run) for run in gpu] == [bits_of(run) for run in cpu]
    assert len({run.x.tobytes() for run in gpu}) == 4
    assert {blocks for _, blocks in EmulatedGpu.launches} == {16}  # of 128 threads: all members in one launch


def test_what_members_of_a_pack_count_and_keep_beside_the_batch_is_in_the_size(on_gpu, tmp_path, monkeypatch):
    """All go together, so that their positions lie there twice, and the histograms of four members, not of one."""
    refuse, said = gpu_machine.OnGpu.refuse_too_many, []

    def noted(machine, n, plan, *, in_parts):
        said.append((n, plan.members, in_parts))
        counts = 16 * plan.looks.count_bytes  # of a member, in sixteen copies
        small = replace(machine, devices=(EmulatedGpu(tmp_path, bytes_free=3 * counts),))
        refuse(small, 0, plan.of(0, 1), in_parts=0)
        with pytest.raises(InvalidInput, match="for histograms"):
            refuse(small, 0, plan.of(0, 4), in_parts=0)

    monkeypatch.setattr(gpu_machine.OnGpu, "refuse_too_many", noted)
    well(backend=Backend.GPU, observers=[fpsde.Histogram(-2.0, 2.0, 2**14)], t_end=0.1)
    assert said == [(1200, 4, 1200)]


def test_a_batch_goes_on_from_its_checkpoint_after_the_device_was_lost(on_gpu, tmp_path, monkeypatch):
    """Each member by itself: two are kept, and only the others are computed again."""
    monkeypatch.setattr(packs, "COUNT_ROOM", 1)
    whole, given = [bits_of(run) for run in well()], dict(backend=Backend.GPU, checkpoint=tmp_path / "kept")
    with monkeypatch.context() as patched, pytest.raises(BackendUnavailable, match="nothing is left") as raised:
        losing(patched, 4)  # three launches for the first member, then one for each
        well(**given)
    assert raised.value.finished is None  # the snapshots lay there; but they are in the checkpoint
    computed, real = [], packs.shard

    def counted(*given, first, **more):
        computed.append(first)
        return real(*given, first=first, **more)

    monkeypatch.setattr(packs, "shard", counted)
    assert [bits_of(run) for run in well(**given)] == whole
    assert computed == [2 * 512, 3 * 512]
    with pytest.raises(InvalidInput, match="differs in parameters"):
        well(**given, params={"temperature": [0.1, 0.3, 0.2, 0.70001]})


@pytest.mark.parametrize("arrays_too", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["lost", "refused"])
def test_an_error_in_a_batch_carries_the_members_that_can_still_be_read(arrays_too, on_gpu, monkeypatch):
    monkeypatch.setattr(packs, "COUNT_ROOM", 1)
    given = dict(observers=[fpsde.Moments(), fpsde.Histogram(-2.0, 2.0, 8)])
    right = well(**given)
    with monkeypatch.context() as patched, pytest.raises(BackendUnavailable, match="2 of 4 members are f") as raised:
        losing(patched, 4, arrays_too=arrays_too)
        well(backend=Backend.GPU, **given)
    part = raised.value.finished
    assert part.finished == (0, 1) and part.interrupted
    for m in part.finished:
        assert bits(part[m].results) == bits(right[m].results)
        assert (part[m].x is None) == arrays_too
    with pytest.raises(InvalidInput, match="member 2 was not finished"):
        part[2]


@pytest.mark.parametrize(
    "scheme", [fpsde.mala, pytest.param(euler_maruyama, marks=pytest.mark.slow)], ids=lambda one: one.name
)
def test_members_of_a_black_box_have_the_bits_of_the_cpu_side_by_side(scheme, on_gpu):
    """Its parameters lie on the device, one for each particle; every observer, and a scheme that reads one of them."""
    box = fpsde.BlackBox(
        drift=lambda x, t, p: np.stack([-p.k[0] * x[0], p.k[1] * np.sin(x[0]) - x[1] + 0.1 * t]), sigma=[0.6, 0.5],
        dim=2, energy=lambda x, t: 0.5 * np.sum(x * x, axis=0),
        params={"k": np.array([0.5, 1.0]), "temperature": 0.2},
    )  # fmt: skip
    given = dict(
        x0=(0.2, 0.3), t_end=1.0, dt=0.1, n_particles=300, seed=5, observers=looks(TIMES, 2)[:5],
        params={"k": [[0.5, 1.0], [0.4, 0.9], [1.5, 0.2]], "temperature": [0.2, 0.3, 0.1]},
    )  # fmt: skip
    cpu, gpu = (simulate_batch(box, scheme, **given, backend=backend) for backend in (Backend.CPU, Backend.GPU))
    assert [bits_of(run) for run in gpu] == [bits_of(run) for run in cpu]
    assert len({run.x.tobytes() for run in gpu}) == 3
    assert {blocks for _, blocks in EmulatedGpu.launches} == {12}  # of 128 threads: all members in one launch


WRONG = {
    "parameters of the first member": ("parameters[member * PARAMETERS + q]", "parameters[q]"),
    "counts of the first member": ("counts + (member * count_copies", "counts + (0 * count_copies"),
    "padding between members": ("i % share < count", "i < count"),
}


@pytest.mark.parametrize(
    "name", [name if k == 0 else pytest.param(name, marks=pytest.mark.slow) for k, name in enumerate(WRONG)]
)
def test_members_that_are_mixed_up_in_the_text_are_seen(name, on_gpu, monkeypatch):
    right, (before, after) = steps.cuda_program, WRONG[name]

    def wrong(*given, **more):
        text = right(*given, **more)
        assert before in text
        return text.replace(before, after)

    monkeypatch.setattr(steps, "cuda_program", wrong)
    assert [bits_of(run) for run in well(backend=Backend.GPU)] != [bits_of(run) for run in well()]


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"dtype": "float32", "refinement": 3}], ids=["as it is", "single precision"])
def test_no_cut_of_a_batch_into_launches_packs_and_devices_changes_a_bit(changes, on_gpu, tmp_path, monkeypatch):
    """Every observer, explosions, members of more than a block, and one that goes through by itself in parts."""
    given = dict(x0=(0.2, 0.3), t_end=4.0, dt=0.25, n_particles=1031, seed=11, observers=everything(1536), **changes)
    given["params"] = {"force": [1.0, 1.5, 2.0], "s": [0.5, 0.7, 0.6]}
    cpu = [bits_of(run) for run in simulate_batch(BURSTING, euler_maruyama, **given)]
    assert all(run["not_finite"] > 0 for run in cpu)
    monkeypatch.setattr(gpu_machine, "FIRST_LAUNCH", 3)
    for blocks, devices in ((2**13, 1), (2**13, 2), (4, 1), (2, 2)):
        monkeypatch.setattr(gpu_machine, "CHUNK_BLOCKS", blocks)
        on_gpu(*(EmulatedGpu(tmp_path, name=str(k)) for k in range(devices)))
        gpu = simulate_batch(BURSTING, euler_maruyama, **given, backend=Backend.GPU)
        assert [bits_of(run) for run in gpu] == cpu, (blocks, devices)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_batch_of_every_scheme_and_wall_has_the_bits_of_the_cpu(name, on_gpu):
    """Two members; where the process has no parameters they differ in where they start."""
    scheme, process, start, _ = CASES[name]
    x0 = np.asarray(start, float)[:, None] + np.linspace(0, 0.3, 77)
    varied = {key: np.stack([value, 1.25 * np.asarray(value)]) for key, value in process.params.items()}
    given = dict(times=times_of(CASES[name]), n_particles=77, seed=21, observers=observers_of(name))
    given |= {"x0": x0, "params": varied} if varied else {"starts": [x0, x0 + 0.01]}
    cpu, gpu = (
        [bits_of(run) for run in simulate_batch(process, scheme, **given, first_particle=1536, backend=backend)]
        for backend in (Backend.CPU, Backend.GPU)
    )
    assert gpu == cpu and cpu[0] != cpu[1]


def test_more_members_than_the_device_holds_are_refused_with_the_size(on_gpu, tmp_path):
    on_gpu(EmulatedGpu(tmp_path, bytes_free=2**20))
    with pytest.raises(InvalidInput, match="free on emulated; pass keep_positions=False"):
        well(params={"temperature": np.linspace(0.1, 1.0, 1000)}, backend=Backend.GPU)
