"""The fuzzer's part of the audit's page: each finding with what it is paid and what honest texts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from practicum.audit.fuzz.findings import Finding
from practicum.report.figures import INK, SERIES, SMALL, page_picture
from practicum.report.sections import Section, as_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 10
WORDS = {
    "false_accept": "paid, and worthless",
    "false_reject": "right, and not paid",
    "unstable": "not judged steadily",
}


def section(findings: Sequence[Finding], data: Mapping[str, Any], notes: Sequence[str]) -> Section:
    """Whether the reward can be trusted, and why not."""
    shown = findings[:SHOWN]
    paid = [one for one in shown if one.paid is not None and one.honest is not None]
    return Section(
        "exploits",
        "Can this reward be trusted?",
        "bad" if findings else "good",
        _sentence(findings, int(data["calls"])),
        data,
        [(picture(paid), "What honest replies are paid, and what each finding is.")] if paid else [],
        ("found", "what", "on prompts", "paid", "honest", "worth to a policy"),
        [_row(one) for one in shown],
        [{"heading": f"{_price(one)}: {one.sentence}", "text": _side_by_side(one)} for one in shown],
        tuple(map(as_sentence, [*notes, *_explained(len(findings))])),
    )


def _explained(count: int) -> list[str]:
    """What the table's last column means, and that not all findings stand in it."""
    more = [f"the first {SHOWN} of {count} findings; audit.json has all"] if count > SHOWN else []
    worth = "worth to a policy: what always writing this would earn above honest right replies, on average"
    return [*more, *([worth] if count else [])]


def _side_by_side(one: Finding) -> str:
    """Prompt, the reply that was found, an honest one to compare it with, and what else shows the fault."""
    lines = [f"Prompt: {_clipped(one.prompt)}", f"This reply: {_clipped(one.completion) or '(nothing)'}"]
    if one.against is not None:
        honest = "right" if one.kind == "false_accept" else "wrong"
        lines.append(f"An honest {honest} reply: {_clipped(one.against)}")
    if one.evidence:
        lines.append("\n".join(one.evidence))
    return "\n\n".join(lines)


def _sentence(findings: Sequence[Finding], calls: int) -> str:
    if not findings:
        return f"Nothing was found in {calls} calls. That does not prove that there is nothing."
    more = f" ({len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"No: {findings[0].sentence[0].lower()}{findings[0].sentence[1:].rstrip('.')}{more}."


def _row(one: Finding) -> tuple[str, ...]:
    honest = "" if one.honest is None else f"{one.honest:g}"
    paid = "" if one.paid is None else f"{one.paid:g}"
    return (
        WORDS[one.kind],
        one.family.replace("_", " "),
        f"{one.share:.0%}",
        paid,
        honest,
        f"{one.worth:+.2g}",
    )


def _price(one: Finding) -> str:
    if one.paid is None or one.honest is None:
        return WORDS[one.kind]
    return f"paid {one.paid:g}, honest {one.honest:g}"


def _clipped(text: str, most: int = 600) -> str:
    return text if len(text) <= most else f"{text[:most]} ... ({len(text)} characters)"


def picture(findings: Sequence[Finding]) -> str:
    """Two bars for each finding: what it is paid, and what honest right replies are."""

    def draw(axes: Axes) -> None:
        names = [one.family.replace("_", " ") for one in reversed(findings)]
        places = range(len(names))
        paid = [one.paid or 0.0 for one in reversed(findings)]
        honest = [one.honest or 0.0 for one in reversed(findings)]
        axes.barh(
            [place + 0.2 for place in places], honest, 0.38, color=SERIES[0], label="honest right replies"
        )
        axes.barh([place - 0.2 for place in places], paid, 0.38, color=SERIES[1], label="this finding")
        axes.set_yticks(list(places), names)
        axes.set_xlabel("paid")
        axes.legend(
            frameon=False, fontsize=9, labelcolor=INK, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0)
        )

    told = ", ".join(
        f"{one.family.replace('_', ' ')} {one.paid:g}" for one in findings if one.paid is not None
    )
    return page_picture(
        "audit-exploits", f"What findings are paid beside honest replies: {told}", draw, SMALL
    )
