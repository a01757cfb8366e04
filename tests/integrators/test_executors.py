"""Executors: a shard is the same wherever it runs; what one loses, or cannot be sent, is said, and the rest is kept."""

from __future__ import annotations

import os
import pickle
import warnings
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import distributed
import numpy as np
import pytest
from whole_runs import BURSTING, bits_of, watched

import fpsde
from fpsde.density import Normal
from fpsde.errors import BackendUnavailable, InvalidInput
from fpsde.integrators import (
    Autocorrelation,
    Crossings,
    Displacement,
    FirstPassage,
    Functional,
    Moments,
    Snapshots,
    execution,
    simulate,
    simulation,
)
from fpsde.schemes import (
    SCHEMES,
    drift_implicit,
    euler_maruyama,
    leimkuhler_matthews,
    platen_weak2,
    sgld,
    splitting,
)

N = 6 * 512 + 77
BURST = dict(process=BURSTING, t_end=4.0)
WHOLE, WHOLE_BURST = bits_of(watched()), bits_of(watched(**BURST))
NAMES = range(0, N, 512)


def kept(folder):
    """Return the ids at which the finished shards begin."""
    return sorted(int(path.stem.removeprefix("shard-")) for path in folder.glob("shard-*.json"))


class Losing(ThreadPoolExecutor):
    """An executor that answers for the first shards, and then with an error."""

    def __init__(self, answers, error):
        super().__init__(1)
        self.answers, self.error = answers, error

    def submit(self, *args, **more):
        if self.answers == 0:
            lost: Future = Future()
            lost.set_exception(self.error)
            return lost
        self.answers -= 1
        return super().submit(*args, **more)


# --- the same bits


@pytest.fixture(scope="module", params=["fork", "spawn"])
def pool(request):
    with warnings.catch_warnings(), ProcessPoolExecutor(2, mp_context=get_context(request.param)) as executor:
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: forking where there are threads
        yield executor


def test_a_pool_of_processes_gives_the_same_bits(pool):
    assert bits_of(watched(executor=pool, shard_size=1024)) == WHOLE
    assert bits_of(watched(executor=pool, shard_size=512, **BURST)) == WHOLE_BURST


def test_it_ran_elsewhere(pool, monkeypatch):
    def never(*args, **more):
        raise AssertionError("a shard was computed in this process")

    assert pool.submit(os.getpid).result() != os.getpid()
    monkeypatch.setattr("fpsde.integrators.shards._chunk", never)
    assert bits_of(watched(executor=pool, observers=[Moments()]))["n_particles"] == N


def test_starting_points_are_brought_along(pool):
    x0 = [Normal(0.1, 0.2), Normal(0.3, 0.2)]
    positions = np.stack([np.linspace(-1, 1, N), np.linspace(0, 0.5, N)])
    for place in (x0, (0.1, x0[1]), positions):
        assert bits_of(watched(executor=pool, shard_size=1024, x0=place)) == bits_of(watched(x0=place))


def test_a_shard_of_several_chunks_brings_the_starting_points_of_each(monkeypatch):
    place = [Normal(0.1, 0.2), Normal(0.3, 0.2)]
    whole = bits_of(watched(x0=place))
    monkeypatch.setattr("fpsde.integrators.shards.CHUNK_BLOCKS", 1)
    with ThreadPoolExecutor(1) as executor:
        assert bits_of(watched(executor=executor, shard_size=1024, x0=place)) == whole


def test_threads_of_an_executor_and_a_checkpoint_give_the_same_bits(tmp_path):
    with ThreadPoolExecutor(2) as executor:
        assert bits_of(watched(executor=executor, shard_size=512, checkpoint=tmp_path)) == WHOLE
    assert kept(tmp_path) == list(NAMES)
    assert bits_of(watched(checkpoint=tmp_path)) == WHOLE


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bits():
    options = dict(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, protocol="tcp")
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        assert bits_of(watched(executor=client.get_executor(), shard_size=1024)) == WHOLE
        assert bits_of(boxed(executor=client.get_executor())) == bits_of(boxed())  # it sends functions by value


def test_more_shards_than_are_handed_out_at_once(monkeypatch):
    monkeypatch.setattr(execution, "AHEAD_ELSEWHERE", 2)
    with ThreadPoolExecutor(2) as executor:
        assert bits_of(watched(executor=executor, shard_size=512)) == WHOLE


