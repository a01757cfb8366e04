"""bias_tables() and ``fpsde bias``: each sampler in wells, the published facts, and what is refused."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

import numpy as np
import pytest

from fpsde.cli import main
from fpsde.commands import bias_command
from fpsde.convergence import BiasTable, bias_tables
from fpsde.convergence.wells import WELLS
from fpsde.errors import InvalidInput, NotConverged
from fpsde.schemes import baoab, ddpm_step, euler_maruyama, leimkuhler_matthews, obabo, platen_weak2

HARMONIC = {name: replace(well, dts=well.dts[:1], tolerance=1e-4) for name, well in WELLS.items() if "harmonic" in name}


def test_positions_of_baoab_and_leimkuhler_and_matthews_are_exact_in_a_harmonic_well() -> None:
    (name, found), *others = bias_tables(baoab, wells=HARMONIC)
    assert name == "underdamped, harmonic" and not others
    assert isinstance(found, BiasTable) and np.max(np.abs(found.biases)) < 1e-4
    overdamped = {"overdamped, harmonic": HARMONIC["overdamped, harmonic"]}
    for scheme, variance in ((leimkuhler_matthews, 1.0), (euler_maruyama, 1 / (1 - 0.05))):
        ((_, found),) = bias_tables(scheme, wells=overdamped)
        assert isinstance(found, BiasTable)
        np.testing.assert_allclose(found.exact + found.biases[0], [variance, 3 * variance**2], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("well", [name for name in WELLS if name.startswith("underdamped")])
def test_biases_of_splittings_fall_like_the_square_of_the_step(well: str) -> None:
    for scheme in (baoab, obabo):
        found = dict(bias_tables(scheme, wells={well: WELLS[well]}))[well]
        order = np.log2(found.total_variation[-2] / found.total_variation[-1])
        assert order == pytest.approx(2.0, abs=0.02)
        assert np.all(found.total_variation_accuracy < 0.1 * found.total_variation)
        squares, fourth = np.log2(found.biases[:-1] / found.biases[1:]).T
        if (scheme, well) == (baoab, "underdamped, quartic"):
            # E x^4 is the virial E x U', kT without bias. Stationarity of x^2 and of x v, v the velocity after a kick,
            # gives E x U' = kT + (1 + c)^2/4 (E v^2 - kT), c = exp(-friction dt), whose bias is of order 4 too.
            assert squares[-1] == pytest.approx(2.0, abs=0.05) and fourth[-2] == pytest.approx(4.0, abs=0.1)
        elif (scheme, well) != (baoab, "underdamped, harmonic"):
            assert squares[-1] == pytest.approx(2.0, abs=0.05) and fourth[-1] == pytest.approx(2.0, abs=0.05)


def test_what_has_no_table_is_refused_or_said() -> None:
    with pytest.raises(InvalidInput, match="claims nothing of stationary laws"):
        bias_tables(ddpm_step)
    with pytest.raises(InvalidInput, match="no form on any of overdamped, harmonic"):
        bias_tables(baoab, wells={"overdamped, harmonic": HARMONIC["overdamped, harmonic"]})
    too_sharp = {"harmonic": replace(HARMONIC["overdamped, harmonic"], tolerance=1e-30)}
    ((_, error),) = bias_tables(platen_weak2, wells=too_sharp)
    assert isinstance(error, NotConverged) and "not to tolerance=1e-30" in str(error)


def test_the_command_prints_tables_and_writes_them(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bias_command, "bias_tables", functools.partial(bias_tables, wells=HARMONIC))
    assert main(["bias", "leimkuhler_matthews", "--json", str(tmp_path / "bias.json")]) == 0
    shown = capsys.readouterr().out
    assert "leimkuhler_matthews, overdamped, harmonic" in shown and "total variation" in shown
    record = json.loads((tmp_path / "bias.json").read_text())
    assert record["tables"]["overdamped, harmonic"]["dts"] == [0.1] and record["not_settled"] == {}
    assert main(["bias", "leimkuhler_mathews"]) == 2
    assert "did you mean" in capsys.readouterr().err
