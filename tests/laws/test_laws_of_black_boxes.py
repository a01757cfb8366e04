"""Laws of black boxes are those of the same processes as formulas, by values of their steps alone."""

from typing import Any

import numpy as np
import pytest

import fpsde
from fpsde import checks
from fpsde.errors import InvalidInput, NotConverged
from fpsde.laws import scheme_law
from fpsde.schemes import euler_maruyama, platen_weak2

WALLED = fpsde.Interval.between(-2.0, 2.0, fpsde.Wall.REFLECTING)
BOX = (-8.0, 8.0)
RUN: dict[str, Any] = {"x0": fpsde.Normal(0.3, 0.5), "t_end": 0.2, "dt": 0.1}
WELL = fpsde.Process(drift=lambda x, t: x - x**3 + t, sigma=lambda x: 0.7 + 0.1 * np.sin(x))


def well(noise=1.0, **given):
    return fpsde.BlackBox(
        lambda x, t: x - x**3 + t,
        lambda x, t: noise * (0.7 + 0.1 * np.sin(x)),
        1,
        noise=fpsde.NoiseType.DIAGONAL,
        **given,
    )


def test_the_law_of_a_black_box_is_that_of_its_formulas() -> None:
    """To round-off, and a thousandth more noise is seen."""
    x = np.linspace(-1.5, 2.0, 41)
    exact = scheme_law(WELL, euler_maruyama, **RUN).law
    found = scheme_law(well(), euler_maruyama, box=BOX, **RUN)
    np.testing.assert_allclose(found.law.pdf(x), exact.pdf(x), rtol=1e-10)
    assert found.accuracy <= 1e-12
    wrong = scheme_law(well(1.001), euler_maruyama, box=BOX, **RUN).law
    assert checks.distances.total_variation(wrong, exact) > 1e-4


@pytest.mark.slow
def test_a_box_for_a_black_box_is_found() -> None:
    x = np.linspace(-1.5, 2.0, 41)
    found = scheme_law(well(), euler_maruyama, **RUN).law
    np.testing.assert_allclose(found.pdf(x), scheme_law(WELL, euler_maruyama, **RUN).law.pdf(x), rtol=1e-10)


@pytest.mark.parametrize(
    ("box", "scheme", "error", "says"),
    [
        (well(), platen_weak2, InvalidInput, "formulas|discrete noise|black box"),
        (well(tables={"beta": [0.1]}), euler_maruyama, InvalidInput, "1 entries, the run 2 steps"),
        (well(domain=WALLED), euler_maruyama, InvalidInput, "without walls"),
        (fpsde.BlackBox(lambda x, t: -x, 0.0, 1), euler_maruyama, NotConverged, "no finite noise|no density"),
    ],
    ids=["discrete noise", "table", "walls", "no noise"],
)
def test_black_boxes_without_a_law(box, scheme, error, says) -> None:
    with pytest.raises(error, match=says):
        scheme_law(box, scheme, box=BOX, **RUN)
