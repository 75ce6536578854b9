"""The whole loop: sample, let people rank, fit a reward model, practise against it, and again.

    RUN/preferences.sqlite      every prompt, response and ranking, a project a round (round-1, round-2, ...)
    RUN/round-1/reward-model-1/ the run of each member of the ensemble
    RUN/round-1/practice/       the run of practice against them; its newest checkpoint is the round's policy
    RUN/round-1/summary.json    the round's figures, written when it is over

Each round samples from the policy of the round before, learns the reward model anew from the first model on
all rankings so far, practises from the policy of the round before, and is pulled towards the first model.
When the guard of practice asks for people, the round ends there and the next one has its prompts ranked
first; in the last round, which no other follows, it goes back to the last trusted checkpoint instead.
A killed run goes on with the first thing that is not finished, and ends with the rankings, flags and weights
of one that was not killed. With people as raters it stops where they are needed, says how to collect, and
goes on with --resume when they are done.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from practicum.config import completed
from practicum.errors import InputError
from practicum.files import atomic_write, read_json, to_json
from practicum.guard.asked import asked_prompts
from practicum.guard.controllers import KLConfig
from practicum.model.checkpoint import model_folder
from practicum.model.decoder import compute_dtype
from practicum.model.device import chosen_device, described
from practicum.model.policy import load_policy
from practicum.model.tokenizer import encode_batch, encode_prompts
from practicum.preferences.controls import RankingControl, length_part
from practicum.preferences.rankings import by_prompt, read_rankings
from practicum.preferences.rate import RateConfig, rate
from practicum.preferences.raters import GOLDS, PeopleConfig, true_utilities
from practicum.preferences.records import NewPrompt
from practicum.preferences.store import Store
from practicum.ranges import MOST_HELD, Common, Count, PositiveInt, Price, Range, Ranged, Seed
from practicum.reward.accuracy import ensemble_accuracy
from practicum.reward.model import RewardModel, load_reward_model
from practicum.reward.parts import combined, member_rewards
from practicum.rollout.collect import collect
from practicum.rollout.samplers import make_sampler
from practicum.run.folder import Run
from practicum.stats import clustered_error, share_by_problem
from practicum.tasks.registry import TaskConfig, load_task
from practicum.tasks.task import Task, behaviours_of
from practicum.training import reward_model, rl
from practicum.training.dead import settings_under
from practicum.training.defaults import defaults_for
from practicum.training.loop import LoopConfig, sampling_seed, set_threads, step_seed
from practicum.training.reward_model import RewardModelConfig, RewardModelSettings, divided
from practicum.training.rl_settings import PracticeSettings, RlConfig
from practicum.training.update import ScoreSettings, UpdateConfig, reference_logprobs
from practicum.types import Prompt, Response

AGAIN = "remove it to have it made again"


@dataclass(frozen=True, kw_only=True)
class RlhfSettings(Ranged):
    """The loop of human feedback, whoever decides on the models that it begins with."""

    task: TaskConfig = field(default_factory=lambda: TaskConfig("jokes"))
    """The task whose prompts are asked."""
    rounds: Common[PositiveInt] = 2
    """Times round the loop."""
    raters: Common[Literal["simulated", "people"]] = "simulated"
    """Who ranks. For people the loop stops and says how to collect their rankings."""
    people: PeopleConfig = field(default_factory=PeopleConfig)
    """Who the simulated raters are."""
    prompts: Common[Annotated[int, Range(at_least=2, at_most=MOST_HELD)]] = 200
    """Prompts ranked in each round."""
    responses: Common[Annotated[int, Range(at_least=2, at_most=1000)]] = 5
    """Different responses to each prompt, at most."""
    overlap: Common[Count] = 1
    """Raters per prompt; from 2 on, people's agreement and the human ceiling are known."""
    price: Price = 0.10
    """Dollars per rating, one response placed."""
    members: Common[Annotated[int, Range(at_least=1, at_most=1000)]] = 1
    """Reward models of each round: an ensemble. Each has a seed of its own."""
    control: RankingControl = "none"
    """Fit reward models on null labels. Everything else alike, it shows what the loop gains when it learns
    nothing (shuffled-labels) or only length (length-only)."""
    reward_model: RewardModelSettings = field(default_factory=RewardModelSettings)
    """How reward models are fitted; the loop decides on the model, the rankings and the seed, and practice on
    the threads."""
    practice: PracticeSettings = field(
        default_factory=lambda: PracticeSettings(
            algorithm="ppo",
            update=UpdateConfig(minibatches=2, kl=KLConfig(weight=0.1)),
            loop=LoopConfig(steps=40, checkpoint_every=10),
        )
    )
    """How the policy practises; the loop decides on the model, the reference, the task, what pays and the
    seed."""
    examined: Count = 256
    """Held-out prompts on which each round's policy is examined."""

    def without_effect(self) -> Mapping[str, str]:
        """Who simulated raters are, where people rank; what practice against reward models leaves out."""
        idle = {
            "practice.guard.fuzz": "the loop fuzzes no function: use `practicum audit exploits`",
            "practice.guard.rewards": "beside reward models the signals are always watched",
        }
        if self.raters == "people":
            idle["people"] = "people rank: drop it, or choose --raters simulated"
        return idle

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.raters == "simulated" and self.task.name not in GOLDS:
            raise InputError(
                f"task {self.task.name!r} has no simulated raters: choose {' or '.join(GOLDS)}, "
                "or --raters people"
            )


