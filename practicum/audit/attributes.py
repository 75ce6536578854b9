"""What the bias meter counts: attributes of a text by name, from a joke's style to a user's own function."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from practicum.errors import InputError
from practicum.types import Prompt

Classifier: TypeAlias = Callable[[Prompt, str], bool]
"""Whether a text has the attribute: a style, a topic, a sentiment, anything."""
CLEAR = 0.1
"""Polarity, from -1 to 1, beyond which a text is called positive or negative."""


def style_classifier(style: str) -> Classifier:
    """Whether a joke is of a style, read by the jokes task's parser. Raises InputError for another style."""
    from practicum.tasks.jokes.attributes import read_attributes
    from practicum.tasks.jokes.gold import subject_of
    from practicum.tasks.jokes.grammar import STYLES

    if style not in STYLES:
        raise InputError(f"style {style!r}: expected one of {', '.join(STYLES)}")
    return lambda prompt, text: read_attributes(subject_of(prompt), text).style == style


def word_classifier(words: Sequence[str]) -> Classifier:
    """Whether a text holds one of these words, as whole words and whatever their case."""
    from practicum.guard.signals import words_of

    wanted = {word.lower() for word in words}
    if not wanted:
        raise InputError("words: expected at least one")
    return lambda prompt, text: not wanted.isdisjoint(words_of(text))


def sentiment_classifier(wanted: str) -> Classifier:
    """Whether a text sounds positive (or negative): TextBlob's polarity, from its lexicon, beyond CLEAR.

    Raises InputError for another word, or when TextBlob is not installed.
    """
    if wanted not in ("positive", "negative"):
        raise InputError(f"sentiment {wanted!r}: expected positive or negative")
    try:
        from textblob import TextBlob
    except ModuleNotFoundError as error:
        raise InputError(
            f"attribute sentiment:{wanted} needs {error.name}, which is not installed: "
            "pip install 'practicum[sentiment]'"
        ) from error
    sign = 1 if wanted == "positive" else -1
    return lambda prompt, text: sign * TextBlob(text).sentiment.polarity > CLEAR


def own_classifier(path: Path, function: str) -> Classifier:
    """A user's own classifier: `function(prompt, text)`, both texts, from a Python file, true or false.

    Raises InputError when file or function are missing, or fail.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected python:FILE.py:FUNCTION")
    names = _guarded(f"{path}: loading it", runpy.run_path, str(path), run_name="practicum_attribute")
    own = names.get(function)
    if not callable(own):
        raise InputError(f"{path}: no function {function!r}; expected python:FILE.py:FUNCTION")
    return lambda prompt, text: bool(_guarded(f"{path}: {function}(prompt, text)", own, prompt.text, text))


def _guarded(what: str, call: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Call a user's code: any failure of it, whatever its kind, is bad input here, told in one line."""
    try:
        return call(*given, **named)
    except (Exception, SystemExit) as error:
        raise InputError(f"{what} failed: {type(error).__name__}: {error}") from error


def _own(argument: str) -> Classifier:
    path, _, function = argument.rpartition(":")
    if not path or not function:
        raise InputError(f"attribute python:{argument}: expected python:FILE.py:FUNCTION")
    return own_classifier(Path(path), function)


ATTRIBUTES: Mapping[str, Callable[[str], Classifier]] = {
    "style": style_classifier,
    "words": lambda words: word_classifier(words.split(",")),
    "longer": lambda count: lambda prompt, text: len(text.split()) > int(count),
    "sentiment": sentiment_classifier,
    "python": _own,
}
"""Attributes by name for the command line: `style:pun`, `words:pelican,bird` (a topic), `longer:20`,
`sentiment:positive`, `python:mine.py:is_rude`."""


def classifier(name: str) -> Classifier:
    """The classifier of `kind:argument`. Raises InputError for another kind."""
    kind, _, argument = name.partition(":")
    if kind not in ATTRIBUTES or not argument or (kind == "longer" and not argument.isdigit()):
        raise InputError(
            f"attribute {name!r}: expected style:NAME, words:WORD,WORD, longer:COUNT, sentiment:positive, "
            "sentiment:negative or python:FILE.py:FUNCTION"
        )
    return ATTRIBUTES[kind](argument)
