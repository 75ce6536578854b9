"""`practicum audit`: exploits, overoptimization, bias, distortion, budget, guard, detectors, verifier and
rank-table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from practicum.audit.exploits import FEWEST_PROMPTS
from practicum.errors import InputError
from practicum.guard.guard import GuardConfig
from practicum.ranges import MOST_HELD, Count, OpenShare, PositiveFloat, PositiveInt, Range, Ranged, Seed
from practicum.reward.plain import PlainReward, checked
from practicum.stats import Floats
from practicum.types import Prompt, Ranking, RewardFormat

GUARD_STOPS = 3
"""Exit code when the guard would not let the run go on."""


@dataclass(frozen=True)
class ExploitsConfig(Ranged):
    """Search for texts that a reward pays for and people would not; writes them as negative examples."""

    preferences: Path
    """Rankings of the prompts to try: JSONL or Parquet. Each prompt's better half is honest."""
    reward_model: tuple[Path, ...] = ()
    """Folders of reward models (or their runs), all heads averaged. None: a linear one from the
    preferences."""
    reward_format: RewardFormat = "auto"
    """How reward models of other trainers read: chat (messages through the chat template), text (prompt and
    completion as one text), auto (chat where the tokenizer has a template)."""
    prompts: Count = 46
    """Most prompts used."""
    queries: Count = 2000
    """Most questions to the reward."""
    negatives: Path | None = None
    """File to write the negative examples to, as rankings (JSONL, or Parquet by its ending)."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to."""
    seed: Seed = 0
    """Fixes the choice of prompts and the search."""


@dataclass(frozen=True)
class OveroptimizationConfig(Ranged):
    """Fit the rise and fall of true reward against sqrt(KL), say where it peaks, and foresee it."""

    metrics: tuple[Path, ...]
    """metrics.jsonl of one run, or of the same recipe with several seeds."""
    gold: str = "reward/gold"
    """Column of the true reward."""
    kl: str = "kl_completion"
    """Column of the KL to the reference, nats a completion."""
    per_token: bool = False
    """The KL column is nats a token (as `kl` is): multiply it by the column completion_tokens."""
    form: Literal["rl", "best_of_n"] = "rl"
    """d(a - b log d) for reinforcement learning, d(a - b d) for best-of-n; d = sqrt(KL)."""
    first: OpenShare = 0.5
    """Share of the run from which the peak is predicted."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to."""


@dataclass(frozen=True)
class BiasConfig(Ranged):
    """Forecast how far a model will exaggerate what raters prefer; with files, also measure it."""

    rater_share: OpenShare | None = None
    """How often raters choose the attribute where they have the choice; none: measured in --preferences."""
    reference_share: OpenShare | None = None
    """Its share before training (0.5 when there is no --reference to measure it in)."""
    beta: PositiveFloat = 0.5
    """Weight of the KL penalty against a calibrated reward."""
    reward_deviation: PositiveFloat = 1.0
    """What rewards are divided by before they are paid: it changes beta silently."""
    target: OpenShare | None = None
    """Share that a remedy should reach; none: the raters' own."""
    attribute: str = "style:pun"
    """What is counted: style:NAME (jokes), words:WORD,WORD (a topic), longer:COUNT, sentiment:positive or
    :negative, or python:FILE.py:FUNCTION, your own function(prompt, text)."""
    preferences: Path | None = None
    """Rankings to measure raters' choices in."""
    reward_model: tuple[Path, ...] = ()
    """Reward models (or their runs), all heads averaged: forecast from what they prefer among the
    --preferences too."""
    reward_format: RewardFormat = "auto"
    """How reward models of other trainers read: chat (messages through the chat template), text (prompt and
    completion as one text), auto (chat where the tokenizer has a template)."""
    reference: Path | None = None
    """JSONL with prompt and completion: what the model wrote before training."""
    policy: Path | None = None
    """JSONL with prompt and completion: what it writes now."""
    weights: Path | None = None
    """TOML file to write rater weights to that bring the forecast to the target, for `practicum reward-model
    --config` (needs --preferences)."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to (needs all three files)."""


@dataclass(frozen=True)
class DistortionConfig(Ranged):
    """How much of what people mean survives from rater to rater to reward model to the policy's outputs."""

    preferences: Path
    """Rankings, best ones that the reward model was not trained on."""
    reward_model: tuple[Path, ...] = ()
    """Folders of reward models (or their runs), all heads averaged. None: a linear one, trained on the even
    prompts and measured on the odd ones."""
    reward_format: RewardFormat = "auto"
    """How reward models of other trainers read: chat (messages through the chat template), text (prompt and
    completion as one text), auto (chat where the tokenizer has a template)."""
    fresh: Path | None = None
    """Rankings by fresh raters of what the policy writes now."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to."""
    seed: Seed = 0
    """Fixes the bootstrap."""


