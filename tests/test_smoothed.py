"""The law of U + std Z, and affine images of laws, against quadrature."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import ndtr

from fpsde.density import FrozenLaw, Mixture, Normal, Point, Uniform
from fpsde.errors import InvalidInput
from fpsde.smoothed import SmoothedUniform, affine_image

LAWS = [SmoothedUniform(-0.3, 0.9, std) for std in (0.02, 0.3, 0.59, 0.61, 5.0)]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("z", [-8.0, -3.0, -0.4, 0.1, 1.5, 6.0])
def test_smoothed_uniform_is_the_average_of_normals(law, z) -> None:
    x = law.centre + z * law.std + np.sign(z) * 0.6
    span, near = law.high - law.low, [x] if law.low < x < law.high else None
    cdf = quad(lambda y: ndtr((x - y) / law.std), law.low, law.high, points=near, epsabs=0, epsrel=1e-12)[0] / span
    pdf = quad(lambda y: Normal(y, law.std).pdf(x), law.low, law.high, points=near, epsabs=0, epsrel=1e-12)[0] / span
    assert law.cdf(x) == pytest.approx(cdf, rel=1e-12, abs=0)  # the lower tail keeps its relative accuracy
    assert law.pdf(x) == pytest.approx(pdf, rel=1e-12, abs=0)  # and the density both tails
    assert law.cdf(2 * law.centre - x) == pytest.approx(1 - cdf, abs=1e-15)


@pytest.mark.parametrize("law", LAWS)
def test_closed_moments_of_a_smoothed_uniform_are_its_integrals(law) -> None:
    for k in range(5):
        assert law.moment(k) == pytest.approx(law.expectation(lambda x, k=k: x**k), rel=1e-12)
        assert law.central_moment(k) == pytest.approx(
            law.expectation(lambda x, k=k: (x - law.centre) ** k), rel=1e-12, abs=1e-12
        )
    assert law.variance == pytest.approx(1.2**2 / 12 + law.std**2, rel=1e-14)
    assert law.variance != pytest.approx(1.2**2 / 12 + law.std, rel=1e-3)


def test_the_image_of_a_uniform_by_two_steps_is_its_image_by_their_composition() -> None:
    once = affine_image(Uniform(0.0, 1.0), scale=-0.9, shift=0.2, std=0.3)
    twice = affine_image(once, scale=0.5, shift=-1.0, std=0.4)
    whole = affine_image(Uniform(0.0, 1.0), scale=-0.45, shift=-0.9, std=np.hypot(0.15, 0.4))
    x = np.linspace(-3, 2, 41)
    assert twice.cdf(x) == pytest.approx(whole.cdf(x), abs=1e-15)
    assert twice.mean == pytest.approx(-0.9 - 0.45 / 2)


@pytest.mark.parametrize(
    ("initial", "mean", "variance"),
    [
        (Point(2.0), 2.0, 0.0),
        (Normal(-1.0, 0.5), -1.0, 0.25),
        (Uniform(1.0, 2.0), 1.5, 1 / 12),
        (SmoothedUniform(1.0, 2.0, 0.2), 1.5, 1 / 12 + 0.04),
        (Mixture([0.25, 0.75], [Point(1.0), Uniform(0.0, 2.0)]), 1.0, 0.75 / 3),
    ],
)
@pytest.mark.parametrize(
    ("scale", "shift", "std"), [(0.7, 0.1, 0.3), (-0.7, 0.1, 0.3), (0.0, 0.1, 0.3), (0.7, 0.1, 0.0)]
)
def test_affine_images_have_the_mean_and_variance_of_the_map(initial, mean, variance, scale, shift, std) -> None:
    image = affine_image(initial, scale=scale, shift=shift, std=std)
    assert image.mean == pytest.approx(scale * mean + shift, abs=1e-13)
    assert image.variance == pytest.approx(scale**2 * variance + std**2, abs=1e-13)


def test_degenerate_maps_give_points_and_plain_laws() -> None:
    assert affine_image(Uniform(0.0, 1.0), scale=0.0, shift=2.0, std=0.0) == Point(2.0)
    assert affine_image(Uniform(0.0, 1.0), scale=-2.0, shift=0.0, std=0.0) == Uniform(-2.0, 0.0)
    assert affine_image(Point(3.0), scale=2.0, shift=1.0, std=0.5) == Normal(7.0, 0.5)


def test_images_that_are_not_known_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"FrozenLaw has no closed form here; start from Point, Normal"):
        affine_image(FrozenLaw(stats.gamma(2.0)), scale=1.0, shift=0.0, std=1.0)
    with pytest.raises(InvalidInput, match=r"std=-0.1 must not be negative"):
        affine_image(Point(0.0), scale=1.0, shift=0.0, std=-0.1)
    with pytest.raises(InvalidInput, match=r"scale=nan is not finite"):
        affine_image(Point(0.0), scale=float("nan"), shift=0.0, std=1.0)
    with pytest.raises(InvalidInput, match=r"Uniform\(1.0, 1.0\) is empty"):
        SmoothedUniform(1.0, 1.0, 0.1)
