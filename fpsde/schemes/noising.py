"""The noising step of denoising diffusion models: it keeps the variance where Euler's step does not."""

from typing import Any

import numpy as np

from fpsde.schemes.inputs import Z
from fpsde.schemes.scheme import Orders, Scheme


def _step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    beta = model.rate(t) * dt
    return np.sqrt(1 - beta) * x + np.sqrt(beta) * noise.z


ddpm_step = Scheme(
    name="ddpm_step",
    equation="x' = sqrt(1 - beta_n) x + sqrt(beta_n) z,  beta_n = beta(t_n) dt",
    step=_step,
    inputs=(Z,),
    convention="Itô",
    strong=None,
    weak=Orders(additive=1.0, commutative=None, general=None),
    wall_order=None,
    conditions="a variance-preserving process (it states its rate beta) with beta_n < 1; z has no dt-refinement",
    evaluations=1,
    source="Sohl-Dickstein et al. (2015), table App.1; Ho et al., arXiv:2006.11239, eq. (2)",
)
