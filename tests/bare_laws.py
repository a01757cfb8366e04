"""Laws of affine steps by linear algebra: the map of a traced step, x' = M x + c + N z, and where it settles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from fpsde.printing import NUMPY_NAMES
from fpsde.schemes.kernel import body_lines
from fpsde.schemes.tracing import TracedStep, constant_rows, traced_step


@dataclass(frozen=True)
class AffineForm:
    """x' = M x + c + N z of the whole state (positions, auxiliary state, what is seen) in standard normals z."""

    M: np.ndarray
    c: np.ndarray
    N: np.ndarray
    seen: slice  #: the rows of the state that observers see


def plain_step(step: TracedStep) -> Callable[..., np.ndarray]:
    """Return (state (rows, n), normals (r, n), constants) -> new state: the text of the kernels, run by NumPy."""
    names = [s.name for s in (*step.state, *step.normals, *step.constants)]
    outputs = [f"next{i}" for i in range(len(step.outputs))]
    text = [f"def advance({', '.join(names)}):", *body_lines(step), f"return ({', '.join(outputs)},)"]
    namespace = dict(NUMPY_NAMES)
    exec("\n    ".join(text), namespace)

    def advance(state: np.ndarray, normals: np.ndarray, constants: np.ndarray) -> np.ndarray:
        found = namespace["advance"](*state, *normals, *constants)
        return np.stack([np.broadcast_to(np.asarray(v, dtype=float), state.shape[1:]) for v in found])

    return advance


def run_text(step, row, state, z):
    """Return the state ``(rows, n)`` after the lines of a traced step, run by NumPy on ``state`` and ``z`` (r, n)."""
    return plain_step(step)(np.asarray(state, dtype=float), z, row)


def affine_form(scheme, process, dt, *, t=0.0) -> AffineForm:
    """Return the affine map of the traced step from t to t + dt; AssertionError where the step is no affine map."""
    step = traced_step(scheme, process)
    row = constant_rows(process, np.array([t, t + dt]))[0]
    rows, r = len(step.state), len(step.normals)
    points = np.concatenate([np.zeros((1, rows + r)), np.eye(rows + r)]).T
    out = run_text(step, row, points[:rows], points[rows:])
    c, slopes = out[:, 0], out[:, 1:] - out[:, :1]
    far = np.random.default_rng(7).normal(size=(rows + r, 20))
    np.testing.assert_allclose(
        run_text(step, row, far[:rows], far[rows:]), c[:, None] + slopes @ far, rtol=1e-12, atol=1e-13
    )
    used = slice(0, rows - step.flagged)
    seen = slice(step.observed, step.observed + step.dim)
    return AffineForm(slopes[used, used], c[used], slopes[used, rows:], seen)


def stationary_mean(scheme, process, dt) -> np.ndarray:
    """Return the stationary mean of what observers see, ``(d,)``."""
    form = affine_form(scheme, process, dt)
    return np.linalg.solve(np.eye(len(form.c)) - form.M, form.c)[form.seen]


def stationary_covariance(scheme, process, dt) -> np.ndarray:
    """Return the stationary covariance of what observers see, ``(d, d)``: S = M S M^T + N N^T."""
    form = affine_form(scheme, process, dt)
    assert np.max(np.abs(np.linalg.eigvals(form.M))) < 1, "the chain has no stationary law"
    return linalg.solve_discrete_lyapunov(form.M, form.N @ form.N.T)[form.seen, form.seen]


def distance_to_half_steps(scheme, process, n, *, t_end=1.0) -> float:
    """Return the root mean square of x_h - x_(h/2), as seen, after n and 2n steps on one path from the origin.

    Of an affine step, exactly: both chains are one linear recursion in the fine normals.
    """
    coarse, fine = affine_form(scheme, process, t_end / n), affine_form(scheme, process, t_end / (2 * n))
    w = traced_step(scheme, process).coarsening(2)
    zero = np.zeros_like(coarse.M)
    M = np.block([[coarse.M, zero], [zero, fine.M @ fine.M]])
    N = np.block([[coarse.N @ w[0], coarse.N @ w[1]], [fine.M @ fine.N, fine.N]])
    S = np.zeros_like(M)
    for _ in range(n):
        S = M @ S @ M.T + N @ N.T
    seen = np.eye(len(coarse.M))[coarse.seen]
    difference = np.concatenate([seen, -seen], axis=1)
    return float(np.sqrt(np.trace(difference @ S @ difference.T)))
