"""Every planted defect must fail on its own edge, and the same run without it must hold."""

import re

import pytest

from fpsde.chain import verify
from fpsde.checks import Verdict
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.plants import PLANTS, plant_named, planted
from fpsde.processes import brownian, cox_ingersoll_ross, double_well, geometric_brownian, ornstein_uhlenbeck
from fpsde.schemes import euler_maruyama

REFLECTED = brownian(domain=Interval.between(0.0, 1.0, Wall.REFLECTING))
CASES = {
    "noise*1.01": [double_well, cox_ingersoll_ross],
    "sqrt(dt)->dt": [double_well],
    "reused noise": [double_well],
    "dropped last step": [double_well],
    "stated noise*1.001": [double_well],
    "drift sign": [ornstein_uhlenbeck, double_well],
    "ito as stratonovich": [geometric_brownian, cox_ingersoll_ross],
    "D not halved": [ornstein_uhlenbeck, double_well],
    "no-flux as zero gradient": [lambda: REFLECTED],
}
ALPHA = 1e-8  # of each session here: a small part of what the suite may spend
EARLIER = {1: (), 2: (1, 3), 3: (1,)}  # edges that the defect of an edge must leave alone


def test_every_plant_has_a_case() -> None:
    assert CASES.keys() == PLANTS.keys()


#: One defect of each edge; the others are slow.
FAST = {("noise*1.01", double_well), ("dropped last step", double_well), ("D not halved", ornstein_uhlenbeck)}
PAIRS = [
    pytest.param(name, make, marks=[] if (name, make) in FAST else [pytest.mark.slow])
    for name, makes in CASES.items()
    for make in makes
]


@pytest.mark.parametrize(("name", "process"), PAIRS)
def test_a_plant_fails_on_its_own_edge(name, process, seed) -> None:
    plant, judged = plant_named(name), process()
    chain = verify(judged, euler_maruyama, corners=planted(plant, judged), seed=seed, alpha=ALPHA).chains[0]
    assert chain.verdict(plant.edge) is Verdict.FAIL, chain.blame
    assert f"edge {plant.edge} fails" in chain.blame
    for edge in EARLIER[plant.edge]:
        assert chain.verdict(edge) is not Verdict.FAIL, chain.blame


MORE = (cox_ingersoll_ross, ornstein_uhlenbeck, geometric_brownian, lambda: REFLECTED)


@pytest.mark.parametrize("process", [double_well, *(pytest.param(make, marks=pytest.mark.slow) for make in MORE)])
def test_without_the_plant_all_edges_hold(process, seed) -> None:
    report = verify(process(), euler_maruyama, seed=seed, alpha=ALPHA)
    assert report.holds, report.chains[0].blame
    assert report.exit_code == 0


def test_the_size_of_a_noise_defect_is_said(seed) -> None:
    well = double_well()
    chain = verify(well, euler_maruyama, corners=planted(plant_named("noise*1.01"), well), seed=seed).chains[0]
    innovations = next(row for edge, row in chain.rows if row.check.startswith("innovations"))
    ratio, error = (float(v) for v in re.search(r"variance is (\S+) \+- (\S+) times", innovations.detail).groups())
    assert abs(ratio - 1.01**2) < 6.5 * error
    assert error < 0.002


def test_a_plant_that_changes_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"changes nothing on double_well"):
        planted(plant_named("ito as stratonovich"), double_well())


def test_an_unknown_plant_offers_the_nearest() -> None:
    with pytest.raises(InvalidInput, match=r"did you mean 'drift sign'"):
        plant_named("drift sing")
