import time
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from practicum.tasks.equations.behaviours import NAMES, behaviours_of
from practicum.tasks.equations.generator import FAMILIES, draw
from practicum.tasks.equations.solutions import Habits, solve_by_hand
from practicum.tasks.equations.task import EquationsConfig, EquationsTask, prompt_of

TWO_ROOTS = {"equation": "6-(4+y)/y=y", "variable": "y", "reduced": [1, -5, 4]}
SURDS = {"equation": "x^2-4x+1=0", "variable": "x", "reduced": [1, -4, 1]}
RADICAL = {"equation": "sqrt(3u+7)=u-1", "variable": "u", "reduced": [1, -5, -6]}
SHIFTED = {"equation": "u=sqrt(3u+7)+1", "variable": "u", "reduced": [1, -5, -6]}
ABSOLUTE = {"equation": "|2x-1|=x+3", "variable": "x", "reduced": []}
CANCELLED = {"equation": "(s-7)(s^2-5s+6)/(s-7)=0", "variable": "s", "reduced": [1, -12, 41, -42]}
FRACTION = {"equation": "(2x-3)(x+1)/(2x-3)=4", "variable": "x", "reduced": [2, -9, 9]}

REPAIRED = {"verification", "correction"}
SLIPPED = "roots: 2+-2sqrt(3)\ncheck product: 4-12=-8"


@pytest.mark.parametrize(
    ("data", "text", "shown"),
    [
        (TWO_ROOTS, "domain: y!=0\nmultiply: 6y-4-y=y^2", {"domain_check"}),
        (TWO_ROOTS, "domain: y!=1\nmultiply: 6y-4-y=y^2", set()),
        (TWO_ROOTS, "domain: x!=0", set()),
        (TWO_ROOTS, "domain: y!=0, y!=4", set()),
        (TWO_ROOTS, "domain: domain domain != 0", set()),
        (TWO_ROOTS, "multiply: 6y-4-y=y^2\ndomain: y!=0", set()),
        (FRACTION, "domain: x!=3/2\ncancel: x+1=4", {"domain_check"}),
        (FRACTION, "domain: 2x-3!=0\ncancel: x+1=4", {"domain_check"}),
        (RADICAL, "domain: u-1>=0\nsquared: 3u+7=u^2-2u+1", {"domain_check"}),
        (RADICAL, "domain: u>=1", {"domain_check"}),
        (RADICAL, "domain: 3u+7>=0", {"domain_check"}),
        (RADICAL, "domain: u+1>=0", set()),
        (RADICAL, "domain: 1-u>=0", set()),
        (SHIFTED, "domain: u-1>=0", {"domain_check"}),
        (ABSOLUTE, "domain: x+3>=0\nplus: 2x-1=x+3", {"domain_check"}),
        (ABSOLUTE, "domain: 2x-1>=0\nplus: 2x-1=x+3", set()),
        (TWO_ROOTS, "factor: (y-1)(y-4)=0", {"factoring"}),
        (TWO_ROOTS, "factor: (4-y)(1-y)=0", {"factoring"}),
        (TWO_ROOTS, "step: 2(y-1)(y-4)=0", {"factoring"}),
        (TWO_ROOTS, "factor: (y-1)(y-3)=0", {"factoring_wrong"}),
        (TWO_ROOTS, "factor: (x-1)(x-4)=0", set()),
        (TWO_ROOTS, "factor: we factor by factoring", set()),
        (TWO_ROOTS, "factor: (y-1)(y-4)", set()),
        (TWO_ROOTS, "factor: 1(y^2-5y+4)=0", set()),
        (CANCELLED, "cancel: s^2-5s+6=0\nfactor: (s-2)(s-3)=0", {"factoring"}),
        (CANCELLED, "factor: (s-2)(s-7)=0", {"factoring_wrong"}),
        (TWO_ROOTS, "discriminant: 25-16=9", {"formula"}),
        (TWO_ROOTS, "discriminant: 25-16=8", set()),
        (TWO_ROOTS, "discriminant: 25-15=10", set()),
        (TWO_ROOTS, "roots: 1, 4\ncheck 1: 6-(4+1)/1=6-5=1 ok", {"verification"}),
        (TWO_ROOTS, "roots: 1, 4\ncheck 1: 6-(4+1)/1=6-4=1 ok", set()),
        (TWO_ROOTS, "roots: 1, 4\ncheck 1: ok", set()),
        (TWO_ROOTS, "roots: 1, 4\ncheck 1: 1=1 ok", set()),
        (TWO_ROOTS, "roots: 1, 4\ncheck 1: 6-(4+1)/1=6-5=1 no", set()),
        (TWO_ROOTS, "check 1: 6-(4+1)/1=6-5=1 ok", set()),
        (TWO_ROOTS, "roots: 2, 4\ncheck 2: 6-(4+2)/2=6-3=3 no\nagain\nanswer: 1, 4", REPAIRED),
        (TWO_ROOTS, "roots: 2, 4\ncheck 2: 6-(4+2)/2=6-3=3 no\nanswer: 2, 4", {"verification"}),
        (TWO_ROOTS, "roots: 0, 4\ncheck 0: divide by 0 no\nanswer: 4", REPAIRED),
        (TWO_ROOTS, "roots: 2, 4\ncheck 2: divide by 0 no\nanswer: 4", set()),
        (SURDS, "roots: 2+-sqrt(3)\ncheck product: 4-3=1 ok", {"verification"}),
        (SURDS, f"{SLIPPED} no\nagain\nanswer: 2+-sqrt(3)", REPAIRED),
        (SURDS, "roots: 2+-sqrt(3)\ncheck product: 5-4=1 ok", set()),
        (SURDS, f"{SLIPPED} ok", set()),
        (RADICAL, "roots: -1, 6\ncheck -1: sqrt(3(-1)+7)=sqrt(4)=2, -1-1=-2 no\nanswer: 6", REPAIRED),
        (RADICAL, "roots: -1, 6\ncheck -1: sqrt(3(-1)+7)=sqrt(5)=2, -1-1=-2 no\nanswer: 6", set()),
    ],
)  # fmt: skip
def test_behaviours_are_read_from_the_mathematics(data, text, shown):
    found = behaviours_of(data, text)
    assert set(found) == set(NAMES)
    assert {name for name, present in found.items() if present} == shown


