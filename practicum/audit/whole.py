"""`practicum audit --reward-model R --policy P --reference M`: every question about a reward in one go.

Both models answer the same prompts: those of the rankings given, the held-out ones first, else held-out ones
of a task. Each question is asked in a file of its own, of those answers: whether the guard would stop the
policy (`guard.py`), how far it has gone (`drift.py`), whether people agree that it is better (`opinion.py`),
what texts the reward overpays (`gaming.py`), what the policy exaggerates (`exaggeration.py`), and where
people's message is lost (`distortion.py`). People are the rankings given or, for tasks that have them,
simulated raters. Suffixes: B answers, T tokens.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from tokenizers import Tokenizer

from practicum.audit import distortion, drift, exaggeration, gaming, guard, opinion
from practicum.audit.answers import Answers
from practicum.audit.exploit_report import ExploitReport, explain
from practicum.audit.exploits import FEWEST_PROMPTS, Search, find_exploits
from practicum.audit.instruments import Instrument
from practicum.errors import InputError
from practicum.guard.guard import Decision, GuardConfig
from practicum.model.device import chosen_device, told_device
from practicum.model.policy import Policy, load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import encode_prompts
from practicum.preferences.rankings import lot, read_rankings
from practicum.preferences.raters import GOLDS
from practicum.ranges import Common, Count, Range, Ranged, Seed, Threads
from practicum.report.sections import Section, as_json
from practicum.reward.model import RewardModel, load_reward_model
from practicum.reward.parts import RewardConfig, judge_of, pay
from practicum.reward.plain import checked
from practicum.rollout.collect import ScoredRollout, collect
from practicum.rollout.samplers import make_sampler
from practicum.tasks.registry import TaskConfig, load_task
from practicum.tasks.task import Task, WorkedTask
from practicum.training.loop import sampling_seed, set_threads
from practicum.training.objectives import kl_estimate
from practicum.training.update import ScoreSettings, UpdateConfig, reference_logprobs
from practicum.types import Prompt, Ranking, RewardFormat, Score

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
    device: Common[str] = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
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
class Result:
    """The sections in the order of the page, and the two findings that are told at length."""

    config: AuditConfig
    sections: Sequence[Section]
    decision: Decision
    found: ExploitReport

    @property
    def subject(self) -> str:
        """What was audited."""
        return f"{self.config.policy}, trained against {', '.join(map(str, self.config.reward_model))}"


def run(config: AuditConfig) -> Result:
    """Let both models answer, and put every question to the answers and to the reward."""
    set_threads(config.threads)
    device = told_device(config.device)
    rankings = read_rankings(config.preferences) if config.preferences else []
    if not config.task.name and not rankings:
        config = replace(config, task=replace(config.task, name="jokes"))
    task = load_task(config.task) if config.task.name else None
    prompts = prompts_asked(config, task, rankings)
    models = [
        load_reward_model(folder, torch.float32, config.reward_format, device)
        for folder in config.reward_model
    ]
    asked = task or Unjudged(prompts)
    reference, policy = both_answer(config, asked, models, prompts)
    decision = guard.verdict(config.guard, reference, policy)
    sections = [guard.section(decision), drift_section(reference, policy)]
    fresh: list[Ranking] = []
    if not rankings and config.task.name in GOLDS:
        rankings, fresh = people_of(config, reference, policy)
        sections.append(opinion.section(*opinion.opinions(config.task.name, reference, policy, config.seed)))
    found = exploits(config, task, models, reference, rankings if config.preferences else [])
    sections.append(gaming.section(found))
    exaggerated = exaggeration.exaggeration(asked, reference, policy, rankings)
    if exaggerated.meters:
        sections.append(exaggeration.section(exaggerated))
    if rankings:
        links = distortion.measure_links(rankings, judge_of(models), fresh, config.seed)
        sections.append(distortion.section(*links))
    return Result(config, sections, decision, found)


def drift_section(reference: Answers, policy: Answers) -> Section:
    """How far the policy has gone from the reference."""
    return drift.section(
        drift.drift(reference, policy),
        float(policy.kl_B.mean()),
        reference.part("reward_model"),
        policy.part("reward_model"),
    )


def people_of(
    config: AuditConfig, reference: Answers, policy: Answers
) -> tuple[list[Ranking], list[Ranking]]:
    """Simulated rankings of both models' answers, see `opinion.simulated_rankings`."""
    different = len(reference.different())
    if different < 2:
        raise InputError(
            f"{config.reference}: different answers to {different} prompts only, so there is nothing to "
            "rank: raise --sampling.temperature"
        )
    return opinion.simulated_rankings(config.task.name, reference, policy, config.seed)


def lines(result: Result) -> list[str]:
    """Each section's question and answer, the worst samples, and the exploits."""
    return [
        *(f"{section.title} {section.sentence}" for section in result.sections),
        *(
            f"  reward {sample['reward']:.2f}: {sample['completion']!r:.100}"
            for sample in result.decision.samples
        ),
        explain(result.found),
    ]


def values(result: Result) -> dict[str, Any]:
    """The page as plain values, and `exit_code`: 3 when the guard would stop."""
    return {**as_json(result.sections, result.subject), "exit_code": guard.exit_code(result.decision)}


def page(result: Result) -> tuple[str, Sequence[Section]]:
    """What was audited, and the sections."""
    return result.subject, result.sections


audit = Instrument(run, lines, values, page)


# --------------------------------------------------------------------------------------------- the answers


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
    lengths = [len(ids) for ids in encode_prompts(words, prompts)]
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
        load_policy(folder, chosen_device(config.device)) for folder in (config.reference, config.policy)
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
        seed = sampling_seed(config.seed, "audit", name)
        sampler = make_sampler(decoder, config.sampling)
        batch = collect(sampler, words, task, prompts, config.answers, seed)
        checked(judge_of(models), batch.prompts, batch.rollout.texts, "reward model")
        paid = pay(batch, models, RewardConfig(), config.sampling.max_new_tokens)
        answers.append(with_kl(paid, reference, decoder, config.sampling))
    return answers[0], answers[1]


def with_kl(batch: ScoredRollout, reference: Policy, policy: Policy, sampling: SamplingConfig) -> Answers:
    """A model's answers with their KL to the reference."""
    rollout = batch.rollout
    settings = ScoreSettings(sampling, UpdateConfig().micro_batch_tokens, torch.float32)
    before_BT = reference_logprobs(reference, policy, rollout, settings)
    log_ratio_BT = (rollout.logprobs_BT - before_BT) * rollout.mask_BT
    kl_BT = kl_estimate(rollout.logprobs_BT, before_BT, "k3") * rollout.mask_BT
    return Answers(batch, kl_BT, log_ratio_BT.sum(1))


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
        prompts, honest = gaming.honest_responses(held_out_first, MOST_HONEST_PROMPTS)
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
