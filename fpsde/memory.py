"""The memory of this machine, and the share of it that may be asked for."""

from __future__ import annotations

import os

#: Share of the machine's memory that a run may ask for.
MEMORY_SHARE = 0.8


def machine_memory() -> int:
    """Return the bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def gib(size: float) -> str:
    """Return a number of bytes in words."""
    return f"{size / 2**30:.1f} GiB"
