"""The report's plain language: names and meanings of every metric, number formats, and rules for verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STAGE_TITLES = {
    "pretrain": "Exposition",
    "sft": "Worked problems",
    "rl": "Practice",
    "rlhf": "Human feedback",
}
STAGE_MEANINGS = {
    "pretrain": "A new model with random weights reads a textbook and learns to predict the next token.",
    "sft": "It imitates worked solutions, including some with people's mistakes.",
    "rl": "It tries problems itself. An exact verifier says whether the answer is right, and nothing else.",
    "rlhf": "People rank what it writes, and it learns to write what they prefer.",
}
CONTROL_TITLES = {
    "none": "true reward",
    "random": "random reward (control)",
    "format": "format reward (control)",
}
CONTROL_MEANINGS = {
    "random": "a coin toss decides the reward of an answer",
    "format": "any readable answer gets the reward, right or wrong",
}


def lone_meaning(stage: str, config: Mapping[str, Any]) -> str:
    """What one stage on its own does, by the tables of its config.toml: what it reads, and what pays."""
    data, task = config.get("data", {}).get("file", "none"), config.get("task", {}).get("name", "equations")
    if stage == "sft" and data != "none":
        return f"It imitates the completions in {data}."
    if stage != "rl":
        return STAGE_MEANINGS.get(stage, "One stage of training.")
    paying = [*config.get("reward_model", ()), *config.get("reward", {}).get("functions", ())]
    if control := CONTROL_MEANINGS.get(config.get("control", "none")):
        return f"It writes answers itself, and {control}."
    if paying:
        return f"It writes answers itself, and is paid for them by {' and '.join(map(str, paying))}."
    if task != "equations":
        return f"It writes answers itself, and the task {task} judges them."
    return STAGE_MEANINGS["rl"]


OUTCOME_TITLES = {"unparseable": "unreadable", "over_limits": "over limits"}
SLICE_TITLES = {
    "kind": "kind of solution",
    "level": "level of difficulty",
    "ask": "what is asked",
    "kind=integer": "whole numbers",
    "kind=rational": "fractions",
    "kind=irrational": "irrational",
    "kind=none": "no real solution",
    "kind=double": "double root",
    "kind=excluded": "a candidate outside the domain",
    "kind=extraneous": "an extraneous candidate",
    "kind=parametric": "with a letter parameter",
    "ask=solve": "the solutions",
    "ask=sum": "their sum",
}
MISSING = "–"


@dataclass(frozen=True)
class Meaning:
    """A metric's name for people, what it says, and whether it is a share (shown in per cent)."""

    title: str
    text: str
    share: bool = False


