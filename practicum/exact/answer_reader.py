"""Reading an answer token by token: the ground on which the rules of its grammar stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from practicum.exact import phrases
from practicum.exact.claims import Answer
from practicum.exact.expression import ParseError, Token
from practicum.exact.phrases import Phrases

RELATIONS = frozenset(("<", ">", "≤", "≥"))
TURNED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}
EQUALS = frozenset(("=", "∈", "⇒", "←"))
PAUSES = frozenset((",", ";", ".", "\n"))
STOPS = frozenset((";", ".", "\n"))
SET_LABELS = frozenset(("S", "L", "X", "M", "V", "IL"))
SUM_LABELS = frozenset(("S", "Sigma", "sigma", "Σ"))
REMARK_MATHS = frozenset(
    ("=", *RELATIONS, "≠", "number", "-", "name", "superscript", "^", "+", "*", "sqrt", "∞", "ℝ", "∈", "|")
)
DISCRIMINANTS = frozenset(("D", "Delta", "delta", "Δ"))


class TokenReader(ABC):
    """Recursive descent over the tokens of one answer; a rule that does not fit leaves no trace."""

    def __init__(
        self, tokens: list[Token], names: frozenset[str], parametric: bool = False, is_sum: bool = False
    ) -> None:
        self.tokens = [*tokens, Token("end", "end of the answer", 0)]
        self.words = [self._word(token, names) for token in self.tokens]
        self.names = names
        self.parametric = parametric
        self.is_sum = is_sum
        self.index = 0
        self.answer = Answer()
        self.joined_by = ""
        self.group = 0  # values from here on were named in one statement
        self.labelled = False  # whether the latest value has a label of its own
        self.open_equation = ""  # an equation that awaits what follows from it
        self.worked = 0  # how many values were named before the latest equation in the unknown
        self.derived = 0  # how many of them came of such equations
        self.deriving = False  # whether what is named now comes of one
        self.names_all = False  # whether the latest noun names all: "a single solution"
        self.narrow = False  # whether the latest noun was narrowed: "unique solution"
        self.is_note = False
        self.reasoning = False  # whether "because" was said
        self.beside_numbers = False

    @staticmethod
    def _word(token: Token, names: frozenset[str]) -> str:
        if token.kind == "word":
            return token.text
        if token.kind == "ℝ":
            return phrases.REALS
        if token.kind == "name" and (token.text in names or token.text.partition("_")[0] in names):
            return phrases.UNKNOWN
        return "0" if token.kind == "number" and token.text == "0" else "\0"

    @property
    def next(self) -> Token:
        """The token that is not read yet; of kind "end" at the end."""
        return self.tokens[self.index]

    def kind(self, ahead: int = 0) -> str:
        """The kind of a token ahead."""
        place = self.index + ahead
        return self.tokens[place].kind if place < len(self.tokens) else "end"

    def take(self, *kinds: str) -> bool:
        """Read the next token if it is of one of these kinds."""
        if self.next.kind in kinds:
            self.index += 1
            return True
        return False

    def say(self, table: Phrases) -> bool:
        """Read the longest phrase of a table, if one is next."""
        if self.words[self.index][0] == "\0":
            return False
        count = table.match(self.words, self.index)
        self.index += count
        return count > 0

    def unexpected(self) -> ParseError:
        """The error that names the next token."""
        token = self.next
        if token.kind == "end":
            return ParseError("the answer ends too early")
        return ParseError(
            f"unexpected {token.text!r}" if token.kind != "\n" else "unexpected end of the line"
        )

    def tried(self, rule: Callable[[], bool]) -> bool:
        """Whether a rule fits; where it does not, nothing is read and nothing said."""
        index, state = self.index, _copy(self.answer)
        others = self.joined_by, self.group, self.labelled, self.open_equation
        try:
            if rule():
                return True
        except ParseError:
            pass
        self.index, self.answer = index, state
        self.joined_by, self.group, self.labelled, self.open_equation = others
        return False

    # What the rules of one level need of a level above.

    @abstractmethod
    def statements(self, closing: str) -> None:
        """Read statements up to a token of this kind."""

    @abstractmethod
    def lead(self) -> bool:
        """Read words that only introduce a statement."""

    @abstractmethod
    def note(self) -> bool:
        """Read a note in brackets."""

    @abstractmethod
    def because(self) -> bool:
        """Read a reason."""


def _copy(answer: Answer) -> Answer:
    copy = object.__new__(Answer)
    copy.__dict__.update(
        {name: said[:] if said.__class__ is list else said for name, said in answer.__dict__.items()}
    )
    return copy
