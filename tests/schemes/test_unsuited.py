"""Which scheme takes which noise: the whole table, refused at the call with the names of those that can be taken."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bare_processes import between, ou
from plain_twins import TWINS

from fpsde.domain import Wall
from fpsde.errors import InvalidInput, Unsuited
from fpsde.integrators import simulate
from fpsde.laws import scheme_law
from fpsde.noise_class import NoiseType
from fpsde.processes.black_box import BlackBox
from fpsde.processes.process import Process
from fpsde.schemes import SCHEMES, milstein, sra1, sriw1
from fpsde.schemes.registry import offers_the_suited
from fpsde.schemes.scheme import Orders
from fpsde.schemes.tracing import traced_step

ANY = {"euler_maruyama", "tamed_euler", "euler_heun", "heun", "platen_weak2", "ri1"}
COMMUTING = ANY | {"milstein", "milstein_derivative_free"}
#: class of noise: the schemes for Itô and Stratonovich equations that take it
TABLE = {
    "additive": COMMUTING | {"sra1", "sra3"},
    "separate": COMMUTING | {"sra1", "sra3", "sriw1"},
    "diagonal": COMMUTING | {"sriw1"},
    "scalar": COMMUTING | {"sriw1"},
    "commuting": COMMUTING,
    "general": ANY,
}


def test_an_order_is_that_of_the_most_special_class_of_the_noise():
    orders = Orders(additive=3.0, commutative=2.0, general=1.0)
    assert {name: orders.on(twin.process) for name, twin in TWINS.items()} == {
        "additive": 3.0,
        "separate": 3.0,
        "diagonal": 2.0,
        "scalar": 2.0,
        "commuting": 2.0,
        "general": 1.0,
    }


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("scheme", sorted(set().union(*TABLE.values())))
def test_a_scheme_takes_the_noise_of_its_classes_and_no_other(scheme, name):
    process = TWINS[name].process
    if scheme in TABLE[name]:
        traced_step(SCHEMES[scheme], process)
    else:
        with pytest.raises(Unsuited, match=f"{scheme} takes .* noise; that of process is .*general"):
            traced_step(SCHEMES[scheme], process)


def offered(error):
    return set(re.search(r"Schemes that have a form on process: (.*)", str(error.value)).group(1).split(", "))


@pytest.mark.parametrize("name", TWINS)
def test_the_refusal_names_exactly_the_schemes_that_can_be_taken(name):
    process = TWINS[name].process
    with pytest.raises(Unsuited) as error:
        traced_step(SCHEMES["ddpm_step"], process)
    known = set().union(*TABLE.values())
    assert offered(error) & known == TABLE[name]
    for other in offered(error):
        traced_step(SCHEMES[other], process)


@pytest.mark.parametrize("door", [simulate, scheme_law], ids=["simulate", "scheme_law"])
def test_the_doors_refuse_by_name(door):
    process = Process(drift=lambda x: -x, sigma=lambda x: 1 + 0.1 * x)
    more = {"n_particles": 10, "seed": 1} if door is simulate else {}
    with pytest.raises(Unsuited, match=r"sra1 takes additive noise; .*form on process: euler_maruyama, milstein, "):
        door(process, sra1, x0=0.1, t_end=1.0, dt=0.1, **more)


def test_a_black_box_is_offered_what_needs_no_formulas():
    box = BlackBox(drift=lambda x, t: -x, sigma=lambda x, t: 0.3 + 0.1 * np.cos(x), dim=2, noise=NoiseType.DIAGONAL)
    with pytest.raises(Unsuited) as error:
        simulate(box, milstein, x0=(0.1, 0.2), t_end=1.0, dt=0.1, n_particles=10, seed=1)
    assert "black_box is a black box" in str(error.value)
    assert set(str(error.value).rpartition("form on black_box: ")[2].split(", ")) == {
        "euler_maruyama",
        "tamed_euler",
        "milstein_derivative_free",
        "sriw1",
        "platen_weak2",
        "ri1",
    }


def test_what_a_wall_refuses_is_not_offered_there():
    with pytest.raises(Unsuited, match="sriw1 has no form at the reflecting/reflecting walls") as error:
        traced_step(sriw1, ou(domain=between(Wall.REFLECTING)))
    assert {"euler_maruyama", "milstein"} <= offered(error) and not {"sriw1", "platen_weak2"} & offered(error)


def test_where_no_scheme_has_a_form_the_error_says_so():
    @offers_the_suited
    def refuse(scheme, process):
        raise Unsuited(f"{scheme.name} has no form")

    with pytest.raises(InvalidInput, match=r"milstein has no form\. Schemes that have a form on process: none of this"):
        refuse(milstein, ou())
