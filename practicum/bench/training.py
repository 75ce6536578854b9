"""Training: matrix products' share of an update, and supervised fine-tuning against TRL's SFTTrainer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

import torch
from tokenizers import Tokenizer

from practicum.bench import limits, models
from practicum.bench.measure import Row, Side, Work, alternate, count_row, rate_row
from practicum.bench.rivals.lesson import SftLesson
from practicum.bench.settings import Bench, installed
from practicum.model.checkpoint import load_model, save_model
from practicum.model.decoder import Decoder, DecoderConfig, compute_dtype
from practicum.model.tokenizer import encode_batch, train_tokenizer
from practicum.tasks.equations.task import EquationsTask
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.pretrain import PretrainConfig, read
from practicum.training.sft import imitate
from practicum.types import Demonstration

PLAIN = "plain transformers loop, bfloat16"
RIVAL = "practicum.bench.rivals.with_trl"


@dataclass(frozen=True)
class Case:
    """An update on full rows."""

    size: str
    rows: int = 32
    length: int = 256

    @property
    def text(self) -> str:
        """As the table shows it."""
        return f"{self.size}, {self.rows} x {self.length}"


CASES = (Case("3M"), Case("10M"))
QUICK = (Case("tiny", 4, 16),)


# --------------------------------------------------------------------------------------- matrix products


def training_rows(bench: Bench, folder: Path) -> list[Row]:
    """For each model: tokens a second, the FLOP rate, and the share of matrix products in an update."""
    return [row for case in (QUICK if bench.quick else CASES) for row in update_rows(bench, case, folder)]


def update_rows(bench: Bench, case: Case, folder: Path) -> Iterator[Row]:
    """A whole update (forward, backward, clipping, AdamW) on the same full rows on both sides."""
    from practicum.bench.rivals import with_transformers as transformers_rival

    config = models.shape(case.size, "never", case.length)
    place = models.write_model(folder / case.size, config)
    rival = transformers_rival.training_work(place, case.rows, case.length)
    pairs = alternate(read_work(place, case.rows, case.length), rival, bench.pairs)
    cost = limits.training_cost(config, [case.length] * case.rows)
    least = limits.machine_limit(config, micro_rows(case) * case.length, cost)
    memory = bench.memory(
        Side(read_work, (place, case.rows, case.length), (__name__,)),
        Side(
            transformers_rival.training_work,
            (place, case.rows, case.length),
            ("practicum.bench.rivals.with_transformers",),
        ),
    )
    tokens = case.rows * case.length
    whole = rate_row(case.text, "tokens/s", pairs, PLAIN, tokens / least, memory)
    yield whole
    flops = cost.flops / tokens / 1e9
    theirs = None if whole.rival is None else whole.rival * flops
    yield replace(
        whole, case=f"{case.text}, operations", ours=whole.ours * flops, rival=theirs, unit="GFLOP/s"
    )
    alone = product_seconds(config, tokens, micro_rows(case) * case.length)
    shares = [None if rate is None else 100 * alone * rate / tokens for rate in (whole.ours, whole.rival)]
    assert shares[0] is not None
    yield count_row(f"{case.text}, matrix products alone", "% of the update", shares[0], shares[1], PLAIN)


def micro_rows(case: Case) -> int:
    """Rows of one forward pass, the default of exposition."""
    return min(case.rows, PretrainConfig().micro_batch_rows)


def read_work(folder: Path, rows: int, length: int) -> Work:
    """One update of exposition on random rows."""
    decoder = models.read_decoder(folder)
    optimizer = Optimizer(decoder, OptimizerConfig(algorithm="adamw"), 10_000)
    ids = models.random_ids(decoder.config, rows, length + 1, seed=0)
    steps = count()
    dtype = compute_dtype("auto")

    def work() -> float:
        read(decoder, ids, PretrainConfig().micro_batch_rows, dtype)
        optimizer.step(next(steps))
        return float(rows * length)

    return work


def product_seconds(config: DecoderConfig, tokens: int, rows: int) -> float:
    """Seconds that the weights' products of an update take alone, `rows` positions at a time, in bfloat16.

    Each weight [out, in] makes three: values forward, gradient of the values, gradient of the weight.
    """
    query, key = (
        heads * config.head_dim for heads in (config.num_attention_heads, config.num_key_value_heads)
    )
    hidden, middle = config.hidden_size, config.intermediate_size
    layer = [(query + 2 * key, hidden), (hidden, query), (2 * middle, hidden), (hidden, middle)]
    shapes = [(config.num_hidden_layers, *one) for one in layer] + [(1, config.vocab_size, hidden)]
    seconds = 0.0
    for times, outputs, inputs in shapes:
        rate = limits.best_rate(partial(three_products, *operands(rows, outputs, inputs)), 0.2)
        seconds += times * tokens / rows / rate
    return seconds


def operands(rows: int, outputs: int, inputs: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Values [rows, inputs], gradients [rows, outputs] and a weight [outputs, inputs], bfloat16."""
    shapes = ((rows, inputs), (rows, outputs), (outputs, inputs))
    values, gradients, weight = (torch.randn(shape, dtype=torch.bfloat16) for shape in shapes)
    return values, gradients, weight


def three_products(values: torch.Tensor, gradients: torch.Tensor, weight: torch.Tensor) -> float:
    """Forward, gradient of values, gradient of weight; counts as one unit."""
    values @ weight.T
    gradients @ weight
    gradients.T @ values
    return 1.0