@dataclass(frozen=True)
class BudgetAuditConfig(Ranged):
    """How many rankings buy how much true reward: random against active asking, on simulated raters."""

    rankings: Annotated[int, Range(at_least=20, at_most=MOST_HELD)] = 500
    """Rankings each strategy may use."""
    task: Literal["features", "jokes"] = "features"
    """features: responses with mostly rare features; jokes: the jokes task's own."""
    ranked: Annotated[int, Range(at_least=2, at_most=12)] = 4
    """Responses ranked together."""
    batch: PositiveInt = 50
    """Rankings between two trainings."""
    prompts: Annotated[int, Range(at_least=10, at_most=100_000)] = 300
    """Prompts that may be asked about."""
    seeds: Annotated[int, Range(at_least=1, at_most=1000)] = 1
    """Repeats, averaged."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to."""


@dataclass(frozen=True)
class GuardAuditConfig(Ranged):
    """Replay the guard on a recorded run: exit code 3 when it would not have let the run go on."""

    metrics: Path
    """metrics.jsonl of the run."""
    samples: Path | None = None
    """Its samples.jsonl, for the three worst samples."""
    guard: GuardConfig = field(default_factory=GuardConfig)
    """What the guard watches."""
    checkpoint_every: PositiveInt = 1
    """Steps between the run's checkpoints: a roll-back goes to a multiple of it."""


@dataclass(frozen=True)
class DetectorsConfig(Ranged):
    """The record of each warning signal on runs whose truth is known, and thresholds for the guard."""

    clean: tuple[Path, ...]
    """Runs (folders or their metrics.jsonl) that gamed nothing: 19 or more for 5% false alarms."""
    gamed: tuple[Path, ...] = ()
    """Runs that gamed their reward, with the true reward logged. None: thresholds only."""
    gold: str = "reward/gold"
    """Column of the true reward: where it is greatest is the onset."""
    false_alarms: Annotated[float, Range(at_least=1e-6, below=1)] = 0.05
    """Probability that a new clean run alarms."""
    baseline: Annotated[int, Range(at_least=2)] = 10
    """Steps that teach what is normal in a run."""
    thresholds: Path | None = None
    """TOML file to write the guard's thresholds to, for `practicum rl --config`."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to (needs gamed runs)."""


@dataclass(frozen=True)
class VerifierConfig(Ranged):
    """Compare a verifiable reward with substitution: does the answer key tell the truth?"""

    key: Literal["true", "poisoned", "lenient"] = "true"
    """true: the exact verifier; poisoned: the wrong answer key; lenient: numbers anywhere in the text."""
    prompts: Annotated[int, Range(at_least=5, at_most=MOST_HELD)] = 60
    """Equations."""
    seed: Seed = 0
    """Fixes the equations."""


@dataclass(frozen=True)
class RankTableConfig:
    """Each response with people's rank and a model's, flagged where its favourite is what people put last."""

    preferences: Path
    """Rankings."""
    scores: Path | None = None
    """JSONL: prompt, response (each by id, or by text), score; higher is better."""
    reward_model: tuple[Path, ...] = ()
    """Instead of --scores: folders of reward models (or their runs), all heads averaged."""
    reward_format: RewardFormat = "auto"
    """How reward models of other trainers read: chat (messages through the chat template), text (prompt and
    completion as one text), auto (chat where the tokenizer has a template)."""


# ------------------------------------------------------------------------------------------------ running


def exploits(config: ExploitsConfig) -> dict[str, Any]:
    """Run `practicum audit exploits`; returns the report's plain values."""
    from practicum.audit.exploits import Search, explain, find_exploits, write_negatives
    from practicum.preferences import formats

    rankings = formats.read(config.preferences)
    prompts, honest = honest_responses(rankings, config.prompts)
    reward = reward_of(config.reward_model, rankings, config.reward_format)
    settings = Search(queries=config.queries, seed=config.seed)
    found = find_exploits(reward, prompts, honest, settings, training=rankings)
    print(explain(found))
    result = found.json()
    if config.negatives is not None:
        result["negatives"] = write_negatives(found, config.negatives)
    if config.report is not None:
        from practicum.audit.report import exploits_section

        result["report"] = _write([exploits_section(found)], config.reward_model, config.report)
    return result


