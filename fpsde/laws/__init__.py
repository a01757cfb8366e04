"""The exact law of a scheme: by recursion where its steps are affine, by a transition operator elsewhere."""

from fpsde.laws.expectations import Expectation, scheme_expectation
from fpsde.laws.joint_laws import JointSchemeLaw, joint_scheme_law, stationary_joint_scheme_law
from fpsde.laws.plane_laws import PlaneSchemeLaw, plane_scheme_law
from fpsde.laws.results import Leak, Method, SchemeLaw
from fpsde.laws.scheme_laws import scheme_law
from fpsde.laws.stationary_laws import stationary_scheme_law

__all__ = [
    "Expectation",
    "JointSchemeLaw",
    "Leak",
    "Method",
    "PlaneSchemeLaw",
    "SchemeLaw",
    "joint_scheme_law",
    "plane_scheme_law",
    "scheme_expectation",
    "scheme_law",
    "stationary_joint_scheme_law",
    "stationary_scheme_law",
]
