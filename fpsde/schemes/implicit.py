"""Steps that are implicit in the drift: the theta method, and split-step backward Euler. Noise stays explicit."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

from fpsde.errors import InvalidInput
from fpsde.schemes.advance import Advance
from fpsde.schemes.inputs import DW
from fpsde.schemes.newton import CORRECTIONS, solved
from fpsde.schemes.scheme import Orders, Scheme
from fpsde.validation import finite

_CONDITIONS = "drift one-sided Lipschitz and differentiable, dt so small that it has one solution; at most 6 components"


def drift_implicit(theta: float = 1.0) -> Scheme:
    """Return the theta method: backward Euler (theta = 1), the trapezoidal rule (theta = 1/2), and between.

        x' = x + (1 - theta) mu(x, t) dt + theta mu(x', t + dt) dt + sigma(x, t) dW

    With theta = 1/2, sigma is taken at the middle of the step in t, which weak order 2 needs where it depends on t.
    The equation is solved by six steps of Newton's method inside of the kernel (:mod:`fpsde.schemes.newton`); a
    particle whose last correction is not small counts as ``failed`` in the run: take a smaller dt.

    Strong order 1 for additive noise, else 1/2; weak order 1, and 2 for additive noise with theta = 1/2. For
    theta >= 1/2 a linear drift is stable at every dt. On a harmonic well with a = dt k the stationary variance is
    (kT/k)/(1 + a/2) for theta = 1 and exact for theta = 1/2.

    Raises InvalidInput unless 0 < theta <= 1 (theta = 0 is euler_maruyama); Unsuited, when the scheme meets it, for a
    process of more than six components.
    Source: Kloeden & Platen (1992), sections 12.2 and 15.4; Higham, SIAM J. Numer. Anal. 38 (2000) 753.
    """
    theta = finite("theta", theta)
    if not 0 < theta <= 1:
        raise InvalidInput(f"theta={theta}; 0 < theta <= 1 is needed, and theta = 0 is euler_maruyama")
    return _drift_implicit(theta)


def _theta_step(theta: float, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    kick = model.noise(x, t + 0.5 * dt if theta == 0.5 else t, noise.dw)
    explicit = (1.0 - theta) * dt * model.drift(x, t) if theta < 1 else 0.0
    moved, failed = solved(model, model.staged(x + explicit + kick), theta * dt, t + dt, start=x)
    return Advance(moved, failed=failed)


@lru_cache(maxsize=64)
def _drift_implicit(theta: float) -> Scheme:
    middle = theta == 0.5
    name = {1.0: "implicit_euler", 0.5: "trapezoidal"}.get(theta, f"drift_implicit_{theta:g}")
    return Scheme(
        name=name,
        equation=f"x' = x + {1 - theta:g} mu(x, t) dt + {theta:g} mu(x', t + dt) dt + sigma dW",
        step=partial(_theta_step, theta),
        inputs=(DW,),
        convention="Itô",
        strong=Orders(additive=1.0, commutative=0.5, general=0.5),
        weak=Orders(additive=2.0 if middle else 1.0, commutative=1.0, general=1.0),
        stationary=2.0 if middle else 1.0,
        wall_order=None,
        conditions=_CONDITIONS,
        evaluations=CORRECTIONS + (theta < 1),
        source="Kloeden & Platen (1992), sections 12.2 and 15.4",
        may_fail=True,
    )


def _split_step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    inner, failed = solved(model, x, dt, t + dt, start=x)
    return Advance(inner + model.noise(inner, t, noise.dw), failed=failed)


implicit_euler, trapezoidal = drift_implicit(1.0), drift_implicit(0.5)

split_step_backward_euler = Scheme(
    name="split_step_backward_euler",
    equation="y = x + mu(y, t + dt) dt;  x' = y + sigma(y, t) dW",
    step=_split_step,
    inputs=(DW,),
    convention="Itô",
    strong=Orders(additive=1.0, commutative=0.5, general=0.5),
    weak=Orders(additive=1.0, commutative=1.0, general=1.0),
    stationary=1.0,
    wall_order=None,
    conditions=_CONDITIONS,
    evaluations=CORRECTIONS,
    source="Higham, Mao & Stuart, SIAM J. Numer. Anal. 40 (2002) 1041, eqs. (3.8), (3.9)",
    may_fail=True,
)
