"""Batches: each member has the bits of its single run, whatever varies, and however they are packed."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
from bare_processes import between, ou
from whole_runs import BURSTING, RING, bits_of, everything

import fpsde
from fpsde.density import Normal
from fpsde.errors import InvalidInput
from fpsde.integrators import (
    FirstPassage,
    Histogram,
    Moments,
    Paths,
    Sampler,
    Snapshots,
    batches,
    execution,
    packs,
    shards,
)
from fpsde.integrators.machine import Machine
from fpsde.schemes import baoab, euler_maruyama, obabo
from fpsde.schemes.advance import Advance
from fpsde.symbolic import components

WELL = fpsde.double_well()
TEMPERATURES = np.array([0.1, 0.25, 0.3, 0.4, 0.7])
OBSERVERS = (
    Moments([0.5, 1.0], centre=0.3),
    Histogram(-2.0, 2.0, 20),
    Snapshots([0.25]),
    FirstPassage(lambda x, p: x > p.temperature, bins=8),
    Paths([3, 1024 + 7, 2048 + 299]),
)
SHORT = dict(x0=-0.2, t_end=1.0, dt=0.05, n_particles=300, seed=5, observers=OBSERVERS)


def batch(process=WELL, scheme=euler_maruyama, **changes):
    """Return a short batch, with changes."""
    return fpsde.simulate_batch(process, scheme, **SHORT | {"params": {"temperature": TEMPERATURES}} | changes)


def single(of, member, process=WELL, scheme=euler_maruyama, **changes):
    """Return the single run of a member of ``of``."""
    own = process.with_params(**{name: values[member] for name, values in of.params.items()})
    return fpsde.simulate(own, scheme, **SHORT | {"first_particle": of.first_particle(member)} | changes)


def same(a, b):
    return bits_of(a) == bits_of(b) and a.shards.plan.fingerprint == b.shards.plan.fingerprint


def in_packs(monkeypatch, blocks):
    """Have one thread take as many members together as fit into so many blocks; return a list of how many were."""
    taken, together = packs.pack, []

    def noted(plan, start, *, count, deal, **given):
        together.append(count // deal.share)
        return taken(plan, start, count=count, deal=deal, **given)

    monkeypatch.setattr(Machine, "shards_each", 1)
    monkeypatch.setattr(batches, "pack", noted)
    for module in (packs, shards):
        monkeypatch.setattr(module, "CHUNK_BLOCKS", blocks)
    return together


# --- the bits of single runs


@pytest.mark.parametrize(
    ("n", "blocks"), [(300, 64), (1500, 2), pytest.param(1500, 64, marks=pytest.mark.slow), (300, 2)]
)
def test_each_member_has_the_bits_of_its_single_run(n, blocks, monkeypatch):
    """Members of less than a block and of three; several in a pack, and one that is cut into chunks."""
    together = in_packs(monkeypatch, blocks)
    found = batch(n_particles=n, threads=1)
    assert max(together) == {300: min(blocks, 5), 1500: max(1, min(blocks // 3, 5))}[n]
    assert len(found) == 5 and found.finished == tuple(range(5))
    for m, run in enumerate(found):
        assert same(run, single(found, m, n_particles=n))


def test_another_parameter_in_the_last_digit_is_another_run():
    found, near = batch(), TEMPERATURES.copy()
    near[2] = np.nextafter(near[2], 1.0)
    other = batch(params={"temperature": near})
    assert [same(a, b) for a, b in zip(found, other, strict=True)] == [True, True, False, True, True]


def test_equal_members_merge_to_one_run():
    """They share no noise: a batch without differences is a larger run, cut into members."""
    observers = OBSERVERS[:-1]
    found = batch(params={"temperature": [0.25] * 4}, n_particles=1024, observers=observers)
    whole = fpsde.simulate(WELL, euler_maruyama, **SHORT | {"n_particles": 4096, "observers": observers})
    assert same(fpsde.merged(list(found)), whole)


def test_positions_may_stay_away_and_ids_begin_elsewhere():
    found = batch(first_particle=512 * 9, keep_positions=False)
    assert found[4].x is None and found.first_particle(4) == 512 * 13
    assert same(found[4], single(found, 4, keep_positions=False))


@pytest.mark.slow
def test_a_start_that_reads_parameters_is_that_of_each_member():
    """OBABO keeps the force at the start; by BAOAB the same process begins without one."""
    stiff = np.array([0.5, 1.0, 3.0])
    oscillator = fpsde.underdamped_oscillator()
    given = dict(params={"stiffness": stiff}, x0=(0.5, 0.1), n_particles=20, observers=[])
    for scheme in (obabo, baoab):
        found = batch(oscillator, scheme, **given)
        for m in range(3):
            own = {name: given[name] for name in ("x0", "n_particles", "observers")}
            assert same(found[m], single(found, m, oscillator, scheme, **own))


@pytest.mark.slow
def test_parameters_that_are_arrays_vary_too():
    linear = fpsde.noncommuting_linear()
    matrices = np.stack([linear.params["A"], 2 * linear.params["A"]])
    given = dict(x0=(1.0, 0.5), observers=[])
    found = batch(linear, params={"A": matrices}, **given)
    assert all(same(found[m], single(found, m, linear, **given)) for m in range(2))
    assert not np.array_equal(found[0].x, found[1].x)


# --- black boxes


def pull(x, t, p):
    return np.stack([p.k * np.sin(x[1]) - p.a[0] * x[0], p.a[1] * (x[0] - x[1]) + t])


def push(x, t, p):
    return np.stack([p.k * (1 + 0.1 * np.cos(x[0])), p.temperature + 0 * x[0]])


#: Two functions take parameters, a number and an array; the scheme reads another one.
BOX = fpsde.BlackBox(
    drift=pull, sigma=push, dim=2, noise=fpsde.NoiseType.DIAGONAL,
    params={"k": 0.7, "a": np.array([0.5, 1.0]), "temperature": 0.3},
)  # fmt: skip
VARIED = {"k": [0.7, 0.4, 0.9], "a": [[0.5, 1.0], [0.6, 0.9], [0.2, 1.1]]}
BOXED = dict(
    x0=(0.2, -0.1), t_end=0.5, dt=0.125, params=VARIED,
    observers=[
        Moments([0.25, 0.5]), Histogram(-2.0, 2.0, 20), Snapshots([0.25]),
        FirstPassage(lambda x, p: x[0] > p.k, bins=8),
    ],
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "blocks"),
    [({}, 64), ({"n_particles": 1100, "dtype": "float32"}, 64), ({"n_particles": 1100}, 2), ({"refinement": 3}, 1)],
    ids=["side by side", "of three blocks, single precision", "cut into chunks", "one by one, refined"],
)
def test_members_of_a_black_box_have_the_bits_of_its_single_runs(changes, blocks, monkeypatch):
    together = in_packs(monkeypatch, blocks)
    found = batch(BOX, threads=1, **BOXED | changes)
    assert max(together) == (3 if blocks == 64 else 1)
    own = {name: v for name, v in (BOXED | changes).items() if name != "params"}
    for m, run in enumerate(found):
        assert same(run, single(found, m, BOX, **own))
    assert len({run.x.tobytes() for run in found}) == 3


def test_members_of_a_black_box_that_are_mixed_up_are_seen():
    """The parameters of a member in the last digit, and those of two of them in the place of each other."""
    found, near = batch(BOX, **BOXED), np.array(VARIED["k"])
    near[1] = np.nextafter(near[1], 1.0)
    other = batch(BOX, **BOXED | {"params": VARIED | {"k": near}})
    assert [same(a, b) for a, b in zip(found, other, strict=True)] == [True, False, True]
    turned = batch(BOX, **BOXED | {"params": VARIED | {"a": VARIED["a"][::-1]}})
    assert [same(a, b) for a, b in zip(found, turned, strict=True)] == [False, True, False]


def test_a_scheme_reads_the_parameters_of_each_member_of_a_black_box():
    wide = fpsde.BlackBox(
        drift=lambda x, t: -x, sigma=0.5, dim=1, energy=lambda x, t: 0.5 * x[0] ** 2, params={"temperature": 0.125}
    )
    given = dict(x0=0.3, observers=[Moments(of="accepted")], dtype="float32")
    found = batch(wide, fpsde.mala, **given | {"params": {"temperature": [0.125, 0.01, 1.0]}})
    assert all(same(run, single(found, m, wide, fpsde.mala, **given)) for m, run in enumerate(found))
    accepted = [run.results[0][0].mean.item() for run in found]
    assert accepted[1] < accepted[0] and len(set(accepted)) == 3


def kept_force(model, x, t, dt, noise, aux):
    """Euler-Maruyama with the drift of the step before, tempered by a parameter that the scheme reads by itself."""
    moved = x + aux["force"] * (dt * model.p.a[1]) + model.noise(x, t, noise.dw)
    return Advance(moved, aux={"force": model.drift(moved, t + dt)})


def test_a_start_of_a_scheme_reads_the_parameters_of_each_member_of_a_black_box():
    """By the functions of the box and by name; OBABO's start is that of processes with formulas alone."""

    def start(model, x, t):
        return {"force": components([model.p.k * f for f in model.drift(x, t)])}

    scheme = replace(euler_maruyama, name="kept_force", step=kept_force, auxiliary=("force",), start=start)
    given = dict(BOXED, n_particles=20, observers=[])
    found = batch(BOX, scheme, **given)
    del given["params"]
    assert all(same(run, single(found, m, BOX, scheme, **given)) for m, run in enumerate(found))


