"""Judging: numbers, arrays and laws in; verdicts with level, power and resolution out.

This room knows nothing of processes, schemes or solvers: a judge that shares code with the judged proves nothing.
"""

from fpsde.checks import distances, sample_distances
from fpsde.checks.agreement_test import agreement
from fpsde.checks.budget import SESSION_ALPHA, Budget
from fpsde.checks.cell_distance import chi_square
from fpsde.checks.design import POWER
from fpsde.checks.distinct_values import distinct
from fpsde.checks.distribution import density
from fpsde.checks.dynamics import martingale, reversibility, stationarity
from fpsde.checks.energy_test import energy
from fpsde.checks.grid_error import GridConvergence, grid_convergence
from fpsde.checks.histogram_tests import cells, histogram
from fpsde.checks.independence import correlation
from fpsde.checks.innovation_tests import innovations
from fpsde.checks.invariants import conserved, inside
from fpsde.checks.moment_tests import moments
from fpsde.checks.order_tests import OrderResult, grid_order, order
from fpsde.checks.planning import Plan, density_at_any_time, in_two_stages, plan
from fpsde.checks.projection_tests import projections
from fpsde.checks.result import CheckResult, Verdict, combined, combined_verdict
from fpsde.checks.rosenblatt import joint_density
from fpsde.checks.serial import Thinned, autocorrelation_time, independent, thinned
from fpsde.checks.stein import score
from fpsde.checks.two_samples import same_law

__all__ = [
    "POWER",
    "SESSION_ALPHA",
    "Budget",
    "CheckResult",
    "GridConvergence",
    "OrderResult",
    "Plan",
    "Thinned",
    "Verdict",
    "agreement",
    "autocorrelation_time",
    "cells",
    "chi_square",
    "combined",
    "combined_verdict",
    "conserved",
    "correlation",
    "density",
    "density_at_any_time",
    "distances",
    "distinct",
    "energy",
    "grid_convergence",
    "grid_order",
    "histogram",
    "in_two_stages",
    "independent",
    "innovations",
    "inside",
    "joint_density",
    "martingale",
    "moments",
    "order",
    "plan",
    "projections",
    "reversibility",
    "same_law",
    "sample_distances",
    "score",
    "stationarity",
    "thinned",
]
