"""Training: losses against their exact floors, the same bits after an interruption, checkpoints that are refused."""

import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import fpsde
from fpsde.ddpm import (
    NetworkShape,
    ReverseVariance,
    bound_weights,
    denoising_errors,
    min_snr_weights,
    new_network,
    noise_floors,
    scaling_of,
    simple_weights,
    toy_data,
    train,
    variational_bound,
    weighted_floor,
)
from fpsde.ddpm.adam import AdamState
from fpsde.ddpm.batches import Batches
from fpsde.ddpm.learning import learn
from fpsde.ddpm.looks import measured
from fpsde.ddpm.network import Network
from fpsde.errors import BackendUnavailable, InvalidInput, UnstableStep

MIXTURE = toy_data("mixture").law
SHORT = fpsde.linear_schedule().subset([1, 5, 20, 60, 150, 300, 450, 600, 750, 1000])
SMALL = NetworkShape(1, width=32, depth=2)


def _train(**given):
    start = new_network(SMALL, seed=5)
    arguments = {"seed": 3, "steps": 60, "stop": None, "network": start, "batch": 128, "look": 20, **given}
    return train(arguments.pop("law", MIXTURE), arguments.pop("schedule", SHORT), **arguments)


def _batches(law, schedule, weights, seed, *, size=2000) -> Batches:
    return Batches(law, schedule, scaling_of(law), weights(schedule), size, seed)


def test_training_comes_near_the_exact_floor_and_stops_there() -> None:
    found = _train(steps=2000, stop=0.05, look=50)
    assert found.reached and found.looks.taken < 2000
    assert found.looks.excesses[-1] <= 0.05 < found.looks.excesses[0]
    assert np.all(found.looks.excesses[:-1] > 0.05)
    assert found.floor == pytest.approx(float(np.mean(noise_floors(MIXTURE, SHORT.sigmas[1:]))), rel=1e-12)


@pytest.mark.parametrize("weights", [simple_weights, min_snr_weights, bound_weights])
def test_the_loss_of_an_exact_denoiser_is_the_floor(weights, seed) -> None:
    """Normal data: a network that says 0 is exact. t of 20 batches at 10 standard errors, level 5e-9."""
    law, start = toy_data("gaussian").law, new_network(SMALL, seed=1, dtype=np.float64)
    drawn = _batches(law, SHORT, weights, seed).drawn(0, 20, start)
    losses = np.array([one.loss_and_slopes(start(one.features))[0] for one in drawn])
    floor, error = weighted_floor(law, SHORT, weights=weights), losses.std(ddof=1) / len(losses) ** 0.5
    assert abs(losses.mean() - floor) < 10 * error
    assert error < 0.02 * floor  # a weight that is wrong by 20 % is seen


def test_what_is_measured_is_what_is_above_the_floor(seed) -> None:
    """Mixture: the loss of a network is the floor and its distance from the exact denoiser."""
    network = Network(SMALL, 0.3 * np.random.default_rng(seed).normal(size=SMALL.size))
    batches = _batches(MIXTURE, SHORT, simple_weights, seed)
    losses = [b.loss_and_slopes(network(b.features))[0] for b in batches.drawn(0, 20, network)]
    points = measured(batches, network)
    values = network(points.features)
    above, floor = points.loss_and_slopes(values)[0], weighted_floor(MIXTURE, SHORT)
    each = (points.weights * (values - points.velocity) ** 2).sum(axis=0).reshape(64, 64)
    error = (each.var(axis=1, ddof=1).sum() / 64**3 + np.var(losses, ddof=1) / len(losses)) ** 0.5
    assert abs(np.mean(losses) - above - floor) < 10 * error
    assert above > 20 * error


def test_the_slopes_of_a_loss_are_those_of_differences(seed) -> None:
    rng, network = np.random.default_rng(seed), new_network(SMALL, seed=1, dtype=np.float64)
    batch = _batches(MIXTURE, SHORT, min_snr_weights, seed, size=7).drawn(0, 1, network)[0]
    value, towards = rng.normal(size=(2, 1, 7))
    slopes = batch.loss_and_slopes(value)[1]
    ahead, back = (batch.loss_and_slopes(value + h * towards)[0] for h in (1e-4, -1e-4))
    assert float(np.sum(slopes * towards)) == pytest.approx((ahead - back) / 2e-4, rel=1e-7)


