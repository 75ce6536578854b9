"""`--dry-run`: what the first steps of a training command show, before the run that costs hours.

The stage makes a few steps as it would, in a folder that goes (`trial.py`). Each check below reads measured
numbers and returns a Finding: a sentence, how bad it is, and what to do. `stop` is what ends a real run.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer

from practicum.errors import InputError
from practicum.model.decoder import compute_dtype
from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig
from practicum.model.scorer import make_rows, make_scorer
from practicum.model.tokenizer import chat_of, encode_batch, encode_prompts
from practicum.training.dead import FATAL, opened_levels, signs_of_death
from practicum.training.trial import Trial, Tried, trial
from practicum.types import Prompt

Severity = Literal["ok", "warn", "stop"]
REFUSED = 3
"""Exit code where the run would be refused."""
STEPS = 3
"""Steps that each stage makes; the first is not timed, for it compiles kernels and warms caches."""
MOST_TIED = 0.8
MOST_CUT = 0.5
MOST_LEFT_OUT = 0.1
LENGTH_CORRELATION = 0.8
FEWEST_PAIRS = 16
"""Completions below which no correlation with length is told."""
RATIO_ERROR = {torch.float32: 1e-3, torch.bfloat16: 0.1}
"""Largest |importance ratio - 1| before the first update that is rounding; see docs/training.md."""
PADDING_ERROR = 1e-3
"""Largest difference in nats between a row's log-probabilities alone and among others, in float32."""
MOST_MEMORY = 0.8
EXAMINED_ROWS = 8


@dataclass(frozen=True)
class Finding:
    """What one check found: a sentence, how bad it is, and what to do about it (empty where it is fine)."""

    name: str
    severity: Severity
    sentence: str
    remedy: str = ""


@dataclass(frozen=True)
class Estimate:
    """What the configured run takes, from the measured steps: seconds with the range that the steps span.

    `tokens` are those read by training, or written and read in practice. Bytes are at their peak.
    """

    stage: str
    steps: int
    seconds: float
    seconds_low: float
    seconds_high: float
    tokens: float
    tokens_per_second: float
    checkpoint_bytes: int


# ------------------------------------------------------------------------------------------------- the checks


def check_signal(rows: Sequence[Mapping[str, Any]]) -> Finding:
    """Whether rewards differ at all, in metrics of practice: `reward`, `reward_std`, `groups_tied`."""
    signs = signs_of_death(rows)
    fatal = [signs[name] for name in FATAL if name in signs]
    if fatal and "reward" in signs and rows[0]["reward"] == 0:
        remedy = (
            "read what the model writes (`practicum sample`): give easier prompts, teach the form of an "
            "answer with sft first, or pay for parts of an answer"
        )
        return Finding("signal", "stop", fatal[0], remedy)
    if fatal and "reward" in signs:
        return Finding("signal", "stop", fatal[0], "let the reward tell better answers from worse ones")
    if fatal:
        remedy = "raise group_size or sampling.temperature, or mix in prompts that are solved now and then"
        return Finding("signal", "stop", fatal[0], remedy)
    if opened_levels(rows) and not any(row.get("reward_std") for row in rows):
        sentence = "every answer was paid alike, and the curriculum went on to harder levels"
        return Finding("signal", "ok", sentence)
    mean = _mean(rows, "reward")
    return Finding(
        "signal", "ok", f"rewards differ: mean {mean:.3g}, deviation {_mean(rows, 'reward_std'):.3g}"
    )


def check_groups(rows: Sequence[Mapping[str, Any]]) -> Finding:
    """How many prompts have answers of different rewards, which alone teach: metric `groups_tied`."""
    tied = _mean(rows, "groups_tied")
    sentence = f"at {1 - tied:.0%} of the prompts the answers differ in reward, and only those teach"
    if tied < MOST_TIED or opened_levels(rows):
        return Finding("groups", "ok", sentence)
    remedy = "raise group_size, or choose prompts that are neither always nor never solved"
    return Finding("groups", "warn", sentence, remedy)


