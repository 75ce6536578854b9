"""Is an ensemble better with members of several pretraining seeds or of one, and how is it best put together?
`python -m studies.ensembles --run runs/ensembles`.

```
RUN/first-0, first-1, ...     small jokes models that differ in their seed from the first weight on
RUN/seed-0/rankings.jsonl     simulated people's rankings of the first one's answers
RUN/seed-0/tuned-1, ...       reward models of these that all start from the first model (fine-tuning seeds)
RUN/seed-0/read-1, ...        reward models of these that each start from another (pretraining seeds)
RUN/seed-0/average            the mean of the weights of tuned-1 and so on (WARM)
RUN/seed-0/found.json         what each of them picks among new answers, and whether it knows when it errs
RUN/results.json              all of it
```
A seed that has its found.json is skipped, so the same command continues.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from practicum.audit.lab import TASK, answered
from practicum.audit.overoptimization import best_of_n_curve
from practicum.files import atomic_write, to_json
from practicum.model.checkpoint import model_folder
from practicum.preferences import formats
from practicum.preferences.raters import GOLDS, PeopleConfig, population, simulate
from practicum.reward.model import load_reward_model
from practicum.reward.parts import RewardConfig, combined
from practicum.stats import Floats
from practicum.training import pretrain, reward_model, sft
from practicum.training.loop import LoopConfig, set_threads
from practicum.training.reward_model import RewardModelConfig
from practicum.training.rlhf import RlhfConfig, sampled
from practicum.types import Prompt
from studies.claim import beyond, by_seed, over_seeds
from studies.common import finished, note_machine, record, study_main
from studies.judged import Claim

COMBINATIONS = ("mean", "min", "mean_minus_variance")


@dataclass(frozen=True)
class StudyConfig:
    """Ensembles of reward models by pretraining seed and by fine-tuning seed, put together in four ways."""

    run: Path
    """Folder of the study."""
    seeds: int = 10
    """Rankings, reward models and answers anew with each of them."""
    members: int = 4
    """Members of an ensemble, and first models."""
    steps: int = 200
    """Steps of each of the two stages of a first model."""
    rankings: int = 300
    """Prompts whose answers are ranked, once each."""
    prompts: int = 200
    """Held-out prompts."""
    answers: int = 64
    """Answers of the policy to each, of which the best is picked."""
    threads: int = 1
    """CPU threads."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Make what is missing, write RUN/results.json and return it."""
    note_machine(config.run, "ensembles")
    set_threads(config.threads)
    firsts = [first_model(config, number) for number in range(config.members)]
    found = {str(seed): one_seed(config, firsts, seed) for seed in range(config.seeds)}
    results = {
        "ensembles": found,
        "members": config.members,
        "rankings": config.rankings,
        "answers": config.answers,
    }
    return record(config, "ensembles", results)


def first_model(config: StudyConfig, number: int) -> Path:
    """A small jokes model, read and taught with a seed of its own, made when missing."""
    folder = config.run / f"first-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    loop = LoopConfig(config.steps, threads=config.threads)
    reading = pretrain.PretrainConfig(task=TASK, loop=loop, seed=number)
    finished(folder / "pretrain", partial(pretrain.train, reading))
    imitating = sft.SftConfig(folder / "pretrain", task=TASK, loop=loop, seed=number)
    finished(folder / "sft", partial(sft.train, imitating))
    return model_folder(folder / "sft")


def one_seed(config: StudyConfig, firsts: Sequence[Path], seed: int) -> dict[str, Any]:
    """What each single model and each ensemble of a seed gains and knows, as in its found.json."""
    folder = config.run / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "found.json"
    if done.exists():
        found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return found
    preferences = ranked(config, firsts[0], folder / "rankings.jsonl", seed)
    base = RewardModelConfig(
        firsts[0], (str(preferences),), held_out=0.0, head_seed=seed, threads=config.threads
    )
    models: dict[str, list[Path]] = {"tuned": [], "read": []}
    for kind, members in models.items():
        for number in range(config.members):
            start = firsts[number if kind == "read" else 0]
            settings = replace(base, model=start, seed=100 * seed + number)
            members.append(folder / f"{kind}-{number + 1}")
            finished(members[-1], partial(reward_model.train, settings))
    averaged = replace(base, model=None, average=tuple(models["tuned"]))
    finished(folder / "average", partial(reward_model.train, averaged))
    prompts, texts, gold_QN = answered(firsts[0], config.prompts, config.answers, seed)
    members_BM = {kind: rewards(paths, prompts, texts) for kind, paths in models.items()}
    found = {kind: ensemble(members, gold_QN, config.answers) for kind, members in members_BM.items()}
    average_QN = rewards([folder / "average"], prompts, texts)[:, 0].double().numpy().reshape(gold_QN.shape)
    found["average"] = gain(average_QN, gold_QN, config.answers)
    atomic_write(done, to_json(found, 2) + "\n")
    return found


def ranked(config: StudyConfig, policy: Path, path: Path, seed: int) -> Path:
    """Rankings of the policy's own answers by simulated people, made when missing."""
    if not path.exists():
        asked = sampled(RlhfConfig(policy, task=TASK, prompts=config.rankings, seed=seed), 1, policy)
        raters = population(PeopleConfig(), GOLDS["jokes"], seed)
        rankings = simulate(
            raters, [(one.prompt, list(one.responses)) for one in asked], GOLDS["jokes"], 1, seed
        )
        formats.write(path, rankings)
    return path


