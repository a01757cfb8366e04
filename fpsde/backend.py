"""Where the particles of a run are advanced."""

from __future__ import annotations

import enum


class Backend(enum.Enum):
    """Where a run is computed. There is no silent fall-back: a GPU that cannot be had is an error."""

    CPU = "cpu"  #: compiled loops on the threads of this machine
    GPU = "gpu"  #: CUDA kernels on every GPU that is visible; each operation rounded as on the CPU
    GPU_FAST = "gpu-fast"  #: the same with products fused into sums: last digits differ, and grow with the chain