def check_ending(rows: Sequence[Mapping[str, Any]]) -> Finding:
    """How many completions end by themselves: metric `truncated`."""
    cut = _mean(rows, "truncated")
    if cut == 1.0:
        return Finding(
            "ending",
            "warn",
            "no completion has an end of sequence: all were cut at sampling.max_new_tokens",
            "raise sampling.max_new_tokens; if that changes nothing, teach the model to stop with sft, or "
            "give one whose chat template and end of sequence fit",
        )
    sentence = f"{1 - cut:.0%} of the completions end by themselves, the others are cut"
    if cut <= MOST_CUT:
        return Finding("ending", "ok", sentence)
    return Finding("ending", "warn", sentence, "raise sampling.max_new_tokens, or ask for shorter answers")


def check_length(samples: Sequence[Mapping[str, Any]]) -> Finding:
    """Whether the reward goes by length: correlation within prompts of `reward` and `completion_tokens`."""
    found = correlation_within(
        [str(row["prompt"]) for row in samples],
        [float(row["completion_tokens"]) for row in samples],
        [float(row["reward"]) for row in samples],
    )
    if found is None:
        return Finding("length", "ok", "too few different answers to tell whether the reward goes by length")
    sentence = f"among answers to one prompt, reward and length have a correlation of {found:+.2f}"
    if abs(found) < LENGTH_CORRELATION:
        return Finding("length", "ok", sentence)
    longer = "longer" if found > 0 else "shorter"
    return Finding(
        "length",
        "warn",
        f"{sentence}: practice will make answers {longer}",
        "look at what pays with `practicum audit exploits`; take length out of the reward, or limit it",
    )


def correlation_within(
    groups: Sequence[str], first: Sequence[float], second: Sequence[float]
) -> float | None:
    """Pearson's correlation of deviations from each group's means, in [-1, 1]; None where it has no meaning.

    That is with fewer than FEWEST_PAIRS values in groups of two or more, or where one side does not vary.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        members[group].append(place)
    pairs = []
    for places in members.values():
        if len(places) > 1:
            centre = [sum(values[place] for place in places) / len(places) for values in (first, second)]
            pairs += [(first[place] - centre[0], second[place] - centre[1]) for place in places]
    squares = [sum(pair[side] ** 2 for pair in pairs) for side in (0, 1)]
    largest = [max((abs(value) for value in values), default=0.0) for values in (first, second)]
    flat = any(square <= len(pairs) * (1e-9 * top) ** 2 for square, top in zip(squares, largest, strict=True))
    if len(pairs) < FEWEST_PAIRS or flat:
        return None
    return sum(one * other for one, other in pairs) / math.sqrt(squares[0] * squares[1])


def check_ratio(ratio_error: float, dtype: torch.dtype) -> Finding:
    """Whether sampler and scorer give a token the same probability before any update: `ratio_error`."""
    sentence = f"before the first update, importance ratios are 1 within {ratio_error:.2g}"
    if ratio_error <= RATIO_ERROR[dtype]:
        return Finding("ratio", "ok", sentence)
    remedy = "compare with --dtype float32 --sampling.dtype float32: what remains is a fault; report it"
    return Finding("ratio", "warn", sentence + ", more than rounding", remedy)


def check_padding(difference: float | None) -> Finding:
    """Whether a row's log-probabilities depend on the rows beside it; `difference` in nats, None untold."""
    if difference is None:
        return Finding("padding", "ok", "too few texts of different lengths to tell whether padding is read")
    sentence = f"a row scores the same alone and among longer rows, within {difference:.2g} nats"
    if difference <= PADDING_ERROR:
        return Finding("padding", "ok", sentence)
    return Finding(
        "padding",
        "stop",
        f"a row's score changes by up to {difference:.2g} nats with the rows beside it",
        "the model reads its padding: give another model, and report this one",
    )


def check_template(tokenizer: Tokenizer, prompt: Prompt) -> Finding:
    """How prompts reach the model: through its chat template, or as they stand."""
    if chat_of(tokenizer) is None:
        sentence = "the model has no chat template: it reads prompts as they stand"
    else:
        sentence = "the model reads prompts through its chat template"
    read = tokenizer.decode(encode_prompts(tokenizer, [prompt])[0], skip_special_tokens=False)
    return Finding("template", "ok", f"{sentence}, such as {read!r:.160}")


