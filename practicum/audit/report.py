"""The audit report: one self-contained HTML page a product owner understands, and the same as JSON.

Every instrument gives a section: one sentence in plain words, pictures, then figures. Texts of models and
people are escaped by the template engine; only pictures go in as markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from practicum.audit import pictures
from practicum.audit.bias import Meter, forecast, remedies
from practicum.audit.budget import LabelCurve, savings
from practicum.audit.detectors import Record
from practicum.audit.distortion import LINKS, Link, worst_link
from practicum.audit.exploits import ExploitReport, Finding, doubt
from practicum.audit.measures import KINDS
from practicum.audit.overoptimization import Bands
from practicum.audit.verifiable import VerifierAudit
from practicum.files import atomic_write, to_json
from practicum.guard.guard import Decision
from practicum.report.page import TEMPLATES as REPORT_TEMPLATES
from practicum.stats import Estimate, Floats

TEMPLATES = Path(__file__).parent / "templates"
Verdict = Literal["good", "bad", "open", "unmeasured", "figures"]
"""good: in order; bad: a problem; open: a warning, look closer; unmeasured: not, or not wholly, measured;
figures: numbers that are neither good nor bad by themselves."""
SIGNALS: Mapping[str, str] = {
    "reward": "reward",
    "disagreement": "disagreement of the reward models",
    "ensemble_disagreement": "disagreement of the reward models",
    "completion_tokens": "length (tokens)",
    "length": "length (tokens)",
    "repetition": "repetition (share of each answer's word sequences that come again)",
    "entropy": "variety (nats a token)",
    "truncated": "answers cut off before their end",
    "kl": "distance from the reference (nats a token)",
    "kl_completion": "distance from the reference (nats an answer)",
    "tail_index": "weight of the greatest rewards (tail index)",
    "proxy_reference_correlation": "agreement of the reward models (rank correlation)",
}
"""Signals in words."""
BEYOND = 10.0
"""A reading above so many thresholds is given as 'more than': the number says no more."""


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


def exploits_section(report: ExploitReport) -> Section:
    """What the reward pays for that people would not."""
    shown = report.findings[:6]
    exploits = [one for one in report.findings if one.exploit]
    if report.kinds:
        said = "; ".join(f"a text that {KINDS[kind]}" for kind in report.kinds[:3])
        sentence = f"The reward can be gamed: it pays {said}."
    elif exploits:
        sentence = (
            f"No systematic exploit, but a search of {report.queries} questions found texts it overpays."
        )
    elif shown:
        sentence = doubt(report)
    else:
        sentence = f"No exploit was found in {report.queries} questions. That does not prove there is none."
    leading = [one for one in exploits if one.pay is None]
    return Section(
        "exploits",
        "Can the reward be gamed?",
        "bad" if report.kinds else "open" if shown else "good",
        sentence,
        report.json(),
        [(pictures.exploits_picture(report), "How far gamed texts lead over honest ones.")]
        if leading
        else [],
        ("direction", "how", "on prompts", "paid"),
        [
            (
                one.kind.replace("_", " ") if one.exploit else "for people to judge",
                one.variant,
                f"{one.share:.0%}",
                _paid(one, report.unit),
            )
            for one in shown
        ],
        [
            {
                "heading": f"paid {one.reward:.2f}, best honest {one.best_honest:.2f}",
                "text": one.text or "(nothing)",
            }
            for one in shown
        ],
    )


def _paid(finding: Finding, unit: str) -> str:
    """What a finding is paid beside honest responses, in a few words."""
    if finding.pay is None:
        short = "sd" if unit == "standard deviations" else "of an honest answer's pay"
        return f"more, by {finding.margin:.1f} {short}"
    return "as much" if finding.pay > 0.995 else f"{finding.pay:.0%} as much"


def overoptimization_section(
    bands: Bands, kl_P: Floats, gold_P: Floats, proxy_P: Floats | None = None, predicted: float | None = None
) -> Section:
    """Where more training stops helping."""
    peak, farthest = bands.fit.peak_distance, float(bands.kl_G.max()) ** 0.5
    if peak < farthest:
        sentence = (
            f"True reward peaks at sqrt(KL) {peak:.2f} and falls beyond it; the run went to {farthest:.2f}."
        )
    else:
        sentence = f"True reward was still rising at sqrt(KL) {farthest:.2f}, as far as the run went."
    held_out = bands.fit.held_out_r2
    data = {
        "form": bands.fit.form,
        "alpha": bands.fit.alpha,
        "beta": bands.fit.beta,
        "r2": bands.fit.r2,
        "held_out_r2": held_out,
        "peak_kl": bands.fit.peak_kl,
        "peak_distance": peak,
        "peak_distance_ci95": list(bands.peak_distance),
        "predicted_peak_distance": predicted,
    }
    svg = pictures.overoptimization_picture(bands, kl_P, gold_P, proxy_P, predicted)
    rows = [
        (
            "sqrt(KL) of the peak",
            f"{peak:.2f}",
            f"{bands.peak_distance[0]:.2f} to {bands.peak_distance[1]:.2f}",
        ),
        ("variance explained", f"{bands.fit.r2:.2f}", "" if held_out is None else f"held out {held_out:.2f}"),
    ]
    return Section(
        "overoptimization",
        "When does more training hurt?",
        "bad" if peak < farthest else "good",
        sentence,
        data,
        [(svg, "Band: 95% of bootstrap fits.")],
        ("figure", "value", "95% interval"),
        rows,
    )


def bias_section(found: Meter, beta: float | None = None) -> Section:
    """Whether the model exaggerates what people prefer."""
    raters, policy = found.raters.value, found.policy.value
    more = "more than" if found.policy.low > found.raters.high else "no clearer than"
    sentence = (
        f"People choose {found.attribute} in {raters:.0%} of cases; the model writes it in {policy:.0%}, "
        f"{more} people's share."
    )
    figures = [(pictures.meter_picture(found), "Shares with 95% intervals.")]
    data: dict[str, Any] = {
        "attribute": found.attribute,
        "reference": found.reference.json(),
        "raters": found.raters.json(),
        "policy": found.policy.json(),
        "amplification": found.amplification,
        "measured_beta": found.measured_beta,
    }
    reference = min(max(found.reference.value, 0.005), 0.995)
    if beta is not None and 0 < raters < 1:
        data["forecast"] = forecast(raters, reference, beta)
        cures = remedies(raters, reference, beta)
        data["remedies"] = [one.__dict__ for one in cures]
        svg = pictures.forecast_picture(raters, reference, [(beta, found.policy)], beta)
        figures.append((svg, f"Forecast {data['forecast']:.1%} at beta {beta:g}."))
        if cures:
            figures.append(
                (pictures.remedies_picture(cures, raters), "What each remedy keeps of the reward.")
            )
    return Section(
        "bias",
        "Does it exaggerate people's taste?",
        "bad" if found.policy.low > found.raters.high else "good",
        sentence,
        data,
        figures,
        ("where", "share", "95% interval"),
        [
            _estimate_row(name, one)
            for name, one in (
                ("reference", found.reference),
                ("raters", found.raters),
                ("policy", found.policy),
            )
        ],
    )


def distortion_section(links: Sequence[Link], notes: Sequence[str] = ()) -> Section:
    """Where the message gets lost."""
    worst = worst_link(links)
    sentence = (
        f"Most is lost at '{LINKS[worst.name]}': agreement falls by {worst.lost:.1%}."
        if worst is not None
        else "No link loses agreement over the one before it."
    )
    data = {
        "links": [
            {
                "name": one.name,
                "accuracy": one.accuracy.json(),
                "tau": one.tau.json(),
                "pairs": one.pairs,
                "lost": one.lost,
            }
            for one in links
        ],
        "notes": list(notes),
    }
    verdict: Verdict = "bad" if links[-1].accuracy.low <= 0.5 else "unmeasured" if notes else "good"
    return Section(
        "distortion",
        "Where is people's message lost?",
        verdict,
        sentence,
        data,
        [(pictures.distortion_picture(links), "Pairs ordered alike; dotted: chance.")],
        ("link", "pairs alike", "95% interval", "Kendall's tau"),
        [(*_estimate_row(LINKS[one.name], one.accuracy), f"{one.tau.value:.2f}") for one in links],
        notes=[f"{note[0].upper()}{note[1:]}." for note in notes],
    )


def budget_section(curves: Sequence[LabelCurve]) -> Section:
    """How many rankings are enough."""
    rows = [(one.strategy, str(one.rankings[-1]), f"{one.gold[-1]:.3f}") for one in curves]
    last = curves[0]
    sentence = f"{last.rankings[-1]} {last.strategy} rankings reach {last.gold[-1]:.1%} of what is possible."
    data: dict[str, Any] = {"curves": [one.__dict__ for one in curves]}
    by_name = {one.strategy: one for one in curves}
    if "random" in by_name and "information" in by_name:
        level, needed, count = savings(by_name["random"], by_name["information"])
        data["level"], data["needed"] = level, needed
        sentence = (
            f"Asking where answers tell most reaches what {count} random rankings reach "
            f"after {needed or 'more than it was given'}."
        )
    return Section(
        "budget",
        "How many rankings are enough?",
        "good",
        sentence,
        data,
        [
            (
                pictures.budget_picture(curves),
                "1: the model always picks the response people like best, 0: an average one.",
            )
        ],
        ("strategy", "rankings", "gold reached"),
        rows,
    )


def detectors_section(records: Sequence[Record]) -> Section:
    """Which signals warn, and how early."""
    early = [one for one in records if one.early_rate >= 0.5]
    names = ", ".join(one.signal.replace("_", " ") for one in early)
    sentence = f"Warned by the onset in half of the gamed runs or more: {names or 'none of the signals'}."
    rows = [
        (
            one.signal.replace("_", " "),
            f"{one.area:.2f}",
            f"{one.early_rate:.0%}",
            "–" if one.lead_steps is None else f"{one.lead_steps:.0f}",
            f"{one.false_alarm_rate:.0%}",
        )
        for one in records
    ]
    return Section(
        "detectors",
        "Do the warning signs warn in time?",
        "good" if early else "bad",
        sentence,
        {"records": [one.__dict__ for one in records]},
        [
            (
                pictures.roc_picture(records),
                "Gamed runs up to the onset, clean ones over their whole length; diagonal: chance.",
            )
        ],
        ("signal", "area under ROC", "by the onset", "median lead (steps)", "false alarms"),
        rows,
        notes=[f"{one.sentence()[0].upper()}{one.sentence()[1:]}." for one in records],
    )


def guard_section(decision: Decision) -> Section:
    """What the guard did."""
    rows, notes = _readings(decision)
    texts = [
        {"heading": f"reward {sample.get('reward', '?')}", "text": str(sample.get("completion", ""))}
        for sample in decision.samples
    ]
    return Section(
        "guard",
        "Did the guard step in?",
        _guard_verdict(decision),
        decision.sentence,
        decision.json(),
        (),
        ("signal", "of its threshold"),
        rows,
        texts,
        notes,
    )


def _guard_verdict(decision: Decision) -> Verdict:
    """Never good above a reading that stands over its threshold."""
    if decision.action != "go_on":
        return "bad"
    if decision.seen or any(share > 1 for share in decision.readings.values()):
        return "open"
    return "good" if decision.readings else "unmeasured"


def _readings(decision: Decision) -> tuple[list[tuple[str, str]], list[str]]:
    """Each signal's share of its threshold as rows, and what cannot be told as notes."""
    rows = [
        (SIGNALS.get(name, name), f"{share:.0%}" if share <= BEYOND else f"more than {BEYOND:.0f} times")
        for name, share in decision.readings.items()
    ]
    notes = [
        f"{SIGNALS.get(name, name)}: cannot be told; {why}." for name, why in sorted(decision.untold.items())
    ]
    return rows, [f"{note[0].upper()}{note[1:]}" for note in notes]


