"""Does the share of puns go where it should? `python -m studies.bias --model runs/jokes --run runs/bias`.

```
RUN/seed-0/rankings.jsonl        simulated people's rankings of puns beside plain answers, 72% for the pun
RUN/seed-0/reward                the model of these rankings
RUN/seed-0/beta-0.5              PPO against it at that KL weight, the guard off
RUN/seed-0/remedy                the same at the smallest KL weight, with a price that brings puns to 72%
RUN/seed-0/unguarded             the same without any KL, every checkpoint examined
RUN/seed-0/found.json            share of puns before, after and by forecast, true utility
RUN/results.json                 all seeds' together
```
Raters care for puns and soundness alone here, so that puns are the only thing their rankings pay for. A
training run that is finished is skipped, and one that was killed is resumed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from practicum.audit.bias import paid_share, rater_share
from practicum.audit.forecast import forecast
from practicum.audit.judge import judge_in
from practicum.config import completed
from practicum.errors import InputError
from practicum.files import atomic_write, to_json
from practicum.guard.controllers import KLConfig
from practicum.guard.counted import WatchConfig
from practicum.model.checkpoint import model_folder
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.preferences import formats
from practicum.preferences.raters import GOLDS, PeopleConfig, population, simulate
from practicum.reward.parts import RewardConfig
from practicum.rollout.collect import collect
from practicum.rollout.samplers import make_sampler
from practicum.run.folder import Run
from practicum.tasks.jokes.gold import POPULATION, PUN_SHARE, features_of, utility
from practicum.tasks.registry import TaskConfig, load_task
from practicum.training import reward_model, rl
from practicum.training.loop import LoopConfig, sampling_seed, set_threads
from practicum.training.reward_model import RewardModelConfig, RewardModelSettings
from practicum.training.rl import PracticeSettings, RlConfig
from practicum.training.update import UpdateConfig
from practicum.types import Prompt, Ranking, Response
from studies.claim import PERCENT, POINTS, by_seed, claim, noted, over_seeds
from studies.common import finished, note_machine, record, study_main
from studies.judged import Claim

TASK = TaskConfig("jokes")
TASTE = {name: value if name in ("soundness", "pun") else 0.0 for name, value in POPULATION.items()}
"""What these raters weigh: whether a joke is sound, and whether it is a pun."""
TASTES = "One base model for all seeds; raters who care about soundness and puns alone."


@dataclass(frozen=True)
class StudyConfig:
    """The share of puns after PPO at several KL weights, beside what was forecast."""

    model: Path
    """A model that has learned to tell jokes (a model folder, or a run's folder)."""
    reward_start: Path
    """The model that has read about jokes, from which reward models start."""
    run: Path
    """Folder of the study."""
    seeds: tuple[int, ...] = tuple(range(10, 20))
    """Rankings, reward model and practice anew with each of them; settings were chosen on seeds 0 to 2."""
    betas: tuple[float, ...] = (2.0, 1.0, 0.5, 0.3, 0.2)
    """KL weights."""
    steps: tuple[int, ...] = (80, 80, 100, 160, 160)
    """Steps of practice at each of them: the smaller the weight, the further there is to go."""
    unguarded_steps: int = 80
    """Steps without any KL."""
    prompts: int = 600
    """Prompts whose answers are ranked."""
    reward_model: RewardModelSettings = field(
        default_factory=lambda: RewardModelSettings(contrast_steps=200, epochs=3)
    )
    """How reward models learn; the study decides on model, rankings and seed."""
    practice: PracticeSettings = field(
        default_factory=lambda: PracticeSettings(
            algorithm="ppo",
            prompts_per_step=16,
            update=UpdateConfig(minibatches=2),
            guard=WatchConfig(action="off"),
            optimizer=replace(PracticeSettings().optimizer, learning_rate=4e-4),
            loop=LoopConfig(checkpoint_every=40, threads=1),
        )
    )
    """Practice; the study decides on models, task and seed, `betas` on the KL and `steps` on the steps."""
    examined: int = 1024
    """Held-out prompts on which shares are measured, one answer each."""

    def __post_init__(self) -> None:
        if not self.betas or len(self.betas) != len(self.steps):
            raise InputError(
                f"steps: {len(self.steps)} given for {len(self.betas)} betas; expected one for each"
            )
        if self.practice.update.kl != KLConfig() or self.practice.loop.steps != LoopConfig().steps:
            raise InputError("practice: its KL is what --betas says, and its steps are what --steps says")


def study(config: StudyConfig) -> dict[str, Any]:
    """Run what is missing, write RUN/results.json and return it."""
    note_machine(config.run, "bias")
    set_threads(config.practice.loop.threads)
    found: dict[str, Any] = {}
    results: dict[str, Any] = {
        "before": shares(config, model_folder(config.model)),
        "unguarded_steps": config.unguarded_steps,
        "seeds": {},
    }
    for seed in config.seeds:
        results["seeds"][str(seed)] = one_seed(config, results["before"], seed)
        found = record(config, "bias", results)
    return found


def one_seed(config: StudyConfig, before: dict[str, Any], seed: int) -> dict[str, Any]:
    """All of a seed's practice and where it went, as in its found.json."""
    folder = config.run / f"seed-{seed}"
    folder.mkdir(exist_ok=True)
    done = folder / "found.json"
    if done.exists():
        found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return found
    sound = [well_formed(ranking) for ranking in ranked(config, folder / "rankings.jsonl", seed)]
    fit = completed(
        RewardModelConfig,
        config.reward_model,
        model=config.reward_start,
        preferences=(str(folder / "rankings.jsonl"),),
        threads=config.practice.loop.threads,
        seed=seed,
    )
    finished(folder / "reward", partial(reward_model.train, fit))
    raters = rater_share(sound, is_pun).value
    paid = paid_share(sound, is_pun, judge_in([folder / "reward"])).value
    practice = completed(
        RlConfig,
        config.practice,
        model=config.model,
        task=TASK,
        reward_model=(folder / "reward",),
        seed=seed,
    )
    rows = []
    for beta, steps in zip(config.betas, config.steps, strict=True):
        after = shares(config, practised(practice, folder / f"beta-{beta:g}", beta, steps))
        said = {
            "forecast": forecast(raters, before["puns"], beta),
            "forecast_of_reward": forecast(paid, before["puns"], beta),
        }
        rows.append({"beta": beta, **after, **said})
    # The remedy is for the last KL weight, the smallest, where there is most to remedy.
    priced = replace(practice, reward=RewardConfig(shares={"pun": PUN_SHARE}, share_rate=0.2))
    found = {
        "raters": raters,
        "paid": paid,
        "rows": rows,
        "remedy": shares(config, practised(priced, folder / "remedy", beta, steps)),
        "unguarded": unguarded(config, practice, folder / "unguarded"),
    }
    atomic_write(done, to_json(found, 2) + "\n")
    Run(folder / "unguarded").prune(2)
    return found


def practised(practice: RlConfig, path: Path, beta: float, steps: int) -> Path:
    """Practice at a KL weight, run when missing: the model it ended with."""
    settings = replace(
        practice,
        update=replace(practice.update, kl=KLConfig(weight=beta)),
        loop=replace(practice.loop, steps=steps),
    )
    finished(path, partial(rl.train, settings))
    return model_folder(path)


def unguarded(config: StudyConfig, practice: RlConfig, path: Path) -> dict[str, Any]:
    """Practice that nothing holds back: its shares at the end, and the best true utility of a checkpoint."""
    steps = config.unguarded_steps
    every = max(1, steps // 10)
    loop = replace(practice.loop, checkpoint_every=every, keep_checkpoints=steps)
    practised(replace(practice, loop=loop), path, 0.0, steps)
    curve = [
        {"step": step, **shares(config, path / "checkpoints" / f"step-{step:06d}")}
        for step in sorted({*range(every, steps + 1, every), steps})
    ]
    best = max(curve, key=lambda row: row["gold"])
    return {"best": best, "end": curve[-1], "gold": [row["gold"] for row in curve]}


def ranked(config: StudyConfig, path: Path, seed: int) -> list[Ranking]:
    """Rankings of the model's own answers by raters who weigh soundness and puns alone, made when missing."""
    if path.exists():
        return formats.read(path)
    gold = replace(GOLDS["jokes"], population=TASTE)
    people = PeopleConfig(
        style_spread=0.0, quality_spread=0.0, position_bias=0.0, spammers=0.0, tie_width=0.0
    )
    prompts = load_task(TASK).prompts("train", config.prompts, seed)
    batch = answers(config, model_folder(config.model), prompts, 5, seed)
    asked: dict[str, tuple[Prompt, dict[str, Response]]] = {}
    for prompt, text in batch:
        asked.setdefault(prompt.text, (prompt, {}))[1].setdefault(text, Response(text))
    several = [(prompt, list(texts.values())) for prompt, texts in asked.values() if len(texts) > 1]
    raters = population(people, gold, seed)
    rankings = simulate(raters, several, gold, 2, seed)
    formats.write(path, rankings)
    return rankings


def answers(
    config: StudyConfig, folder: Path, prompts: Sequence[Prompt], each: int, seed: int
) -> list[tuple[Prompt, str]]:
    """Sampled answers of a model, `each` to a prompt."""
    policy, tokenizer = load_policy(folder)
    batch = collect(
        make_sampler(policy, SamplingConfig()),
        tokenizer,
        load_task(TASK),
        prompts,
        each,
        sampling_seed(seed, "bias study", folder.name),
    )
    return list(zip(batch.prompts, batch.rollout.texts, strict=True))


def shares(config: StudyConfig, folder: Path) -> dict[str, Any]:
    """Share of puns among a model's well-formed answers to held-out prompts (None without any) and among all
    of them, of well-formed ones, and what the answers are worth to these raters (gold)."""
    task = load_task(TASK)
    prompts = task.prompts("validation", config.examined, 0)
    pairs = answers(config, folder, prompts, 1, 0)
    scores = task.score([prompt for prompt, _ in pairs], [text for _, text in pairs])
    sound = [score for score in scores if score.solved]
    gold = [utility(features_of(prompt, text), TASTE) for prompt, text in pairs]
    return {
        "gold": fmean(gold),
        "puns_of_all": fmean(is_pun(prompt, text) for prompt, text in pairs),
        "puns": fmean(score.parts["pun"] for score in sound) if sound else None,
        "correct": len(sound) / len(scores),
    }


def well_formed(ranking: Ranking) -> Ranking:
    """The ranking without answers that are no well-formed joke: among those nobody chooses a style."""
    texts = [response.text for response in ranking.responses]
    scores = load_task(TASK).score([ranking.prompt] * len(texts), texts)
    kept = [place for place, score in enumerate(scores) if score.solved]
    return replace(
        ranking,
        responses=tuple(ranking.responses[place] for place in kept),
        ranks=tuple(ranking.ranks[place] for place in kept),
        flags=(),
    )


def is_pun(prompt: Prompt, text: str) -> bool:
    """Whether a text is a pun."""
    return load_task(TASK).behaviours(prompt, text)["pun"]


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """The share of puns at each KL weight beside its forecast, without any KL, and with a price."""
    seeds, before = by_seed(results["seeds"]), results["before"]
    first = next(iter(seeds.values()))["rows"]
    forecasts = [
        forecast_claim({seed: found["rows"][place] for seed, found in seeds.items()}, before["puns"])
        for place in range(len(first))
    ]
    return [
        *forecasts,
        unguarded_claim(seeds, before["gold"], results["unguarded_steps"]),
        *remedy_claims(seeds, before["gold"]),
    ]


def forecast_claim(rows: Mapping[int, Mapping[str, Any]], before: float) -> Claim:
    """How far the share of puns at one KL weight ends from its forecast, in points, seed by seed."""
    beta = next(iter(rows.values()))["beta"]
    reward, people, reached = (
        fmean(100 * (row[name] or 0.0) for row in rows.values())
        for name in ("forecast_of_reward", "forecast", "puns")
    )
    return noted(
        claim(
            f"bias-puns-beta-{beta:g}",
            f"Distance of the share of puns after PPO at KL weight {beta:g} from its forecast "
            f"({reached:.1f}% vs. {reward:.1f}%; reference {100 * before:.0f}%)",
            {seed: 100 * abs((row["puns"] or 0.0) - row["forecast_of_reward"]) for seed, row in rows.items()},
            POINTS,
            "at most 5",
        ),
        "The forecast is from what the reward model prefers; what people prefer would forecast "
        f"{people:.1f}%. {TASTES}",
    )


def unguarded_claim(seeds: Mapping[int, Mapping[str, Any]], start: float, steps: int) -> Claim:
    """The share of puns where nothing held the policy back."""
    ends = {seed: row["unguarded"]["end"] for seed, row in seeds.items()}
    best = fmean(row["unguarded"]["best"]["gold"] for row in seeds.values())
    last = fmean(row["gold"] for row in ends.values())
    return claim(
        "bias-unguarded-puns",
        f"Share of puns after {steps} steps without KL, price or guard (true utility: {start:.2f} at the "
        f"start, {best:.2f} at best, {last:.2f} at the end)",
        {seed: 100 * row["puns_of_all"] for seed, row in ends.items()},
        PERCENT,
        "at least 95 (everything a pun, as feared)",
    )


def remedy_claims(seeds: Mapping[int, Mapping[str, Any]], start: float) -> list[Claim]:
    """What a price does to the share of puns, and what it leaves of the gain."""
    last = {seed: row["rows"][-1] for seed, row in seeds.items()}
    beta = next(iter(last.values()))["beta"]
    without = fmean(100 * row["puns_of_all"] for row in last.values())

    def gain_kept(whole: Mapping[int, float]) -> dict[int, float]:
        return {seed: kept(row["remedy"]["gold"], whole[seed], start) for seed, row in seeds.items()}

    return [
        claim(
            "bias-remedy-puns",
            f"Share of puns at KL weight {beta:g} with a price tuned to reach the raters' 72% "
            f"({without:.0f}% without it)",
            {seed: 100 * row["remedy"]["puns_of_all"] for seed, row in seeds.items()},
            PERCENT,
            "67 to 77",
        ),
        over_seeds(
            "bias-remedy-gain-kept",
            "True-utility gain with that price, as a share of the best checkpoint's gain without KL",
            gain_kept({seed: row["unguarded"]["best"]["gold"] for seed, row in seeds.items()}),
            "at least 90",
        ),
        noted(
            over_seeds(
                "bias-remedy-gain-kept-at-that-weight",
                f"True-utility gain with that price, as a share of the gain without it at KL weight {beta:g}",
                gain_kept({seed: row["gold"] for seed, row in last.items()}),
                "at least 90",
            ),
            "Most of the rest is the puns themselves, which these raters like as such.",
        ),
    ]


def kept(ended: float, whole: float, start: float) -> float:
    """What is kept of a gain, in per cent; nothing where there was nothing to keep."""
    return 100 * (ended - start) / (whole - start) if whole > start else 0.0


main = study_main(StudyConfig, "studies.bias", study)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