def overoptimization(config: OveroptimizationConfig) -> dict[str, Any]:
    """Run `practicum audit overoptimization`; returns fit, peak, bands and the prediction."""
    from practicum.audit.overoptimization import bands, observed_peak, predict_peak

    runs = [gold_curve(path, config) for path in config.metrics]
    if not runs:
        raise InputError("overoptimization: give --metrics, one file or more")
    fitted = bands(runs, config.form)
    kl, gold = (np.concatenate([run[part] for run in runs]) for part in (0, 1))
    predictions = [predict_peak(*run, config.form, config.first) for run in runs]
    result = {
        **asdict(fitted.fit),
        "peak_distance": fitted.fit.peak_distance,
        "peak_kl": fitted.fit.peak_kl,
        "peak_distance_ci95": list(fitted.peak_distance),
        "observed_peak_kl": [observed_peak(*run, window=5)[1] for run in runs],
        "predicted_peak_distance": [one[0] for one in predictions],
    }
    if config.report is not None:
        from practicum.audit.report import overoptimization_section

        section = overoptimization_section(fitted, kl, gold, None, predictions[0][0])
        result["report"] = _write([section], config.metrics, config.report)
    return result


def bias(config: BiasConfig) -> dict[str, Any]:
    """Run `practicum audit bias`: forecast, warning, remedies, and the meter where files are given."""
    from practicum.audit import bias as measures
    from practicum.audit.attributes import classifier

    if config.report is not None and not (config.preferences and config.reference and config.policy):
        raise InputError("bias: --report needs --preferences, --reference and --policy")
    if config.weights is not None and config.preferences is None:
        raise InputError("bias: give --preferences, whose raters the --weights are for")
    classify = classifier(config.attribute)
    shares: dict[str, Any] = {}
    if config.preferences is not None:
        from practicum.preferences import formats

        rankings = formats.read(config.preferences)
        shares["raters"] = measures.rater_share(rankings, classify)
        shares["carriers"] = [asdict(one) for one in _carriers(rankings, classify)[:10]]
    for name, path in (("reference", config.reference), ("policy", config.policy)):
        if path is not None:
            shares[name] = measures.text_share(completions(path), classify, name=name)
    raters = config.rater_share if config.rater_share is not None else _value(shares, "raters")
    if raters is None:
        raise InputError("bias: give --rater_share, or --preferences to measure it in")
    before = config.reference_share if config.reference_share is not None else _value(shares, "reference")
    before = 0.5 if before is None else before
    beta = measures.effective_beta(config.beta, config.reward_deviation)
    result: dict[str, Any] = {
        "rater_share": raters,
        "reference_share": before,
        "beta": beta,
        "forecast": measures.forecast(raters, before, beta),
        "remedies": [asdict(one) for one in measures.remedies(raters, before, beta, config.target)],
    }
    print(
        f"forecast: {result['forecast']:.1%} at beta {beta:g} (raters {raters:.1%}, reference {before:.1%})"
    )
    if config.reward_model:
        if config.preferences is None:
            raise InputError("bias: give --preferences, whose responses the --reward_model is asked about")
        paid = measures.paid_share(
            rankings, classify, reward_of(config.reward_model, (), config.reward_format)
        )
        result |= {"paid": paid.json(), "forecast_of_reward": measures.forecast(paid.value, before, beta)}
        print(
            f"forecast of the reward model: {result['forecast_of_reward']:.1%} (it prefers "
            f"{paid.value:.1%} [{paid.low:.1%}, {paid.high:.1%}])"
        )
    warning = measures.scaling_warning(config.beta, config.reward_deviation, raters, before)
    if warning is not None:
        result["warning"] = warning
        print(f"warning: {warning}")
    for one in result["remedies"]:
        print(
            f"remedy: {one['remedy'].replace('_', ' ')} at {one['setting']:.3g} brings it to "
            f"{one['share']:.1%} and keeps {one['gain']:.0%} of the reward gained"
        )
    if config.weights is not None:
        wanted = raters if config.target is None else config.target
        weighed = measures.camp_weights(rankings, classify, measures.learned_share(wanted, before, beta))
        result["weights"] = weighed
        _write_toml(config.weights, {"weights": weighed})
        print(
            f"weights: {len(weighed)} raters who favour it weigh {next(iter(weighed.values())):.3g}: "
            f"practicum reward-model --config {config.weights}"
        )
    for name in ("raters", "reference", "policy"):
        if name in shares:
            result[f"measured_{name}"] = shares[name].json()
            one = shares[name]
            print(f"measured: {name} {one.value:.1%} [{one.low:.1%}, {one.high:.1%}]")
    if "carriers" in shares:
        result["carriers"] = shares["carriers"]
    if {"raters", "reference", "policy"} <= shares.keys():
        found = measures.compare(config.attribute, shares["reference"], shares["raters"], shares["policy"])
        result["amplification"], result["measured_beta"] = found.amplification, found.measured_beta
        print(f"measured: amplification {found.amplification:.2f}")
        if config.report is not None:
            from practicum.audit.report import bias_section

            result["report"] = _write([bias_section(found, beta)], (config.policy,), config.report)
    return result