def verdict_section(decision: Decision) -> Section:
    """Whether the guard would stop a policy that writes such answers."""
    stopped = decision.action != "go_on"
    verdict = _guard_verdict(decision)
    sentence = {
        "bad": f"The guard would stop this policy: {' and '.join(decision.seen)}.",
        "open": f"A warning sign: {' and '.join(decision.seen)}. "
        "The guard lets the policy go on, for it stops only where several stand out at once.",
        "good": "The guard would let this policy go on: no warning sign stands out.",
        "unmeasured": "The guard cannot tell: none of its signals could be measured.",
    }[verdict]
    rows, notes = _readings(decision)
    texts = [
        {"heading": f"paid {sample['reward']:.2f}: {sample['prompt']}", "text": str(sample["completion"])}
        for sample in decision.samples
    ]
    return Section(
        "guard",
        "Would the guard stop it?",
        verdict,
        sentence,
        {**decision.json(), "sentence": sentence, "stopped": stopped},
        (),
        ("signal", "of its threshold"),
        rows,
        texts,
        notes,
    )


def drift_section(
    signals: Mapping[str, tuple[float, float]], kl: float, reference_B: Floats, policy_B: Floats
) -> Section:
    """What the reward gained, and how far from the reference: (reference, policy) of each signal."""
    before, after = signals["reward"]
    sentence = (
        f"Reward went from {before:.2f} to {after:.2f}, at {kl:.1f} nats per completion from the reference."
    )
    data = {
        "kl": kl,
        "reference": {name: pair[0] for name, pair in signals.items()},
        "policy": {name: pair[1] for name, pair in signals.items()},
    }
    return Section(
        "drift",
        "How far has it gone?",
        "figures",
        sentence,
        data,
        [(pictures.rewards_picture(reference_B, policy_B), "Rewards of all answers.")],
        ("mean of", "reference", "policy"),
        [(SIGNALS.get(name, name), _figure(pair[0]), _figure(pair[1])) for name, pair in signals.items()],
    )


