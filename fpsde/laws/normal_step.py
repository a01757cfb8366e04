"""Steps that are affine in normal noise, by values: of formulas and black boxes, in any number of components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.processes.black_box import BlackBox
from fpsde.processes.process import Process
from fpsde.schemes.array_step import array_step
from fpsde.schemes.scheme import Scheme

#: Places at which a step is held against its affine form, and the part of its size by which it may differ there.
PROBES, AFFINE = 16, 1e-10


@dataclass(frozen=True, eq=False)
class NormalStep:
    """A step x' = A(x) + B(x) z of positions; ``at(x, t, dt)`` gives A (d, n) and C = B B^T (d, d, n)."""

    at: Callable[[np.ndarray, float, float], tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, scheme: Scheme, process: Process | BlackBox) -> NormalStep:
        """Return the step of a scheme; InvalidInput where it is no normal law or positions alone are no chain."""
        step = array_step(scheme, process)
        if step.state_rows != step.dim or any(kind.support is not None for kind, _ in step.inputs):
            raise InvalidInput(
                f"{scheme.name} on {process.name} has discrete noise, or carries more from step to step than positions"
            )
        r = step.normals

        def at(x: np.ndarray, t: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
            ends = [
                step.advance(x, np.repeat(z[:, None], x.shape[1], axis=1), t, dt) for z in (np.zeros(r), *np.eye(r))
            ]
            B = np.stack([end - ends[0] for end in ends[1:]], axis=1) if r else np.zeros((step.dim, 1, x.shape[1]))
            return ends[0], np.einsum("irn,jrn->ijn", B, B)

        rng = np.random.default_rng(3)
        x, z = np.array(rng.normal(size=(step.dim, PROBES))), rng.normal(size=(r, PROBES))
        far, none = step.advance(x, 2 * z, 0.0, 0.1), step.advance(x, 0 * z, 0.0, 0.1)
        half = step.advance(x, z, 0.0, 0.1)
        size = max(1.0, float(np.abs(far).max()))
        if not np.abs(far - 2 * half + none).max() <= AFFINE * size:
            raise InvalidInput(f"the step of {scheme.name} on {process.name} is not affine in normal noise")
        return cls(at)