def distortion(config: DistortionConfig) -> dict[str, Any]:
    """Run `practicum audit distortion`; returns the links with their intervals and notes."""
    from practicum.audit.distortion import LINKS, measure_links, worst_link
    from practicum.audit.report import distortion_section
    from practicum.preferences import formats

    rankings = formats.read(config.preferences)
    fresh = formats.read(config.fresh) if config.fresh is not None else []
    if config.reward_model:
        reward, judged = reward_of(config.reward_model, [], config.reward_format), rankings
    else:
        place = {text: index for index, text in enumerate(dict.fromkeys(one.prompt.text for one in rankings))}
        judged = [one for one in rankings if place[one.prompt.text] % 2]
        reward = reward_of((), [one for one in rankings if not place[one.prompt.text] % 2])
    links, notes = measure_links(judged, reward, fresh, config.seed)
    for link in links:
        one = link.accuracy
        print(
            f"{LINKS[link.name]}: {one.value:.1%} of pairs alike [{one.low:.1%}, {one.high:.1%}], "
            f"tau {link.tau.value:.2f}"
        )
    for note in notes:
        print(f"note: {note}")
    worst = worst_link(links)
    section = distortion_section(links, notes)
    result = {**section.data, "worst": worst.name if worst else None}
    if config.report is not None:
        result["report"] = _write([section], config.reward_model, config.report)
    return result


def budget(config: BudgetAuditConfig) -> dict[str, Any]:
    """Run `practicum audit budget`; returns each strategy's curve and what active asking saves."""
    from practicum.audit.budget import (
        STRATEGIES,
        BudgetConfig,
        jokes_pool,
        label_curve,
        mean_curve,
        savings,
        simulated_pool,
    )

    curves = []
    for strategy in STRATEGIES:
        repeats = []
        for seed in range(config.seeds):
            if config.task == "jokes":
                pool, test = jokes_pool(config.prompts, 12, seed), jokes_pool(100, 24, seed, "validation")
            else:
                pool = simulated_pool(config.prompts, 12, 40, seed, taste_seed=seed)
                test = simulated_pool(200, 32, 40, seed + 1000, taste_seed=seed)
            settings = BudgetConfig(
                rankings=config.rankings,
                ranked=config.ranked,
                batch=config.batch,
                first=config.batch,
                seed=seed,
            )
            repeats.append(label_curve(strategy, pool, test, settings))
        curves.append(mean_curve(repeats))
        print(f"{strategy}: {curves[-1].gold[-1]:.3f} of the best after {config.rankings} rankings")
    by_name = {curve.strategy: curve for curve in curves}
    level, needed, used = savings(by_name["random"], by_name["information"])
    print(f"information reaches random's {level:.3f} with {needed or 'more than'} of {used} rankings")
    result: dict[str, Any] = {"curves": [asdict(curve) for curve in curves], "level": level, "needed": needed}
    if config.report is not None:
        from practicum.audit.report import budget_section

        result["report"] = _write([budget_section(curves)], (), config.report)
    return result


def guard(config: GuardAuditConfig) -> dict[str, Any]:
    """Run `practicum audit guard`; `exit_code` is 3 when the guard would have stepped in."""
    from practicum.guard.guard import replay

    decision, rows = replay(config.guard, config.metrics, config.samples, config.checkpoint_every)
    print(decision.sentence)
    for sample in decision.samples:
        print(f"  reward {sample.get('reward', '?')}: {str(sample.get('completion', ''))!r:.100}")
    code = 0 if decision.action == "go_on" else GUARD_STOPS
    return {**decision.json(), "rows": rows, "exit_code": code}