METRICS: dict[str, Meaning] = {
    "accuracy": Meaning(
        "accuracy",
        "Share of held-out problems that the model answers correctly with greedy decoding, as judged by the "
        "verifier.",
        True,
    ),
    "interval": Meaning(
        "95% interval",
        "The range in which the true share lies, given the number of different problems: prompts that ask "
        "for the same problem count as one. Two results differ clearly if their intervals do not overlap.",
    ),
    "n": Meaning("n", "Number of problems the share was measured on."),
    "family_accuracy": Meaning(
        "a−(b+x)/x=x",
        "Accuracy on this family alone, to which the equation that started the project belongs.",
        True,
    ),
    "pass@1": Meaning("pass@1", "Probability that one sampled answer is right.", True),
    "pass@k": Meaning("pass@k", "Probability that at least one of k sampled answers is right.", True),
    "loss": Meaning(
        "loss", "Cross-entropy of the next token, in nats: lower is better, 0 is a perfect prediction."
    ),
    "reward": Meaning("reward", "Mean reward of the answers of an iteration."),
    "solved": Meaning(
        "right answers", "Share of the answers written during practice that the task judges right.", True
    ),
    "outcome/correct": Meaning(
        "right answers", "Share of the answers written during practice that the verifier judges right.", True
    ),
    "outcome/wrong": Meaning("wrong", "The answer is readable but not right.", True),
    "outcome/unparseable": Meaning("unreadable", "There is no answer, or it is not mathematics.", True),
    "outcome/over_limits": Meaning("over limits", "The answer is too long or too large to be judged.", True),
    "behaviour/domain_check": Meaning(
        "domain check", "Before solving, the solution excludes values at which a denominator is zero.", True
    ),
    "behaviour/factoring": Meaning(
        "factoring", "A product of factors that equals the reduced equation.", True
    ),
    "behaviour/factoring_wrong": Meaning(
        "wrong factoring", "A product of factors that does not equal the reduced equation.", True
    ),
    "behaviour/formula": Meaning(
        "quadratic formula", "The discriminant of the reduced equation, computed correctly.", True
    ),
    "behaviour/verification": Meaning(
        "verification",
        "A candidate is substituted into the equation, with correct arithmetic and the right conclusion.",
        True,
    ),
    "behaviour/correction": Meaning(
        "correction", "After a failed verification, the answer no longer contains that candidate.", True
    ),
    "entropy": Meaning(
        "entropy",
        "Mean entropy of the next token, in nats. If it falls to 0, the policy has stopped exploring.",
    ),
    "clip_fraction": Meaning(
        "clipped tokens",
        "Share of tokens whose importance ratio was clipped, because their probability moved too far.",
        True,
    ),
    "ratio_error": Meaning(
        "sampler mismatch",
        "The largest relative gap, over all tokens of an iteration, between a token's probability in the "
        "sampler and in the learner, before any update. Exact arithmetic would give 0.",
    ),
    "approximate_kl": Meaning(
        "drift in an iteration (KL)",
        "KL between the updated policy and the one that wrote the answers, in nats per token.",
    ),
    "kl": Meaning("KL to the reference", "KL between the policy and the reference model, in nats per token."),
    "gradient_norm": Meaning(
        "gradient norm", "Norm of the gradient before clipping. Sudden jumps are a warning."
    ),
    "truncated": Meaning("cut off", "Share of answers cut at the length limit.", True),
    "turns": Meaning("turns", "Mean number of turns of the policy in a conversation."),
    "replies": Meaning("replies", "Mean number of replies of the task (tool results, moves, observations)."),
    "completion_tokens": Meaning("answer length", "Mean length of an answer, in tokens."),
    "groups_tied": Meaning(
        "tied groups",
        "Share of problems whose answers all earned the same reward: they give no gradient.",
        True,
    ),
    "truth": Meaning("truth", "Share of answers that are right by the truth, which does not pay.", True),
    "paid_wrong": Meaning(
        "wrong and paid", "Share wrong by the truth, of the answers that are paid as right ones are.", True
    ),
    "known_paid": Meaning(
        "exploits among the well paid",
        "Share of the well-paid answers that look like any text that exploits rewards.",
        True,
    ),
    "padding_share": Meaning("padding", "Share of the computation spent on padding.", True),
    "learning_rate": Meaning("learning rate", "Learning rate of the update."),
    "advantage": Meaning(
        "advantage", "How much better the answer was than the others: above 0 it becomes more likely."
    ),
}
HEALTH = (
    "entropy",
    "clip_fraction",
    "ratio_error",
    "approximate_kl",
    "kl",
    "gradient_norm",
    "truncated",
    "completion_tokens",
    "groups_tied",
    "padding_share",
    "truth",
    "paid_wrong",
    "known_paid",
)


EXPLOIT = "known_paid/"
PART = "reward/"
PART_TEXT = "Mean of this part of the reward over the answers of an iteration, before its weight."


