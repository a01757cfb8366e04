"""Exact sampling: one step draws from the transition of the process itself."""

from dataclasses import replace
from math import inf
from typing import Any

from fpsde.schemes.inputs import Per, Z
from fpsde.schemes.scheme import Orders, Scheme


def _step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    return model.sample(x, t, dt, noise.z)


exact_sampling = Scheme(
    name="exact_sampling",
    equation="x' ~ law of X_{t+dt} given X_t = x",
    step=_step,
    inputs=(replace(Z, per=Per.COMPONENT),),
    convention="Itô",
    strong=None,
    weak=Orders(additive=inf, commutative=inf, general=inf),
    stationary=inf,
    wall_order=None,
    conditions="a process that states sample=, its transition from standard normals; z has no dt-refinement",
    evaluations=0,
    source="the closed form that the process cites",
)
