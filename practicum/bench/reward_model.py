"""One update of a reward model: ours, which reads each response once, against TRL's RewardTrainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from random import Random

from tokenizers import Tokenizer
from torch import nn

from practicum.bench import limits, models
from practicum.bench.measure import Row, Side, Work, alternate, rate_row
from practicum.bench.settings import Bench, installed
from practicum.model.checkpoint import load_model, save_model
from practicum.model.decoder import DecoderConfig, compute_dtype
from practicum.model.heads import RewardHead
from practicum.model.tokenizer import train_tokenizer
from practicum.preferences.rankings import Judged, by_prompt
from practicum.reward.model import sequences_of
from practicum.tasks.jokes.grammar import STYLES, draw_joke
from practicum.tasks.jokes.subjects import read_request
from practicum.tasks.jokes.task import JokesTask
from practicum.training.optimizer import Optimizer
from practicum.training.reward_model import RewardModelConfig, learn
from practicum.types import Prompt, Ranking, Response

RIVAL = "practicum.bench.rivals.with_trl"
VOCABULARY = 384
"""Tokens of the jokes' tokenizer."""


@dataclass(frozen=True)
class Case:
    """One update: which model, how many prompts, how many ranked responses each has."""

    size: str
    prompts: int
    responses: int
    tokens: int | None = None
    """Tokens of a prompt, a response and the end together; None takes jokes as they are."""

    @property
    def text(self) -> str:
        """As the table shows it."""
        if self.tokens is not None:
            return f"{self.size}, {self.pairs} pairs of {self.tokens} tokens"
        return f"{self.size}, {self.prompts} rankings of {self.responses}, real lengths"

    @property
    def pairs(self) -> int:
        """Pairs that the rankings hold."""
        return self.prompts * self.responses * (self.responses - 1) // 2


CASES = (Case("3M", 64, 2, 64), Case("3M", 32, 5))
QUICK = (Case("tiny", 2, 2, 16), Case("tiny", 2, 3))


def rows(bench: Bench, folder: Path) -> list[Row]:
    """Pairs a second of whole updates, against TRL if installed."""
    return [row(bench, case, folder) for case in (QUICK if bench.quick else CASES)]


def row(bench: Bench, case: Case, folder: Path) -> Row:
    """Both sides on the same decoder and the same rankings, which the rival reads as pairs."""
    place = write_model(case, folder)
    decoder, _ = load_model(place)
    items = by_prompt(rankings(case, decoder.config))
    ours = learn_work(place, items)
    limit = limit_rate(case, place, items)
    if not installed("trl"):
        return rate_row(case.text, "pairs/s", alternate(ours, None, bench.pairs), None, limit)
    from practicum.bench.rivals import with_trl as trl_rival

    ids = pairs_of_ids(place, items)
    micro = trl_rival.best_micro_batch(place, ids)
    arguments = (place, ids, micro)
    pairs = trl_rival.reward_pairs(ours, bench.pairs, *arguments)
    memory = bench.memory(
        Side(learn_work, (place, items), (__name__,)), Side(trl_rival.reward_work, arguments, (RIVAL,))
    )
    name = f"TRL RewardTrainer, bfloat16, {micro} pairs at a time"
    return rate_row(case.text, "pairs/s", pairs, name, limit, memory)


def learn_work(folder: Path, items: Sequence[Judged]) -> Work:
    """Updates of `practicum reward-model` on the same rankings; counts pairs."""
    decoder, tokenizer = load_model(folder)
    config = RewardModelConfig(folder, (), batch_prompts=len(items))
    head = RewardHead(decoder.config.hidden_size, config.heads, config.seed)
    trained = nn.ModuleDict({"model": decoder, "heads": nn.ModuleDict({"reward": head})})
    optimizer = Optimizer(trained, config.optimizer, 10_000)
    dtype = compute_dtype("auto")
    pairs = sum(len(ordered_pairs(item)) for item in items)
    steps = count()

    def work() -> float:
        learn(decoder, tokenizer, head, items, config, dtype)
        optimizer.step(next(steps))
        return float(pairs)

    return work