# --- what goes wrong


@pytest.mark.parametrize("answers", [0, 3])
def test_a_lost_shard_is_an_error_and_the_others_are_kept(tmp_path, answers):
    error = BrokenProcessPool("a worker was killed")
    message = (
        r"lost the shard of particles \d+ \.\. \d+ \(BrokenProcessPool\('a worker was killed'\)\); a checkpoint keeps"
    )
    with Losing(answers, error) as executor, pytest.raises(BackendUnavailable, match=message) as raised:
        watched(executor=executor, shard_size=512, checkpoint=tmp_path)
    assert raised.value.__cause__ is error
    assert kept(tmp_path) == list(NAMES)[:answers]
    assert_carried(raised.value, 512 * answers)
    assert bits_of(watched(checkpoint=tmp_path)) == WHOLE


def assert_carried(error, n):
    """Assert that an error carries the first n particles, as the run of these alone has them."""
    if not n:
        assert error.finished is None and "`finished`" not in str(error)
        return
    assert f"{n} of {N} particles are finished (ids 0 .. {n - 1}): they are the run `finished`" in str(error)
    alone = bits_of(watched(n_particles=n))
    assert error.finished.requested == N
    assert {**bits_of(error.finished), "requested": n} == {**alone, "requested": n}


def test_without_a_checkpoint_the_error_carries_what_is_finished_and_the_rest_can_be_merged_to_it():
    observers = [Moments(), Snapshots([1.0])]
    error = BrokenProcessPool("a worker was killed")
    with Losing(2, error) as executor, pytest.raises(BackendUnavailable) as raised:
        watched(executor=executor, shard_size=512, observers=observers)
    rest = watched(observers=observers, first_particle=1024, n_particles=N - 1024)
    joined, whole = fpsde.merged([raised.value.finished, rest]), watched(observers=observers)
    np.testing.assert_array_equal(joined.x, whole.x)
    np.testing.assert_array_equal(joined.moments[0].sums, whole.moments[0].sums)
    np.testing.assert_array_equal(joined.snapshot(1.0), whole.snapshot(1.0))


def leave(*args, **more):
    """Take the process down, as a lack of memory would."""
    os._exit(1)


def test_a_worker_that_dies_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(simulation, "shard", leave)
    with (
        ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool,
        pytest.raises(BackendUnavailable, match=r"the executor lost the shard .*a checkpoint keeps those"),
    ):
        watched(executor=pool, shard_size=1024)


def test_a_cancelled_shard_is_said(monkeypatch):
    class Cancelling(ThreadPoolExecutor):
        def submit(self, *args, **more):
            cancelled: Future = Future()
            cancelled.cancel()
            return cancelled

    with Cancelling(1) as executor, pytest.raises(BackendUnavailable, match=r"lost the shard of particles .*Cancelled"):
        watched(executor=executor, shard_size=512)


def test_an_error_in_a_worker_is_raised_as_it_is(tmp_path):
    with Losing(2, ZeroDivisionError("in a worker")) as executor, pytest.raises(ZeroDivisionError, match="in a worker"):
        watched(executor=executor, shard_size=512, checkpoint=tmp_path)
    assert kept(tmp_path) == [0, 512]


def broken(x, t):
    if t > 0.5:
        raise TypeError("in a network")
    return -x


def test_an_error_of_a_black_box_is_not_taken_for_one_of_the_executor():
    box = fpsde.BlackBox(drift=broken, sigma=1.0, dim=1)
    with ThreadPoolExecutor(1) as executor, pytest.raises(TypeError, match="in a network"):
        simulate(box, euler_maruyama, x0=0.0, t_end=1.0, dt=0.25, n_particles=9, seed=1, executor=executor)


def test_an_executor_that_is_shut_down_is_said():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(
        BackendUnavailable, match=r"does not take the shard of particles 0 .*after shutdown.*not been shut down"
    ):
        watched(executor=executor)


def test_ctrl_c_keeps_what_has_come_back(tmp_path, monkeypatch):
    collect, calls = execution.collected, []

    def interrupted(waiting, show):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return collect(waiting, show)

    monkeypatch.setattr(execution, "AHEAD_ELSEWHERE", 1)
    monkeypatch.setattr(execution, "collected", interrupted)
    with ThreadPoolExecutor(1) as executor:
        part = watched(executor=executor, shard_size=512, checkpoint=tmp_path, observers=[Snapshots([1.0])])
    assert part.interrupted and part.n_particles == 512 * len(kept(tmp_path)) > 0
    np.testing.assert_array_equal(part.x, watched(n_particles=part.n_particles, observers=()).x)


