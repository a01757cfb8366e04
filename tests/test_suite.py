"""The default suite: every process of one dimension but those that are left out for a reason."""

from fpsde.chain import asked
from fpsde.processes import CATALOGUE
from fpsde.schemes import milstein
from fpsde.suite import LEFT_OUT, default_suite


def test_the_suite_holds_the_catalogue_in_one_dimension() -> None:
    names = {process.name for process, _ in default_suite()}
    line = {name for name, make in CATALOGUE.items() if make().dim == 1}
    assert names == line - LEFT_OUT.keys() | {"ddpm_chain"}
    assert LEFT_OUT.keys() <= line
    assert line != CATALOGUE.keys()  # there are others to leave out


def test_every_pair_is_a_question_of_its_own_setting() -> None:
    pairs = default_suite()
    questions = [asked(process, scheme) for process, scheme in pairs]
    assert len({(q.process.name, q.scheme.name) for q in questions}) == len(pairs)
    multiplicative = {process.name for process, scheme in pairs if scheme is milstein}
    assert multiplicative == {process.name for process, _ in pairs if not process.additive}