def meaning(metric: str) -> Meaning:
    """The metric's name and meaning; one the page does not know shows its own name."""
    name = metric.partition("/")[2] or metric
    if metric.startswith(PART) and metric not in METRICS:
        failed = name.startswith("failed/")
        text = "Share of an iteration's answers that the function failed on." if failed else PART_TEXT
        return Meaning(name.replace("failed/", "failures of "), text, failed)
    if metric.startswith(EXPLOIT):
        # Here and not above: it brings scipy, which most reports need not wait for.
        from practicum.guard.known import KNOWN

        words = KNOWN[name].sentence if name in KNOWN else name.replace("_", " ")
        return Meaning(f"paid: {name.replace('_', ' ')}", f"Share of well-paid answers that {words}.", True)
    return METRICS.get(metric, Meaning(name.replace("_", " "), f"The metric {metric} of metrics.jsonl."))


def percent(value: float | None, decimals: int = 1) -> str:
    """A share as per cent, `41.3%`."""
    return MISSING if value is None else f"{100 * value:.{decimals}f}%"


def percent_interval(bounds: tuple[float, float] | None) -> str:
    """An interval of shares, `38.2–44.4%`."""
    return MISSING if bounds is None else f"{100 * bounds[0]:.1f}–{100 * bounds[1]:.1f}%"


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return MISSING if value is None else f"{100 * value:+.1f}".replace("-", "−")


def whole(value: float | None) -> str:
    """A count with thousands separated: 12,345."""
    return MISSING if value is None else f"{value:,.0f}"


def short(value: float | None) -> str:
    """A quantity with three significant digits, plain where that is readable."""
    if value is None:
        return MISSING
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}·10^{int(exponent)}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−") if abs(value) < 1000 else whole(value)


def metric_value(metric: str, value: float | None) -> str:
    """A metric's value the way people read it: shares in per cent."""
    return percent(value) if meaning(metric).share else short(value)


def duration(seconds: float | None) -> str:
    """Seconds as `48 s`, `6 min 12 s` or `2 h 5 min`."""
    if seconds is None:
        return MISSING
    rounded = round(seconds)
    if rounded < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{rounded} s"
    minutes, rest = divmod(rounded, 60)
    if minutes < 90:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


Bounds = tuple[float, float]


def change(before: Bounds | None, after: Bounds | None) -> str:
    """`rose`, `fell` or `did not clearly change`: two results differ when their 95% intervals are apart."""
    if before is None or after is None:
        return "not measured"
    if after[0] > before[1]:
        return "rose"
    return "fell" if after[1] < before[0] else "did not clearly change"


def teaching_verdict(
    first_before: Bounds, many_before: Bounds, first_after: Bounds, many_after: Bounds
) -> str:
    """Whether practice taught, sharpened, or changed nothing, from 95% intervals of pass@1 and pass@k.

    `taught`: more problems came within reach of k tries. `sharpened`: not that, but the first try got
    better. `narrowed`: fewer problems are within reach of k tries than before. Else `unclear`.
    The comparison is that of Yue et al. 2025 (2504.13837); the rule on intervals is ours.
    """
    reach = change(many_before, many_after)
    if reach == "rose":
        return "taught"
    if reach == "fell":
        return "narrowed"
    return "sharpened" if change(first_before, first_after) == "rose" else "unclear"


def teaching_sentence(verdict: str, k: int, at_ceiling: bool) -> str:
    """The verdict of `teaching_verdict` in words; `at_ceiling` when k tries solved nearly all beforehand."""
    sentence = {
        "taught": f"Practice taught: {k} tries now solve problems that {k} tries did not solve before.",
        "sharpened": f"Practice sharpened: the first try is right more often, but {k} tries do not "
        f"clearly solve more problems than {k} tries did before.",
        "narrowed": f"Practice narrowed the model: {k} tries now solve fewer problems than before.",
        "unclear": f"Neither teaching nor sharpening is shown: pass@1 and pass@{k} did not clearly rise, "
        "judged by their intervals before and after practice.",
    }[verdict]
    if at_ceiling and verdict != "taught":
        sentence += (
            f" Before practice {k} tries already solved nearly all problems, so this examination is too easy "
            "to show teaching."
        )
    return sentence
