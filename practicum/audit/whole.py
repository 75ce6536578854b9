"""`practicum audit --reward-model R --policy P --reference M`: every question about a reward in one go.

Both models answer the same prompts: those of the rankings given, the held-out ones first, else held-out ones
of a task. From those answers come the reward's and people's view of what
was gained, the distance between the models, what the policy exaggerates, and what the guard would have said:
the reference's answers, in batches, are its baseline, and the policy's its steps, as if a run had stayed
there. People are the rankings given or, for tasks that have them, simulated raters.
Suffixes: B answers, M members of the ensemble.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from tokenizers import Tokenizer

from practicum.audit import bias, report
from practicum.audit.command import GUARD_STOPS, honest_responses
from practicum.audit.distortion import measure_links
from practicum.audit.exploits import FEWEST_PROMPTS, ExploitReport, Search, explain, find_exploits
from practicum.errors import InputError
from practicum.guard.guard import Decision, Guard, GuardConfig
from practicum.guard.signals import repeated_triples
from practicum.guard.watch import warning_signals
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import encode_prompts
from practicum.preferences.rankings import lot, read_rankings
from practicum.preferences.raters import GOLDS, PeopleConfig, population, simulate
from practicum.ranges import Common, Count, Range, Ranged, Seed, Threads
from practicum.reward.model import RewardModel, load_reward_model
from practicum.reward.parts import RewardConfig, judge_of, pay, repetition
from practicum.reward.plain import checked
from practicum.rollout.collect import ScoredRollout, collect
from practicum.rollout.samplers import make_sampler
from practicum.stats import Estimate, Floats, clustered_share
from practicum.tasks.registry import TaskConfig, load_task
from practicum.tasks.task import Task, WorkedTask, behaviours_of
from practicum.training.loop import sampling_seed, set_threads
from practicum.training.objectives import kl_estimate
from practicum.training.update import ScoreSettings, UpdateConfig, reference_logprobs
from practicum.types import Prompt, Ranking, Response, RewardFormat, Score

SIZES: dict[str, dict[str, object]] = {
    "tiny": {"prompts": 40, "queries": 800},
    "small": {},
    "base": {"prompts": 400, "queries": 2000},
}
MOST_HONEST_PROMPTS = 30


@dataclass(frozen=True)
class AuditConfig(Ranged):
    """Audit a policy trained against a reward model: exploits, over-optimisation, bias, distortion, verdict.

    Exit code 3 when the guard would stop the policy.

        practicum audit --reward_model runs/rm --policy runs/rl --reference runs/sft
    """

    reward_model: tuple[Path, ...]
    """Folders of reward models (or their runs); several are an ensemble."""
    policy: Path
    """The model that was trained against them (a model folder, or a run's folder)."""
    reference: Path
    """The model it began as."""
    task: TaskConfig = field(default_factory=lambda: TaskConfig(""))
    """The task that judges answers and whose held-out prompts are asked where no preferences are given.
    Empty: jokes then, and no task where there are preferences."""
    preferences: Common[tuple[str, ...]] = ()
    """Rankings by people, best held-out ones: files or databases. Their prompts are the ones asked, those
    first that `practicum reward-model` holds out. None: simulated raters, of tasks that have them."""
    reward_format: RewardFormat = "auto"
    """How reward models of other trainers read: chat (messages through the chat template), text (prompt and
    completion as one text), auto (chat where the tokenizer has a template)."""
    size: Common[Literal["tiny", "small", "base"]] = "small"
    """How much is asked: sets prompts and queries."""
    prompts: Common[Count] = 120
    """Most prompts answered."""
    answers: Common[Annotated[int, Range(at_least=2, at_most=10_000)]] = 4
    """Answers of each model to a prompt."""
    queries: Count = 1200
    """Most questions of the search for exploits to the reward."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """How answers are drawn."""
    guard: GuardConfig = field(default_factory=GuardConfig)
    """What the verdict goes by."""
    report: Common[Path | None] = None
    """Folder to write audit.html and audit.json to."""
    threads: Common[Threads] = 0
    """CPU threads of matrix products; 0 takes one per core."""
    seed: Common[Seed] = 0
    """Fixes answers, raters and the search."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.reward_model:
            raise InputError("audit needs --reward-model, one folder or more")
        fewest = max(FEWEST_PROMPTS, self.guard.baseline)
        if self.prompts < fewest:
            raise InputError(f"prompts is {self.prompts}; expected at least {fewest}")


@dataclass(frozen=True)
class Answers:
    """What a model answered, the reward models' parts among the scores. kl_BT: k3 of each token, kl_B: k1 of
    each completion, in nats."""

    batch: ScoredRollout
    kl_BT: torch.Tensor
    kl_B: torch.Tensor

    def pairs(self) -> list[tuple[Prompt, str]]:
        """Prompt and text of every answer."""
        return list(zip(self.batch.prompts, self.batch.rollout.texts, strict=True))

    def part(self, name: str) -> Floats:
        """One part of the scores, float64 [B]."""
        return np.array([score.parts[name] for score in self.batch.scores])


def audit(config: AuditConfig) -> dict[str, Any]:
    """Run it all; returns the report's plain values, with `exit_code` 3 when the guard would stop."""
    set_threads(config.threads)
    rankings = read_rankings(config.preferences) if config.preferences else []
    if not config.task.name and not rankings:
        config = replace(config, task=replace(config.task, name="jokes"))
    task = load_task(config.task) if config.task.name else None
    prompts = prompts_asked(config, task, rankings)
    models = [
        load_reward_model(folder, torch.float32, config.reward_format) for folder in config.reward_model
    ]
    reference, policy = both_answer(config, task or Unjudged(prompts), models, prompts)
    decision = verdict(config, reference, policy)
    sections = [
        report.verdict_section(decision),
        report.drift_section(
            drift(reference, policy),
            float(policy.kl_B.mean()),
            reference.part("reward_model"),
            policy.part("reward_model"),
        ),
    ]
    fresh: list[Ranking] = []
    if not rankings and config.task.name in GOLDS:
        rankings, fresh = simulated_rankings(config, reference, policy)
        sections.append(report.opinion_section(*opinions(config, reference, policy)))
    found = exploits(config, task, models, reference, rankings if config.preferences else [])
    sections.append(report.exploits_section(found))
    sections += bias_sections(task or Unjudged(prompts), reference, policy, rankings)
    if rankings:
        links, notes = measure_links(rankings, judge_of(models), fresh, config.seed)
        sections.append(report.distortion_section(links, notes))
    for section in sections:
        print(f"{section.title} {section.sentence}")
    for sample in decision.samples:
        print(f"  reward {sample['reward']:.2f}: {sample['completion']!r:.100}")
    print(explain(found))
    subject = f"{config.policy}, trained against {', '.join(map(str, config.reward_model))}"
    result = {**report.as_json(sections, subject), "exit_code": GUARD_STOPS * (decision.action != "go_on")}
    if config.report is not None:
        result["report"] = str(report.write(sections, subject, config.report)[0])
    return result


@dataclass
class Unjudged:
    """A task of people's own prompts, which knows neither right nor wrong."""

    asked: Sequence[Prompt]
    name: str = "preferences"

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """The first of them, whatever the split."""
        return list(self.asked[:count])

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """No judgement."""
        return [Score(0.0) for _ in texts]


def prompts_asked(config: AuditConfig, task: WorkedTask | None, rankings: Sequence[Ranking]) -> list[Prompt]:
    """Different prompts for both models: the rankings', those held out from training first, else the task's.

    A named task that judges people's prompts reads their texts where they carry no data of its own. Raises
    InputError for too few.
    """
    if not rankings:
        assert task is not None
        drawn = task.prompts("validation", config.prompts, config.seed)
        return list({prompt.text: prompt for prompt in drawn}.values())
    prompts = sorted({one.prompt.text: one.prompt for one in rankings}.values(), key=lot)[: config.prompts]
    needed = max(FEWEST_PROMPTS, config.guard.baseline)
    if len(prompts) < needed:
        raise InputError(
            f"{', '.join(config.preferences)}: rankings of {len(prompts)} prompts, {needed} are needed: "
            "rank more prompts"
        )
    if task is None:
        return prompts
    return [one if one.data else Prompt(one.text, task.read(one.text).data) for one in prompts]


def with_room(prompts: Sequence[Prompt], words: Tokenizer, positions: int) -> list[Prompt]:
    """The prompts that leave a model room to answer; how many do not is told on stderr."""
    lengths = [len(ids) for ids in encode_prompts(words, [prompt.text for prompt in prompts])]
    fitting = [prompt for prompt, length in zip(prompts, lengths, strict=True) if 0 < length < positions]
    if len(fitting) < len(prompts):
        print(
            f"practicum: {len(prompts) - len(fitting)} of {len(prompts)} prompts are empty or leave no room "
            f"in the model's {positions} positions: left out",
            file=sys.stderr,
        )
    return fitting


def both_answer(
    config: AuditConfig, task: Task, models: Sequence[RewardModel], prompts: Sequence[Prompt]
) -> tuple[Answers, Answers]:
    """The reference's and the policy's answers to the same prompts, paid by the reward models.

    Raises InputError when the two have different tokenizers, or a reward is not finite, or too few prompts
    leave room for an answer.
    """
    (reference, words), (policy, other_words) = (
        load_policy(folder) for folder in (config.reference, config.policy)
    )
    if words.to_str() != other_words.to_str():
        raise InputError(
            f"{config.policy}: its tokenizer is not that of {config.reference}, so there is no KL between "
            "them: give the model that the policy began as"
        )
    positions = min(decoder.spec.max_positions for decoder in (reference, policy))
    prompts = with_room(prompts, words, positions)
    if len(prompts) < config.guard.baseline:
        raise InputError(
            f"{len(prompts)} prompts leave the models room for an answer, {config.guard.baseline} are needed"
        )
    answers = []
    for name, decoder in (("reference", reference), ("policy", policy)):
        batch = collect(
            make_sampler(decoder, config.sampling),
            words,
            task,
            prompts,
            config.answers,
            sampling_seed(config.seed, "audit", name),
        )
        checked(judge_of(models), batch.prompts, batch.rollout.texts, "reward model")
        paid = pay(batch, models, RewardConfig(), config.sampling.max_new_tokens)
        rollout = paid.rollout
        before_BT = reference_logprobs(
            reference,
            decoder,
            rollout,
            ScoreSettings(config.sampling, UpdateConfig().micro_batch_tokens, torch.float32),
        )
        log_ratio_BT = (rollout.logprobs_BT - before_BT) * rollout.mask_BT
        kl_BT = kl_estimate(rollout.logprobs_BT, before_BT, "k3") * rollout.mask_BT
        answers.append(Answers(paid, kl_BT, log_ratio_BT.sum(1)))
    return answers[0], answers[1]


# ------------------------------------------------------------------------------------------ guard and drift


def metrics_row(answers: Answers, rows: Sequence[int]) -> dict[str, float]:
    """What a step of training would have logged about these rows, under the guard's names."""
    chosen = torch.tensor(list(rows))
    rollout = answers.batch.rollout
    mask_BT, tokens = rollout.mask_BT[chosen], float(rollout.mask_BT[chosen].sum())
    part = ScoredRollout(
        rollout,
        [answers.batch.prompts[row] for row in rows],
        [answers.batch.scores[row] for row in rows],
        answers.batch.reward_B[chosen],
        answers.batch.finished_B[chosen],
    )
    return {
        "reward": float(answers.part("reward_model")[list(rows)].mean()),
        "disagreement": float(answers.part("disagreement")[list(rows)].mean()),
        "completion_tokens": tokens / len(chosen),
        "repetition": repetition(rollout.completion_ids_BT[chosen], mask_BT),
        # The surprise of tokens a model has drawn itself is an unbiased estimate of its entropy.
        "entropy": -float(rollout.logprobs_BT[chosen].sum()) / tokens,
        "truncated": float((~answers.batch.finished_B[chosen]).float().mean()),
        "kl": float(answers.kl_BT[chosen].sum()) / tokens,
        "kl_completion": float(answers.kl_B[chosen].mean()),
        **warning_signals(part),
    }


def verdict(config: AuditConfig, reference: Answers, policy: Answers) -> Decision:
    """What the guard decides at the first of the policy's batches where it alarms, else at the last."""
    batches = config.guard.baseline
    groups = np.array_split(np.arange(len(reference.batch.prompts)), batches)
    guard = Guard(config.guard)
    for step, rows in enumerate(groups, start=1):
        guard.observe(step, metrics_row(reference, rows.tolist()))
    rollout = policy.batch.rollout
    samples = [
        {
            "prompt": prompt.text,
            "completion": text,
            "reward": score.parts["reward_model"],
            "parts": score.parts,
            "completion_tokens": int(mask_T.sum()),
            "repetition": repeated_triples(ids_T[mask_T].tolist()),
        }
        for (prompt, text), score, ids_T, mask_T in zip(
            policy.pairs(), policy.batch.scores, rollout.completion_ids_BT, rollout.mask_BT, strict=True
        )
    ]
    for step, rows in enumerate(groups, start=batches + 1):
        row = metrics_row(policy, rows.tolist())
        decision = guard.observe(step, row, samples)
        if decision.action != "go_on":
            break
    return decision


def drift(reference: Answers, policy: Answers) -> dict[str, tuple[float, float]]:
    """Each signal of the reference and of the policy, over all their answers."""
    everything = range(len(reference.batch.prompts))
    before, after = (metrics_row(answers, everything) for answers in (reference, policy))
    return {name: (before[name], after[name]) for name in before if name in after}


# ----------------------------------------------------------------------------------------------- the people


def simulated_rankings(
    config: AuditConfig, reference: Answers, policy: Answers
) -> tuple[list[Ranking], list[Ranking]]:
    """Simulated raters' rankings: of the reference's answers by two raters twice each, of the policy's."""
    gold = GOLDS[config.task.name]
    old, new = grouped(reference), grouped(policy)
    if len(old) < 2:
        raise InputError(
            f"{config.reference}: different answers to {len(old)} prompts only, so there is nothing to rank: "
            "raise --sampling.temperature"
        )
    turns = min(20, len(old))
    raters = population(PeopleConfig(raters=2 * turns), gold, config.seed)
    # Raters take turns, so after a whole number of rounds each meets the same prompts again.
    old = old[: len(old) // turns * turns]
    twice = simulate(raters, [*old, *old], gold, 2, config.seed)
    return [replace(one, prompt_id="") for one in twice], simulate(raters, new, gold, 1, config.seed + 1)


def grouped(answers: Answers) -> list[tuple[Prompt, list[Response]]]:
    """Each prompt with its different answers, where there are two or more."""
    groups: dict[str, tuple[Prompt, dict[str, Response]]] = {}
    for prompt, text in answers.pairs():
        groups.setdefault(prompt.text, (prompt, {}))[1].setdefault(text, Response(text))
    return [(prompt, list(texts.values())) for prompt, texts in groups.values() if len(texts) > 1]


def opinions(config: AuditConfig, reference: Answers, policy: Answers) -> tuple[Estimate, Estimate]:
    """How often the policy's answer is better than the reference's to the same prompt.

    (By the reward, by simulated raters), ties counting half, intervals over prompts.
    """
    gold = GOLDS[config.task.name]
    raters = population(PeopleConfig(), gold, config.seed)
    duels = [
        (prompt, [Response(old, id="reference"), Response(new, id="policy")])
        for (prompt, old), (_, new) in zip(reference.pairs(), policy.pairs(), strict=True)
    ]
    by_people = []
    for ranking in simulate(raters, duels, gold, 1, config.seed + 2):
        rank = {one.id: place for one, place in zip(ranking.responses, ranking.ranks, strict=True)}
        by_people.append(0.5 + 0.5 * np.sign(rank["reference"] - rank["policy"]))
    gained = policy.part("reward_model") - reference.part("reward_model")
    cluster = np.unique([prompt.text for prompt, _ in duels], return_inverse=True)[1]
    return clustered_share(0.5 + 0.5 * np.sign(gained), cluster), clustered_share(
        np.array(by_people), cluster
    )


# --------------------------------------------------------------------------------------- exploits and bias


def exploits(
    config: AuditConfig,
    task: WorkedTask | None,
    models: Sequence[RewardModel],
    reference: Answers,
    rankings: Sequence[Ranking],
) -> ExploitReport:
    """Search the reward for exploits; honest is people's better half, else the task's and sound answers."""
    if rankings:
        held_out_first = sorted(rankings, key=lambda ranking: lot(ranking.prompt))
        prompts, honest = honest_responses(held_out_first, MOST_HONEST_PROMPTS)
    else:
        assert task is not None
        groups = {one.text: (one, [task.gold(one)]) for one in reference.batch.prompts}
        for prompt, text, score in zip(
            reference.batch.prompts, reference.batch.rollout.texts, reference.batch.scores, strict=True
        ):
            if score.solved and text not in groups[prompt.text][1]:
                groups[prompt.text][1].append(text)
        richest = sorted(groups.values(), key=lambda group: -len(group[1]))[:MOST_HONEST_PROMPTS]
        prompts, honest = [prompt for prompt, _ in richest], [texts for _, texts in richest]
    search = Search(queries=config.queries, seed=config.seed)
    return find_exploits(judge_of(models), prompts, honest, search, training=rankings)


def bias_sections(
    task: Task, reference: Answers, policy: Answers, rankings: Sequence[Ranking]
) -> list[report.Section]:
    """What the policy writes more or less of than the reference, beside what reward and people prefer.

    The attributes are the task's behaviours and being longer than the reference's median; of each, one needs
    two prompts where the reference's answers differ in it.
    """
    longest = float(np.median([len(text.split()) for text in reference.batch.rollout.texts]))
    classifiers: dict[str, bias.Classifier] = {
        name: lambda prompt, text, name=name: behaviours_of(task, prompt, text).get(name, False)  # type: ignore[misc]
        for name in behaviours_of(task, *reference.pairs()[0])
    }
    classifiers["longer"] = lambda prompt, text: len(text.split()) > longest
    by_reward = reward_rankings(reference)
    meters, people, notes = [], {}, []
    for name, classify in classifiers.items():
        shares = [bias.text_share(answers.pairs(), classify, name) for answers in (reference, policy)]
        preferred = _rater_share(by_reward, classify)
        if preferred is None:
            notes.append(f"{name}: the reference's answers to one prompt do not differ in it.")
            continue
        meters.append(bias.compare(name, shares[0], preferred, shares[1]))
        preferred_by_people = _rater_share(rankings, classify)
        if preferred_by_people is not None:
            people[name] = preferred_by_people
    return [report.attributes_section(meters, people, notes)] if meters else []


def _rater_share(rankings: Sequence[Ranking], classify: bias.Classifier) -> Estimate | None:
    """As `bias.rater_share`; None where too few prompts offer the choice."""
    try:
        return bias.rater_share(rankings, classify)
    except InputError:
        return None


def reward_rankings(answers: Answers) -> list[Ranking]:
    """The different answers to each prompt as the reward orders them."""
    named = [(prompt.text, text) for prompt, text in answers.pairs()]
    worth = dict(zip(named, answers.part("reward_model").tolist(), strict=True))
    rankings = []
    for prompt, responses in grouped(answers):
        scores = [worth[prompt.text, response.text] for response in responses]
        levels = {score: rank for rank, score in enumerate(sorted(set(scores), reverse=True), start=1)}
        ranks = tuple(levels[score] for score in scores)
        rankings.append(Ranking(prompt, tuple(responses), ranks, "reward model"))
    return rankings
