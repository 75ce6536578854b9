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
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from practicum.audit.bias import paid_share, rater_share
from practicum.audit.forecast import forecast
from practicum.audit.judge import judge_in
from practicum.errors import InputError
from practicum.files import atomic_write, to_json
from practicum.guard.controllers import KLConfig
from practicum.guard.guard import GuardConfig
from practicum.model.checkpoint import load_model, model_folder
from practicum.model.sampling import SamplingConfig
from practicum.preferences import formats
from practicum.preferences.raters import GOLDS, PeopleConfig, population, simulate
from practicum.reward.parts import RewardConfig
from practicum.rollout.collect import collect
from practicum.rollout.sampler import Sampler
from practicum.run.folder import Run
from practicum.tasks.jokes.gold import POPULATION, PUN_SHARE, features_of, utility
from practicum.tasks.registry import TaskConfig, load_task
from practicum.training import reward_model, rl
from practicum.training.loop import LoopConfig, generator_for, set_threads
from practicum.training.reward_model import RewardModelConfig
from practicum.training.rl import RlConfig
from practicum.training.update import UpdateConfig
from practicum.types import Prompt, Ranking, Response
from studies.entry import study_main
from studies.equations import note_machine
from studies.rlhf import finished

TASK = TaskConfig("jokes")
TASTE = {name: value if name in ("soundness", "pun") else 0.0 for name, value in POPULATION.items()}
"""What these raters weigh: whether a joke is sound, and whether it is a pun."""


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
    reward_model: RewardModelConfig = field(
        default_factory=lambda: RewardModelConfig(Path(), contrast_steps=200, epochs=3)
    )
    """How reward models learn; model, preferences and seed are filled in."""
    practice: RlConfig = field(
        default_factory=lambda: RlConfig(
            Path(),
            task=TASK,
            algorithm="ppo",
            prompts_per_step=16,
            update=UpdateConfig(minibatches=2, kl=KLConfig(weight=1.0)),
            guard=GuardConfig(action="off"),
            optimizer=replace(RlConfig(Path()).optimizer, learning_rate=4e-4),
            loop=LoopConfig(checkpoint_every=40, threads=1),
        )
    )
    """Practice; model, reward model, KL weight, steps and seed are filled in."""
    examined: int = 1024
    """Held-out prompts on which shares are measured, one answer each."""

    def __post_init__(self) -> None:
        if not self.betas or len(self.betas) != len(self.steps):
            raise InputError(
                f"steps: {len(self.steps)} given for {len(self.betas)} betas; expected one for each"
            )


def study(config: StudyConfig) -> dict[str, Any]:
    """Run what is missing, write RUN/results.json and return it."""
    note_machine(config.run)
    set_threads(config.practice.loop.threads)
    results: dict[str, Any] = {
        "before": shares(config, model_folder(config.model)),
        "unguarded_steps": config.unguarded_steps,
    }
    for seed in config.seeds:
        results[f"seed-{seed}"] = one_seed(config, results["before"], seed)
        atomic_write(config.run / "results.json", to_json(results, 2) + "\n")
    return results


def one_seed(config: StudyConfig, before: dict[str, Any], seed: int) -> dict[str, Any]:
    """All of a seed's practice and where it went, as in its found.json."""
    folder = config.run / f"seed-{seed}"
    folder.mkdir(exist_ok=True)
    done = folder / "found.json"
    if done.exists():
        found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return found
    sound = [well_formed(ranking) for ranking in ranked(config, folder / "rankings.jsonl", seed)]
    fit = replace(
        config.reward_model,
        model=config.reward_start,
        preferences=(str(folder / "rankings.jsonl"),),
        threads=config.practice.loop.threads,
        seed=seed,
    )
    finished(folder / "reward", partial(reward_model.train, fit))
    raters = rater_share(sound, is_pun).value
    paid = paid_share(sound, is_pun, judge_in([folder / "reward"])).value
    practice = replace(config.practice, model=config.model, reward_model=(folder / "reward",), seed=seed)
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
    decoder, tokenizer = load_model(folder)
    batch = collect(
        Sampler(decoder, SamplingConfig()),
        tokenizer,
        load_task(TASK),
        prompts,
        each,
        generator_for(seed, "bias study", folder.name),
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


main = study_main(StudyConfig, "studies.bias", study)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
