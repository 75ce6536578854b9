"""A page made of sections: one self-contained HTML page a product owner understands, and the same as JSON.

Every instrument of the audit gives a section: one sentence in plain words, pictures, then figures. Texts of
models and people are escaped by the template engine; only pictures go in as markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup

from practicum.files import atomic_write, to_json
from practicum.report.page import TEMPLATES
from practicum.stats import Estimate
from practicum.templates import templates

Verdict = Literal["good", "bad", "open", "unmeasured", "figures"]
"""good: in order; bad: a problem; open: a warning, look closer; unmeasured: not, or not wholly, measured;
figures: numbers that are neither good nor bad by themselves."""


@dataclass(frozen=True)
class Section:
    """One instrument's part of the page. `data` is what it says, as plain values, for the JSON."""

    name: str
    title: str
    verdict: Verdict
    sentence: str
    data: Mapping[str, Any]
    figures: Sequence[tuple[str, str]] = ()
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    texts: Sequence[Mapping[str, str]] = field(default_factory=tuple)
    notes: Sequence[str] = ()


def estimate_row(name: str, estimate: Estimate) -> tuple[str, str, str]:
    """A share and its interval as cells of a table."""
    return name, f"{estimate.value:.1%}", f"{estimate.low:.1%} to {estimate.high:.1%}"


def as_sentence(text: str) -> str:
    """A note as a sentence: a capital first, and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def as_json(sections: Sequence[Section], subject: str) -> dict[str, Any]:
    """The page as plain values: the subject, then each section's verdict, sentence and figures."""
    return {"subject": subject} | {
        section.name: {"verdict": section.verdict, "sentence": section.sentence, **section.data}
        for section in sections
    }


def render(sections: Sequence[Section], subject: str) -> str:
    """The page as HTML text; `subject` names what was audited."""
    environment = templates(TEMPLATES)
    environment.filters["svg"] = Markup
    return environment.get_template("audit.html").render(sections=sections, subject=subject)


def write(sections: Sequence[Section], subject: str, folder: Path) -> tuple[Path, Path]:
    """Write audit.html and audit.json into a folder, made when missing, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    page, data = folder / "audit.html", folder / "audit.json"
    atomic_write(data, to_json(as_json(sections, subject), indent=2) + "\n")
    atomic_write(page, render(sections, subject))
    return page, data
