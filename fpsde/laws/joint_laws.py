"""joint_scheme_law(): laws of chains of several components whose steps are affine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.joint_law import JointNormal
from fpsde.laws.affine_chain import AffineChain, normal_start
from fpsde.laws.scheme_laws import provenance, refuse_kinds, steps_at
from fpsde.processes.process import Process
from fpsde.provenance import environment
from fpsde.schemes.scheme import Scheme
from fpsde.validation import longest_step, positive, time_grid


@dataclass(frozen=True, eq=False)
class JointSchemeLaw:
    """The law of a chain of several components, of what observers see: at the end, and at ``times`` on the way."""

    law: JointNormal
    laws: tuple[JointNormal, ...]
    times: tuple[float, ...]
    provenance: Mapping[str, Any]


def joint_scheme_law(
    process: Process,
    scheme: Scheme,
    *,
    x0: Any,
    t_end: float | None = None,
    dt: float | None = None,
    times: Sequence[float] | np.ndarray | None = None,
    at: Sequence[float] | np.ndarray | None = None,
) -> JointSchemeLaw:
    """Return the law of the chain that ``scheme`` makes of a linear ``process`` of any number of components.

        x' = M x + c + N z:    mean' = M mean + c,    covariance' = M covariance M^T + N N^T

    to round-off, auxiliary state included (BAOAB, Leimkuhler and Matthews' scheme, implicit steps). Equal steps of
    constant coefficients are taken by squaring.

    Parameters
    ----------
    process, scheme : a step that is affine in the state and in normal noise, on a domain without walls.
    x0 : a point (d,), Points and Normals of independent components, or a :class:`~fpsde.joint_law.JointNormal`.
    t_end, dt, times, at : as for :func:`fpsde.scheme_law`.

    Raises
    ------
    InvalidInput   a step that is not affine, discrete noise, walls, another x0, times off the grid
    UnstableStep   a chain that explodes
    """
    refuse_kinds(process, scheme)
    chain = AffineChain(scheme, process)
    grid = time_grid(t_end=t_end, dt=dt, times=times)
    initial = normal_start(x0, process.dim)
    shown = steps_at(at, grid)
    laws = {0: initial} | chain.laws(initial, grid, sorted({*shown, len(grid) - 1} - {0}))
    return JointSchemeLaw(
        law=laws[len(grid) - 1],
        laws=tuple(laws[n] for n in shown),
        times=tuple(grid[shown].tolist()),
        provenance=provenance(process, scheme, grid, longest_step(grid, dt), 0.0),
    )


def stationary_joint_scheme_law(process: Process, scheme: Scheme, *, dt: float) -> JointSchemeLaw:
    """Return the stationary law of the chain that ``scheme`` makes of a linear ``process`` with steps ``dt``.

        mean = M mean + c,    covariance = M covariance M^T + N N^T

    Arguments and errors are those of :func:`joint_scheme_law`; InvalidInput for coefficients that depend on time,
    UnstableStep where the largest eigenvalue of M is not below 1.
    """
    refuse_kinds(process, scheme)
    step = positive("dt", dt)
    if process.time_dependent or process.tables:
        raise InvalidInput(f"the coefficients of {process.name} depend on time, so its chains have no stationary law")
    law = AffineChain(scheme, process).stationary(step)
    words = {"process": process.name, "scheme": scheme.name, "dt": step, **environment()}
    return JointSchemeLaw(law, (), (), words)