# --- black boxes, of which a pool takes functions of a module


def pull(x, t):
    return -x + 0.1 * t


def spread(x, t):
    return 1.0 + 0.1 * np.cos(x)


def square(x):
    return x**2


def beyond(x):
    return x > 0.3


def test_a_black_box_of_functions_of_a_module_runs_in_a_pool(pool):
    box = fpsde.BlackBox(pull, spread, dim=1, noise=fpsde.NoiseType.DIAGONAL, params={"temperature": 1.0})
    observers = [
        Moments(),
        Functional(square),
        FirstPassage(beyond),
        Crossings(0.1),
        Displacement(),
        Autocorrelation(square, 0.25, [0.25, 1.0]),
    ]
    for scheme in (euler_maruyama, leimkuhler_matthews, platen_weak2):
        additive = fpsde.BlackBox(pull, 1.0, dim=1) if scheme is leimkuhler_matthews else box
        arguments = dict(x0=0.0, t_end=1.0, dt=0.25, n_particles=1100, seed=3, observers=observers)
        there = simulate(additive, scheme, executor=pool, shard_size=512, **arguments)
        assert bits_of(there) == bits_of(simulate(additive, scheme, **arguments))


@pytest.mark.parametrize(
    "scheme",
    [*SCHEMES.values(), splitting("BABO", track_work=True), drift_implicit(0.75), sgld(square)],
    ids=lambda scheme: scheme.name,
)
def test_every_scheme_goes_to_another_process(scheme):
    there = pickle.loads(pickle.dumps(scheme))
    assert (there.name, there.equation, there.stationary) == (scheme.name, scheme.equation, scheme.stationary)
    for ours, theirs in zip(scheme.inputs, there.inputs, strict=True):
        z = tuple(np.linspace(-1.0, 1.0, 9) + k for k in range(ours.normals))
        np.testing.assert_array_equal(ours.form(z, 0.5, 0.25), theirs.form(z, 0.5, 0.25))


def test_a_black_box_comes_back_as_it_was():
    box = fpsde.BlackBox(pull, spread, dim=1, noise=fpsde.NoiseType.DIAGONAL, params={"temperature": 2.0})
    there = pickle.loads(pickle.dumps(box))
    assert there.params == {"temperature": 2.0} and there.drift is pull and there.noise_types == box.noise_types
    with pytest.raises(TypeError):
        there.params["temperature"] = 3.0  # still a view that cannot be written


# --- and which cannot be sent


def boxed(**more):
    box = fpsde.BlackBox(drift=lambda x, t: -x, sigma=1.0, dim=1)
    arguments = dict(x0=0.0, t_end=1.0, dt=0.25, n_particles=1100, seed=3, shard_size=512)
    return simulate(box, euler_maruyama, **arguments, **more)


def test_a_black_box_that_cannot_be_sent_is_explained():
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        message = r"the shard of particles \d+ \.\. \d+ cannot be sent to another process \(.*\); take threads, or"
        with pytest.raises(InvalidInput, match=message):
            boxed(executor=pool)
        assert bits_of(watched(executor=pool, observers=())) == bits_of(watched(observers=()))  # it is still of use
    with ThreadPoolExecutor(1) as threads:
        assert bits_of(boxed(executor=threads)) == bits_of(boxed())


@pytest.mark.parametrize("bad", [4, "processes", ProcessPoolExecutor, [ThreadPoolExecutor]])
def test_what_is_no_executor_is_refused(bad):
    with pytest.raises(InvalidInput, match=r"executor=.*; give a concurrent\.futures\.Executor, such as"):
        watched(executor=bad)


def test_a_plan_is_plain_data():
    """What goes to a worker is read there without the functions of the process, the scheme and the observers."""
    plan = watched(observers=[Moments()]).shards.plan
    there = pickle.loads(pickle.dumps(plan))
    assert there.fingerprint == plan.fingerprint
    assert not any(word in pickle.dumps(plan) for word in (b"lambda", b"fpsde.processes", b"fpsde.schemes"))