def detectors(config: DetectorsConfig) -> dict[str, Any]:
    """Run `practicum audit detectors`; returns each signal's record and the guard's thresholds."""
    from practicum.audit.record import gaps, onset_of, read_run, records, thresholds_from

    if config.report is not None and not config.gamed:
        raise InputError("detectors: --report needs --gamed, whose warnings it shows")
    clean = [read_run(path) for path in config.clean]
    gamed = [read_run(path) for path in config.gamed]
    names = [str(path) for path in (*config.clean, *config.gamed)]
    notes = gaps([*clean, *gamed], names) + gaps(gamed, names[len(clean) :], (config.gold,))
    for note in notes:
        print(f"note: {note}")
    tuned = thresholds_from(clean, GuardConfig(baseline=config.baseline), config.false_alarms)
    result: dict[str, Any] = {"thresholds": dict(tuned.thresholds), "votes": tuned.votes, "notes": notes}
    if config.gamed:
        onsets = [onset_of(rows, config.gold, path) for rows, path in zip(gamed, config.gamed, strict=True)]
        found = records(clean, gamed, onsets, config.false_alarms, config.baseline)
        result["records"] = [asdict(one) for one in found]
        for one in found:
            print(one.sentence())
        if config.report is not None:
            from practicum.audit.report import detectors_section, write

            subject = f"{len(gamed)} runs that gamed their reward, beside {len(clean)} that did not"
            result["report"] = str(write([detectors_section(found)], subject, config.report)[0])
            print(f"report: {result['report']}")
    for name, value in tuned.thresholds.items():
        print(f"threshold: {name.replace('_', ' ')} {value:.3g}")
    if config.thresholds is not None:
        guard = {"votes": tuned.votes, "baseline": config.baseline, "thresholds": dict(tuned.thresholds)}
        _write_toml(config.thresholds, {"guard": guard})
        print(f"guard: practicum rl --config {config.thresholds}")
    return result


def verifier(config: VerifierConfig) -> dict[str, Any]:
    """Run `practicum audit verifier`; returns how often wrong answers are paid and right ones refused."""
    from practicum.audit.report import verifier_section
    from practicum.audit.verifiable import audit_verifier, lenient_verifier, poisoned_key, true_verifier
    from practicum.tasks.equations.task import EquationsTask

    rewards: dict[str, PlainReward] = {
        "true": true_verifier,
        "poisoned": poisoned_key(0.8),
        "lenient": lenient_verifier,
    }
    prompts = EquationsTask().prompts("test", config.prompts, config.seed)
    section = verifier_section(audit_verifier(rewards[config.key], prompts))
    print(section.sentence)
    return dict(section.data)


def rank_table(config: RankTableConfig) -> dict[str, Any]:
    """Run `practicum audit rank-table`; returns the rows and how many are flagged."""
    from rich.console import Console

    from practicum.preferences import formats
    from practicum.preferences.comparisons import names
    from practicum.preferences.rank_table import rank_table as table
    from practicum.preferences.rank_table import render

    rankings = formats.read(config.preferences)
    if (config.scores is None) == (not config.reward_model):
        raise InputError("rank-table: give either --scores or --reward_model")
    if config.scores is not None:
        scores = read_scores(config.scores)
    else:
        known: dict[tuple[str, str], tuple[Prompt, str]] = {}
        for ranking in rankings:
            prompt, responses = names(ranking)
            for name, response in zip(responses, ranking.responses, strict=True):
                known[prompt, name] = ranking.prompt, response.text
        reward = reward_of(config.reward_model, [], config.reward_format)
        values = checked(reward, [one for one, _ in known.values()], [text for _, text in known.values()])
        scores = dict(zip(known, values.tolist(), strict=True))
    rows = table(rankings, scores)
    Console().print(render(rows))
    return {"rows": [asdict(row) for row in rows], "flagged": sum(bool(row.flag) for row in rows)}


# ------------------------------------------------------------------------------------------------- inputs


def reward_of(
    folders: Sequence[Path], rankings: Sequence[Ranking], reward_format: RewardFormat = "auto"
) -> PlainReward:
    """What the reward models in these folders pay together; of none, a linear one trained on the rankings."""
    if not folders:
        from practicum.audit.linear_reward import fit_linear

        return fit_linear(rankings)
    import torch

    from practicum.reward.model import load_reward_model
    from practicum.reward.parts import judge_of

    return judge_of([load_reward_model(folder, torch.float32, reward_format) for folder in folders])


