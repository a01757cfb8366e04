"""One step of a scheme twice: by the compiled kernel, and as plain array code on the same normals."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace

import numpy as np
from bare_kernels import LANES, one_step

from fpsde.schemes.advance import Advance
from fpsde.schemes.array_models import ArrayModel
from fpsde.schemes.tracing import traced_step
from fpsde.symbolic import Values, components


def inputs_of(scheme, process, z, dt):
    """Return the declared inputs by name, made of the normals ``z`` (r, n) in their order."""
    values, row, z = {}, 0, [one.view(Values) for one in z]
    for kind in scheme.inputs:
        column = []
        for _ in range(kind.per.count(process)):
            column.append(kind.form(tuple(z[row : row + kind.normals]), np.sqrt(dt), dt))
            row += kind.normals
        values[kind.name] = components(column)
    return SimpleNamespace(**values)


#: The array model of a process, whose functions are printed once however many steps are taken.
model_of = lru_cache(maxsize=8)(ArrayModel)


def array_step(scheme, process, state, z, *, t, dt):
    """Return positions and auxiliary state, (rows, n), after the step as plain array code."""
    d, row = process.dim, process.dim
    state, aux = [one.view(Values) for one in state], {}
    for name in scheme.auxiliary:
        aux[name] = components(list(state[row : row + d]))
        row += d
    for name in scheme.scalars:
        aux[name] = state[row]
        row += 1
    arguments = (model_of(process), components(list(state[:d])), t, dt, inputs_of(scheme, process, z, dt))
    result = scheme.step(*arguments, *((aux,) if aux else ()))
    advance = result if isinstance(result, Advance) else Advance(result)
    parts = [*advance.x, *(v for name in scheme.auxiliary for v in advance.aux[name])]
    parts += [advance.aux[name] for name in scheme.scalars]
    return np.stack([np.broadcast_to(part, z.shape[1:]) for part in parts])


def both_steps(scheme, process, seed, *, t=0.2, dt=0.1, x=None):
    """Return (x, z, the state after the compiled step, the same as array code) for LANES unequal particles."""
    rng = np.random.default_rng(seed)
    step = traced_step(scheme, process)
    z = rng.normal(size=(len(step.normals), LANES))
    state = rng.normal(size=(len(step.state), LANES))
    if x is not None:
        state[: process.dim] = x(rng, LANES)
    if step.flagged:
        state[-1] = 0.0
    compiled = one_step(scheme, process, state, z, times=[t, t + dt])
    arrays = array_step(scheme, process, state, z, t=t, dt=(t + dt) - t)
    return state[: process.dim], z, compiled, arrays
