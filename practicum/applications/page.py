"""An application's page: self-contained HTML in the report's style, whose figures answer to the pointer.

The page asks nothing of the network. Its one script is named to the browser by its hash, so that no text of a
file or a policy can become another; without scripts the tables remain.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from markupsafe import Markup

from practicum.files import atomic_write, to_json
from practicum.templates import templates

HERE = Path(__file__).parent / "templates"
REPORT = Path(__file__).parents[1] / "report" / "templates"


class Shown(Protocol):
    """What a page shows: an Outcome of results.py."""

    @property
    def headline(self) -> str:
        """One sentence."""
        ...

    @property
    def table(self) -> Any:
        """The main table."""
        ...

    @property
    def figures(self) -> Sequence[Any]:
        """Interactive figures."""
        ...

    @property
    def more(self) -> Sequence[Any]:
        """Further tables."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """Sentences."""
        ...


def write_page(name: str, outcome: Shown, folder: Path) -> Path:
    """Write FOLDER/report.html and return its path."""
    path = folder / "report.html"
    atomic_write(path, render(name, outcome, str(folder)))
    return path


def render(name: str, outcome: Shown, folder: str) -> str:
    """The page as HTML text."""
    environment = templates(HERE, REPORT)
    environment.filters["cell"] = shown
    script = (HERE / "figure.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("application.html").render(
        name=name,
        outcome=outcome,
        folder=folder,
        script=Markup(script),
        digest=digest,
        figures=[(figure, _data(figure)) for figure in outcome.figures],
    )


def shown(cell: str | float | int | None) -> str:
    """A table's cell for people."""
    if cell is None:
        return "-"
    return f"{cell:.4g}" if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else cell


def _data(figure: Any) -> Markup:
    """A figure as JSON that may stand inside a script element."""
    panels = [vars(panel) for panel in figure.panels]
    found = {"x": figure.x, "x_label": figure.x_label, "panels": panels, "notes": figure.notes}
    text = to_json(found).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Markup(text)