def rewards(models: Sequence[Path], prompts: Sequence[Prompt], texts: Sequence[str]) -> torch.Tensor:
    """Rewards of every text by every model, float32 [B, M]."""
    asked = [prompt.text for prompt in prompts]
    with torch.no_grad():
        loaded = (load_reward_model(path, torch.float32) for path in models)
        return torch.cat([model.rewards(asked, list(texts)) for model in loaded], 1)


def ensemble(members_BM: torch.Tensor, gold_QN: Floats, most: int) -> dict[str, Any]:
    """What an ensemble's pick among `most` answers gains, by how it is put together and for one member alone
    (mean over members), and Spearman's correlation of its disagreement with its error, within prompts."""
    shape = gold_QN.shape
    single = [gain(one.double().numpy().reshape(shape), gold_QN, most) for one in members_BM.T]
    found: dict[str, Any] = {"single": float(np.mean(single))}
    for way in COMBINATIONS:
        together = combined(members_BM, RewardConfig(ensemble=way))  # type: ignore[arg-type]
        found[way] = gain(together.double().numpy().reshape(shape), gold_QN, most)
    mean_QN = members_BM.mean(1).double().numpy().reshape(shape)
    unsure_QN = members_BM.std(1, unbiased=False).double().numpy().reshape(shape)
    # The true utility has another scale: an error is what the proxy overpays once both are standardised.
    over_QN = standardised(mean_QN) - standardised(gold_QN)
    found["knows_its_errors"] = within_prompts(unsure_QN, np.abs(over_QN))
    found["knows_what_it_overpays"] = within_prompts(unsure_QN, over_QN)
    return found


def gain(proxy_QN: Floats, gold_QN: Floats, most: int) -> float:
    """True utility gained by the answer the proxy likes best among `most`, mean over prompts."""
    return float(best_of_n_curve(list(proxy_QN), list(gold_QN), [most])[2][0])


def standardised(values_QN: Floats) -> Floats:
    """Values as deviations from their prompt's mean, in units of the deviation over all."""
    centred = values_QN - values_QN.mean(1, keepdims=True)
    return np.asarray(centred / centred.std())


def within_prompts(one_QN: Floats, other_QN: Floats) -> float:
    """Mean over prompts of Spearman's rank correlation; prompts whose values are all equal tell nothing."""
    told = [
        float(spearmanr(one, other).statistic)
        for one, other in zip(one_QN, other_QN, strict=True)
        if np.ptp(one) > 0 and np.ptp(other) > 0
    ]
    return float(np.mean(told)) if told else 0.0


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Members by pretraining seed and by fine-tuning seed, and four ways to put them together."""
    seeds = by_seed(results["ensembles"])
    members, best = results["members"], f"Jokes: best-of-{results['answers']} gain of"
    read, tuned = ({seed: row[kind] for seed, row in seeds.items()} for kind in ("read", "tuned"))
    average = {seed: row["average"] for seed, row in seeds.items()}
    found = [
        beyond(
            "ensembles-pretraining-seeds",
            f"{best} the mean of {members} reward models with different pretraining seeds, minus {members} "
            f"fine-tuning seeds ({mean_of(read, 'mean')} vs. {mean_of(tuned, 'mean')})",
            of_way(read, "mean"),
            of_way(tuned, "mean"),
        ),
        beyond(
            "ensembles-above-one",
            f"{best} the mean of {members} pretraining seeds, minus one model ({mean_of(read, 'single')})",
            of_way(read, "mean"),
            of_way(read, "single"),
        ),
        beyond(
            "ensembles-tuned-above-one",
            f"{best} the mean of {members} fine-tuning seeds, minus one model ({mean_of(tuned, 'single')})",
            of_way(tuned, "mean"),
            of_way(tuned, "single"),
        ),
        beyond(
            "ensembles-average-above-one",
            f"{best} the averaged weights of {members} fine-tuning seeds (WARM, "
            f"{fmean(average.values()):.2f}), minus one model",
            average,
            of_way(tuned, "single"),
        ),
    ]
    for way, words in (("min", "minimum"), ("mean_minus_variance", "mean minus half the variance")):
        found.append(
            beyond(
                f"ensembles-{way.replace('_', '-')}",
                f"{best} the {words} of {members} pretraining seeds, minus their mean ({mean_of(read, way)}; "
                f"fine-tuning seeds: {mean_of(tuned, way)})",
                of_way(read, way),
                of_way(read, "mean"),
            )
        )
    return [
        *found,
        *(knowing(rows, words, members) for rows, words in ((read, "pretraining"), (tuned, "fine-tuning"))),
    ]


def knowing(rows: Mapping[int, Mapping[str, float]], words: str, members: int) -> Claim:
    """Whether an ensemble disagrees most where it overpays most."""
    return over_seeds(
        f"ensembles-{words}-seeds-know-what-they-overpay",
        f"Jokes: within-prompt rank correlation between the disagreement of {members} {words} seeds and how "
        "much their mean overpays",
        of_way(rows, "knows_what_it_overpays"),
        "above 0",
        "correlation",
    )


def of_way(rows: Mapping[int, Mapping[str, float]], way: str) -> dict[int, float]:
    """One figure of an ensemble, by seed."""
    return {seed: row[way] for seed, row in rows.items()}


def mean_of(rows: Mapping[int, Mapping[str, float]], way: str) -> str:
    """The mean of that figure over the seeds, in words."""
    return f"{fmean(row[way] for row in rows.values()):.2f}"


main = study_main(StudyConfig, "studies.ensembles", study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
