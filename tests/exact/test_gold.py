"""An answer is the gold answer whatever its dress, and a spray, a restated question or a hedge is not."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.exact.gold import judge_gold
from practicum.exact.phrases import HEDGES_AND_RETRACTIONS

RIGHT = [
    *[
        ("18", text)
        for text in ("18", "$18", "18 dollars", "18.00", "18 eggs per day.", "9*2 = 18", "x = 18")
    ],
    *[("18", text) for text in ("**18**", "$18$", r"18 \text{ dollars}", "18 km/h", "+18", "£18")],
    *[("1800", "1,800"), ("109200000", "109,200,000"), ("0.5", "1/2"), ("0.5", r"\frac{1}{2}")],
    *[("25", "25%"), ("-5", "-5"), ("-5", "−5"), ("-52/18709", "-52/18709"), ("2", "5 - 3 = 2")],
    *[("-6306, -11", "-11, -6306"), ("-6306, -11", "t = -11 or t = -6306"), ("True", "true"), ("b", "(b)")],
    ("-2*(p - 13)*(p - 2)", "-2(p-2)(p-13)"),
    ("-(x - 2)*(x + 142)**3*(x + 151)/3", "-1/3*(x+151)(x-2)(x+142)^3"),
    ("2*x + 3", "3+2x"),
    *[
        ("-5", "negative 5"),
        ("-5", "The answer is minus 5 degrees."),
        ("1/x", "x^-1"),
        ("1/(2*x)", "(2x)^-1"),
    ],
    *[
        ("18", text)
        for text in ("total cost = 18", "= 18", "Total: $18", "The answer is: 18", "x = 9*2 = 18")
    ],
    *[
        ("18", text)
        for text in ("18 square feet", "18 m²", "18 meters squared", "$18 / hour", "US$18", "Rs. 18")
    ],
    *[("18", text) for text in ("18 years old", "Her change is $18", "the square root is 18", "x_1 = 18")],
    *[("18", text) for text in ("the farmers' wage is $18 a day", "I have only 18 eggs left", "18 mistakes")],
]
WRONG = [
    *[("18", text) for text in ("9*2", "17 18", "17 or 18", "not 18", "17, 18", "x=17, y=18", "17 = 18")],
    *[
        ("18", text)
        for text in ("18 hundred", "1 8", "180/10", "36/2", "18^1", "20-2", "about 18", "", "-18")
    ],
    *[("5*x", "2*x+3*x"), ("-6306, -11", "-11"), ("-6306, -11", "-11, -6306, 5"), ("0.25", "25%")],
    *[("True", "True False"), ("2", "2 plus 3"), ("x**2 - 1", "(x-1)*(x+1)"), ("18", "18" * 2000)],
]

BEFORE = [
    *[
        "sqrt(",
        "sin(",
        "log ",
        "ln",
        "F(",
        "f",
        "square root ",
        "the cube root of ",
        "twice ",
        "double ",
        "triple ",
    ],
    *[
        "less ",
        "maybe ",
        "perhaps ",
        "not ",
        "/",
        "1:",
        "x squared = ",
        "twice x = ",
        "not x = ",
    ],
    *[
        "half of the total is ",
        "the reciprocal of ",
        "negative ",
        "x minus ",
        "%",
        "x y = ",
        "pi ",
    ],
    *["1000 = x = ", "x = 1000 = x = ", "1000 = 1000 = ", "x^2 = ", "-x = ", "= = ", "up to ", "more than "],
]
BEHIND = [
    *[
        " squared",
        " cubed",
        " factorial",
        " square",
        " tens",
        " dozen",
        " thousand",
        "K",
        "k",
        " K",
        "²",
        "!",
        "/",
    ],
    *[
        " less",
        " more",
        " or so",
        " pi",
        "(x)",
        "(apples)",
        "a",
        "th",
        " tenths",
        " thirds",
        " times",
        " maybe",
    ],
    *["?", " = 1000", " = x", " percent less", " (wrong)", " plus tax", " sqrt", " per", " a", " x", ":"],
]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 999), st.sampled_from(["{}", "${}", "x = {}"]), st.sampled_from(BEFORE + BEHIND))
def test_words_and_marks_that_change_a_value_make_an_answer_wrong(value: int, dress: str, word: str) -> None:
    answer = word + dress.format(value) if word in BEFORE else dress.format(value) + word
    assert judge_gold(str(value), answer + ")" * (word[-1] == "(")).verdict == "wrong" or not value


@pytest.mark.parametrize("word", ["by ", "per ", "sum of ", "the product ", "a third of ", *BEFORE, *BEHIND])
def test_each_of_them_alone_is_wrong(word: str) -> None:
    answer = f"{word}5" + ")" * (word[-1] == "(") if word not in BEHIND else f"5{word}"
    assert judge_gold("5", answer).verdict == "wrong", answer


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(HEDGES_AND_RETRACTIONS - {"only"})), st.integers(2, 99))
def test_a_hedge_is_wrong_before_a_number_and_in_its_label(word: str, value: int) -> None:
    for answer in (
        f"{word} {value}",
        f"it is {word} {value}",
        f"{word} x = {value}",
        f"{value} (that is {word})",
    ):
        assert judge_gold(str(value), answer).verdict == "wrong", answer


@pytest.mark.parametrize(("gold", "answer"), RIGHT)
def test_right_answers_are_right(gold: str, answer: str) -> None:
    assert judge_gold(gold, answer).verdict == "correct", judge_gold(gold, answer)


@pytest.mark.parametrize(("gold", "answer"), WRONG)
def test_wrong_answers_are_wrong(gold: str, answer: str) -> None:
    assert judge_gold(gold, answer).verdict == "wrong", judge_gold(gold, answer)


def test_an_empty_gold_answer_is_refused() -> None:
    with pytest.raises(InputError, match="gold answer is empty"):
        judge_gold(" ", "3")


numbers = st.fractions(-10_000, 10_000, max_denominator=1000)


@settings(max_examples=200, deadline=None)
@given(numbers, numbers, st.sampled_from(["{}", "${}", "{} apples", "x = {}", "**{}**", "{}."]))
def test_a_number_is_right_exactly_where_it_is_equal(gold: Fraction, other: Fraction, dress: str) -> None:
    assume(dress != "${}" or other >= 0)
    verdict = judge_gold(str(gold), dress.format(other))
    assert (verdict.verdict == "correct") == (gold == other), verdict
    assert judge_gold(str(gold), dress.format(gold) if dress != "${}" else str(gold)).verdict == "correct"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-99, 99), min_size=2, max_size=8, unique=True), st.randoms())
def test_a_list_is_right_in_any_order_and_only_whole(members: list[int], random) -> None:
    gold = ", ".join(map(str, members))
    random.shuffle(members)
    assert judge_gold(gold, ", ".join(map(str, members))).verdict == "correct"
    assert judge_gold(gold, ", ".join(map(str, members[1:]))).verdict == "wrong"
    assert judge_gold(gold, ", ".join(map(str, [*members, 100]))).verdict == "wrong"
    assert judge_gold(str(members[0]), gold).verdict == "wrong"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-99, 99), min_size=2, max_size=5, unique=True), st.randoms())
def test_numbers_belong_to_their_names_and_tuples_keep_their_order(members: list[int], random) -> None:
    names = "uvwxy"[: len(members)]
    pairs = [f"{name} = {value}" for name, value in zip(names, members, strict=True)]
    turned = [*members[1:], members[0]]
    crossed = ", ".join(f"{name} = {value}" for name, value in zip(names, turned, strict=True))
    gold, order = ", ".join(pairs), f"({', '.join(map(str, members))})"
    other = f"({', '.join(map(str, turned))})"
    random.shuffle(pairs)
    names_before = f"({', '.join(names)}) = "
    for answer in (" and ".join(pairs), names_before + order):
        assert judge_gold(gold, answer).verdict == "correct", answer
    for answer in (crossed, names_before + other, ", ".join(pairs[1:]), order, order[1:-1]):
        assert judge_gold(gold, answer).verdict == "wrong", answer
    for answer in (order, order[1:-1], names_before + order, order.replace(", ", ",")):
        assert judge_gold(order, answer).verdict == "correct", answer
    for answer in (other, other[1:-1], names_before + other, crossed, "{" + order[1:-1] + "}", order[:-1]):
        assert judge_gold(order, answer).verdict == "wrong", answer


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-99, 99), min_size=2, max_size=5, unique=True), st.randoms())
def test_sets_and_the_values_of_one_unknown_have_no_order(members: list[int], random) -> None:
    renderings = ["{{{}}}", r"\{{{}\}}", "{}", "x = {}", "x = {{{}}}"]
    golds = [form.format(", ".join(map(str, members))) for form in renderings]
    golds.append(", ".join(f"x = {value}" for value in members))
    random.shuffle(members)
    answers = [form.format(", ".join(map(str, members))) for form in renderings]
    answers += [" or ".join(f"x = {value}" for value in members)]
    answers += [", ".join(f"x_{place} = {value}" for place, value in enumerate(members))]
    for gold in golds:
        for answer in answers:
            named = "x" not in gold or "x" in answer
            assert (judge_gold(gold, answer).verdict == "correct") or not named, (gold, answer)
    assert judge_gold("x = 1, x = 2", "x = 1, y = 2").verdict == "wrong"


letters = st.sampled_from("xyz")
atoms = st.one_of(letters, st.integers(1, 20).map(str))


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(atoms, lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner), max_leaves=6)
)
def test_what_is_right_is_equal_by_sympy_and_each_expression_is_itself(tree: object) -> None:
    gold = _text(tree)
    assert judge_gold(gold, gold).verdict == "correct"
    turned = _text(tree, turned=True)
    value = sympy.expand(sympy.sympify(gold))
    for answer in (turned, f"{gold} + 1", gold.replace("x", "y")):
        if judge_gold(gold, answer).verdict == "correct":
            assert sympy.expand(sympy.sympify(answer)) == value
    if value.free_symbols and "-" not in gold:
        assert judge_gold(gold, turned).verdict == "correct"


def _text(tree: object, turned: bool = False) -> str:
    if isinstance(tree, str):
        return tree
    assert isinstance(tree, tuple)
    sign = tree[1]
    left, right = _text(tree[0], turned), _text(tree[2], turned)
    if turned and sign != "-":
        left, right = right, left
    return f"({left}{sign}{right})"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.sampled_from(["18", "x + 1", "1, 2", "True"]))
def test_no_text_breaks_it(text: str, gold: str) -> None:
    judge_gold(gold, text)


@pytest.mark.parametrize(
    "shape", ["{%s}", "|{%s}|", r"\left|{%s}\right|", "2*{%s}", "{{%s}}", "(%s)", "|{{%s}}|"]
)
@given(value=st.integers(-30, 30))
def test_braces_that_tex_does_not_show_change_nothing(shape: str, value: int) -> None:
    shown = shape.replace("{", "(").replace("}", ")")
    assert judge_gold(shape % value, shown % value).verdict == "correct"
    assert judge_gold(shape % value, shown % value + " + 1").verdict == "wrong"
