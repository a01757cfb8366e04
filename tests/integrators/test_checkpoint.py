"""Checkpoints: what is finished is kept, what is damaged or of another run is refused, the bits are those of one go.

Interrupted by an error in a shard, by Ctrl-C, by a full disk, and by ``kill -9``.
"""

from __future__ import annotations

import errno
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from whole_runs import BURSTING, bits_of, everything, ring, watched

from fpsde.density import Mixture, Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import BackendUnavailable, InvalidInput
from fpsde.integrators import Functional, Moments, checkpoint, execution, simulate, simulation
from fpsde.processes import BlackBox, brownian, ddpm_chain
from fpsde.schemes import euler_maruyama, tamed_euler

N = 6 * 512 + 77
WHOLE = bits_of(watched())


def kept(folder):
    """Return the ids at which the finished shards begin."""
    return sorted(int(path.stem.removeprefix("shard-")) for path in folder.glob("shard-*.json"))


def stopping(monkeypatch, after, error):
    """Let the computation of a shard fail after some."""
    calls, real = [], simulation.shard

    def failing(*args, **more):
        calls.append(1)
        if len(calls) > after:
            raise error
        return real(*args, **more)

    monkeypatch.setattr(simulation, "shard", failing)


def counted(monkeypatch):
    """Return a list that grows by the first id of each shard that is computed."""
    computed, real = [], simulation.shard

    def counting(*args, first, count, **more):
        computed.append(first)
        return real(*args, first=first, count=count, **more)

    monkeypatch.setattr(simulation, "shard", counting)
    return computed


# --- gone on with


@pytest.mark.parametrize("after", [0, 1, 4, 6])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_that_failed_goes_on_with_the_same_bits(tmp_path, monkeypatch, threads, after):
    with monkeypatch.context() as patch:
        stopping(patch, after, ZeroDivisionError("in a shard"))
        with pytest.raises(ZeroDivisionError):
            watched(checkpoint=tmp_path, shard_size=512, threads=threads)
    done = kept(tmp_path)
    assert len(done) == after or (threads == 2 and len(done) < after)  # the other thread may have been stopped
    computed = counted(monkeypatch)
    assert bits_of(watched(checkpoint=tmp_path, threads=3 - threads)) == WHOLE
    assert sorted(computed + done) == list(range(0, N, 512))
    assert bits_of(watched(checkpoint=tmp_path)) == WHOLE and len(computed) + len(done) == 7  # not again


def test_explosions_are_in_the_checkpoint(tmp_path):
    arguments = dict(process=BURSTING, t_end=4.0)
    whole = bits_of(watched(**arguments))
    assert whole["not_finite"] > 0
    watched(checkpoint=tmp_path, shard_size=1024, **arguments)
    (tmp_path / "shard-000000000001024.json").unlink()
    assert bits_of(watched(checkpoint=tmp_path, **arguments)) == whole