def check_gradient(rows: Sequence[Mapping[str, Any]]) -> Finding:
    """Whether there is a gradient, and a finite one: metric `gradient_norm`."""
    signs = signs_of_death(rows)
    if "gradient" in signs:
        remedy = "see whether anything is left to train (lora.rank), and whether rewards differ"
        return Finding("gradient", "stop", signs["gradient"], remedy)
    norms = [float(row["gradient_norm"]) for row in rows]
    return Finding("gradient", "ok", f"the gradient's norm is {min(norms):.3g} to {max(norms):.3g}")


def check_loss(rows: Sequence[Mapping[str, Any]], vocabulary: int) -> Finding:
    """Whether a model that imitates texts begins no worse than guessing: metric `loss`, nats per token."""
    first, last, guess = float(rows[0]["loss"]), float(rows[-1]["loss"]), math.log(vocabulary)
    sentence = f"the loss goes from {first:.3g} to {last:.3g} nats per token in {len(rows)} steps"
    if first > 1.5 * guess:
        remedy = "see whether the tokenizer is the model's own and the texts are what it should read"
        return Finding("loss", "warn", f"{sentence}; guessing would have {guess:.3g}", remedy)
    if last > 1.2 * first:
        return Finding("loss", "warn", f"{sentence}: it rises", "lower optimizer.learning_rate")
    return Finding("loss", "ok", sentence)


def check_left_out(left_out: float, cut: float, rows: float) -> Finding:
    """How many demonstrations are too long: rows left out and rows cut, of all rows of the steps."""
    if not left_out and not cut:
        return Finding("length_limit", "ok", "every text fits in the model's positions")
    sentence = f"{left_out / rows:.0%} of the texts are left out as too long, {cut / rows:.0%} lose their end"
    severity: Severity = "warn" if left_out + cut > MOST_LEFT_OUT * rows else "ok"
    return Finding("length_limit", severity, sentence, "shorten them, or give a model with more positions")


def check_memory(peak: int, there: int, name: str = "memory") -> Finding:
    """Peak memory of the process against the machine's, or (`gpu_memory`) the card's, in bytes."""
    sentence = f"{_bytes(peak)} of {name.replace('gpu_', 'GPU ')} at the peak, of {_bytes(there)}"
    if peak <= MOST_MEMORY * there:
        return Finding(name, "ok", sentence)
    return Finding(name, "warn", sentence, "lower the micro-batch, or train adapters (lora.rank)")


def check_disk(checkpoint: int, most: int, free: int) -> Finding:
    """Room for the `most` checkpoints that are there at a time; sizes in bytes."""
    needed = most * checkpoint
    sentence = f"a checkpoint takes {_bytes(checkpoint)}; {_bytes(free)} are free"
    if needed <= free:
        return Finding("disk", "ok", sentence)
    return Finding(
        "disk",
        "stop",
        sentence,
        f"make room for {_bytes(needed)}, lower loop.keep_checkpoints or raise loop.checkpoint_every",
    )


# ------------------------------------------------------------------------------------------------ the dry run


