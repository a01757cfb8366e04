"""Classes of noise, in which the orders of schemes are stated: what a process has, and what a scheme takes."""

from __future__ import annotations

import enum


class NoiseType(enum.Enum):
    """A class of noise; a process belongs to several, every one of them to ``GENERAL``."""

    ADDITIVE = "additive"  #: sigma does not depend on x
    SCALAR = "scalar"  #: one channel
    DIAGONAL = "diagonal"  #: sigma is diagonal, sigma_jj a function of x_j and t alone
    COMMUTATIVE = "commutative"  #: L^j sigma_ik = L^k sigma_ij, with L^j = sum_l sigma_lj d/dx_l
    GENERAL = "general"
