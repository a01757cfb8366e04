"""Where one component goes first: passage times, committors and splitting probabilities, by the backward equation."""

from __future__ import annotations

from typing import Any

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.line import OnLine
from fpsde.fokker_planck.passage import PassageTime, Splitting, hitting_probability, passage_from, piece_with, pieces_to
from fpsde.fokker_planck.start_function import StartFunction
from fpsde.fokker_planck.stopping import Piece, pieces, stop


class LinePassages(OnLine):
    """First passages on a line or a ring whose coefficients do not depend on time."""

    def passage_time(self, x0: float, target: Any = None) -> PassageTime:
        """Return mean and variance of the first time at ``target``, from ``x0`` and as functions of the start.

            -Q^T tau = 1,    -Q^T tau_2 = 2 tau        (0 at the target)

        ``target`` is a level, an interval (low, high), or None: the absorbing walls of the process. The grid is cut at
        the target, which becomes an absorbing wall at a face (cells keep their widths), so that the order in the cell
        width is 2 wherever it lies. Nothing is subtracted: passages over barriers of hundreds of kT keep their digits.

        Raises
        ------
        InvalidInput
            if coefficients depend on time; a target or a start off the grid; a start in the target; a wall that absorbs
            before the target is reached; more than 1e-6 of the time spent at a cut end of the grid.
        """
        self._refuse_time_dependence("has passage times that depend on when it starts; use passage_law")
        return passage_from(self._pieces_to(target), x0, self.grid, self.assemble)

    def _pieces_to(self, target: Any) -> list[Piece]:
        where = None if target is None else stop("target", target, self.grid)
        return pieces_to(self.process, self.grid, self._sides, where)

    def committor(self, a: Any, b: Any) -> StartFunction:
        """Return q(x), the probability to reach ``b`` before ``a`` from x: 0 on a, 1 on b.

            -Q^T q = 0

        ``a`` and ``b`` are levels or intervals (low, high) that do not meet; a particle that an absorbing wall takes
        first reaches neither. In natural scale (``assemble=scale_speed``) it is exact at the centres of the cells.

        Raises
        ------
        InvalidInput
            if coefficients depend on time; sets off the grid, or that meet.
        """
        self._refuse_time_dependence("has committors that depend on when it starts")
        sets = {name: stop(name, where, self.grid) for name, where in (("a", a), ("b", b))}
        order = sorted(sets, key=lambda name: sets[name])
        first, second = (sets[name] for name in order)
        if first[1] >= second[0]:
            raise InvalidInput(f"a={sets['a']} and b={sets['b']} meet; give two sets with a gap between them")
        found = pieces(self.process, self.grid, self._sides, [first, second])
        return hitting_probability(found, [float(name == "b") for name in order], self.assemble)

    def splitting(self, x0: float) -> Splitting:
        """Return the probabilities to end at the low and at the high of two absorbing walls, from ``x0``.

        Raises
        ------
        InvalidInput
            unless both walls absorb and x0 lies between them; if coefficients depend on time.
        """
        self._refuse_time_dependence("has splitting probabilities that depend on when it starts; use evolve")
        if self._sides.absorbing != (True, True):
            raise InvalidInput(
                f"{self.process.name} is not absorbed at both ends of the grid; use committor for two sets inside it"
            )
        ends = self.grid.faces[[0, -1]].tolist()
        found = pieces(self.process, self.grid, self._sides, [(end, end) for end in ends])
        _, at = piece_with(found, x0, self.grid)
        to_high, to_low = (hitting_probability(found, values, self.assemble) for values in ((0.0, 1.0), (1.0, 0.0)))
        return Splitting(float(to_low(at)), float(to_high(at)), to_high)
