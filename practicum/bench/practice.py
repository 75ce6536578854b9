"""One step of practice: ours against TRL's GRPOTrainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import median
from typing import Literal

from practicum.bench import limits, models
from practicum.bench.measure import Pairs, Row, Side, Work, alternate, rate_row
from practicum.bench.rivals.lesson import GrpoLesson
from practicum.bench.settings import Bench, installed
from practicum.guard.controllers import KLConfig
from practicum.model.decoder import DecoderConfig
from practicum.model.sampling import SamplingConfig
from practicum.training.algorithms.ppo import PpoConfig
from practicum.training.iteration import practise
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.rl import RlConfig, build, trainee_of
from practicum.training.update import UpdateConfig
from practicum.types import Demonstration, Prompt, Score

RIVAL = "practicum.bench.rivals.with_trl"
Algorithm = Literal["group", "ppo"]
KL_WEIGHT = 0.05
"""Where there is a reference: the default of TRL's PPOTrainer."""


@dataclass(frozen=True)
class Case:
    """One step: which model, how its answers end, how many of them."""

    size: str
    ending: models.Ending
    prompts: int = 16
    group: int = 8
    prompt_tokens: int = 32
    new_tokens: int = 128

    @property
    def text(self) -> str:
        """As the table shows it."""
        lengths = models.lengths_text(self.ending, self.new_tokens)
        return f"{self.size}, {self.prompts} prompts x {self.group}, {lengths}"


CASES = (Case("3M", "never"), Case("3M", "geometric"))
QUICK = (Case("tiny", "never", 2, 2, 8, 8), Case("tiny", "geometric", 2, 2, 8, 8))


class CoinTask:
    """Prompts of a fixed length, each completion paid by the toss of a coin: only speed is of interest."""

    name = "coin"
    vocabulary_size = 384

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.coin = Random(0)

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """The same prompts whatever the seed."""
        return [Prompt(text) for text in self.texts[:count]]

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """0 or 1 by chance."""
        return [Score(float(self.coin.random() < 0.5), outcome="tossed") for _ in texts]

    def exposition(self, count: int, seed: int) -> list[str]:
        """No textbook."""
        return []

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        """No worked problems."""
        return []

    def behaviours(self, prompt: Prompt, text: str) -> dict[str, bool]:
        """None to look for."""
        return {}

    def read(self, text: str) -> Prompt:
        """The text as it is."""
        return Prompt(text)

    def gold(self, prompt: Prompt) -> str:
        """Any text is as good as another."""
        return ""

    def attacks(self) -> list[tuple[Prompt, str]]:
        """Nothing to attack."""
        return []


def grpo_rows(bench: Bench, folder: Path) -> list[Row]:
    """Whole steps (sample, score, update) in completion tokens a second, against TRL if installed."""
    return [grpo_row(bench, case, folder) for case in (QUICK if bench.quick else CASES)]


def grpo_row(bench: Bench, case: Case, folder: Path) -> Row:
    """Both sides on the same weights and prompts."""
    place = write_model(case, folder)
    texts = prompt_texts(case)
    ours = practice_work(place, case, "group")
    if not installed("trl"):
        pairs = alternate(ours, None, bench.pairs)
        return rate_row(case.text, "tokens/s", pairs, None, limit(case, pairs))
    from practicum.bench.rivals import with_transformers as transformers_rival
    from practicum.bench.rivals import with_trl as trl_rival

    prompts = models.random_ids(case_config(case), case.prompts * case.group, case.prompt_tokens, 1).tolist()
    (_, cache), _ = transformers_rival.best_sampling(place, prompts, case.new_tokens)
    lesson = GrpoLesson(place, texts, case.group, case.new_tokens, cache)
    pairs = trl_rival.grpo_pairs(ours, bench.pairs, lesson)
    memory = bench.memory(
        Side(practice_work, (place, case, "group"), (__name__,)),
        Side(trl_rival.grpo_work, (lesson,), (RIVAL,)),
    )
    name = f"TRL GRPOTrainer, bfloat16, beta 0, {cache or 'dynamic'} cache"
    return rate_row(case.text, "tokens/s", pairs, name, limit(case, pairs), memory)


def case_config(case: Case) -> DecoderConfig:
    """The model's shape."""
    return models.shape(case.size, case.ending, case.prompt_tokens + case.new_tokens)


def write_model(case: Case, folder: Path) -> Path:
    """The model's folder."""
    return models.write_model(folder / f"{case.size}-{case.ending}", case_config(case))


def prompt_texts(case: Case) -> list[str]:
    """Different prompts, a token a character."""
    return [
        models.random_text(case_config(case), case.prompt_tokens, seed=number)
        for number in range(case.prompts)
    ]


def practice_work(folder: Path, case: Case, algorithm: Algorithm, reward_model: Path | None = None) -> Work:
    """Whole iterations of `practicum rl` on one trainee; counts completion tokens.

    With a reward model, PPO is also held to a reference, and its critic is a network of its own.
    """
    settings = OptimizerConfig(algorithm="adamw", learning_rate=1e-4)
    config = RlConfig(
        model=folder,
        reward_model=() if reward_model is None else (reward_model,),
        algorithm=algorithm,
        prompts_per_step=case.prompts,
        group_size=case.group,
        sampling=SamplingConfig(max_new_tokens=case.new_tokens),
        update=UpdateConfig(kl=KLConfig(weight=0.0 if reward_model is None else KL_WEIGHT)),
        ppo=PpoConfig(critic="head" if reward_model is None else "reward_model"),
        optimizer=settings,
        loop=LoopConfig(steps=10_000),
    )
    parts = replace(build(config, task=CoinTask(prompt_texts(case))), observers=())
    trainee = trainee_of(parts, config)
    steps = iter(range(10_000))

    def work() -> float:
        metrics = practise(parts, trainee, config, next(steps)).metrics
        return metrics["completion_tokens"] * case.prompts * case.group

    return work


def limit(case: Case, pairs: Pairs) -> float:
    """Completion tokens a second that the machine would allow: sampling, then one update, at mean lengths."""
    config = case_config(case)
    rows = case.prompts * case.group
    units = median(timing.units for timing in pairs.ours)
    lengths = [round(units / rows)] * rows
    sampling = limits.sampling_cost(config, case.prompt_tokens, lengths)
    update = limits.training_cost(config, [case.prompt_tokens + length for length in lengths])
    seconds = limits.machine_limit(config, rows, sampling)
    seconds += limits.machine_limit(config, UpdateConfig().micro_batch_tokens, update)
    return sum(lengths) / seconds
