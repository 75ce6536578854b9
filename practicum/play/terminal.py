"""What a person types and reads: lines from a terminal or a pipe, texts that no escape code can hide in."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Sequence

from tokenizers import Tokenizer

from practicum.errors import InputError


def ask(prompt: str) -> str | None:
    """A line that a person types behind `prompt`, None at the end of the input.

    Raises InputError for what is no UTF-8 text.
    """
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):
            # Arrow keys and a history, where Python has them.
            import readline  # noqa: F401
    try:
        line = input(prompt)
        # In some locales Python lets other bytes through, as halves of surrogate pairs.
        line.encode("utf-8")
    except EOFError:
        print()
        return None
    except UnicodeError as error:
        raise InputError("stdin: a line is not valid UTF-8 text: type it again, or convert it") from error
    # A file from Windows that is piped in ends its lines in two characters.
    return line.removesuffix("\r")


def ask_lines(prompt: str, commands: Collection[str] = ()) -> str | None:
    """Lines up to an empty one, joined by newlines; None where the input ends before the first.

    A first line that is one of `commands` is taken at once.
    """
    lines: list[str] = []
    while True:
        line = ask(prompt if not lines else "." * (len(prompt) - 1) + " ")
        if line is None:
            return "\n".join(lines) if lines else None
        if not line:
            return "\n".join(lines)
        if not lines and line.strip() in commands:
            return line.strip()
        lines.append(line)


def printable(text: str) -> str:
    """A text as a terminal may show it: line breaks and tabs stay, other control characters are spelled."""
    return "".join(one if one.isprintable() or one in "\n\t" else repr(one)[1:-1] for one in text)


class Pieces:
    """The text of tokens as they come: characters that are not whole yet wait for their last byte."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self.shown = ""

    def add(self, token: int) -> str:
        """What there is to show more, now that this token is there."""
        self.ids.append(token)
        text = self.text
        if text.endswith("\ufffd"):
            return ""
        return self._show(text)

    def rest(self) -> str:
        """What waited in vain."""
        return self._show(self.text)

    @property
    def text(self) -> str:
        """The whole text so far."""
        return str(self.tokenizer.decode(self.ids, skip_special_tokens=True))

    def _show(self, text: str) -> str:
        # A decoder may write an earlier part otherwise once more follows; that cannot be taken back.
        piece = text[len(self.shown) :]
        self.shown = text
        return piece


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text, columns aligned on the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
