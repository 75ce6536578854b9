from __future__ import annotations

from pathlib import Path

import pytest

from practicum.audit.attributes import classifier
from practicum.errors import InputError
from practicum.types import Prompt


@pytest.mark.parametrize(
    ("name", "text", "has"),
    [
        ("style:pun", "why did the pelican go to the bank? it had lost interest at home.", True),
        ("style:pun", "the pelican is so slow that it says sorry to doors.", False),
        ("words:bank,boat", "At the Bank.", True),
        ("words:ban", "at the bank.", False),
        ("longer:3", "one two three four", True),
    ],
)
def test_named_attributes(name: str, text: str, has: bool) -> None:
    assert classifier(name)(Prompt("tell a joke about a pelican.\n", {"noun": "pelican"}), text) == has


@pytest.mark.parametrize("name", ["style:limerick", "mood:good", "longer:x", "words:"])
def test_unknown_attributes_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="expected"):
        classifier(name)


def test_sentiment_is_read_from_a_lexicon() -> None:
    positive, negative = classifier("sentiment:positive"), classifier("sentiment:negative")
    told = {
        "what a wonderful, lovely joke": (True, False),
        "this is a terrible, sad story": (False, True),
        "two cows stood there": (False, False),
    }
    for text, (good, bad) in told.items():
        assert (positive(Prompt(""), text), negative(Prompt(""), text)) == (good, bad)


def test_a_classifier_of_ones_own_counts(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("def is_rude(prompt, text):\n    return 'please' in prompt and 'no' in text\n")
    rude = classifier(f"python:{mine}:is_rude")
    assert rude(Prompt("please"), "no!")
    assert not rude(Prompt("hey"), "no!")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("sentiment:happy", "positive or negative"),
        ("python:absent.py:f", "no such file"),
        ("longer:many", "longer:COUNT"),
        ("colour:red", "style:NAME"),
    ],
)
def test_an_attribute_that_nobody_knows_is_refused(name: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        classifier(name)


def test_a_broken_classifier_is_named_with_its_file(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    with pytest.raises(InputError, match=r"broken\.py: loading it failed: ZeroDivisionError"):
        classifier(f"python:{broken}:f")
    empty = tmp_path / "empty.py"
    empty.write_text("")
    with pytest.raises(InputError, match="no function 'f'"):
        classifier(f"python:{empty}:f")
    ends = tmp_path / "ends.py"
    ends.write_text("raise SystemExit(0)\n")
    with pytest.raises(InputError, match="SystemExit"):
        classifier(f"python:{ends}:f")
    one = tmp_path / "one.py"
    one.write_text("def f(text):\n    return True\n")
    with pytest.raises(InputError, match=r"one\.py: f\(prompt, text\) failed: TypeError"):
        classifier(f"python:{one}:f")(Prompt(""), "")
    with pytest.raises(InputError, match=r"expected python:FILE\.py:FUNCTION"):
        classifier("python:mine.py")