def _figure(value: float) -> str:
    """Three digits that matter, and 0 for what rounding leaves."""
    return f"{value:.3g}" if abs(value) >= 5e-4 else "0"


def opinion_section(reward: Estimate, people: Estimate) -> Section:
    """Whether people see the improvement that the reward sees."""
    worse = people.high < 0.5 < reward.value
    sentence = (
        f"The reward calls the policy's answer better in {reward.value:.0%} of cases, "
        f"people in {people.value:.0%}"
    )
    end = ": more of this reward makes it worse for people." if worse else "."
    return Section(
        "overoptimization",
        "Would people agree that it is better?",
        "bad" if worse else "open" if people.low < 0.5 else "good",
        sentence + end,
        {"reward": reward.json(), "people": people.json()},
        [(pictures.opinion_picture(reward, people), "The policy's answer against the reference's.")],
        ("judge", "policy better", "95% interval"),
        [_estimate_row("the reward", reward), _estimate_row("people", people)],
    )


def attributes_section(
    meters: Sequence[Meter], people: Mapping[str, Estimate], notes: Sequence[str] = ()
) -> Section:
    """What the policy exaggerates; `raters` of each meter is the reward's own preference."""
    moved = [
        one for one in meters if one.policy.low > one.reference.high or one.policy.high < one.reference.low
    ]
    most = max(moved, key=lambda one: abs(one.policy.value - one.reference.value), default=None)
    if most is None:
        sentence = "No attribute's share has moved beyond its interval."
    else:
        name = most.attribute.replace("_", " ")
        sentence = (
            f"Most moved: {name}, from {most.reference.value:.0%} of answers to {most.policy.value:.0%}; the "
            f"reward prefers it in {most.raters.value:.0%} of pairs"
            + (f", people in {people[most.attribute].value:.0%}" if most.attribute in people else "")
            + "."
        )
    beyond = [
        one
        for one in moved
        if one.attribute in people and one.policy.low > max(people[one.attribute].high, one.reference.high)
    ]
    data = {
        "attributes": {
            one.attribute: {
                "reference": one.reference.json(),
                "policy": one.policy.json(),
                "reward": one.raters.json(),
                "people": people[one.attribute].json() if one.attribute in people else None,
                "amplification": one.amplification,
            }
            for one in meters
        }
    }
    rows = [
        (
            one.attribute.replace("_", " "),
            f"{one.reference.value:.1%}",
            f"{one.policy.value:.1%}",
            f"{one.raters.value:.1%}",
            f"{people[one.attribute].value:.1%}" if one.attribute in people else "\N{EN DASH}",
        )
        for one in meters
    ]
    return Section(
        "bias",
        "What does it exaggerate?",
        "bad" if beyond else "open" if moved else "good",
        sentence,
        data,
        [(pictures.attributes_picture(meters), "Shares before and after training.")],
        ("attribute", "reference", "policy", "reward prefers it", "people prefer it"),
        rows,
        notes=notes,
    )


