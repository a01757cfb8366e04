"""``fpsde bias``: how far a scheme settles from the stationary laws of three wells, with and without velocities."""

from __future__ import annotations

import argparse
import math
from typing import Any

from rich.table import Table

from fpsde.commands.options import add_json, scheme_of, screen
from fpsde.convergence import BiasTable, bias_tables
from fpsde.schemes import Scheme
from fpsde.writing import put_json, refuse_unwritable


def add(commands: Any) -> None:
    """Add the command to the command line."""
    run = commands.add_parser("bias", help="compute the stationary biases of a scheme, without sampling")
    run.add_argument("scheme", metavar="SCHEME", help="name of a scheme, or a splitting by its letters A, B and O")
    add_json(run)
    run.set_defaults(run=_bias)


def _bias(options: argparse.Namespace) -> int:
    scheme = scheme_of(options.scheme)
    refuse_unwritable([options.json])
    tables, reasons = {}, {}
    for name, found in bias_tables(scheme):
        if isinstance(found, BiasTable):
            tables[name] = found
            if options.json != "-":
                screen().print(_shown(scheme, name, found))
        else:
            reasons[name] = str(found)
            if options.json != "-":
                screen().print(f"{name}: no table: {found}", soft_wrap=True, markup=False)
    if options.json:
        record = {name: _record(table) for name, table in tables.items()}
        put_json({"scheme": scheme.name, "tables": record, "not_settled": reasons}, options.json)
    return 2 if reasons else 0


def _record(table: BiasTable) -> dict[str, Any]:
    biases = {u: table.biases[:, i].tolist() for i, u in enumerate(table.observables)}
    return {
        "dts": table.dts.tolist(),
        "biases": biases,
        "accuracy": table.accuracy.max(axis=0).tolist(),
        # there is no distance where a step has no density
        "total_variation": [None if math.isnan(d) else float(d) for d in table.total_variation],
        "claimed_order": None if table.theory is None else str(table.theory),
        "provenance": dict(table.provenance),
    }


def _shown(scheme: Scheme, name: str, table: BiasTable) -> Table:
    shown = Table(title=f"{scheme.name}, {name}: bias of order {table.theory:g} claimed", title_justify="left")
    for column in ("dt", *(f"E {u} less {e:.6f}" for u, e in zip(table.observables, table.exact, strict=True))):
        shown.add_column(column)
    shown.add_column("total variation")
    for dt, biases, apart in zip(table.dts, table.biases, table.total_variation, strict=True):
        distance = "no density" if math.isnan(apart) else f"{apart:.4e}"
        shown.add_row(f"{dt:g}", *(f"{bias:+.4e}" for bias in biases), distance)
    return shown