def dry_run(
    name: str,
    train: Callable[..., dict[str, Any]],
    config: Any,
    run_path: Path,
    before: Sequence[Finding] = (),
) -> dict[str, Any]:
    """Make the first steps of `train(config, folder)` and say what they show; nothing is left behind.

    `name` is the command's; `run_path` where the run would be, whose disk must have room; `before` what is
    known already, as of the reward.
    Returns `verdict` (ok, warn, stop), `findings`, `estimates` and, where the run would be refused,
    `exit_code`. What the settings themselves forbid is an InputError, as in the real run.
    """
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="practicum-dry-run-") as folder, trial(STEPS) as tried:
        try:
            train(shortened(config), Path(folder) / name)
        except InputError as error:
            if not tried.stages:
                raise
            said = str(error).replace(str(Path(folder) / name), "RUN")
            findings.append(Finding("error", "stop", said, "mend that first"))
    findings = [*before, *(found for stage in tried.stages for found in examined(stage, config)), *findings]
    findings.append(check_memory(peak_memory(), _machine_memory()))
    cards = {stage.policy.device for stage in tried.stages if stage.policy.device.type == "cuda"}
    for card in cards:
        findings.append(check_memory(*card_memory(card), "gpu_memory"))
    free = shutil.disk_usage(_existing(run_path)).free
    if tried.stages:
        # The stage that needs most, which is not always the one with the largest checkpoint.
        largest = max(tried.stages, key=lambda one: one.checkpoint_bytes * one.most_checkpoints)
        if largest.checkpoint_bytes:
            findings.append(check_disk(largest.checkpoint_bytes, largest.most_checkpoints, free))
    worst: Severity = max((found.severity for found in findings), key=("ok", "warn", "stop").index)
    return {
        "dry_run": True,
        "verdict": worst,
        "findings": [asdict(found) for found in findings],
        "estimates": [asdict(one) for one in _estimates(tried, config)],
        "loading_seconds": tried.loading_seconds,
        "peak_memory_bytes": peak_memory(),
        **({"peak_gpu_memory_bytes": max(card_memory(card)[0] for card in cards)} if cards else {}),
        **({"exit_code": REFUSED} if worst == "stop" else {}),
    }


def shortened(config: Any) -> Any:
    """The settings with all samples logged, one round of a loop, a short examination; the rest as it is."""
    changes: dict[str, Any] = {}
    if hasattr(config, "samples_per_step"):
        changes["samples_per_step"] = config.prompts_per_step * config.group_size
    if hasattr(config, "practice"):
        changes["practice"] = shortened(config.practice)
    if hasattr(config, "rounds"):
        changes |= {"rounds": 1, "examined": min(config.examined, EXAMINED_ROWS)}
    return replace(config, **changes)


def examined(stage: Tried, config: Any) -> list[Finding]:
    """What the steps of one stage show; nothing where it ended before its first."""
    if not stage.rows:
        return []
    settings = getattr(config, "practice", config)
    rows, first = stage.rows, stage.rows[0]
    found: list[Finding] = []
    if "reward" in first:
        # What learns from a teacher needs no rewards that differ, and what compares no answers no groups.
        if "reward_std" in first:
            found.append(check_signal(rows))
        told = bool(found) and found[0].severity == "ok"
        if told and "groups_tied" in first and "explained_variance" not in first:
            found.append(check_groups(rows))
        found += [check_ending(rows), check_length(stage.samples)]
        if first.get("update_tokens"):
            device = stage.policy.device
            dtypes = [compute_dtype(part.dtype, device) for part in (settings, settings.sampling)]
            dtype = torch.bfloat16 if torch.bfloat16 in dtypes else torch.float32
            found.append(check_ratio(float(first["ratio_error"]), dtype))
    elif "loss" in first:
        found.append(check_gradient(rows))
        if "batch_rows" in _names(config) or "batch_demonstrations" in _names(config):
            found.append(check_loss(rows, stage.policy.spec.vocab_size))
    if "rows_skipped" in first:
        total = len(rows) * (config.batch_demonstrations + config.textbook_passages)
        skipped, cut = (sum(float(row[name]) for row in rows) for name in ("rows_skipped", "rows_cut"))
        found.append(check_left_out(skipped, cut, total))
    if stage.samples and "completion" in stage.samples[0]:
        found.append(check_template(stage.tokenizer, stage.prompts[0]))
        written = [str(row["completion"]) for row in stage.samples]
        found.append(check_padding(padding_difference(stage.policy, stage.tokenizer, stage.prompts, written)))
    return found


