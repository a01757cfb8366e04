"""Processes stated in the tests themselves, so that they test the mechanism and not the catalogue."""

from __future__ import annotations

import numpy as np

from fpsde.domain import Interval, Wall
from fpsde.processes.process import Process
from fpsde.processes.statement import STRATONOVICH
from fpsde.schemes import (
    ddpm_step,
    euler_heun,
    euler_maruyama,
    exact_sampling,
    heun,
    implicit_euler,
    leimkuhler_matthews,
    lf_middle,
    mala,
    milstein,
    milstein_derivative_free,
    platen_weak2,
    ri1,
    sgld,
    split_step_backward_euler,
    splitting,
    sra1,
    sra3,
    sriw1,
    tamed_euler,
    trapezoidal,
)


def ou(**changes):
    return Process(
        drift=lambda x, p: p.theta * (p.mean - x),
        sigma=lambda x, p: p.sigma,
        params={"theta": 1.3, "mean": 0.4, "sigma": 0.7},
        **changes,
    )


def between(wall, high_wall=None, low=-0.7, high=0.9):
    return Interval(low, high, wall, high_wall or wall)


WEIGHTS = {"w": [0.2, 0.5, 0.3], "m": [-2.0, 0.3, 1.9], "s": [0.4, 0.7, 0.5]}


def mixture_score(x, p):
    """The score of a mixture of normals, by hand."""
    a = -0.5 * ((x - p.m) / p.s) ** 2
    density = np.sum(p.w / p.s * np.exp(a))
    return np.sum(p.w / p.s * np.exp(a) * (p.m - x) / p.s**2) / density


def two_dimensional():
    return Process(
        drift=lambda x, t, p: (x[1], -p.g * x[1] - np.sin(x[0]) + 0.1 * t),
        sigma=lambda x, p: ((0.3, 0.0, 0.1), (0.2 * np.tanh(x[0]), p.g, 0.05)),
        dim=2,
        params={"g": 0.6},
    )


def plane(sigma):
    """Return a process in the plane with this noise."""
    return Process(drift=lambda x, t: (x[1] - x[0], 0.1 * t - np.sin(x[0]) - x[1]), sigma=sigma, dim=2)


#: by class of noise
SPREAD = plane(lambda x, t: ((0.3, 0.1 * np.cos(t)), (0.2, 0.4)))
SEPARATE = plane(lambda x, t: (0.3 + 0.1 * np.sin(x[0]), 0.2 * np.cos(x[1] + t)))
CROSSED = plane(lambda x, t: ((0.3 * np.cos(x[1]), 0.1 + 0.1 * t), (0.2 * x[0], 0.3 * np.sin(x[0]))))


#: positions and velocities, each component with a friction and a noise of its own
UNDERDAMPED = Process(
    drift=lambda x, p: (
        x[2],
        x[3],
        -np.sin(x[0]) - 0.5 * x[1] - p.friction[0] * x[2],
        -0.5 * x[0] - x[1] - p.friction[1] * x[3],
    ),
    sigma=lambda x: ((0.0, 0.0), (0.0, 0.0), (0.7, 0.0), (0.0, 1.1)),
    dim=4,
    params={"friction": [0.4, 1.9]},
    energy=lambda x: 0.5 * (x[1] ** 2 + x[2] ** 2 + x[3] ** 2) - np.cos(x[0]) + 0.5 * x[0] * x[1],
)
WELL = Process(
    drift=lambda x, p: -4 * x * (x**2 - 1),
    sigma=lambda x, p: np.sqrt(2 * p.temperature),
    params={"temperature": 0.25},
    energy=lambda x: (x**2 - 1) ** 2,
)