def test_ctrl_c_keeps_what_is_finished(tmp_path, monkeypatch):
    collect, calls = execution.collected, []

    def interrupted(waiting, show):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return collect(waiting, show)

    with monkeypatch.context() as patch:
        patch.setattr(execution, "collected", interrupted)
        patch.setattr(execution, "AHEAD", 1)
        part = watched(checkpoint=tmp_path, shard_size=512, threads=1)
    kept_then = kept(tmp_path)
    assert part.interrupted and part.n_particles == sum(min(512, N - first) for first in kept_then) > 0
    assert checkpoint.particles_in(tmp_path) == part.n_particles
    paths, whole = part.results[-2], watched(checkpoint=tmp_path)
    finished = [k for k, one in enumerate((700, 3, 1029)) if one // 512 * 512 in kept_then]
    np.testing.assert_array_equal(paths.x, whole.results[-2].x[finished])
    assert not whole.interrupted and bits_of(whole) == WHOLE


def test_a_run_from_a_later_particle_has_its_own_checkpoint(tmp_path):
    arguments = dict(first_particle=2**40, n_particles=1100, observers=everything(2**40))
    whole = bits_of(watched(**arguments))
    assert bits_of(watched(checkpoint=tmp_path, shard_size=512, **arguments)) == whole
    assert kept(tmp_path) == [2**40, 2**40 + 512, 2**40 + 1024]
    assert bits_of(watched(checkpoint=tmp_path, **arguments)) == whole


@pytest.mark.parametrize(
    "changes",
    [
        dict(observers=[]),
        dict(keep_positions=False, observers=[]),
        pytest.param(dict(dtype="float32"), marks=pytest.mark.slow),
    ],
)
def test_a_run_without_much_to_keep_is_kept(tmp_path, changes):
    whole = bits_of(watched(**changes))
    for _ in range(2):
        assert bits_of(watched(checkpoint=str(tmp_path), shard_size=1024, **changes)) == whole


def test_two_runs_at_once_in_one_folder_do_no_harm(tmp_path):
    arguments = dict(checkpoint=tmp_path, shard_size=512, threads=1, t_end=200.0, observers=[Moments(), Moments([1.0])])
    with ThreadPoolExecutor(2) as both:
        runs = [both.submit(watched, **arguments) for _ in range(2)]
        said = [bits_of(run.result()) for run in runs]
    assert said[0] == said[1] == bits_of(watched(**arguments | {"checkpoint": None}))
    assert kept(tmp_path) == list(range(0, N, 512)) and not list(tmp_path.glob("*.tmp"))


LONG = """
import sys
sys.path.insert(0, {tests!r})
from whole_runs import watched
print("ready", flush=True)
watched(checkpoint={folder!r}, shard_size=512, t_end=1500.0, observers=[], threads=1, n_particles=120 * 512)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_bits(tmp_path, monkeypatch):
    arguments = dict(t_end=1500.0, observers=[], n_particles=120 * 512)
    whole = bits_of(watched(**arguments))
    program = LONG.format(tests=str(Path(__file__).parents[1]), folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while len(kept(tmp_path)) < 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    done = kept(tmp_path)
    assert 3 <= len(done) < 120
    computed = counted(monkeypatch)
    assert bits_of(watched(checkpoint=tmp_path, **arguments)) == whole
    assert len(computed) == 120 - len(done)


# --- damaged


@pytest.fixture
def folder(tmp_path):
    watched(checkpoint=tmp_path, shard_size=1024)
    return tmp_path


@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_flipped_byte_is_found(folder, place):
    path = folder / "shard-000000000001024.npz"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=rf"{path} is damaged: its checksum is not .*; delete it and its \.json"):
        watched(checkpoint=folder)
    path.unlink()
    path.with_suffix(".json").unlink()
    assert bits_of(watched(checkpoint=folder)) == WHOLE  # what the message says to do does it


@pytest.mark.parametrize("text", ["", '{"first": 1024, "cou', "[]", "3", "\xff"])
def test_a_shard_whose_json_is_cut_is_damaged(folder, text):
    (folder / "shard-000000000001024.json").write_text(text, encoding="latin-1")
    with pytest.raises(InvalidInput, match=r"shard-000000000001024\.npz is damaged"):
        watched(checkpoint=folder)


def test_arrays_that_are_gone_are_missed(folder):
    (folder / "shard-000000000001024.npz").unlink()
    with pytest.raises(InvalidInput, match=r"shard-000000000001024\.npz is damaged: .*No such file"):
        watched(checkpoint=folder)


def test_a_shard_under_the_name_of_another_is_found(folder):
    for suffix in (".npz", ".json"):
        there, here = (folder / f"shard-{first:015d}{suffix}" for first in (0, 1024))
        here.write_bytes(there.read_bytes())
    with pytest.raises(InvalidInput, match="holds other particles than the 1024 from 1024 on"):
        watched(checkpoint=folder)


def test_half_a_shard_is_computed_again(folder):
    """Killed between the arrays and the JSON that says they are whole, and while a file was being written."""
    (folder / "shard-000000000001024.json").unlink()
    (folder / "shard-000000000001024.npz").write_bytes(b"half")
    (folder / "shard-000000000001024.npzabc.tmp").write_bytes(b"half")
    assert bits_of(watched(checkpoint=folder)) == WHOLE


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"fingerprint": 3}', "null"])
def test_a_foreign_run_json_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InvalidInput, match=r"run\.json is no run\.json of fpsde .*; name another folder"):
        watched(checkpoint=tmp_path)
    assert (tmp_path / "run.json").read_text() == text


@pytest.mark.parametrize("size", [None, "many", 0.5, 0, [1024]])
def test_a_run_json_without_the_size_of_a_shard_is_refused(folder, size):
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shard_size": size}))
    with pytest.raises(InvalidInput, match=r"is no run\.json of fpsde"):
        watched(checkpoint=folder)


def test_nothing_is_pickled(folder):
    for path in folder.glob("*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            assert all(arrays[name].dtype.kind in "fi" for name in arrays.files) and arrays.files
    assert "pickle" not in inspect.getsource(checkpoint).replace("allow_pickle=False", "").replace(
        "nothing pickled", ""
    )


# --- another run

OTHER = {
    "seed": (dict(seed=12), r"differs in seed \(11 there, 12 here\); give the same arguments"),
    "parameter": (dict(process=ring(-0.3)), r"differs in parameters; "),
    "observers": (dict(observers=[Moments(centre=1.0)]), r"differs in observers; "),
    "times of observers": (dict(observers=[Moments([1.0])]), r"differs in observers; "),
    "tracked": (dict(observers=[Moments(), Functional(lambda x: x[0])]), r"differs in observers, kernel, what is kept"),
    "x0": (dict(x0=(0.2, 0.30001)), r"differs in x0; "),
    "law": (dict(x0=[Normal(0.2, 0.001), 0.3]), r"differs in x0; "),
    "dt": (
        dict(dt=0.125),
        r"differs in n_steps \(8 there, 16 here\), dt \(0\.25 there, 0\.125 here\), times, observers",
    ),
    "t_end": (dict(t_end=4.0), r"differs in n_steps \(8 there, 16 here\), times, observers"),
    "scheme": (
        dict(scheme=tamed_euler),
        r"differs in scheme \('euler_maruyama' there, 'tamed_euler' here\)",
    ),
    "n_particles": (dict(n_particles=N + 1), r"differs in n_particles \(3149 there, 3150 here\); "),
    "first_particle": (dict(first_particle=512), r"differs in first_particle \(0 there, 512 here\)"),
    "dtype": (dict(dtype=np.float32), r"differs in dtype \('float64' there, 'float32' here\), kernel"),
    "refinement": (dict(refinement=2), r"differs in refinement \(1 there, 2 here\)"),
    "positions": (dict(keep_positions=False), r"differs in what is kept; "),
    "shard_size": (dict(shard_size=512), r"shard_size=512, but the checkpoint has shards of 1024; leave it out"),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    watched(checkpoint=folder, shard_size=1024, observers=[Moments()])
    return folder


@pytest.mark.parametrize("name", OTHER)
def test_the_checkpoint_of_another_run_is_refused_by_what_differs(name, plain):
    changes, message = OTHER[name]
    before = {path: path.read_bytes() for path in plain.iterdir()}
    with pytest.raises(InvalidInput, match=message):
        watched(checkpoint=plain, **{"observers": [Moments()]} | changes)
    assert {path: path.read_bytes() for path in plain.iterdir()} == before


def choosy(pull):
    """Return a black box that refuses most parameters: those of no run too, with which its functions are told apart."""

    def drift(x, t, p):
        if np.any(p.share > 0.1):
            raise ValueError("a share above 0.1")
        return pull(x) + p.share

    return BlackBox(drift=drift, sigma=1.0, dim=1, params={"share": 0.05})


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("tables", ddpm_chain([0.1, 0.2, 0.1]), ddpm_chain([0.1, 0.2, 0.1 + 1e-9])),
        (
            "walls",
            brownian(domain=Interval.between(0.0, 1.0, Wall.REFLECTING)),
            brownian(domain=Interval.between(0.0, 1.0 + 1e-9, Wall.REFLECTING)),
        ),
        ("kernel", *(BlackBox(drift=lambda x, t, k=k: -k * x, sigma=1.0, dim=1) for k in (0.5, 0.501))),
        ("kernel", *(choosy(lambda x, k=k: -k * x) for k in (0.5, 0.501))),
    ],
)
def test_what_no_parameter_tells_is_told_apart(name, one, other, tmp_path):
    arguments = dict(x0=0.3, t_end=3.0, dt=1.0, n_particles=9, seed=5, checkpoint=tmp_path)
    simulate(one, euler_maruyama, **arguments)
    simulate(one, euler_maruyama, **arguments)
    with pytest.raises(InvalidInput, match=rf"differs in {name}; "):
        simulate(other, euler_maruyama, **arguments)


@pytest.mark.parametrize(
    ("n", "k", "first"),
    [(N, 1777, 0), (4 * 512 + 1, 4 * 512, 0), (700, 3, 1024)],
    ids=["in the middle", "the last", "of a later range"],
)
def test_one_other_starting_point_among_many_is_found(n, k, first, tmp_path):
    x0 = np.zeros((2, n))
    arguments = dict(checkpoint=tmp_path, x0=x0, observers=[], n_particles=n, first_particle=first)
    watched(**arguments)
    x0[1, k] = 1e-9
    with pytest.raises(InvalidInput, match="differs in x0; "):
        watched(**arguments)


def test_slightly_other_weights_of_an_initial_law_are_found(tmp_path):
    def law(weight):
        return [0.3, Mixture([weight, 1 - weight], [Normal(0.0, 1.0), Normal(0.5, 0.1)])]

    arguments = dict(checkpoint=tmp_path, observers=[], n_particles=20_000)
    watched(x0=law(0.5), **arguments)
    watched(x0=law(0.5), **arguments)
    with pytest.raises(InvalidInput, match="differs in x0; "):
        watched(x0=law(0.5005), **arguments)


def test_paths_alone_are_not_another_run(plain):
    """They are computed where they are asked for, from the same ids."""
    from_it = watched(checkpoint=plain, observers=[Moments(), everything()[-2]])
    assert bits_of(from_it)["results"][1] == WHOLE["results"][-2]


# --- the disk


def failing_at(monkeypatch, number, code):
    """Let the system refuse to put a file to its place, from the given call on."""
    calls, real = [], os.replace

    def replace(*args):
        calls.append(1)
        if len(calls) > number:
            raise OSError(code, os.strerror(code))
        return real(*args)

    monkeypatch.setattr(os, "replace", replace)


def test_a_full_disk_is_said_and_what_is_finished_is_kept(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        failing_at(patch, 1 + 2 * 2, errno.ENOSPC)  # run.json, and two shards of two files
        with pytest.raises(
            BackendUnavailable, match=r"shard-.*npz cannot be written \(.*No space left.*free some space"
        ):
            watched(checkpoint=tmp_path, shard_size=512, threads=1)
    assert kept(tmp_path) == [0, 512]
    assert not list(tmp_path.glob("*.tmp"))  # no part of a file takes space
    computed = counted(monkeypatch)
    assert bits_of(watched(checkpoint=tmp_path)) == WHOLE and 0 not in computed


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path, monkeypatch):
    computed = counted(monkeypatch)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(BackendUnavailable, match=r"the folder .*file/inside cannot be made \(.*\); name another one"):
        watched(checkpoint=file / "inside")
    with monkeypatch.context() as patch:
        failing_at(patch, 0, errno.EROFS)
        with pytest.raises(BackendUnavailable, match=r"run\.json cannot be written \(.*Read-only file system"):
            watched(checkpoint=tmp_path / "new")
    for bad in (3, 1.5, ["a"]):
        with pytest.raises(InvalidInput, match=r"checkpoint=.*; give the path of a folder"):
            watched(checkpoint=bad)
    assert computed == []
