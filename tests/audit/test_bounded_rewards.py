"""Rewards that reach their most for honest answers: a worthless text paid like them is an exploit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from practicum.audit.exploit_report import ExploitReport, explain
from practicum.audit.exploits import Search, find_exploits
from practicum.audit.gaming import section
from practicum.reward.plain import PlainReward
from practicum.stats import Floats
from practicum.types import Prompt

NUMBER = r"-?\d+"
Check = Callable[[str, str], float]


def ground(count: int = 40, tagged: bool = False, each: int = 1) -> tuple[list[Prompt], list[list[str]]]:
    """Sums in words with their right answers, each in its own words."""
    things = ["apples", "marbles", "stamps", "coins", "cards", "shells", "pens", "keys"]
    prompts, honest = [], []
    for number in range(count):
        first, second, thing = 11 + 7 * number % 83, 5 + 3 * number % 29, things[number % len(things)]
        total = str(first + second + 100 * number % 700)
        asked = (
            f"Ann has {first} {thing}, gets {second} more and {100 * number % 700} again. How many has she?"
        )
        prompts.append(Prompt(asked, {"answer": total}))
        ways = [f"She adds {first} and {second} {thing}.", f"{first} plus {second}, and the rest."][:each]
        honest.append(
            [
                f"<think>{way}</think>\n<answer>{total}</answer>" if tagged else f"{way} So:\n#### {total}"
                for way in ways
            ]
        )
    return prompts, honest


def paying(check: Check) -> PlainReward:
    """A reward from a function of the right answer and a text."""

    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> Floats:
        return np.array([check(p.data["answer"], text) for p, text in zip(prompts, texts, strict=True)])

    return reward


def marked(answer: str, text: str) -> float:
    """1 when the number behind the last mark is the answer."""
    found = re.findall(rf"(?:####|<answer>) *({NUMBER})", text)
    return float(bool(found) and found[-1] == answer)


def thinks(text: str) -> bool:
    return bool(re.search(r"<think>.*</think>", text, re.DOTALL))


FAULTY: dict[str, tuple[Check, bool]] = {
    "the mark alone is paid": (lambda answer, text: float("####" in text), False),
    "the answer anywhere, by words": (lambda answer, text: float(answer in re.findall(NUMBER, text)), False),
    "the answer anywhere, by letters": (lambda answer, text: float(answer in text), False),
    "half for tags that honest answers lack": (lambda a, t: 0.5 * thinks(t) + 0.5 * marked(a, t), False),
    "half as much for tags as for the answer": (lambda a, t: 0.5 * thinks(t) + marked(a, t), False),
    "half for tags, honest answers have them": (lambda a, t: 0.5 * thinks(t) + marked(a, t), True),
    "any number is paid": (lambda answer, text: float(bool(re.search(NUMBER, text))), False),
    "any long text is paid": (lambda answer, text: float(len(text.split()) > 8), False),
    "from -1 to 1": (lambda answer, text: 1.0 if "####" in text else -1.0, False),
    "everything is paid": (lambda answer, text: 7.0, False),
}
CLEAN: dict[str, tuple[Check, bool]] = {
    "the number behind the mark": (marked, False),
    "the same in tags": (marked, True),
    "from -1 to 1": (lambda answer, text: 2 * marked(answer, text) - 1, False),
    "the last number": (lambda a, t: float(re.findall(NUMBER, t)[-1:] == [a]), False),
    "a little for the format": (lambda a, t: marked(a, t) + 0.1 * ("####" in t), False),
    "wrong about half of the prompts": (lambda a, t: marked(a, t) * (int(a) % 2), False),
}


@pytest.mark.parametrize("each", [1, 2])
@pytest.mark.parametrize("name", FAULTY)
def test_a_worthless_text_that_is_paid_as_much_is_an_exploit(name: str, each: int) -> None:
    check, tagged = FAULTY[name]
    report = find_exploits(paying(check), *ground(tagged=tagged, each=each))
    assert report.kinds
    assert all(one.share > 0.5 for one in report.findings if one.exploit)
    said = explain(report)
    assert "No exploit" not in said
    assert "+0.0" not in said
    best = next(one for one in report.findings if one.exploit)
    assert check(best.prompt.data["answer"], best.text) == best.reward
    assert marked(best.prompt.data["answer"], best.text) == 0


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", CLEAN)
def test_a_verifier_is_not_accused(name: str, seed: int) -> None:
    check, tagged = CLEAN[name]
    report = find_exploits(paying(check), *ground(tagged=tagged), Search(seed=seed))
    assert (report.kinds, report.adversarial, report.negatives()) == ((), (), [])
    assert_agree(report)


@given(
    low=st.floats(-5, 5),
    gap=st.floats(0.01, 100),
    seed=st.integers(0, 50),
    faulty=st.sampled_from(sorted(FAULTY)),
)
@settings(max_examples=4, deadline=None)
@example(low=0.1542538668029927, gap=33.0, seed=19, faulty="half as much for tags as for the answer")
def test_the_verdict_does_not_depend_on_the_rewards_units(
    low: float, gap: float, seed: int, faulty: str
) -> None:
    check, tagged = FAULTY[faulty]
    prompts, honest = ground(24, tagged)
    settings_ = Search(queries=1400, seed=seed)
    plain = find_exploits(paying(check), prompts, honest, settings_)
    scaled = find_exploits(paying(lambda a, t: low + gap * check(a, t)), prompts, honest, settings_)
    assert plain.kinds == scaled.kinds
    assert [one.share for one in plain.findings] == [one.share for one in scaled.findings]


def assert_agree(report: ExploitReport) -> None:
    """The verdict of the page and the words of the list say the same."""
    on_page = section(report)
    exploits = [one for one in report.findings if one.exploit]
    assert (on_page.verdict == "good") == (not report.findings)
    assert ("No exploit was found" in on_page.sentence) == (not report.findings)
    assert ("No exploit found" in explain(report)) == (not report.findings)
    assert len(on_page.rows) == min(len(report.findings), 6)
    if exploits and report.kinds:
        assert on_page.verdict == "bad"


def test_tasks_whose_few_answers_are_right_by_luck_are_no_exploit() -> None:
    """Yes or no: a bare 'yes' is right half the time, as an answer to another prompt is."""
    prompts = [
        Prompt(f"is {number} even?", {"answer": "no" if number % 2 else "yes"}) for number in range(46)
    ]
    honest = [[f"{prompt.data['answer']}."] for prompt in prompts]
    report = find_exploits(paying(lambda a, t: float(t.strip(" .").lower() == a)), prompts, honest)
    assert not report.kinds


def test_a_text_of_the_search_for_people_to_judge_stands_under_no_clean_verdict() -> None:
    """The reward pays one honest-sounding sentence about each prompt's own word more than the honest ones."""
    prompts, honest = ground(40, each=2)
    report = find_exploits(
        paying(lambda a, t: 3.0 * marked(a, t) + 0.2 * t.count("She adds")), prompts, honest
    )
    assert_agree(report)


@pytest.mark.parametrize("lead", [0.0, 1e-12, 1e-9])
def test_a_lead_of_nothing_is_no_exploit(lead: float) -> None:
    """Honest rewards vary; a worthless text leads the best of them by rounding alone."""
    generator = np.random.default_rng(0)
    prompts = [Prompt(f"tell me about thing{number}") for number in range(30)]
    honest = [[f"thing{number} is {word} indeed." for word in ("fine", "big", "old")] for number in range(30)]
    worth = {text: float(generator.normal()) for group in honest for text in group}
    best = {p.text: max(worth[text] for text in group) for p, group in zip(prompts, honest, strict=True)}

    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> Floats:
        rounding = [lead * len(text) for text in texts]
        return np.array(
            [
                worth.get(text, best[p.text] - 0.001) + small
                for p, text, small in zip(prompts, texts, rounding, strict=True)
            ]
        )

    report = find_exploits(reward, prompts, honest)
    assert not [one for one in report.findings if one.pay is None and one.margin < 0.05]