@torch.no_grad()
def padding_difference(
    policy: Policy, tokenizer: Tokenizer, prompts: Sequence[Prompt], completions: Sequence[str]
) -> float | None:
    """Largest difference, in nats, between rows' log-probabilities alone and among rows of other lengths.

    None where there are not two texts of different lengths that fit in the model's positions.
    """
    asked = encode_prompts(tokenizer, prompts)
    answers = encode_batch(tokenizer, completions)
    whole = {
        len(prompt) + len(answer): (prompt, answer) for prompt, answer in zip(asked, answers, strict=True)
    }
    fitting = [
        pair for length, pair in sorted(whole.items()) if pair[1] and length <= policy.spec.max_positions
    ]
    chosen = fitting[:: max(1, len(fitting) // EXAMINED_ROWS)]
    if len(chosen) < 2:
        return None
    scorer = make_scorer(policy, torch.float32)

    def scored(pairs: Sequence[tuple[list[int], list[int]]]) -> torch.Tensor:
        rows = make_rows(
            [[*prompt, *answer] for prompt, answer in pairs], [len(prompt) for prompt, _ in pairs]
        )
        return scorer.logprobs(scorer.hidden(rows), rows, SamplingConfig()).logprobs

    alone = torch.cat([scored([pair]) for pair in chosen])
    return float((scored(chosen) - alone).abs().max())


def _estimates(tried: Trial, config: Any) -> list[Estimate]:
    """What each stage takes in all; the rounds of a loop are counted."""
    rounds = getattr(config, "rounds", 1)
    estimates = []
    for stage in tried.stages:
        timed = stage.rows[1:] or stage.rows
        if not timed:
            continue
        seconds = [float(row["seconds"]) for row in timed]
        tokens = sum(float(row["tokens"]) for row in timed)
        steps = stage.steps * rounds
        estimates.append(
            Estimate(
                stage.name,
                steps,
                steps * sum(seconds) / len(seconds),
                steps * min(seconds),
                steps * max(seconds),
                steps * tokens / len(timed),
                tokens / sum(seconds),
                stage.checkpoint_bytes,
            )
        )
    return estimates


def lines(result: Mapping[str, Any]) -> list[str]:
    """The result of `dry_run` for a terminal."""
    said = []
    for found in result["findings"]:
        said.append(f"{found['severity']:<5} {found['sentence']}")
        if found["severity"] != "ok" and found["remedy"]:
            said.append(f"      -> {found['remedy']}")
    for one in result["estimates"]:
        said.append(
            f"{one['stage']}: {one['steps']:,} steps take about {_time(one['seconds'])} "
            f"({_time(one['seconds_low'])} to {_time(one['seconds_high'])} by the measured steps) and "
            f"{one['tokens']:,.0f} tokens, at {one['tokens_per_second']:,.0f} tokens a second"
        )
    verdict = {
        "ok": "nothing is in the way of this run",
        "warn": "this run would start; look at the warnings first",
        "stop": "this run would be refused; see `stop` above",
    }
    return [*said, verdict[result["verdict"]]]


# --------------------------------------------------------------------------------------------- small helpers


def peak_memory() -> int:
    """The most bytes of the machine's memory that this process has held at a time; 0 on Windows."""
    if sys.platform == "win32":
        return 0
    import resource

    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(held if sys.platform == "darwin" else 1024 * held)


def card_memory(card: torch.device) -> tuple[int, int]:
    """The most bytes that PyTorch has held on a CUDA card at a time, and how many the card has."""
    return torch.cuda.max_memory_reserved(card), torch.cuda.mem_get_info(card)[1]


def _machine_memory() -> int:
    if not hasattr(os, "sysconf"):
        return 1 << 62
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _existing(path: Path) -> Path:
    """The nearest folder above that is there."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())


def _names(config: Any) -> set[str]:
    return {field.name for field in fields(config)} if is_dataclass(config) else set()


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return sum(float(row[name]) for row in rows) / len(rows)


def _bytes(count: float) -> str:
    power = min(4, int(math.log(max(count, 1), 1000)))
    return f"{count / 1000**power:.3g} {('bytes', 'KB', 'MB', 'GB', 'TB')[power]}"


def _time(seconds: float) -> str:
    size, unit = (3600, "h") if seconds >= 6000 else (60, "min") if seconds >= 100 else (1, "s")
    value = seconds / size
    return f"{value:.2g} {unit}" if value < 10 else f"{value:.0f} {unit}"
