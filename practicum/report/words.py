"""The report's plain language: names and meanings of every metric, number formats, and rules for verdicts."""

from __future__ import annotations

from dataclasses import dataclass

STAGE_TITLES = {
    "pretrain": "Exposition",
    "sft": "Worked problems",
    "rl": "Practice",
    "rlhf": "Human feedback",
}
STAGE_MEANINGS = {
    "pretrain": "The model, new and knowing nothing, reads a textbook and learns to predict the next token.",
    "sft": "It imitates worked solutions, some of them with people's mistakes.",
    "rl": "It tries problems itself; an exact verifier says only whether the answer was right.",
    "rlhf": "People rank what it writes, and it learns to write what they prefer.",
}
CONTROL_TITLES = {
    "none": "true reward",
    "random": "random reward (control)",
    "format": "format reward (control)",
}
CONTROL_MEANINGS = {
    "random": "a coin decides whether an answer is paid",
    "format": "any answer that can be read is paid, right or wrong",
}
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
        "Share of held-out problems whose answer the verifier finds right, the model writing its likeliest "
        "token each time.",
        True,
    ),
    "interval": Meaning(
        "95% interval",
        "Where the true share lies, given how few different problems were asked: prompts that ask for the "
        "same problem count as one. Two results differ clearly when their intervals do not overlap.",
    ),
    "n": Meaning("n", "How many problems the share was measured on."),
    "family_accuracy": Meaning(
        "a−(b+x)/x=x", "Accuracy on this family alone: the one the opening equation belongs to.", True
    ),
    "pass@1": Meaning(
        "pass@1", "Chance that one answer is right, drawn at random by the model's own probabilities.", True
    ),
    "pass@k": Meaning("pass@k", "Chance that at least one of k answers drawn to a problem is right.", True),
    "loss": Meaning(
        "loss", "How surprised the model is by the next token, in nats; lower is better, 0 is no surprise."
    ),
    "reward": Meaning("reward", "Mean of what the answers of an iteration were paid: 1 or 0 each.", True),
    "solved": Meaning(
        "right answers", "Share of the answers written during practice that the task finds right.", True
    ),
    "outcome/correct": Meaning(
        "right answers", "Share of the answers written during practice that the verifier finds right.", True
    ),
    "outcome/wrong": Meaning("wrong", "The answer could be read and is not right.", True),
    "outcome/unparseable": Meaning("unreadable", "No answer, or one that is no mathematics.", True),
    "outcome/over_limits": Meaning("over limits", "The answer is too long or too large to be judged.", True),
    "behaviour/domain_check": Meaning(
        "domain check", "Before solving, the solution excludes values that would divide by zero.", True
    ),
    "behaviour/factoring": Meaning(
        "factoring", "A product of factors that really is the reduced equation.", True
    ),
    "behaviour/factoring_wrong": Meaning(
        "wrong factoring", "A product of factors that is not the reduced equation.", True
    ),
    "behaviour/formula": Meaning(
        "quadratic formula", "The discriminant of the reduced equation, rightly worked out.", True
    ),
    "behaviour/verification": Meaning(
        "verification",
        "A candidate is put back into the equation, with true arithmetic and the verdict that follows.",
        True,
    ),
    "behaviour/correction": Meaning(
        "correction", "After a failed verification the answer no longer holds that candidate.", True
    ),
    "entropy": Meaning(
        "entropy",
        "How open the model's next choice is, in nats a token. Falling to 0 means it has stopped exploring.",
    ),
    "clip_fraction": Meaning(
        "clipped tokens",
        "Share of tokens whose probability moved too far in one update, so that the rest was cut off.",
        True,
    ),
    "ratio_error": Meaning(
        "sampler mismatch",
        "The largest relative gap, over all tokens of an iteration, between a token's probability when it "
        "was sampled and when it was learned from, before any update. Exact arithmetic would give 0.",
    ),
    "approximate_kl": Meaning(
        "drift in an iteration (KL)",
        "How far the model being updated is from the one that wrote the answers, in nats a token.",
    ),
    "kl": Meaning(
        "distance to the start (KL)", "How far the model is from the one practice started with, in nats."
    ),
    "gradient_norm": Meaning(
        "gradient norm", "Length of the gradient before clipping. Sudden jumps are a warning."
    ),
    "truncated": Meaning("cut off", "Share of answers that ran into the length limit.", True),
    "completion_tokens": Meaning("answer length", "Mean tokens of an answer."),
    "groups_tied": Meaning(
        "tied groups",
        "Share of problems whose answers were all paid alike: nothing can be learned from them.",
        True,
    ),
    "padding_share": Meaning("padding", "Share of the arithmetic spent on filler positions.", True),
    "learning_rate": Meaning("learning rate", "How far the weights follow one gradient."),
    "advantage": Meaning(
        "advantage", "How much better the answer was paid than the others: above 0 it becomes more likely."
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
)


def meaning(metric: str) -> Meaning:
    """The metric's name and meaning; one the page does not know shows its own name."""
    name = metric.partition("/")[2] or metric
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
        "taught": f"Practice taught: problems out of reach of {k} tries before are now within reach.",
        "sharpened": f"Practice sharpened what was there: the first try is right more often, but {k} tries "
        f"reach no clearly larger set of problems than {k} tries did before.",
        "narrowed": f"Practice narrowed the model: {k} tries now reach fewer problems than before.",
        "unclear": f"Neither can be told: pass@1 and pass@{k} before and after practice lie too close "
        "together for so few problems; their intervals overlap.",
    }[verdict]
    if at_ceiling and verdict != "taught":
        sentence += (
            f" Before practice {k} tries already solved nearly all problems, so this examination is too easy "
            "to show teaching."
        )
    return sentence