# ------------------------------------------------------------------------------- supervised fine-tuning


def sft_rows(bench: Bench, folder: Path) -> list[Row]:
    """Worked problems at their real lengths, and full rows; against TRL where it is installed."""
    size, batch, length = ("tiny", 4, 64) if bench.quick else ("10M", 32, 256)
    return [
        real_lengths_row(bench, size, batch * length, length, folder),
        full_rows_row(bench, Case(size, batch, length), folder),
    ]


def real_lengths_text(size: str, tokens: int) -> str:
    """The case as the table shows it."""
    return f"{size}, real lengths, about {tokens} tokens"


def real_lengths_row(bench: Bench, size: str, tokens: int, length: int, folder: Path) -> Row:
    """Different worked equations of about `tokens` tokens an update; the loss counts solutions only."""
    demonstrations, place = worked_problems(size, tokens, bench.pairs + 2, folder)
    decoder, tokenizer = load_model(place)
    ours = imitate_work(place, demonstrations)
    text = real_lengths_text(size, tokens)
    rows, masks = tokenised(decoder, tokenizer, [one for part in demonstrations for one in part])
    lengths = [len(row) for row in rows[: len(demonstrations[0])]]
    cost = limits.training_cost(decoder.config, lengths)
    rate = sum(lengths) / limits.machine_limit(decoder.config, 2048, cost)
    if not installed("trl"):
        return rate_row(text, "tokens/s", alternate(ours, None, bench.pairs), None, rate)
    from practicum.bench.rivals import with_trl as trl_rival

    lesson = SftLesson(place, rows, masks, max(1, tokens // length), length)
    pairs = trl_rival.sft_pairs(ours, bench.pairs, lesson)
    memory = bench.memory(
        Side(imitate_work, (place, demonstrations), (__name__,)),
        Side(trl_rival.sft_work, (lesson,), (RIVAL,)),
    )
    return rate_row(text, "tokens/s", pairs, "TRL SFTTrainer, bfloat16, packing", rate, memory)


def full_rows_row(bench: Bench, case: Case, folder: Path) -> Row:
    """Full rows, every token counted in the loss: nothing to win by packing."""
    config = models.shape(case.size, "never", case.length)
    place = models.write_model(folder / f"{case.size}-full", config)
    ours = read_work(place, case.rows, case.length)
    cost = limits.training_cost(config, [case.length] * case.rows)
    tokens = case.rows * case.length
    rate = tokens / limits.machine_limit(config, micro_rows(case) * case.length, cost)
    if not installed("trl"):
        return rate_row(case.text, "tokens/s", alternate(ours, None, bench.pairs), None, rate)
    from practicum.bench.rivals import with_trl as trl_rival

    ids = models.random_ids(config, case.rows * (bench.pairs + 2), case.length, seed=1).tolist()
    lesson = SftLesson(place, ids, None, case.rows, case.length)
    pairs = trl_rival.sft_pairs(ours, bench.pairs, lesson)
    memory = bench.memory(
        Side(read_work, (place, case.rows, case.length), (__name__,)),
        Side(trl_rival.sft_work, (lesson,), (RIVAL,)),
    )
    return rate_row(case.text, "tokens/s", pairs, "TRL SFTTrainer, bfloat16", rate, memory)


def worked_problems(
    size: str, tokens: int, batches: int, folder: Path
) -> tuple[list[list[Demonstration]], Path]:
    """`batches` lists of different worked equations of about `tokens` tokens, and a model that reads them."""
    task = EquationsTask()
    tokenizer = train_tokenizer(task.exposition(1000, seed=0), 384)
    shape = replace(models.SHAPES[size], vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=512)
    place = folder / f"{size}-equations"
    save_model(models.random_decoder(shape), tokenizer, place)
    found: list[list[Demonstration]] = []
    for batch in range(batches):
        found.append([])
        used = 0
        while used < tokens:
            more = task.demonstrations(8, seed=1000 * batch + len(found[-1]))
            texts = [one.prompt.text + one.completion for one in more]
            used += sum(len(ids) + 1 for ids in encode_batch(tokenizer, texts))
            found[-1] += more
    return found, place


def imitate_work(folder: Path, batches: Sequence[Sequence[Demonstration]]) -> Work:
    """Updates of `practicum sft`, a batch after another."""
    decoder, tokenizer = load_model(folder)
    optimizer = Optimizer(decoder, OptimizerConfig(algorithm="adamw"), 10_000)
    steps = count()
    dtype = compute_dtype("auto")

    def work() -> float:
        step = next(steps)
        metrics = imitate(decoder, tokenizer, batches[step % len(batches)], 2048, dtype)
        optimizer.step(step)
        return metrics["tokens"]

    return work


def tokenised(
    decoder: Decoder, tokenizer: Tokenizer, demonstrations: Sequence[Demonstration]
) -> tuple[list[list[int]], list[list[int]]]:
    """The very rows that `imitate` reads, and 1 on the tokens of the completion."""
    prompts = encode_batch(tokenizer, [one.prompt.text for one in demonstrations])
    completions = encode_batch(tokenizer, [one.completion for one in demonstrations])
    rows = [
        [*prompt, *completion, decoder.config.eos_token_id]
        for prompt, completion in zip(prompts, completions, strict=True)
    ]
    masks = [
        [0] * len(prompt) + [1] * (len(row) - len(prompt)) for prompt, row in zip(prompts, rows, strict=True)
    ]
    return rows, masks
