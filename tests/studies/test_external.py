"""External problems are rewritten in notation, and in nothing else."""

from __future__ import annotations

from practicum.tasks.equations.external import ExternalProblem
from studies.external import compact, is_rounded, shape


def test_external_problems_are_only_rewritten_in_notation() -> None:
    assert compact("3*x**2 - 5*x = -2", "x") == "3x^2-5x=-2"
    assert compact("2*q = 4", "xy") == "2x=4"
    assert shape("solve: 12y+3=5\n") == shape("solve: 7x+31=50\n") == "solve: Nx+N=N\n"
    assert is_rounded(ExternalProblem("x**2 = 2", "-1.4142, 1.4142", "", ""))
    assert not is_rounded(ExternalProblem("x**2 = 2", "-1.4143, 1.4142", "", ""))
    assert not is_rounded(ExternalProblem("x**2 = 2", "no real solutions", "", ""))
