"""The claims of five teaching notes on diffusion as experiments: does the formula hold, when, and what is right?

A module a note (``note_a`` ...): each claim is a function that computes, decorated with what is claimed. A verdict is
never stored; it follows from the checks of a run.
"""

from collections.abc import Sequence

from fpsde.claims import (
    note_a,
    note_a_steps,
    note_b_kernels,
    note_b_laws,
    note_b_paths,
    note_b_reversed,
    note_c,
    note_c_reverse,
    note_d,
    note_d_bounds,
    note_e,
    note_e_sdes,
)
from fpsde.claims.experiment import Claim, Evidence, Lab, Ruling, claim
from fpsde.claims.running import SEED, Outcome, run
from fpsde.errors import unknown_name

#: The modules of the notes; a note may have several.
_NOTES = (
    note_a,
    note_a_steps,
    note_b_kernels,
    note_b_laws,
    note_b_paths,
    note_b_reversed,
    note_c,
    note_c_reverse,
    note_d,
    note_d_bounds,
    note_e,
    note_e_sdes,
)


def _order(one: Claim) -> tuple[str, int]:
    return one.id[0], int(one.id[1:])


#: All claims by their ids, in the order of the notes.
CLAIMS: dict[str, Claim] = {one.id: one for one in sorted((c for note in _NOTES for c in note.CLAIMS), key=_order)}


def claims_named(ids: Sequence[str]) -> list[Claim]:
    """Return the claims with these ids (upper or lower case); InvalidInput offers the nearest."""
    for one in ids:
        if one.upper() not in CLAIMS:
            raise unknown_name("claim", one, CLAIMS)
    return [CLAIMS[one] for one in dict.fromkeys(map(str.upper, ids))]


__all__ = ["CLAIMS", "SEED", "Claim", "Evidence", "Lab", "Outcome", "Ruling", "claim", "claims_named", "run"]