@dataclass(frozen=True)
class RlhfConfig(RlhfSettings):
    """Human feedback, round after round: sample, rank, reward model, practice against it.

    practicum rlhf --model runs/jokes --reward_start runs/reading --run runs/rlhf
    practicum rlhf --model runs/jokes --raters people --rounds 1 --run runs/rlhf
    """

    before: ClassVar[Mapping[str, Any]] = {"practice.guard.action": "off"}
    withdrawn: ClassVar[tuple[str, ...]] = (
        *(f"practice.{name}" for name in ("model", "reference", "task", "reward_model", "control", "seed")),
        "practice.reward_format",
        *(f"reward_model.{name}" for name in ("model", "preferences", "average", "reward_format")),
        *(f"reward_model.{name}" for name in ("project", "control", "threads", "seed")),
    )

    model: Path
    """The model to begin with, one that has learned to answer (a model folder, or a run's folder)."""
    reward_start: Common[Path | None] = None
    """What reward models start from; none: `model`."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
    seed: Common[Seed] = 0
    """Fixes everything. The order in which simulated raters are shown responses is part of it."""

    def by_model(self) -> tuple[str, dict[str, Any]]:
        """Defaults for models of these sizes: the policy, and what reward models start from."""
        what, practice = defaults_for("rl", self.model, self.practice.lora.rank, "practice.")
        start = self.reward_start or self.model
        also, reading = defaults_for("reward-model", start, self.reward_model.lora.rank, "reward_model.")
        return "; ".join(dict.fromkeys(filter(None, (what, also)))), practice | reading


@dataclass(frozen=True)
class Round:
    """One round of the loop of a run; `first` is the model that the loop began with."""

    config: RlhfConfig
    run_path: Path
    number: int
    first: Path

    @property
    def name(self) -> str:
        """Its folder's name, and its project's in the store."""
        return f"round-{self.number}"

    @property
    def folder(self) -> Path:
        """Where its reward models and its practice lie."""
        return self.run_path / self.name

    @property
    def database(self) -> Path:
        """The store of all rounds' rankings."""
        return self.run_path / "preferences.sqlite"


