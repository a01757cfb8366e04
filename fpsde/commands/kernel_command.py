"""``fpsde kernel``: the text that runs."""

from __future__ import annotations

import argparse
from typing import Any

from fpsde.commands.options import add_process, add_scheme, hinting_at_dynamics, process_of, scheme_of
from fpsde.integrators.cuda_text import cuda_program
from fpsde.noise import Normals
from fpsde.schemes.tracing import traced_step


def add(commands: Any) -> None:
    """Add the command to the command line."""
    kernel = commands.add_parser("kernel", help="print the text of the kernel that a scheme runs on a process")
    add_process(kernel)
    add_scheme(kernel)
    kernel.add_argument(
        "--cuda", action="store_true", help="the whole kernel of a GPU, as CUDA C++, in place of Python for Numba"
    )
    kernel.add_argument("--dtype", default="float64", help="of the state: float64 or float32 (default: %(default)s)")
    kernel.set_defaults(run=_kernel)


def _kernel(options: argparse.Namespace) -> int:
    process = process_of(options.process, options.dynamics, {})
    scheme = scheme_of(options.scheme)
    with hinting_at_dynamics(process, scheme, options.dynamics):
        if options.cuda:
            text = cuda_program(traced_step(scheme, process), dtype=options.dtype, normals=Normals.FLOAT32)
        else:
            text = process.kernel_source(scheme, dtype=options.dtype)
    print(text.strip())
    return 0
