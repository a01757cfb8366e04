"""Runs in parts: every bit that a run says is that of the whole, however its particles are cut, run and merged."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from bare_processes import ou
from hypothesis import given, settings
from hypothesis import strategies as st
from whole_runs import BURSTING, bits_of, everything, ring, watched

from fpsde.density import Normal
from fpsde.errors import InvalidInput
from fpsde.integrators import Functional, Histogram, Moments, Paths, Sampler, Snapshots, merged, shards, simulate
from fpsde.processes import overdamped, underdamped
from fpsde.schemes import leimkuhler_matthews, mala, splitting

N = 6 * 512 + 77
WELL = lambda x: 0.25 * x**4 - 0.5 * x**2  # noqa: E731
SEES_ALL = [
    Moments([0.5, 1.0]),
    Histogram(-2.0, 2.0, 16),
    Snapshots([0.5]),
    Functional(lambda x: x**2, name="square"),
    Paths([3, 700]),
]
#: Schemes with state of their own, and what observers see of it.
STATEFUL = {
    "leimkuhler_matthews": (leimkuhler_matthews, ou(), [*SEES_ALL, Snapshots([1.0], of="place")]),
    "mala": (
        mala,
        overdamped(WELL, temperature=0.5),
        [*SEES_ALL, Moments(of="accepted"), Paths([513], of="accepted")],
    ),
}


def cut(first, count, **more):
    """Return the run of a range of ids."""
    return watched(first_particle=first, n_particles=count, **more)


WHOLE = bits_of(watched(threads=1))
BURST = dict(process=BURSTING, t_end=4.0)
WHOLE_BURST = bits_of(watched(threads=1, **BURST))
BLOCKS = [cut(first, min(512, N - first)) for first in range(0, N, 512)]
BURST_BLOCKS = [cut(first, min(512, N - first), **BURST) for first in range(0, N, 512)]


# --- inside one call


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("size", [None, 512, 1024, 5 * 512, 2**40])
def test_no_bit_depends_on_threads_or_on_the_size_of_a_shard(threads, size):
    assert bits_of(watched(threads=threads, shard_size=size)) == WHOLE
    assert bits_of(watched(threads=threads, shard_size=size, **BURST)) == WHOLE_BURST


@pytest.mark.parametrize("blocks", [1, 3])
def test_no_bit_depends_on_the_size_of_a_chunk(blocks, monkeypatch):
    monkeypatch.setattr(shards, "CHUNK_BLOCKS", blocks)
    assert bits_of(watched(shard_size=2048)) == WHOLE


def test_another_seed_changes_every_result():
    other = bits_of(watched(seed=12))
    assert other["x"] != WHOLE["x"] and not set(other["values"].values()) & set(WHOLE["values"].values())
    assert not any(a == b for a, b in zip(other["results"], WHOLE["results"], strict=True))
    assert WHOLE_BURST["not_finite"] > 100 and WHOLE_BURST["first_not_finite"] is not None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", STATEFUL)
def test_state_of_a_scheme_goes_with_its_particles(name, dtype, seed):
    scheme, process, observers = STATEFUL[name]
    arguments = dict(x0=Normal(0.2, 0.1), t_end=1.0, dt=0.125, seed=seed, observers=observers, dtype=dtype)
    whole = simulate(process, scheme, n_particles=1500, threads=1, **arguments)
    parts = [
        simulate(process, scheme, n_particles=count, first_particle=first, **arguments)
        for first, count in [(1024, 476), (0, 1024)]
    ]
    assert bits_of(merged(parts)) == bits_of(whole)
    assert bits_of(simulate(process, scheme, n_particles=1500, shard_size=512, **arguments)) == bits_of(whole)


def test_work_along_a_splitting_goes_with_its_particles(seed):
    process = underdamped(WELL, temperature=0.5, friction=1.0, mass=1.0)
    arguments = dict(x0=(0.5, 0.0), t_end=1.0, dt=0.125, seed=seed, observers=[Moments(), Paths([600])])
    tracking = splitting("BAOAB", track_work=True)
    whole = simulate(process, tracking, n_particles=1200, **arguments)
    parts = [
        simulate(process, tracking, n_particles=count, first_particle=first, **arguments)
        for first, count in [(512, 688), (0, 512)]
    ]
    assert bits_of(merged(parts)) == bits_of(whole)
    assert {name: value.shape for name, value in whole.values.items()} == {name: (1200,) for name in tracking.scalars}
    assert np.unique(whole.values["work"]).size > 1000


# --- merged


def partitions(count):
    """Return a strategy of orders of ``count`` blocks and of where the order is cut into groups."""
    return st.tuples(st.permutations(range(count)), st.lists(st.booleans(), min_size=count - 1, max_size=count - 1))


@settings(max_examples=40, deadline=None)
@given(partitions(len(BLOCKS)))
def test_merged_runs_are_the_whole_in_any_order_and_any_grouping(partition):
    order, ends = partition
    groups = [[order[0]]]
    for end, block in zip(ends, order[1:], strict=True):
        groups += [[block]] if end else []
        if not end:
            groups[-1].append(block)
    for blocks, whole in ((BLOCKS, WHOLE), (BURST_BLOCKS, WHOLE_BURST)):
        assert bits_of(merged([merged([blocks[k] for k in group]) for group in groups])) == whole


@settings(max_examples=12, deadline=None)
@given(st.sets(st.integers(1, 6)))
def test_merged_ranges_are_the_whole_for_any_cut_on_blocks(cuts):
    ends = [0, *(512 * k for k in sorted(cuts)), N]
    assert bits_of(merged([cut(a, b - a) for a, b in itertools.pairwise(ends)])) == WHOLE


def test_a_gap_between_runs_is_left_out():
    holed = merged([BLOCKS[4], BLOCKS[1]])
    np.testing.assert_array_equal(holed.x, np.concatenate([BLOCKS[1].x, BLOCKS[4].x], axis=1))
    assert holed.n_particles == holed.requested == 1024 and not holed.interrupted
    assert bits_of(merged([holed, *(BLOCKS[k] for k in (0, 2, 3, 5, 6))])) == WHOLE


def test_runs_far_from_the_first_particle_are_merged(seed):
    far = 2**61
    whole = cut(far, 1400, observers=everything(far))
    parts = [cut(far + 1024, 376, observers=everything(far)), cut(far, 1024, observers=everything(far))]
    assert bits_of(merged(parts)) == bits_of(whole)
    assert not np.array_equal(whole.x, watched(n_particles=1400).x)
    # the sums merge over a gap of 2**61 particles too
    both = merged([whole, cut(0, 512, observers=everything(far))])
    assert both.n_particles == 1912 and both.moments[0].n == 1912


def test_without_positions_the_rest_is_the_same(seed):
    parts = [cut(first, count, keep_positions=False) for first, count in [(0, 1024), (1024, N - 1024)]]
    both = bits_of(merged(parts))
    assert both["x"] == "None" and both["values"] == {}
    assert [b for b, w in zip(both["results"], WHOLE["results"], strict=True) if b != w] == ["None"]  # a Tracked one


# --- where they start

LAW = Normal(0.3, 0.2)
#: x0 for a range of ids
STARTS = {
    "laws": lambda first, count: [Normal(0.1, 0.2), LAW],
    "sampler": lambda first, count: Sampler(lambda u: np.stack([u[0] - 0.5, u[0] * u[1]]), uniforms=2),
    "positions": lambda first, count: np.stack([np.linspace(-1, 1, N), np.linspace(0, 0.5, N)])[:, first:][:, :count],
}


@pytest.mark.parametrize("name", STARTS)
def test_a_start_belongs_to_its_particle(name):
    x0 = STARTS[name]
    whole = bits_of(watched(x0=x0(0, N), shard_size=512))
    assert bits_of(merged([cut(a, n, x0=x0(a, n)) for a, n in [(1536, N - 1536), (0, 1536)]])) == whole


def test_positions_of_other_particles_would_show():
    place = STARTS["positions"]
    swapped = merged([cut(a, n, x0=place(0, n)) for a, n in [(1536, N - 1536), (0, 1536)]])
    assert bits_of(swapped)["x"] != bits_of(watched(x0=place(0, N)))["x"]


# --- what is refused


@pytest.fixture(scope="module")
def plain():
    return [cut(first, count, observers=[Moments()]) for first, count in [(0, 512), (512, 700)]]


def test_a_ragged_cut_is_refused(plain):
    with pytest.raises(InvalidInput, match=r"first_particle=700 is not a multiple of 512; .* whole blocks of 512"):
        cut(700, 10)
    with pytest.raises(InvalidInput, match=r"shard_size=1000 is not a multiple of 512"):
        watched(shard_size=1000)
    with pytest.raises(
        InvalidInput, match=r"ends at particle 1212 and another begins at 1536; cut at multiples of 512"
    ):
        merged([*plain, cut(1536, 512, observers=[Moments()])])


def test_overlapping_runs_are_refused(plain):
    for first, found in ((0, 0), (512, 512), (1024, 1024)):
        with pytest.raises(InvalidInput, match=f"particle {found} is in two of the runs"):
            merged([*plain, cut(first, 1024, observers=[Moments()])])
    with pytest.raises(InvalidInput, match="particle 0 is in two of the runs"):
        merged([plain[0], plain[0]])


OTHER = {
    "seed": (dict(seed=12), r"differ in seed \(12 there, 11 here\); only"),
    "parameter": (dict(process=ring(-0.3)), r"differ in parameters; only"),
    "observer": (dict(observers=[Moments(centre=0.5)]), r"differ in observers; only"),
    "times of an observer": (dict(observers=[Moments([1.0])]), r"differ in observers; only"),
    "kind of observer": (dict(observers=[Histogram(0.0, 1.0, 4)]), r"differ in observers; only"),
    "paths": (dict(observers=[Moments(), Paths([3])]), r"differ in observers; only"),
    "tracked": (
        dict(observers=[Moments(), Functional(lambda x: x[0])]),
        r"differ in observers, kernel, what is kept; only",
    ),
    "dt": (dict(dt=0.5), r"differ in n_steps \(4 there, 8 here\), dt \(0\.5 there, 0\.25 here\), times"),
    "times": (dict(times=[0, 0.5, 0.75, 1, 1.25, 1.375, 1.5, 1.75, 2], t_end=None, dt=None), r"differ in dt .*times"),
    "dtype": (dict(dtype=np.float32), r"dtype \('float32' there, 'float64' here\), kernel"),
    "refinement": (dict(refinement=2), r"refinement \(2 there, 1 here\)"),
    "positions": (dict(keep_positions=False), r"differ in what is kept; only"),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_run_is_refused_by_what_differs(name, plain):
    changes, message = OTHER[name]
    with pytest.raises(InvalidInput, match=message):
        merged([plain[0], cut(512, 512, **{"observers": [Moments()]} | changes)])


def test_other_paths_are_not_merged_in_silence():
    with pytest.raises(InvalidInput, match="differ in observers"):
        merged([cut(0, 512, observers=[Paths([3])]), cut(512, 512, observers=[Paths([600])])])


@pytest.mark.parametrize("bad", [[], 3, [3], [None], None])
def test_what_is_no_list_of_runs_is_refused(bad):
    with pytest.raises(InvalidInput, match=r"merged\(\) takes a list of the ensembles"):
        merged(bad)


def test_ids_beyond_the_counter_are_refused():
    for first in (2**62, 2**62 - 512, 2**64):
        with pytest.raises(InvalidInput, match=rf"first_particle={first} and n_particles=513; ids go up to 2\*\*62"):
            cut(first, 513, observers=())
    assert cut(2**62 - 512, 512, observers=()).n_particles == 512


def test_the_finished_particles_are_counted_as_they_come():
    run = watched(observers=(), shard_size=512)
    gathered = shards.Gathered(run.shards.plan, first=0, count=N)
    for first, done in ((512, 512), (3072, 512 + 77), (0, 1024 + 77)):
        gathered.add(cut(first, min(512, N - first), observers=()).shards.whole)
        assert gathered.done == done
    assert gathered.shard.ranges == ((0, 1024), (3072, 77))
    np.testing.assert_array_equal(gathered.shard.kept, run.x[:, [*range(1024), *range(3072, N)]])