def verifier_section(audit: VerifierAudit) -> Section:
    """Whether a verifier or answer key can be trusted."""
    sentence = audit.flagged or "The reward agrees with substitution on everything it was asked."
    data = {
        "flagged": audit.flagged,
        "wrong_paid": audit.wrong_paid.json(),
        "right_refused": audit.right_refused.json(),
        "by_manner": {name: one.json() for name, one in audit.by_manner.items()},
        "cases": [
            {"prompt": one.prompt.text, "text": one.text, "paid": one.paid, "right": one.right}
            for one in audit.cases[:20]
        ],
    }
    texts = [
        {
            "heading": f"{one.prompt.text.strip()}: paid {one.paid:g}, {'right' if one.right else 'wrong'}",
            "text": one.text,
        }
        for one in audit.cases[:3]
    ]
    rows = [_estimate_row(name, one) for name, one in audit.by_manner.items()]
    return Section(
        "verifier",
        "Does the answer key tell the truth?",
        "bad" if audit.flagged else "good",
        f"{sentence[0].upper()}{sentence[1:]}",
        data,
        (),
        ("wrong answers made by", "paid", "95% interval"),
        rows,
        texts,
    )


def _estimate_row(name: str, estimate: Estimate) -> tuple[str, str, str]:
    return name, f"{estimate.value:.1%}", f"{estimate.low:.1%} to {estimate.high:.1%}"


def as_json(sections: Sequence[Section], subject: str) -> dict[str, Any]:
    """The report as plain values: the subject, then each section's verdict, sentence and figures."""
    return {"subject": subject} | {
        section.name: {"verdict": section.verdict, "sentence": section.sentence, **section.data}
        for section in sections
    }


def render(sections: Sequence[Section], subject: str) -> str:
    """The page as HTML text; `subject` names what was audited."""
    loader = ChoiceLoader([FileSystemLoader(TEMPLATES), FileSystemLoader(REPORT_TEMPLATES)])
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["svg"] = Markup
    return environment.get_template("audit.html").render(sections=sections, subject=subject)


def write(sections: Sequence[Section], subject: str, folder: Path) -> tuple[Path, Path]:
    """Write audit.html and audit.json into a folder, made when missing, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    page, data = folder / "audit.html", folder / "audit.json"
    atomic_write(data, to_json(as_json(sections, subject), indent=2) + "\n")
    atomic_write(page, render(sections, subject))
    return page, data