#: name: (scheme, process, where it starts, dt)
MODELS = {
    "ornstein-uhlenbeck": (euler_maruyama, ou(), [0.1], 0.01),
    "double well": (euler_maruyama, Process(drift=lambda x: -4 * x * (x**2 - 1), sigma=lambda x: 0.7), [0.1], 0.01),
    "sine and time": (
        euler_maruyama,
        Process(
            drift=lambda x, t, p: p.a * np.sin(p.w * t) - np.sin(x), sigma=lambda x: 0.8, params={"a": 0.5, "w": 3.0}
        ),
        [0.1],
        0.01,
    ),
    "tanh": (euler_maruyama, Process(drift=lambda x: -np.tanh(x), sigma=lambda x: 0.8), [0.1], 0.01),
    "gaussian well": (euler_maruyama, Process(drift=lambda x: -x * np.exp(-(x**2)), sigma=lambda x: 0.8), [0.1], 0.01),
    "milstein": (
        milstein,
        Process(drift=lambda x: -x, sigma=lambda x: 0.3 + 0.2 * np.sin(x), interpretation=STRATONOVICH),
        [0.1],
        0.01,
    ),
    "reflecting": (euler_maruyama, ou(domain=between(Wall.REFLECTING)), [0.1], 0.02),
    "periodic": (
        euler_maruyama,
        Process(drift=lambda x: 1 - np.cos(x), sigma=lambda x: 1.5, domain=between(Wall.PERIODIC, low=-3.0, high=3.2)),
        [0.1],
        0.02,
    ),
    "absorbing": (euler_maruyama, ou(domain=between(Wall.ABSORBING)), [0.1], 0.001),
    "absorbing and reflecting": (
        milstein,
        Process(drift=lambda x: 0.2, sigma=lambda x: 0.3 + 0.1 * x**2, domain=between(Wall.ABSORBING, Wall.REFLECTING)),
        [0.1],
        0.002,
    ),
    "mixture score": (
        euler_maruyama,
        Process(drift=lambda x, p: mixture_score(x, p), sigma=lambda x: np.sqrt(2.0), params=WEIGHTS),
        [0.1],
        0.01,
    ),
    "stable mixture score": (
        milstein,
        Process(
            drift=lambda x, p: -np.tanh(x),
            sigma=lambda x, p: 1 + 0.1 * np.log(np.sum(p.w * np.exp(-((x - p.m) ** 2) / p.s))),
            params=WEIGHTS,
        ),
        [0.1],
        0.01,
    ),
    "every function": (
        euler_maruyama,
        Process(
            drift=lambda x, t, p: (
                -x
                + 0.01
                * (
                    np.tan(0.1 * x)
                    + np.sinh(0.1 * x)
                    + np.cosh(0.1 * x)
                    + np.arctan(x)
                    + np.arcsinh(x)
                    + np.expm1(-(x**2))
                )
                + 0.01
                * (
                    np.log1p(x**2)
                    + np.log(1 + x**4)
                    + np.sign(x)
                    + np.rint(x)
                    + np.abs(x) ** 1.5
                    + np.abs(x) ** p.n
                    + np.abs(x) ** 0.3
                )
                + 0.01
                * (
                    np.where(~((x > 0) & (x < 1)), 1.0, x)
                    + np.where((x > 0) & (x < 1), x * x, 2.0)
                    + np.clip(x, -0.5, p.n)
                    + x / 3
                )
            ),
            sigma=lambda x: 0.5,
            params={"n": 2.4},
        ),
        [0.1],
        0.01,
    ),
    "noising": (
        ddpm_step,
        Process(
            drift=lambda x, t, p: -0.5 * p.beta * x,
            sigma=lambda x, p: np.sqrt(p.beta),
            tables={"beta": np.linspace(1e-4, 0.02, 300)},
            rate=lambda t, p: p.beta,
        ),
        [0.1],
        1.0,
    ),
    "two dimensions": (euler_maruyama, two_dimensional(), [0.1, -0.3], 0.01),
    "milstein derivative free": (milstein_derivative_free, SEPARATE, [0.1, -0.3], 0.01),
    "euler heun": (euler_heun, CROSSED, [0.1, -0.3], 0.01),
    "heun": (heun, CROSSED, [0.1, -0.3], 0.01),
    "sra1": (sra1, SPREAD, [0.1, -0.3], 0.01),
    "sra3": (sra3, SPREAD, [0.1, -0.3], 0.01),
    "sriw1": (sriw1, SEPARATE, [0.1, -0.3], 0.01),
    "platen weak 2": (platen_weak2, CROSSED, [0.1, -0.3], 0.01),
    "ri1": (ri1, CROSSED, [0.1, -0.3], 0.01),
    "tamed euler": (tamed_euler, CROSSED, [0.1, -0.3], 0.01),
    "leimkuhler matthews": (leimkuhler_matthews, WELL, [0.1], 0.01),
    "mala": (mala, WELL, [0.1], 0.02),
    "minibatches": (sgld(lambda x: 1 + x**2), WELL, [0.1], 0.01),
    "implicit euler": (implicit_euler, CROSSED, [0.1, -0.3], 0.01),
    "trapezoidal": (trapezoidal, SPREAD, [0.1, -0.3], 0.01),
    "split step": (split_step_backward_euler, SEPARATE, [0.1, -0.3], 0.01),
    "baoab with work": (splitting("BAOAB", track_work=True), UNDERDAMPED, [0.1, -0.3, 0.2, 0.0], 0.05),
    "obabo": (splitting("OBABO"), UNDERDAMPED, [0.1, -0.3, 0.2, 0.0], 0.05),
    "baoab": (splitting("BAOAB"), UNDERDAMPED, [0.1, -0.3, 0.2, 0.0], 0.05),
    "aboba": (splitting("ABOBA"), UNDERDAMPED, [0.1, -0.3, 0.2, 0.0], 0.05),
    "obab": (splitting("OBAB"), UNDERDAMPED, [0.1, -0.3, 0.2, 0.0], 0.05),
    "oabao": (splitting("OABAO"), UNDERDAMPED, [0.1, -0.3, 0.2, 0.0], 0.05),
    "lf middle": (lf_middle, UNDERDAMPED, [0.1, -0.3, 0.2, 0.0], 0.05),
    "exact sampling": (
        exact_sampling,
        ou(
            sample=lambda x, t, dt, z, p: (
                p.mean
                + np.exp(-p.theta * dt) * (x - p.mean)
                + p.sigma * np.sqrt(-np.expm1(-2 * p.theta * dt) / (2 * p.theta)) * z
            )
        ),
        [0.1],
        0.01,
    ),
}
