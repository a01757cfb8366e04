"""The command line: the same words as the library's."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from fpsde import __version__
from fpsde.commands import (
    audit_command,
    bias_command,
    claims_command,
    converge_command,
    ddpm_command,
    fokker_planck_command,
    kernel_command,
    processes_command,
    schemes_command,
    simulate_command,
    verify_command,
)
from fpsde.errors import FpsdeError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 all holds, 1 a check failed or particles were lost, 2 bad input or underpowered, 130 interrupted by Ctrl-C (or,
    in a run of particles, by SIGTERM), 141 where what reads standard output has closed it, as ``| head`` does.
    """
    options = _parser().parse_args(arguments)
    try:
        code = options.run(options)
        sys.stdout.flush()  # now: a closed pipe is met here, not while the interpreter ends
        return code
    except FpsdeError as error:
        print(f"fpsde: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"fpsde: interrupted; {str(stop) or 'there is no result'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        return 141


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fpsde",
        description="Find out whether a stochastic simulator is right.",
        epilog="`fpsde processes` lists what can stand for PROCESS, `fpsde schemes` what can follow --scheme.",
    )
    parser.add_argument("--version", action="version", version=f"fpsde {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (
        verify_command,
        audit_command,
        simulate_command,
        fokker_planck_command,
        converge_command,
        bias_command,
        ddpm_command,
        claims_command,
        processes_command,
        schemes_command,
        kernel_command,
    ):
        command.add(commands)
    return parser
