"""A black box's step on arrays of a device that refuse every implicit conversion: the numbers of NumPy's, all there."""

from __future__ import annotations

import numpy as np
import pytest
from emulated_gpu import DeviceArray

from fpsde.arrays import DeviceValues
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput, Unsuited
from fpsde.noise_class import NoiseType
from fpsde.processes.black_box import BlackBox
from fpsde.schemes import SCHEMES, euler_maruyama
from fpsde.schemes.array_step import ArrayStep
from fpsde.symbolic import components

MATRIX = np.array([[0.3, 0.0, 0.1], [0.2, 0.6, 0.0]])


def drift(x, t):
    return np.stack([x[1] - 0.6 * x[0], np.sin(x[0]) - x[1] + 0.3 * t])


#: name: what is stated of the noise
NOISES = {
    "numbers": {"sigma": [0.5, 0.3]},
    "a matrix": {"sigma": MATRIX},
    "a number in time": {"sigma": lambda x, t: 0.5 + t, "noise": NoiseType.ADDITIVE},
    "diagonal": {"sigma": lambda x, t: 0.4 + 0.2 * np.sin(x), "noise": NoiseType.DIAGONAL},
    "one channel": {"sigma": lambda x, t: np.cos(x[::-1]), "noise": NoiseType.SCALAR},
    "general": {
        "sigma": lambda x, t: np.asarray(MATRIX, like=x)[:, :, None] * np.cos(x[:1] - x[1:]),
        "noise": NoiseType.GENERAL,
    },
}
WALLS = {
    "none": (LINE, LINE),
    "a ring and a mirror": (
        Interval(-1.0, 1.0, Wall.PERIODIC, Wall.PERIODIC),
        Interval(low=-0.2, low_wall=Wall.REFLECTING),
    ),
    "absorbing": (LINE, Interval(-0.5, 1.0, Wall.ABSORBING, Wall.ABSORBING)),
}


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("walls", [w if w == "none" else pytest.param(w, marks=pytest.mark.slow) for w in WALLS])
def test_every_scheme_has_there_the_bits_that_it_has_on_the_host(walls, name, seed):
    rng = np.random.default_rng(seed)
    params = {"temperature": 0.5}
    box = BlackBox(
        drift=drift, energy=lambda x, t: 0.5 * np.sum(x * x, axis=0), dim=2, domain=WALLS[walls], params=params,
        **NOISES[name],
    )  # fmt: skip
    ran = []
    for scheme in SCHEMES.values():
        try:
            step = ArrayStep(scheme, box)
        except Unsuited:
            continue
        state = rng.normal(size=(step.state_rows, 9)) / 3
        z = rng.normal(size=(step.normals, 9))
        there = step.advance(DeviceArray(state.copy()), DeviceArray(z), 0.3, 0.1)
        assert isinstance(there, DeviceArray)
        np.testing.assert_array_equal(there.get(), step.advance(state, z, 0.3, 0.1), err_msg=scheme.name)
        assert not np.array_equal(there.get(), state)
        ran.append(scheme.name)
    if walls == "none":
        assert {"euler_maruyama", "tamed_euler", "platen_weak2"} <= set(ran)
        assert ("mala" in ran) == (name in ("numbers", "a number in time"))
    else:
        assert ran or name not in ("numbers", "diagonal")


@pytest.mark.parametrize("what", ["drift", "sigma", "energy"])
def test_a_function_that_comes_back_with_an_array_of_the_host_is_refused(what):
    """On the host it is right: only where x lies elsewhere it is seen."""
    stated = {"drift": lambda x, t: -x, "sigma": lambda x, t: 1.0, "energy": lambda x, t: x[0] ** 2}
    stated[what] = lambda x, t: np.ones(x.shape[1:] if what == "energy" else x.shape)
    box = BlackBox(**stated, dim=2, noise=NoiseType.ADDITIVE)
    x = DeviceArray(np.zeros((2, 5)))
    with pytest.raises(InvalidInput, match=f"{what} of black_box returned an array of the host for one of a device"):
        getattr(box, f"{what}_at")(x, 0.0)
    assert isinstance(BlackBox(drift=lambda x, t: -x, sigma=1.0, dim=2).drift_at(x, 0.0), DeviceArray)


def test_single_precision_stays_single():
    step = ArrayStep(euler_maruyama, BlackBox(drift=lambda x, t: -x, sigma=lambda x, t: 0.5 * x / x, dim=1,
                                              noise=NoiseType.ADDITIVE))  # fmt: skip
    state, z = (np.linspace(0.5, 1.0, 6, dtype="float32").reshape(1, 6) for _ in range(2))
    there = step.advance(DeviceArray(state.copy()), DeviceArray(z), 0.0, 0.1)
    assert there.dtype == np.float32
    np.testing.assert_array_equal(there.get(), step.advance(state, z, 0.0, 0.1))


def test_values_of_a_device_do_not_meet_the_host():
    here, there = np.ones(3), DeviceValues(DeviceArray(np.ones(3)))
    for mixed in (
        lambda: there + here,
        lambda: here * there,
        lambda: np.asarray(there),
        lambda: np.where(here, there, 0),
    ):
        with pytest.raises(TypeError):
            mixed()
    pair = np.where(components([there, there]) > 0.5, 2.0, components([there, 1.0])) * there
    assert [one.array.get().tolist() for one in pair] == [[2.0] * 3] * 2