def test_weights_of_the_bound_are_what_the_errors_cost_in_it() -> None:
    for kind in (ReverseVariance.SMALL, ReverseVariance.LARGE):
        exact = denoising_errors(MIXTURE, SHORT)
        least, more = (variational_bound(MIXTURE, SHORT, variance=kind, errors=e).total for e in (exact, 1.5 * exact))
        floor = weighted_floor(MIXTURE, SHORT, weights=partial(bound_weights, variance=kind))
        assert more - least == pytest.approx(0.5 * SHORT.n_steps * floor, rel=1e-10)


def test_min_snr_weights_are_those_of_the_paper() -> None:
    snr = SHORT.alpha_bars[1:] / (1 - SHORT.alpha_bars[1:])
    assert snr.min() < 5 < snr.max()
    np.testing.assert_allclose(min_snr_weights(SHORT), np.minimum(snr, 5) / snr, rtol=1e-11)
    np.testing.assert_allclose(min_snr_weights(SHORT, gamma=0.1), np.minimum(snr, 0.1) / snr, rtol=1e-11)


def test_score_matching_over_scales_is_the_simple_loss_where_the_variance_explodes() -> None:
    """Song & Ermon: E sigma^2 |score - (x0 - x)/sigma^2|^2, here at its floor, by quadrature."""
    schedule = fpsde.schedule_of_sigmas([0.1, 0.5, 2.0, 10.0])
    law = toy_data("gaussian").law  # score = -(x - 1)/(0.25 + sigma^2); (x0 - x)/sigma^2 has variance 1/sigma^2
    losses = [s**2 * (1 / s**2 - 1 / (0.25 + s**2)) for s in schedule.sigmas[1:]]
    assert weighted_floor(law, schedule) == pytest.approx(np.mean(losses), rel=1e-12)


def test_every_level_is_drawn_as_often_as_any_other(seed) -> None:
    batches = _batches(MIXTURE, SHORT, simple_weights, seed, size=64)
    levels = batches.strata(np.random.default_rng(seed).uniform(size=(5, 64)))
    for row in levels:
        counts = np.bincount(row, minlength=11)[1:]
        assert counts.sum() == 64 and counts.min() >= 5 and counts.max() <= 8
    assert batches.strata(np.ones(64) - 2**-53).max() == 10


@pytest.mark.parametrize("k", [1, 7, 100])
def test_a_first_step_of_adam_has_the_length_of_its_number(k, seed) -> None:
    """Of a parameter whose gradient is not 0: rate k/100 (1 - b1)/(1 - b1^k) / sqrt((1 - b2)/(1 - b2^k))."""
    network = new_network(SMALL, seed=1, dtype=np.float64)
    state = AdamState.begun(network.parameters)
    learn(network, state, _batches(MIXTURE, SHORT, simple_weights, seed), begin=k - 1, end=k, rate=1e-3)
    moved = np.abs(state.parameters - network.parameters)
    length = 1e-3 * k / 100 * (0.1 / (1 - 0.9**k)) / np.sqrt(0.001 / (1 - 0.999**k))
    assert moved.max() == pytest.approx(length, rel=1e-5)


def test_interrupted_training_ends_in_the_same_bits(tmp_path, monkeypatch) -> None:
    whole, file = _train(), tmp_path / "net.npz"
    step, taken = fpsde.ddpm.adam.AdamState.step, []

    def stopped(self, gradient, k, *, rate):
        taken.append(k)
        if k == 47:
            raise KeyboardInterrupt
        step(self, gradient, k, rate=rate)

    monkeypatch.setattr(fpsde.ddpm.adam.AdamState, "step", stopped)
    with pytest.raises(KeyboardInterrupt, match="40 steps"):
        _train(checkpoint=file)
    monkeypatch.undo()
    again = _train(checkpoint=file)
    np.testing.assert_array_equal(again.denoiser.network.parameters, whole.denoiser.network.parameters)
    for name in ("steps", "losses", "excesses"):
        np.testing.assert_array_equal(getattr(again.looks, name), getattr(whole.looks, name))
    assert not np.array_equal(_train(seed=4).denoiser.network.parameters, whole.denoiser.network.parameters)


def test_a_training_can_be_made_longer(tmp_path) -> None:
    file = tmp_path / "net.npz"
    _train(steps=30, checkpoint=file)  # ends between looks, and is looked at there
    longer = _train(checkpoint=file)
    np.testing.assert_array_equal(longer.denoiser.network.parameters, _train().denoiser.network.parameters)
    assert longer.looks.steps.tolist() == [20, 30, 40, 60]


