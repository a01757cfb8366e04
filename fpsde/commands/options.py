"""Options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fpsde.errors import InvalidInput


def settings_of(texts: Sequence[str]) -> dict[str, float]:
    """Return the parameters given as ``--set NAME=VALUE``."""
    return dict(_setting(text) for text in texts)


def _setting(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        problem = f"{value!r} is not a number" if equals else "there is no '='"
        raise InvalidInput(f"--set {text}: {problem}; write --set NAME=VALUE, such as --set temperature=0.5") from None


def add_set(parser: argparse.ArgumentParser) -> None:
    """Add ``--set NAME=VALUE``."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="set a parameter of the process; repeatable"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json FILE``."""
    parser.add_argument("--json", metavar="FILE", help="write the result as JSON; - for standard output")
