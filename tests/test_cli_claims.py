"""``fpsde claims``: the list, the ledger, the page, and exit codes."""

import json
import re

import pytest

from fpsde.claims import CLAIMS
from fpsde.claims.page import code_of
from fpsde.cli import main


def test_claims_are_listed_one_a_line(capsys) -> None:
    assert main(["claims"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CLAIMS)
    assert main(["claims", "--json", "-"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == list(CLAIMS)


def test_a_claim_is_run_and_written_as_a_page(tmp_path, capsys) -> None:
    assert main(["claims", "A9", "--out", str(tmp_path), "--set", "shift=0.5"]) == 0
    assert re.search(r"A9 .*fails", capsys.readouterr().out)
    (record,) = json.loads((tmp_path / "claims.json").read_text())
    assert record["id"] == "A9" and record["verdict"] == "fails" and record["parameters"]["shift"] == 0.5
    page, text = (tmp_path / "claims.html").read_text(), (tmp_path / "claims.md").read_text()
    assert page.count("data:image/png;base64") == 1 and page.count("data:image/svg+xml") > 5
    assert "http" not in re.sub(r"data:[^\"]*", "", page)  # nothing is fetched
    assert "Verdict: **fails**" in text and "def a9" in text and CLAIMS["A9"].correction.splitlines()[0] in text
    assert (tmp_path / "A9.png").stat().st_size > 5_000


def test_json_is_a_list_of_verdicts(capsys) -> None:
    assert main(["claims", "A9", "--json", "-"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["id"] == "A9" and record["verdict"] == "fails"
    assert record["checks"]["as written"]["identical laws"]["statistic"] == pytest.approx(1.0)
    assert all(check["verdict"] == "pass" for check in record["checks"]["corrected"].values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["A99"], "unknown claim 'A99'"),
        (["A9", "--set", "shfit=1"], "did you mean 'shift'"),
        (["A9", "--all"], "give one of the two"),
        (["--set", "shift=1"], "there are no claims to run"),
    ],
)
def test_what_cannot_be_run_is_refused(arguments, message, capsys) -> None:
    assert main(["claims", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_code_of_an_experiment_begins_with_its_function() -> None:
    for name, one in CLAIMS.items():
        assert code_of(one).startswith(f"def {name.lower()}(")
