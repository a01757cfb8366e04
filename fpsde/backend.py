"""Where the particles of a run are advanced."""

from __future__ import annotations

import enum


class Backend(enum.Enum):
    """Where a run is computed. There is no silent fall-back: a GPU that cannot be had is an error."""

    CPU = "cpu"  #: compiled loops on the threads of this machine
    GPU = "gpu"  #: CUDA kernels on every GPU that is visible; each operation rounded as on the CPU
    #: The same with products fused into sums: last digits differ, and grow with the chain. After 300 steps in a double
    #: well positions are within 1e-10 of the strict ones in float64, within 1e-2 in float32; laws are the same.
    GPU_FAST = "gpu-fast"