def ordered_pairs(item: Judged) -> list[tuple[int, int]]:
    """Places (better, worse) of every pair that a prompt's one ranking orders."""
    (order,) = item.orders
    return [
        (better, worse)
        for better, high in zip(order.members, order.ranks, strict=True)
        for worse, low in zip(order.members, order.ranks, strict=True)
        if high < low
    ]


def pairs_of_ids(folder: Path, items: Sequence[Judged]) -> list[tuple[list[int], list[int]]]:
    """Token ids of the better and the worse text of every pair, as `learn` reads them."""
    return [
        (ids[better], ids[worse])
        for item, ids in zip(items, ids_of_items(folder, items), strict=True)
        for better, worse in ordered_pairs(item)
    ]


def ids_of_items(folder: Path, items: Sequence[Judged]) -> list[list[list[int]]]:
    """Token ids of prompt, response and end, for each response of each prompt."""
    decoder, tokenizer = load_model(folder)
    found = []
    for item in items:
        texts = [response.text for response in item.responses]
        found.append(sequences_of(decoder, tokenizer, [item.prompt.text] * len(texts), texts)[0])
    return found


def limit_rate(case: Case, folder: Path, items: Sequence[Judged]) -> float:
    """Pairs a second that the machine would allow when each response is read once.

    The last layer is counted in full, although only its keys and values need all tokens; the head is one row.
    """
    config = load_model(folder)[0].config
    lengths = [len(ids) for one in ids_of_items(folder, items) for ids in one]
    cost = limits.training_cost(replace(config, vocab_size=1), lengths)
    rows = min(sum(lengths), RewardModelConfig(folder, ()).micro_batch_tokens)
    return case.pairs / limits.machine_limit(config, rows, cost)


# --------------------------------------------------------------------------------------------------- data


def write_model(case: Case, folder: Path) -> Path:
    """The model's folder, with a tokenizer of characters or of jokes."""
    place = folder / f"{case.size}-{case.tokens or 'jokes'}"
    config = replace(models.SHAPES[case.size], max_position_embeddings=512)
    if case.tokens is not None:
        return models.write_model(place, config)
    tokenizer = joke_tokenizer()
    config = replace(config, vocab_size=tokenizer.get_vocab_size())
    save_model(models.random_decoder(config), tokenizer, place)
    return place


def joke_tokenizer() -> Tokenizer:
    """The tokenizer of a joke model: learned from the textbook."""
    return train_tokenizer(JokesTask().exposition(1000, seed=0), VOCABULARY)


def rankings(case: Case, config: DecoderConfig) -> list[Ranking]:
    """One of each prompt: texts of equal length, or jokes."""
    return joke_rankings(case) if case.tokens is None else random_rankings(case, config)


def random_rankings(case: Case, config: DecoderConfig) -> list[Ranking]:
    """Different prompts and responses of equal length, half of the tokens each, in an order by chance."""
    assert case.tokens is not None
    prompt = case.tokens // 2
    seeds = count()
    found = []
    for _ in range(case.prompts):
        asked = models.random_text(config, prompt, next(seeds))
        # One token is left for the end of the sequence.
        texts = [
            models.random_text(config, case.tokens - prompt - 1, next(seeds)) for _ in range(case.responses)
        ]
        found.append(ranked(Prompt(asked), texts, Random(next(seeds))))
    return found


def joke_rankings(case: Case) -> list[Ranking]:
    """Different jokes, well-formed and of every style, about different subjects, in an order by chance."""
    random = Random("bench jokes")
    found = []
    for prompt in JokesTask().prompts("train", case.prompts, seed=0):
        texts: list[str] = []
        while len(texts) < case.responses:
            joke = draw_joke(read_request(prompt.text), random.choice(list(STYLES)), random).text
            texts += [joke] if joke not in texts else []
        found.append(ranked(prompt, texts, random))
    return found


def ranked(prompt: Prompt, texts: Sequence[str], random: Random) -> Ranking:
    """A ranking without ties."""
    ranks = list(range(1, len(texts) + 1))
    random.shuffle(ranks)
    return Ranking(prompt, tuple(Response(text) for text in texts), tuple(ranks))
