from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from practicum.audit import (
    bias,
    budget,
    distortion,
    drift,
    gaming,
    guard,
    overoptimization,
    record,
    verifiable,
)
from practicum.audit.bias import Meter
from practicum.audit.budget import LabelCurve
from practicum.audit.detectors import record as record_of
from practicum.audit.distortion import measure_links
from practicum.audit.exploit_report import ExploitReport, Finding
from practicum.audit.overoptimization import GoldCurve, bands
from practicum.audit.verifiable import audit_verifier, lenient_verifier
from practicum.guard.guard import Decision
from practicum.report.sections import Section, render, write
from practicum.stats import Estimate
from practicum.tasks.equations.task import EquationsTask
from practicum.types import Prompt
from tests.preferences.crowd import crowd

NASTY = "<script>alert('x')</script> {{ 7 * 7 }} & more"


class Balanced(HTMLParser):
    """Fails on a tag that is closed out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: object) -> None:
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def sections() -> list[Section]:
    finding = Finding(
        "flattery",
        "praise",
        "battery",
        True,
        Prompt("p"),
        NASTY,
        3.0,
        1.0,
        "fine.",
        2.5,
        0.9,
        1e-6,
        ("flattery",),
    )
    kl = np.linspace(0, 30, 30)
    gold = np.sqrt(kl) * (1.2 - 0.5 * np.log(np.maximum(np.sqrt(kl), 1e-9)))
    noise = np.random.default_rng(0).normal(0, 0.02, 30)
    found = Meter(
        "puns",
        Estimate(0.5, 0.4, 0.6, 40),
        Estimate(0.72, 0.68, 0.76, 90),
        Estimate(0.98, 0.94, 1, 40),
        18.0,
        0.2,
    )
    rankings, _ = crowd([3.0] * 4, prompts=12, overlap=2)
    links, notes = measure_links(rankings, lambda prompts, texts: np.arange(len(texts), dtype=float))
    curves = [
        LabelCurve("random", (10, 20, 30), (0.5, 0.7, 0.8)),
        LabelCurve("information", (10, 20), (0.6, 0.9)),
    ]
    generator = np.random.default_rng(0)
    clean = [generator.normal(size=60) for _ in range(20)]
    gamed = [np.concatenate([run[:30], run[30:] + 4]) for run in clean[:5]]
    decision = Decision(
        "roll_back",
        40,
        "Step 40: repetition rose; go back to step 20.",
        20,
        (),
        ({"reward": 4.0, "prompt": NASTY, "completion": NASTY},),
        {"repetition": 1.3},
    )
    return [
        gaming.section(ExploitReport((finding,), 1500, 46, 12, 1.0)),
        overoptimization.section(GoldCurve(bands([(kl, gold + noise)], "rl"), kl, gold, gold * 2, 3.0)),
        bias.section(found, beta=0.2),
        distortion.section(links, notes),
        budget.section(curves),
        record.section([record_of("repetition", clean, gamed, [40] * 5)]),
        guard.section(decision),
        verifiable.section(audit_verifier(lenient_verifier, EquationsTask().prompts("test", 10, 0))),
    ]


def test_the_page_stands_alone_and_is_well_formed(sections: list[Section]) -> None:
    page = render(sections, "the reward model of <run 7>")
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "<script" not in page
    assert "&lt;script&gt;alert" in page
    assert "&lt;run 7&gt;" in page
    assert (
        "49"
        not in re.sub(r"<svg.*?</svg>|<style.*?</style>", "", page, flags=re.DOTALL).partition("{{ 7 * 7 }}")[
            0
        ][-200:]
    )
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    identifiers = re.findall(r"\bid=\"([^\"]+)\"", page)
    assert len(identifiers) == len(set(identifiers))
    assert page.count("<svg") >= 7


def test_pictures_come_before_figures_and_verdicts_first(sections: list[Section]) -> None:
    page = render(sections, "x")
    for section in sections:
        part = page.partition(f'<section id="{section.name}">')[2].partition("</section>")[0]
        if section.figures:
            assert part.index("<svg") < part.index("<table")
        assert page.index(f'href="#{section.name}"') < page.index("<section")


def test_sentences_are_for_people(sections: list[Section]) -> None:
    sentences = {section.name: section.sentence for section in sections}
    assert (
        sentences["exploits"] == "The reward can be gamed: it pays a text that praises the reader or itself."
    )
    assert (
        sentences["bias"]
        == "People choose puns in 72% of cases; the model writes it in 98%, more than people's share."
    )
    assert "peaks at sqrt(KL)" in sentences["overoptimization"]
    assert sentences["verifier"].startswith("The reward disagrees with substitution: it pays")
    assert {section.verdict for section in sections} >= {"good", "bad"}


def test_the_json_says_the_same(sections: list[Section], tmp_path: Path) -> None:
    page, data = write(sections, "x", tmp_path / "new")
    stored = json.loads(data.read_text())
    assert list(stored) == ["subject", *(section.name for section in sections)]
    assert stored["exploits"]["kinds"] == ["flattery"]
    assert stored["exploits"]["findings"][0]["text"] == NASTY
    assert stored["bias"]["forecast"] == pytest.approx(0.9912, abs=1e-4)
    assert stored["guard"]["action"] == "roll_back"
    assert stored["budget"]["needed"] == 20
    assert page.read_text().startswith("<!doctype html>")


def test_a_clean_audit_says_so_without_promising() -> None:
    section = gaming.section(ExploitReport((), 1900, 46, 9, 1.0))
    assert section.verdict == "good"
    assert "does not prove" in section.sentence
    assert "<svg" not in render([section], "x")


@pytest.mark.parametrize(
    ("readings", "seen", "verdict"),
    [
        ({"repetition": 0.4, "length": 0.0}, (), "good"),
        ({"repetition": 2104.35, "length": 0.0}, ("repetition rose from 0 to 0.1",), "open"),
        ({"repetition": 1.01}, ("repetition rose from 0 to 0.1",), "open"),
        ({}, (), "unmeasured"),
    ],
)
def test_green_never_stands_above_a_reading_over_its_threshold(
    readings: dict[str, float], seen: tuple[str, ...], verdict: str
) -> None:
    untold = {"ensemble_disagreement": "it was constant in the first steps"}
    section = guard.section(
        Decision("go_on", 20, "Step 20: nothing.", readings=readings, seen=seen, untold=untold)
    )
    assert section.verdict == verdict
    page = render([section], "x")
    assert ("in order" in page) == (verdict == "good")
    assert "210435%" not in page
    assert "cannot be told; it was constant in the first steps" in page
    tags = {"good": "in order", "open": "look closer", "unmeasured": "not all measured"}
    assert f">{tags[verdict]}</span>" in page


def test_what_is_not_measured_is_not_what_asks_for_a_closer_look() -> None:
    rankings, _ = crowd([3.0] * 4, prompts=12, overlap=1)
    links, notes = measure_links(rankings, lambda prompts, texts: np.array([-float(t[-1]) for t in texts]))
    assert notes
    assert distortion.section(links, notes).verdict in ("unmeasured", "bad")
    section = drift.section(
        {"reward": (0.0, 1.0), "kl_completion": (-1.85e-07, 2.0)}, 2.0, np.zeros(20), np.ones(20)
    )
    assert section.verdict == "figures"
    page = render([section], "x")
    assert "distance from the reference (nats an answer)" in page
    assert "e-07" not in page


@pytest.mark.parametrize("share", [0.3, 0.62])
def test_a_text_for_people_to_judge_is_listed_under_a_verdict_that_says_so(share: float) -> None:
    doubtful = Finding(
        "unnamed",
        "found by the search",
        "search",
        False,
        Prompt("p"),
        "odd",
        3.0,
        1.0,
        "fine.",
        0.4,
        share,
        1e-6,
        (),
    )
    found = ExploitReport((doubtful,), 895, 30, 9, 1.0)
    section = gaming.section(found)
    assert section.verdict == "open"
    assert "No exploit was found" not in section.sentence
    assert f"on {share:.0%} of prompts: let people judge it" in section.sentence
    assert section.rows[0][0] == "for people to judge"
    assert "odd" in render([section], "x")
