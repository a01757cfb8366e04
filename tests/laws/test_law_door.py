"""Bad input of scheme_law: each gives an error with the values in it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fpsde.density import FrozenLaw, Mixture, Normal, Point, Uniform
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.laws import Leak, Method, scheme_law
from fpsde.processes import brownian, ddpm_chain, double_well, geometric_brownian, variance_preserving
from fpsde.processes.process import Process
from fpsde.schemes import ddpm_step, euler_maruyama, splitting
from fpsde.schemes.advance import Advance
from fpsde.schemes.inputs import DW, TWO_POINT
from fpsde.schemes.scheme import Orders, Scheme

WALLED = brownian(0.5, 0.8, domain=Interval.between(0.0, 1.0, Wall.REFLECTING))
TWO_DIMENSIONS = Process(drift=lambda x, t, p: (-x[0], -x[1]), sigma=lambda x, t, p: (1.0, 1.0), dim=2, name="plane")


def other_scheme(step, *inputs, **options) -> Scheme:
    orders = Orders(additive=1.0, commutative=1.0, general=1.0)
    fields = {"equation": "", "convention": "Itô", "conditions": "", "source": "", "evaluations": 1, "wall_order": 1.0}
    return Scheme("other", step=step, inputs=inputs, strong=orders, weak=orders, **fields, **options)


def moved_by_two_points(model, x, t, dt, noise):
    return x + model.noise(x, t, noise.two_point)


def at_rest(model, x, t, dt, noise):
    return x


def cubic(model, x, t, dt, noise):
    return x + noise.dw[0] + noise.dw[0] ** 3


def with_memory(model, x, t, dt, noise, aux):
    return Advance(x + aux["v"] * dt + model.noise(x, t, noise.dw), {"v": noise.dw})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x0": "1"}, "x0='1' is not a number"),
        ({"x0": np.nan}, "x0=nan is not finite"),
        ({"x0": -1.0, "process": geometric_brownian()}, r"1 of its mass outside of the domain \(0\.0, inf\)"),
        ({"x0": 0.0, "process": geometric_brownian()}, "1 of its mass outside"),
        ({"x0": 1.5, "process": WALLED}, r"1 of its mass outside of the domain \(0\.0, 1\.0\)"),
        ({"x0": Normal(0.5, 0.2), "process": WALLED}, "0.0124 of its mass outside"),
        ({"x0": Mixture([0.9, 0.1], [Point(0.5), Point(2.0)]), "process": WALLED}, "0.1 of its mass outside"),
        ({"dt": 0.3}, "dt=0.3 does not divide t_end=1.0"),
        ({"dt": -0.1}, "dt=-0.1 must be positive"),
        ({"dt": None}, "give both"),
        ({"times": [0.0, 1.0]}, "times were given together with t_end or dt"),
        ({"at": [0.1, 0.25]}, r"at\[1\]=0\.25 is not on the grid of steps; the nearest of its times is 0\.2"),
        ({"at": [0.2, 0.1]}, "at must strictly increase"),
        ({"at": [1.1]}, r"at\[0\]=1\.1 is not on the grid"),
        ({"tolerance": 0.0}, "tolerance=0.0 must be positive"),
        ({"box": (1.0, -1.0)}, r"box \(1\.0, -1\.0\) must be an interval inside of the domain"),
        ({"box": 3.0}, "box=3.0 is not a pair"),
        ({"box": (-1.0, np.inf)}, r"box\[1\]=inf is not finite"),
        ({"box": (1.0, 2.0)}, r"of its mass outside of the box \(1\.0, 2\.0\)"),
        ({"box": (0.0, 0.7), "process": WALLED}, "ends at 0.7, but must reach the reflecting wall at 1.0"),
        ({"process": TWO_DIMENSIONS}, "plane has dim=2; scheme_law takes processes of one dimension"),
        ({"process": TWO_DIMENSIONS, "x0": (0.1, 0.2)}, "plane has dim=2; scheme_law takes processes of one dimension"),
        ({"process": double_well}, r"is not a Process; double_well is a function; call it: double_well\(\)"),
        ({"scheme": splitting}, r"is not a Scheme; splitting is a function; call it: splitting\(\.\.\.\)"),
        ({"process": "double_well"}, "process='double_well' is not a Process"),
        ({"scheme": "euler"}, "scheme='euler' is not a Scheme"),
        ({"scheme": other_scheme(moved_by_two_points, TWO_POINT)}, "other on double_well takes discrete noise or none"),
        ({"scheme": other_scheme(with_memory, DW, auxiliary=("v",))}, "other reads aux_v0 of the step before"),
        ({"scheme": other_scheme(at_rest)}, "takes discrete noise or none, so that a step has no density"),
        ({"scheme": other_scheme(cubic, DW), "process": WALLED, "x0": 0.5}, "no polynomial .* at walls"),
        ({"scheme": ddpm_step, "process": WALLED}, "ddpm_step has no form at the reflecting/reflecting walls"),
        ({"scheme": ddpm_step}, "double_well states no noise rate"),
        ({"scheme": ddpm_step, "process": ddpm_chain()}, "'beta' of ddpm_chain has 1000 entries, the run 10 steps"),
    ],
)
def test_bad_input_is_refused_with_the_values_in_the_message(changes, message):
    arguments = {"process": double_well(), "scheme": euler_maruyama, "x0": 0.5, "t_end": 1.0, "dt": 0.1, **changes}
    with pytest.raises(InvalidInput, match=message):
        scheme_law(arguments.pop("process"), arguments.pop("scheme"), **arguments)


def test_a_step_outside_of_a_schemes_conditions_is_refused_with_them():
    with pytest.raises(InvalidInput, match=r"not finite; the conditions of ddpm_step: .* beta_n < 1"):
        scheme_law(variance_preserving(), ddpm_step, x0=0.0, t_end=1.0, dt=0.1)


def test_an_initial_density_that_cannot_be_summed_is_refused():
    process = brownian(0.5, 0.8, domain=Interval.between(0.0, 1.0, Wall.REFLECTING))
    with pytest.raises(NotConverged, match="too close to a singular end"):
        scheme_law(process, euler_maruyama, x0=FrozenLaw(stats.beta(0.5, 0.7)), t_end=1.0, dt=0.1)


def test_the_result_says_where_it_comes_from():
    found = scheme_law(double_well(), euler_maruyama, x0=Uniform(-0.5, 0.5), t_end=0.2, dt=0.02, at=[0.1])
    assert found.method is Method.OPERATOR
    assert isinstance(found.leak, Leak)
    assert found.times == pytest.approx((0.1,))
    assert found.box[0] < -1 < 1 < found.box[1]
    expected = {"process": "double_well", "scheme": "euler_maruyama", "n_steps": 10, "tolerance": 1e-12}
    assert expected.items() <= dict(found.provenance).items()
    assert found.provenance["dt"] == pytest.approx(0.02)
    assert {"fpsde", "numpy", "machine"} <= set(found.provenance)
