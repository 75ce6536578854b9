"""Models and a task so small that a test of training takes a second."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from practicum.guard.watch import Watch
from practicum.model.decoder import Decoder, DecoderConfig, initialise
from practicum.model.heads import ValueHead
from practicum.rollout.samplers import make_sampler
from practicum.training.algorithms import ALGORITHMS
from practicum.training.loop import Trainee
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.rl import Parts, RlConfig
from practicum.training.rl_parts import make_observers
from practicum.types import Demonstration, Prompt, Score

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
}
ONE_LAYER = {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}


def tiny_config(vocabulary: int | Tokenizer, **changes: Any) -> DecoderConfig:
    """A decoder's shape for a vocabulary, given as its size or as the tokenizer; `changes` are its fields."""
    size = vocabulary if isinstance(vocabulary, int) else vocabulary.get_vocab_size()
    fields: dict[str, Any] = {**SHAPE, **changes}
    return DecoderConfig(size, **fields)


def tiny_decoder(vocabulary: int | Tokenizer, seed: int = 0, **changes: Any) -> Decoder:
    """A decoder of random weights; see `tiny_config`."""
    return initialise(Decoder(tiny_config(vocabulary, **changes)), seed)


def tiny_trainee(
    tokenizer: Tokenizer,
    value: bool = False,
    surprised: bool = False,
    seed: int = 0,
    scale: float = 1.0,
    optimizer: OptimizerConfig | None = None,
    steps: int = 100,
) -> Trainee:
    """A tiny policy, its optimizer and, when asked for, a value head, which may start with wrong values."""
    decoder = tiny_decoder(tokenizer, seed)
    with torch.no_grad():
        decoder.model.embed_tokens.weight.mul_(scale)
    heads = nn.ModuleDict()
    if value:
        heads["value"] = head = ValueHead(decoder.config.hidden_size, seed)
        if surprised:
            with torch.no_grad():
                head.outer.weight.normal_(generator=torch.Generator().manual_seed(seed))
    both = nn.ModuleDict({"policy": decoder, "heads": heads})
    return Trainee(decoder, tokenizer, heads, Optimizer(both, optimizer or OptimizerConfig(), steps))


class LetterTask:
    """Say the letter `a` first: a bandit with one arm that pays. Prompts are digits of different lengths."""

    name = "letter"

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        generator = torch.Generator().manual_seed(seed)
        numbers = torch.randint(0, 1000, (count,), generator=generator).tolist()
        return [Prompt(f"{number}:") for number in numbers]

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        return [
            Score(
                float(text.startswith("a")),
                text.startswith("a"),
                True,
                "correct" if text.startswith("a") else "wrong",
            )
            for text in texts
        ]

    def exposition(self, count: int, seed: int) -> list[str]:
        return ["123: abc"] * count

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        return [
            Demonstration(prompt, "abc"[len(prompt.text) % 3]) for prompt in self.prompts("", count, seed)
        ]

    def behaviours(self, prompt: Prompt, text: str) -> dict[str, bool]:
        return {"short": len(text) < 2}

    def gold(self, prompt: Prompt) -> str:
        return "a"

    def attacks(self) -> list[tuple[Prompt, str]]:
        return []


def without_bytes(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer without the tokens of bytes, so that little has to be learned."""
    whole = json.loads(tokenizer.to_str())
    kept = {token: index for token, index in whole["model"]["vocab"].items() if not token.startswith("<0x")}
    whole["model"] |= {"vocab": kept, "byte_fallback": False}
    return Tokenizer.from_str(json.dumps(whole))


def parts_of(
    trainee: Trainee, task: Any, config: RlConfig, reference: Any = None, judges: Sequence[Any] = ()
) -> Parts:
    """The parts of a run around a trainee; controllers are those of the settings, no guard watches."""
    observers = [one for one in make_observers(config, task) if not isinstance(one, Watch)]
    return Parts(
        trainee.decoder,
        trainee.tokenizer,
        task,
        task,
        ALGORITHMS[config.algorithm],
        make_sampler(trainee.decoder, config.sampling),
        judges,
        reference,
        trainee.heads,
        observers,
    )