def train(config: RlhfConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """Go round the loop and return the summary; stops early where people must rank first."""
    first = model_folder(config.model)
    device = chosen_device(config.device)
    run = Run.open(run_path, config, "rlhf", resume=resume, device=described(device))
    set_threads(config.practice.loop.threads)
    policy = first
    rounds: list[dict[str, Any]] = []
    for number in range(1, config.rounds + 1):
        turn = Round(config, run_path, number, first)
        done = turn.folder / "summary.json"
        if not done.exists():
            turn.folder.mkdir(exist_ok=True)
            waiting = have_ranked(turn, policy)
            if waiting is not None:
                return waiting
            models = fit_reward_models(turn)
            practise_against(turn, policy, models)
            atomic_write(done, to_json(_round_summary(turn, models), 2) + "\n")
        rounds.append(read_json(done, AGAIN))
        policy = model_folder(turn.folder / "practice")
        print(_line(rounds[-1]), file=sys.stderr)
    summary = {
        "stage": "rlhf",
        "raters": config.raters,
        "control": config.control,
        "rounds": rounds,
        "dollars": round(sum(part["dollars"] for part in rounds), 6),
        "ratings": sum(part["ratings"] for part in rounds),
        "before": rounds[0]["before"],
        "after": rounds[-1]["after"],
        "policy": str(policy),
    }
    run.finish(summary)
    return summary


# ------------------------------------------------------------------------------------------ the four stages


def have_ranked(turn: Round, policy: Path) -> dict[str, Any] | None:
    """Add the round's prompts and responses to the store and have them ranked.

    Returns None when all wanted rankings are there, else what people must do first.
    """
    config, number, database, project = turn.config, turn.number, turn.database, turn.name
    with Store.open(database) as store:
        if project not in [found.name for found in store.projects()]:
            store.create_project(project, overlap=config.overlap, price=config.price)
        if not store.prompts(project):
            asked = asked_prompts(turn.run_path / f"round-{number - 1}" / "practice")
            store.add_prompts(project, sampled(config, number, policy, asked))
    if config.raters == "simulated":
        task: Literal["jokes", "explanations"] = "jokes"
        if config.task.name == "explanations":
            task = "explanations"
        settings = RateConfig(
            str(database), project, task=task, people=config.people, seed=step_seed(config.seed, "people")
        )
        print(f"practicum: round {number}: {rate(settings)['rankings']} rankings made", file=sys.stderr)
    with Store.open(database, create=False) as store:
        progress = store.progress(project)
    if progress.done >= progress.wanted:
        return None
    words = ["practicum", "collect", "--database", str(database), "--project", project]
    command = shlex.join([*words, "--overlap", str(config.overlap), "--price", f"{config.price:g}"])
    again = shlex.join(["practicum", "rlhf", "--run", str(turn.run_path), "--resume"])
    print(
        f"practicum: round {number} waits for people: {progress.done} of {progress.wanted} rankings are in.\n"
        f"  collect them:  {command}\n  then go on:    {again}",
        file=sys.stderr,
    )
    return {
        "stage": "rlhf",
        "waiting_for": "people",
        "round": number,
        "rankings": progress.done,
        "wanted": progress.wanted,
        "collect": command,
        "continue": again,
    }


def sampled(
    config: RlhfConfig, number: int, policy: Path, asked_first: Sequence[Prompt] = ()
) -> list[NewPrompt]:
    """The round's prompts with up to `responses` different responses each by the policy.

    The prompts of `asked_first`, which the guard wants ranked, are among them and come first. Prompts with
    fewer than two different responses are left out. Raises InputError when none is left.
    """
    task = load_task(config.task)
    writer, tokenizer = load_policy(policy, chosen_device(config.device))
    drawn = task.prompts("train", config.prompts, step_seed(config.seed, "ranked prompts", number))
    prompts = _distinct([*asked_first, *drawn])[: config.prompts]
    urgent = {prompt.text for prompt in asked_first}
    ids = encode_prompts(tokenizer, prompts)
    seed = sampling_seed(config.seed, "ranked responses", number)
    # Some answers are equal, and nobody is paid to rank two equal ones.
    groups = make_sampler(writer, config.practice.sampling).sample(ids, 2 * config.responses, seed)
    settings = asdict(config.practice.sampling)
    asked = []
    for prompt, group in zip(prompts, groups, strict=True):
        texts = tokenizer.decode_batch([one.ids for one in group if one.finished], skip_special_tokens=True)
        # No database keeps a zero byte, and no person could read it.
        readable = (text for text in texts if text.strip() and "\0" not in text)
        different = list(dict.fromkeys(readable))[: config.responses]
        responses = tuple(
            Response(
                text,
                model=str(config.model),
                checkpoint=policy.name,
                sampling=settings,
                attributes={"style": _style(task, prompt, text)},
            )
            for text in different
        )
        if len(responses) > 1:
            asked.append(NewPrompt(prompt, responses, priority=float(prompt.text in urgent)))
    if not asked:
        raise InputError(
            f"{policy}: one and the same answer to every prompt, so there is nothing to rank: raise "
            "--practice.sampling.temperature, or --practice.update.kl.weight to keep it from collapsing"
        )
    return asked


def fit_reward_models(turn: Round) -> list[Path]:
    """Fit the round's reward models on all rankings so far, or take those that are finished."""
    folders = []
    for member in range(1, turn.config.members + 1):
        folder = turn.folder / f"reward-model-{member}"
        settings = reward_model_config(turn, member)
        with settings_under("reward_model"):
            _finished(folder, partial(reward_model.train, settings, folder))
        folders.append(folder)
    return folders


def reward_model_config(turn: Round, member: int) -> RewardModelConfig:
    """The settings of one member of a round's reward models."""
    config = turn.config
    return completed(
        RewardModelConfig,
        config.reward_model,
        model=turn.first if config.reward_start is None else model_folder(config.reward_start),
        preferences=(str(turn.database),),
        control=config.control,
        threads=config.practice.loop.threads,
        device=config.device,
        seed=step_seed(config.seed, "reward model", turn.number, member),
    )


def practise_against(turn: Round, policy: Path, models: Sequence[Path]) -> None:
    """Practise against the reward models, or take the run that is finished."""
    settings, path = practice_config(turn, policy, models), turn.folder / "practice"
    with settings_under("practice"):
        _finished(path, partial(rl.train, settings, path))


def practice_config(turn: Round, policy: Path, models: Sequence[Path]) -> RlConfig:
    """The settings of a round's practice. After the last round nobody can be asked: it goes back instead."""
    config = turn.config
    practice = config.practice
    if practice.guard.action == "ask" and turn.number == config.rounds:
        practice = replace(practice, guard=replace(practice.guard, action="roll_back"))
    return completed(
        RlConfig,
        practice,
        model=policy,
        reference=turn.first,
        task=config.task,
        reward_model=tuple(models),
        device=config.device,
        seed=step_seed(config.seed, "practice", turn.name),
    )


def _finished(folder: Path, call: Callable[..., Any]) -> None:
    """Run a stage in its folder unless it has its summary; continue it when it was begun."""
    if not (folder / "summary.json").exists():
        call(resume=(folder / "config.toml").exists())


# ---------------------------------------------------------------------------------------------- what it gave


def examination(config: RlhfConfig, policy: Path, first: Path, models: list[Path]) -> dict[str, Any]:
    """A policy on held-out prompts, one sampled answer each, as means over them.

    `examined`: how many; `proxy`: reward by the given reward models; `kl`: nats per completion from the first
    model; `tokens`; `finished`; `correct`: share the task itself judges right, with `correct_low` and
    `correct_high`, its 95% interval over problems, None where the task does not say; `style/*` shares;
    `gold`: the raters' true utility, with its standard error over problems, for simulated raters only.
    """
    task = load_task(config.task)
    device = chosen_device(config.device)
    writer, tokenizer = load_policy(policy, device)
    prompts = task.prompts("validation", config.examined, step_seed(config.seed, "examined"))
    sampler = make_sampler(writer, config.practice.sampling)
    batch = collect(sampler, tokenizer, task, prompts, 1, sampling_seed(config.seed, "examined"))
    dtype = compute_dtype(config.practice.dtype, device)
    rewards = config.practice.reward
    loaded = loaded_models(config, models)
    members_BM = member_rewards(loaded, batch.prompts, batch.rollout.texts, rewards.scale)
    reference_BT = reference_logprobs(
        load_policy(first, device)[0],
        writer,
        batch.rollout,
        ScoreSettings(config.practice.sampling, config.practice.update.micro_batch_tokens, dtype),
    )
    rollout, problems = batch.rollout, [prompt.problem for prompt in prompts]
    judged = [row for row, score in enumerate(batch.scores) if score.solved is not None]
    solved = [float(bool(batch.scores[row].solved)) for row in judged]
    right = share_by_problem(solved, [problems[row] for row in judged]) if judged else None
    result = {
        "examined": float(len(prompts)),
        "correct": right.value if right else None,
        "correct_low": right.low if right else None,
        "correct_high": right.high if right else None,
        "proxy": float(combined(members_BM, rewards).mean()),
        "disagreement": float(members_BM.std(1, unbiased=False).mean()),
        "kl": float(((rollout.logprobs_BT - reference_BT) * rollout.mask_BT).sum(1).mean()),
        "tokens": float(rollout.mask_BT.sum(1).float().mean()),
        "finished": float(batch.finished_B.float().mean()),
    }
    if config.raters == "simulated":
        utilities = true_utilities(GOLDS[config.task.name], prompts, rollout.texts)
        result["gold"] = sum(utilities) / len(utilities)
        result["gold_error"] = clustered_error(utilities, problems)
    styles = [_style(task, prompt, text) for prompt, text in zip(prompts, rollout.texts, strict=True)]
    return result | {f"style/{name}": styles.count(name) / len(styles) for name in sorted(set(styles))}


def loaded_models(config: RlhfConfig, folders: Sequence[Path]) -> list[RewardModel]:
    """The reward models in these folders, on the loop's device and in the dtype of its practice."""
    device = chosen_device(config.device)
    dtype = compute_dtype(config.practice.dtype, device)
    return [load_reward_model(folder, dtype, device=device) for folder in folders]


def _round_summary(turn: Round, models: list[Path]) -> dict[str, Any]:
    """The figures of a round; its policy before and after stand beside each other under the same models."""
    config = turn.config
    with Store.open(turn.database, create=False) as store:
        progress = store.progress(turn.name)
    fitted = [read_json(folder / "summary.json", AGAIN) for folder in models]
    earlier = turn.run_path / f"round-{turn.number - 1}" / "practice"
    before = turn.first if turn.number == 1 else model_folder(earlier)
    practice = turn.folder / "practice"
    after = model_folder(practice)
    practised = read_json(practice / "summary.json", AGAIN)
    figures = [examination(config, policy, turn.first, models) for policy in (before, after)]
    rankings = read_rankings((str(turn.database),))
    loaded = loaded_models(config, models)
    settings, model = reward_model_config(turn, 1), loaded[0]
    _, held_out, _ = divided(by_prompt(rankings), model.decoder, model.tokenizer, settings, model.reading)
    return {
        "round": turn.number,
        "rankings": progress.done,
        "ratings": progress.ratings,
        "dollars": progress.dollars_spent,
        "reward_models": [
            {
                name: one.get(name)
                for name in ("accuracy", "ci95", "ceiling", "note", "ece", "ece_floor", "alike", "rankings")
            }
            for one in fitted
        ],
        "ensemble": ensemble_accuracy(loaded, held_out) if held_out and len(models) > 1 else None,
        "guard": practised.get("guard"),
        "before": figures[0],
        "after": figures[1],
        "gain": gain_apart_from_length(turn, models, *figures),
    }


def gain_apart_from_length(
    turn: Round, models: list[Path], before: dict[str, float], after: dict[str, float]
) -> dict[str, float]:
    """The gain in reward, and what of it longer answers alone would have brought.

    `reward_per_token` is the slope of reward on tokens within prompts, over the responses that were ranked,
    which the policy before wrote (`controls.length_part`).
    """
    config = turn.config
    with Store.open(turn.database, create=False) as store:
        asked = store.prompts(turn.name)
    prompts = [item.prompt for item in asked for _ in item.responses]
    texts = [response.text for item in asked for response in item.responses]
    group = [place for place, item in enumerate(asked) for _ in item.responses]
    rewards, loaded = config.practice.reward, loaded_models(config, models)
    worth_N = combined(member_rewards(loaded, prompts, texts, rewards.scale), rewards).double().numpy()
    _, tokenizer = load_policy(config.model)
    tokens_N = np.array([len(one) for one in encode_batch(tokenizer, texts)], dtype=np.float64)
    slope = length_part(worth_N, tokens_N, worth_N, tokens_N, group).slope
    gain = after["proxy"] - before["proxy"]
    from_length = slope * (after["tokens"] - before["tokens"])
    return {
        "reward": gain,
        "reward_per_token": slope,
        "from_length": from_length,
        "beyond_length": gain - from_length,
    }


def _line(figures: dict[str, Any]) -> str:
    """A round in one line for people."""
    before, after = figures["before"], figures["after"]
    gold = f", gold {before['gold']:.2f} -> {after['gold']:.2f}" if "gold" in after else ""
    gain = figures["gain"]
    return (
        f"practicum: round {figures['round']}: {figures['ratings']} ratings, ${figures['dollars']:,.2f}; "
        f"reward {before['proxy']:.2f} -> {after['proxy']:.2f} "
        f"({gain['from_length']:+.2f} of it by length){gold}, "
        f"KL {after['kl']:.2f} nats per completion"
    )


def _style(task: Task, prompt: Prompt, text: str) -> str:
    """The first behaviour a text shows, `none` for none."""
    return next((name for name, shown in behaviours_of(task, prompt, text).items() if shown), "none")


def _distinct(prompts: list[Prompt]) -> list[Prompt]:
    return list({prompt.text: prompt for prompt in prompts}.values())