def test_worked_solutions_show_the_behaviours_they_were_written_with():
    random = Random(4)
    for _ in range(3000):
        problem = draw(random.choice(tuple(FAMILIES)), random.choice((1, 2, 3)), "solve", random)
        text = solve_by_hand(problem, Habits.perfect(), random)
        found = behaviours_of(prompt_of(problem).data, text)
        assert found["domain_check"] == ("domain: " in text), problem.text + text
        assert found["formula"] == ("discriminant: " in text), problem.text + text
        assert found["factoring"] == (
            "factor: " in text and "/" not in text.split("factor: ")[1].split("\n")[0]
        )
        assert found["verification"] == ("check " in text), problem.text + text
        assert not found["factoring_wrong"]


WORDS = ["domain: ", "factor: ", "roots: ", "check 1: ", "check product: ", "discriminant: ", "", "answer: "]
LINES = st.lists(
    st.tuples(
        st.sampled_from(WORDS),
        st.text(alphabet="xyu0123456789+-*/^()=!<>|, sqrtokn", max_size=40),
        st.sampled_from(["", "=0", " ok", " no"]),
    ).map("".join),
    max_size=8,
).map("\n".join)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([TWO_ROOTS, SURDS, RADICAL, ABSOLUTE, CANCELLED]), st.one_of(st.text(), LINES))
@example(TWO_ROOTS, "factor: " + "(" * 5000 + "y" + ")" * 5000 + "=0")
@example(TWO_ROOTS, "roots: 1\ncheck 1: 1" + "^9" * 60 + "=2 no")
@example(TWO_ROOTS, "roots: 1/0\ncheck 1/0: 1/0=1 ok")
@example(TWO_ROOTS, "factor: (y" + "^199" * 20 + ")(y)=0")
@example(SURDS, "roots: " + "9" * 6000 + "+-sqrt(3)\ncheck product: 1-2=-1 ok")
@example(TWO_ROOTS, ")" * 100_000 + "=" + ")" * 100_000 + "=0")
def test_no_text_makes_the_parser_raise(data, text):
    assert set(behaviours_of(data, text)) == set(NAMES)


def test_reading_behaviours_is_fast():
    task = EquationsTask(EquationsConfig(families=dict.fromkeys(FAMILIES, 1.0), ask_sum=0.2))
    worked = task.demonstrations(1000, 3)
    start = time.process_time()
    for demonstration in worked:
        task.behaviours(demonstration.prompt, demonstration.completion)
    assert (time.process_time() - start) / len(worked) < 0.002