def honest_responses(rankings: Sequence[Ranking], most: int) -> tuple[list[Prompt], list[list[str]]]:
    """Prompts and, for each, the responses that people put in the better half and nobody called nonsense.

    Raises InputError when fewer than FEWEST_PROMPTS prompts have one.
    """
    places: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    flagged: set[tuple[str, str]] = set()
    prompts: dict[str, Prompt] = {}
    for ranking in rankings:
        prompts.setdefault(ranking.prompt.text, ranking.prompt)
        for index, response in enumerate(ranking.responses):
            share = (ranking.ranks[index] - 1) / max(1, max(ranking.ranks) - 1)
            places[ranking.prompt.text][response.text].append(share)
            if ranking.flags and ranking.flags[index]:
                flagged.add((ranking.prompt.text, response.text))
    honest = {
        prompt: [
            text for text, shares in group.items() if np.mean(shares) <= 0.5 and (prompt, text) not in flagged
        ]
        for prompt, group in places.items()
    }
    kept = [prompt for prompt, texts in honest.items() if texts][:most]
    if len(kept) < FEWEST_PROMPTS:
        raise InputError(
            f"{len(kept)} prompts have a response that people liked, {FEWEST_PROMPTS} are needed: "
            "rank more prompts"
        )
    return [prompts[prompt] for prompt in kept], [honest[prompt] for prompt in kept]


def gold_curve(path: Path, config: OveroptimizationConfig) -> tuple[Floats, Floats]:
    """(KL in nats a sequence, true reward gained since the first row) of a run's rows that have both."""
    from practicum.guard.guard import read_rows

    kl, gold = [], []
    for row in read_rows(path):
        values = [row.get(config.kl), row.get(config.gold), row.get("completion_tokens", 1.0)]
        if any(not isinstance(value, (int, float)) for value in values):
            continue
        distance, reward, tokens = (float(value) for value in values if value is not None)
        kl.append(max(0.0, distance) * (tokens if config.per_token else 1.0))
        gold.append(reward)
    if len(gold) < 4:
        raise InputError(
            f"{path}: {len(gold)} rows have both {config.kl!r} and {config.gold!r}, 4 are needed: name other "
            "columns with --kl and --gold"
        )
    return np.array(kl), np.array(gold) - gold[0]


def completions(path: Path) -> list[tuple[Prompt, str]]:
    """Prompts and completions of a JSONL file like samples.jsonl. Raises InputError naming row and field."""
    from practicum.guard.guard import read_rows

    found = []
    for number, row in enumerate(read_rows(path), start=1):
        for name in ("prompt", "completion"):
            if not isinstance(row.get(name), str):
                raise InputError(f"{path}: row {number}: field {name!r}: expected a text")
        data = row.get("data")
        found.append((Prompt(row["prompt"], data if isinstance(data, Mapping) else {}), row["completion"]))
    if not found:
        raise InputError(f"{path}: holds no rows")
    return found


def read_scores(path: Path) -> dict[tuple[str, str], float]:
    """Scores by (prompt, response) from JSONL rows. Raises InputError naming row and field."""
    from practicum.guard.guard import read_rows

    scores = {}
    for number, row in enumerate(read_rows(path), start=1):
        prompt, response, score = (row.get(name) for name in ("prompt", "response", "score"))
        if not isinstance(prompt, str) or not isinstance(response, str):
            raise InputError(f"{path}: row {number}: expected texts under 'prompt' and 'response'")
        if not isinstance(score, (int, float)) or isinstance(score, bool) or not np.isfinite(score):
            raise InputError(f"{path}: row {number}: score: expected a finite number, got {score!r:.40}")
        scores[prompt, response] = float(score)
    return scores


def _carriers(rankings: Sequence[Ranking], classify: Any) -> list[Any]:
    from practicum.audit.bias import carriers

    return carriers(rankings, classify) if len({one.rater for one in rankings}) > 1 else []


def _value(shares: Mapping[str, Any], name: str) -> float | None:
    return shares[name].value if name in shares else None


def _write_toml(path: Path, tables: Mapping[str, Any]) -> None:
    import tomli_w

    from practicum.files import atomic_write

    atomic_write(path, tomli_w.dumps(dict(tables)))


def _write(sections: Sequence[Any], subject: Sequence[Path | None], folder: Path) -> str:
    from practicum.audit.report import write

    named = ", ".join(str(path) for path in subject if path is not None) or "a linear reward model"
    page = str(write(sections, named, folder)[0])
    print(f"report: {page}")
    return page