def test_starts_of_a_black_box_vary_without_parameters():
    """Each of three samplers of a network has a start of its own, and the tables are those of all."""
    box = fpsde.denoising_box(lambda x, level: np.tanh(x) / (1 + level), fpsde.linear_schedule(6), dim=1)
    starts = [0.3, Normal(0.0, 1.0), np.linspace(-1, 1, 300)]
    given = dict(observers=[], t_end=6.0, dt=1.0)
    found = batch(box, fpsde.ancestral(), params=None, x0=None, starts=starts, **given)
    for m, x0 in enumerate(starts):
        assert same(found[m], single(found, m, box, fpsde.ancestral(), x0=x0, **given))


@pytest.mark.slow
def test_a_black_box_in_batches_runs_in_other_processes_and_goes_on_from_its_checkpoint(tmp_path):
    given = BOXED | {"observers": [Moments([0.25, 0.5])], "x0": (Normal(0.2, 0.1), 0.1)}
    whole = batch(BOX, **given)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for _ in range(2):  # the second time it is all there
            found = batch(BOX, executor=pool, checkpoint=tmp_path, **given)
            assert all(same(a, b) for a, b in zip(found, whole, strict=True))
    with pytest.raises(InvalidInput, match="differs in parameters"):
        batch(BOX, checkpoint=tmp_path, **given | {"params": VARIED | {"k": [0.7, 0.4, 0.8]}})