@pytest.mark.parametrize(
    ("given", "differs"),
    [
        ({"seed": 4}, "seed (3 there, 4 here)"),
        ({"batch": 64}, "batch (128 there, 64 here)"),
        ({"schedule": fpsde.cosine_schedule(20)}, "schedule"),
        ({"network": new_network(NetworkShape(1, width=16), seed=5)}, "shape"),
        ({"weights": min_snr_weights}, "weights"),
        ({"law": toy_data("laplace").law}, "data"),
        ({"rate": 1e-3}, "rate (0.003 there, 0.001 here)"),
    ],
)
def test_the_checkpoint_of_another_training_is_refused(given, differs, saved) -> None:
    with pytest.raises(InvalidInput, match="checkpoint of another training") as error:
        _train(checkpoint=saved, **given)
    assert differs in str(error.value)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("training") / "net.npz"
    _train(steps=20, checkpoint=file)
    return file


DAMAGE = [lambda b: b[: len(b) // 2], lambda b: b"text", lambda b: b[:3000] + b"x" + b[3001:]]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_refused(damage, saved, tmp_path) -> None:
    other = tmp_path / "damaged.npz"
    other.write_bytes(damage(saved.read_bytes()))
    with pytest.raises(InvalidInput, match="damaged"):
        _train(checkpoint=other)


def test_a_checkpoint_that_cannot_be_written_is_an_error_before_anything_is_trained(tmp_path) -> None:
    with pytest.raises(BackendUnavailable, match="cannot be written"):
        _train(checkpoint=tmp_path / "missing" / "net.npz")


def test_a_full_disk_is_an_error_and_the_last_checkpoint_stays(tmp_path, monkeypatch) -> None:
    file = tmp_path / "net.npz"
    _train(steps=20, checkpoint=file)
    before = file.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fpsde.writing.os.fsync", full)
    with pytest.raises(BackendUnavailable, match="No space left"):
        _train(checkpoint=file)
    assert file.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["net.npz"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"steps": 0}, "steps=0"),
        ({"batch": 0}, "batch=0"),
        ({"rate": -1.0}, "rate"),
        ({"stop": 0.0}, "stop"),
        ({"seed": -1}, "seed"),
        ({"checkpoint": 3}, "path of a file"),
        ({"law": toy_data("moons").law}, "dim=1, the law 2"),
        ({"schedule": fpsde.reciprocal_schedule(10)}, "no signal"),
        ({"schedule": fpsde.linear_schedule(50)}, "T=50 is too small .* at T the signal-to-noise ratio is 1.5"),
        ({"schedule": fpsde.schedule_of_sigmas([0.1, 2.0])}, r"nats from N\(0, 2\^2 I\), where sampling starts"),
        ({"weights": lambda s: -simple_weights(s)}, "none negative"),
        ({"weights": lambda s: np.ones(3)}, "10 are needed"),
        ({"weights": lambda s: np.full(10, np.nan)}, "NaN"),
    ],
)
def test_what_cannot_be_trained(given, says) -> None:
    with pytest.raises(InvalidInput, match=says):
        _train(**given)


def test_a_rate_that_is_too_large_is_an_error() -> None:
    with pytest.raises(UnstableStep, match="take a rate below"), np.errstate(all="ignore"):
        _train(rate=1e25)


def test_weights_that_no_bound_has() -> None:
    with pytest.raises(InvalidInput, match="SMALL"):
        bound_weights(SHORT, variance=ReverseVariance.OPTIMAL)
    with pytest.raises(InvalidInput, match="leave some signal"):
        bound_weights(fpsde.reciprocal_schedule(10))
    with pytest.raises(InvalidInput, match="gamma"):
        min_snr_weights(SHORT, gamma=0)


def test_the_bar_shows_the_loss_beside_its_floor(capsys) -> None:
    _train(steps=20, progress=True)
    shown = capsys.readouterr()
    assert "floor" in shown.err and "loss" in shown.err and not shown.out


@pytest.mark.slow
@pytest.mark.parametrize(("name", "steps"), [("mixture", 1000), ("moons", 4000), ("checkerboard", 6000)])
def test_toy_data_are_learned_to_two_percent_of_the_floor_in_a_minute(name, steps, seed) -> None:
    """T = 1000; the loss of fresh points, not of those that stopped the training, is near the floor too."""
    law, schedule, start = toy_data(name).law, fpsde.linear_schedule(1000), time.process_time()
    found = train(law, schedule, seed=seed, steps=steps)
    assert found.reached and found.looks.excesses[-1] <= 0.02
    assert time.process_time() - start < 120  # of both cores together
    network = found.denoiser.network
    fresh = measured(_batches(law, schedule, simple_weights, (seed + 1) % 2**64), network)
    assert 0 < fresh.loss_and_slopes(network(fresh.features))[0] < 0.03 * found.floor
