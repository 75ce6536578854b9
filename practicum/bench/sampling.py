"""Sampling: our sampler against `generate` of transformers, at fixed lengths and as lengths fall."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from practicum.bench import limits, models
from practicum.bench.measure import Row, Side, Work, alternate, rate_row
from practicum.bench.settings import Bench
from practicum.model.sampling import SamplingConfig
from practicum.rollout.sampler import scattered
from practicum.rollout.samplers import make_sampler

RIVAL = "practicum.bench.rivals.with_transformers"


@dataclass(frozen=True)
class Case:
    """One line: which model, how many requests, how they end."""

    size: str
    rows: int
    ending: models.Ending
    prompt: int = 32
    new_tokens: int = 128

    @property
    def text(self) -> str:
        """As the table shows it."""
        lengths = models.lengths_text(self.ending, self.new_tokens)
        return f"{self.size}, batch {self.rows}, {lengths}"


CASES = (
    Case("3M", 32, "never"),
    Case("3M", 128, "never"),
    Case("3M", 512, "never"),
    Case("10M", 128, "never"),
    Case("3M", 512, "geometric"),
)
QUICK = (Case("tiny", 4, "never", 8, 8), Case("tiny", 8, "geometric", 8, 16))


def rows(bench: Bench, folder: Path) -> list[Row]:
    """One row a case: tokens a second that a reader would use (up to each end of sequence)."""
    return [sampling_row(bench, case, folder) for case in (QUICK if bench.quick else CASES)]


def sampling_row(bench: Bench, case: Case, folder: Path) -> Row:
    """Both sides on the same weights and prompts."""
    from practicum.bench.rivals import with_transformers as transformers_rival

    config = models.shape(case.size, case.ending, case.prompt + case.new_tokens)
    place = models.write_model(folder / f"{case.size}-{case.ending}", config)
    prompts = models.random_ids(config, case.rows, case.prompt, seed=1).tolist()
    choice, rival = transformers_rival.best_sampling(place, prompts, case.new_tokens)
    lengths: list[int] = []
    ours = sampling_work(place, prompts, case.new_tokens, lengths)
    # The search for the fastest way has warmed the rival up.
    pairs = alternate(ours, rival, bench.pairs, rival_is_warm=True)
    least = limits.machine_limit(config, case.rows, limits.sampling_cost(config, case.prompt, lengths))
    memory = bench.memory(
        Side(sampling_work, (place, prompts, case.new_tokens), (__name__,)),
        Side(transformers_rival.sampling_work, (place, prompts, case.new_tokens, *choice), (RIVAL,)),
    )
    at_a_time, cache = choice
    name = f"transformers generate, bfloat16, {cache or 'dynamic'} cache, {at_a_time} rows at a time"
    return rate_row(case.text, "tokens/s", pairs, name, sum(lengths) / least, memory)


def sampling_work(
    folder: Path, prompts: list[list[int]], new_tokens: int, lengths: list[int] | None = None
) -> Work:
    """Sample one completion of each prompt with the defaults; `lengths` then holds those of the last run."""
    decoder = models.read_decoder(folder)
    settings = SamplingConfig(max_new_tokens=new_tokens)
    sampler = make_sampler(decoder, settings)
    runs = count()

    def work() -> float:
        # Packing the weights is part of the work, as in every iteration of practice.
        sampler.load(decoder, 0)
        groups = sampler.sample(prompts, 1, scattered(next(runs)))
        found = [len(group[0].ids) for group in groups]
        if lengths is not None:
            lengths[:] = found
        return float(sum(found))

    return work