# --- starts


@pytest.mark.parametrize(
    "x0", [Normal(-0.2, 0.1), Sampler(lambda u: u - 0.5), np.linspace(-1, 1, 300)], ids=["law", "sampler", "positions"]
)
def test_a_start_of_all_members_is_drawn_by_id_or_repeated(x0):
    found = batch(x0=x0, observers=[Moments()])
    assert all(same(run, single(found, m, x0=x0, observers=[Moments()])) for m, run in enumerate(found))


def test_each_member_may_have_a_start_of_its_own():
    starts = [-0.3, Normal(0.1, 0.2), np.linspace(-1, 1, 300), 0.5, Sampler(lambda u: u)]
    for changes in ({}, {"params": None}):
        found = batch(x0=None, starts=starts, observers=[Moments()], **changes)
        for m, x0 in enumerate(starts):
            assert same(found[m], single(found, m, x0=x0, observers=[Moments()]))


# --- how it is run


def test_an_executor_gives_the_same_bits():
    with ThreadPoolExecutor(2) as executor:
        found = batch(executor=executor, x0=Normal(-0.2, 0.1))
    assert all(same(a, b) for a, b in zip(found, batch(x0=Normal(-0.2, 0.1)), strict=True))


@pytest.mark.slow
def test_a_pool_of_processes_gives_the_same_bits():
    given = dict(observers=[Moments(), Histogram(-2.0, 2.0, 20)], x0=Normal(-0.2, 0.1))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = batch(executor=pool, **given)
    assert all(same(a, b) for a, b in zip(found, batch(**given), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("process", [RING, BURSTING], ids=["ring", "bursting"])
@pytest.mark.parametrize("changes", [{}, {"dtype": "float32", "refinement": 3}], ids=["as it is", "single precision"])
def test_every_observer_of_every_member_has_the_bits_of_its_single_run(process, changes):
    given = dict(x0=(0.2, 0.3), t_end=4.0, dt=0.25, n_particles=1031, observers=everything(1536), **changes)
    found = batch(process, params={"force": [1.0, 1.5, 2.0], "s": [0.5, 0.7, 0.6]}, **given)
    for m, run in enumerate(found):
        assert same(run, single(found, m, process, **given))
    assert all((run.not_finite > 0) == (process is BURSTING) for run in found)


@pytest.mark.slow
@pytest.mark.parametrize("n", [300, 1500])
def test_absorbed_particles_are_those_of_each_member(n):
    process, given = ou(domain=between(fpsde.Wall.ABSORBING)), dict(x0=0.2, observers=[], n_particles=n)
    name = next(iter(process.params))
    found = batch(process, params={name: process.params[name] * np.array([0.5, 1.0, 4.0])}, **given)
    assert all(same(run, single(found, m, process, **given)) for m, run in enumerate(found))
    assert len({run.absorbed for run in found}) == 3


def test_ctrl_c_returns_the_members_that_are_finished(monkeypatch):
    whole, collect, calls = batch(), execution.collected, []

    def interrupted(waiting, show):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return collect(waiting, show)

    monkeypatch.setattr(execution, "collected", interrupted)
    monkeypatch.setattr(execution, "AHEAD", 1)
    monkeypatch.setattr(packs, "COUNT_ROOM", 1)  # each member by itself
    part = batch(threads=1)
    assert part.interrupted and 0 < len(part.finished) < 5 and f"{len(part.finished)} of 5 (interrupted)" in repr(part)
    for m in range(5):
        if m in part.finished:
            assert same(part[m], whole[m])
        else:
            with pytest.raises(InvalidInput, match=f"member {m} was not finished"):
                part[m]


def test_a_batch_goes_on_from_its_checkpoint_to_the_same_bits(tmp_path, monkeypatch):
    """Packs of two members, one of which is lost; read back, on another number of threads."""
    monkeypatch.setattr(packs, "CHUNK_BLOCKS", 2)
    whole = batch(threads=1)
    assert all(same(a, b) for a, b in zip(batch(checkpoint=tmp_path, threads=1), whole, strict=True))
    files = sorted(tmp_path.glob("shard-*.json"))
    assert len(files) == 3
    files[1].unlink()
    real, computed = packs.side_by_side, []
    monkeypatch.setattr(packs, "side_by_side", lambda *a: (computed.append(a[2]), real(*a))[1])
    assert all(same(a, b) for a, b in zip(batch(checkpoint=tmp_path, threads=2), whole, strict=True))
    assert computed == [1024]
    with pytest.raises(InvalidInput, match=r"differs in particles_each \(300 there, 301 here\)"):
        batch(checkpoint=tmp_path, n_particles=301)
    with pytest.raises(InvalidInput, match="differs in parameters"):
        batch(checkpoint=tmp_path, params={"temperature": TEMPERATURES[::-1]})


# --- what is refused


def moving_wall(length=1.0):
    """Return a process whose parameter decides where its wall is, beside a number of its kernel."""
    return fpsde.Process(
        drift=lambda x, p: -p.length * x, sigma=lambda x: 1.0, params={"length": length},
        domain=fpsde.Interval(0.0, length, fpsde.Wall.PERIODIC, fpsde.Wall.PERIODIC), name="moving wall",
        factory=moving_wall, arguments={"length": length},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"params": {"temperatur": [1.0]}}, "did you mean 'temperature'"),
        ({"params": {"temperature": 0.3}}, r"shape \(\); \(members\) is needed.*with_params\(temperature=\.\.\.\)"),
        ({"params": {"temperature": [[0.1, 0.2]]}}, r"shape \(1, 2\); \(members\)"),
        ({"params": {"temperature": []}}, "is empty"),
        ({"params": {"temperature": [0.1, np.nan]}}, "NaN or infinite"),
        ({"params": {"temperature": [0.1, -0.2, 0.3]}}, r"member 1 \(temperature=-0.2\): temperature=-0.2 must"),
        ({"params": {}}, "a mapping of names to arrays"),
        ({"params": [0.1]}, "a mapping of names to arrays"),
        ({"x0": None, "starts": [0.1, 0.2]}, "params have 5 values and starts 2"),
        ({"x0": None, "starts": 0.1}, "a list of initial laws or positions"),
        ({"x0": None, "starts": np.array(3.0)}, r"starts=array\(3\.\); give a list of initial laws or positions"),
        ({"x0": None, "starts": [0.1, 0.2, np.nan, 0.3, 0.4]}, r"member 2 \(starts\[2\]\): x0 has 1 of 1 .* NaN"),
        ({"x0": np.nan}, "^x0 has 1 of 1 values .* NaN"),
        ({"x0": None}, "give x0, where every member starts, or starts"),
        ({"starts": [0.1] * 5}, "one of the two"),
        ({"n_particles": 0}, "n_particles=0 must be at least 1"),
        ({"n_particles": 2**60}, "ids go up to"),
        ({"n_particles": 10**12, "observers": []}, r"5 members of 1000000000000 particles need .* GiB for positions"),
        ({"first_particle": 7}, "not a multiple of 512"),
        ({"process": moving_wall(), "params": {"length": [1.0, 2.0]}, "observers": []}, "formulas, walls or"),
        (
            {"process": fpsde.BlackBox(drift=lambda x, t: -x, sigma=1.0, dim=1), "observers": []},
            r"as BlackBox\(\.\.\., params=",
        ),
    ],
)  # fmt: skip
def test_what_a_batch_does_not_take_is_refused(changes, words):
    with pytest.raises(InvalidInput, match=words):
        batch(**changes)


def test_members_merge_with_other_ids_of_their_own_values_alone():
    given = {"n_particles": 512, "observers": []}
    found = batch(params={"temperature": [0.3, 0.3, 0.4]}, **given)
    assert fpsde.merged([found[0], found[1]]).n_particles == 1024
    with pytest.raises(InvalidInput, match="the runs differ in parameters"):
        fpsde.merged([found[0], found[2]])
    with pytest.raises(InvalidInput, match="particle 0 is in two of the runs"):
        fpsde.merged([found[0], single(found, 0, **given)])


def test_a_member_that_is_not_there_is_refused():
    found = batch(observers=[])
    for call in (found.__getitem__, found.first_particle):
        with pytest.raises(InvalidInput, match="they count from 0 to 4"):
            call(5)
