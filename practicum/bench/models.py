"""The models that are compared: random Llama decoders saved to a folder that both sides load."""

from __future__ import annotations

import math
import string
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from practicum.model.checkpoint import load_model, save_model
from practicum.model.decoder import Decoder, DecoderConfig, initialise
from practicum.model.tokenizer import EOS, PAD

Ending = Literal["never", "geometric"]
CHARACTERS = string.ascii_letters + string.digits + string.punctuation
MEAN_LENGTH = 40
"""Mean of the geometric distribution of completion lengths, before the cut."""
RIVALS_WORDS = "rivals-words"
HEAD_DEVIATION = 0.02
"""Standard deviation of `initialise` for the output head."""

SHAPES: dict[str, DecoderConfig] = {
    "tiny": DecoderConfig(64, 32, 64, 2, 2, 2, 16),
    "1M": DecoderConfig(64, 128, 384, 5, 4, 4, 32),
    "3M": DecoderConfig(64, 256, 704, 4, 4, 4, 64),
    "10M": DecoderConfig(64, 384, 1024, 6, 6, 6, 64),
    "30M": DecoderConfig(64, 512, 1408, 10, 8, 8, 64),
    "135M": DecoderConfig(49152, 576, 1536, 30, 9, 3, 64),
}


def shape(size: str, ending: Ending, positions: int = 512) -> DecoderConfig:
    """A size's shape. `never`: the end-of-sequence id is one that the head does not have.

    `geometric`: the end's logit is 0 and the other V - 1 are normal with the head's variance v around 0, so
    the end is drawn with probability 1 / (1 + (V - 1) exp(v / 2)) at every step. The vocabulary is chosen so
    that this is 1 / MEAN_LENGTH: nothing is forced, both sides really sample where they end.
    """
    config = replace(SHAPES[size], max_position_embeddings=positions)
    if ending == "never":
        return replace(config, eos_token_id=config.vocab_size)
    variance = HEAD_DEVIATION**2 * config.hidden_size
    return replace(config, vocab_size=round(1 + (MEAN_LENGTH - 1) / math.exp(variance / 2)))


def lengths_text(ending: Ending, new_tokens: int) -> str:
    """How long completions are, as the tables show it."""
    if ending == "never":
        return f"fixed {new_tokens} tokens"
    return f"lengths as they fall (mean {MEAN_LENGTH}, at most {new_tokens})"


def character_tokenizer(config: DecoderConfig, ends: bool = True) -> Tokenizer:
    """A token for each character, as many as the vocabulary holds, and the end where the config has it, which
    may be beyond the vocabulary; `ends` False leaves the end out."""
    vocabulary = {PAD: config.pad_token_id} | ({EOS: config.eos_token_id} if ends else {})
    taken = set(vocabulary.values())
    free = [index for index in range(config.vocab_size) if index not in taken]
    vocabulary |= dict(zip(CHARACTERS, free, strict=False))
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=PAD))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([PAD, EOS] if ends else [PAD])
    return tokenizer


def write_model(folder: Path, config: DecoderConfig, seed: int = 0) -> Path:
    """Save a random model to `folder` and return it.

    An end that the head does not have is none of its tokenizer's. Rivals ask their tokenizer for the end, so
    they get one of their own that has it.
    """
    inside = config.eos_token_id < config.vocab_size
    save_model(random_decoder(config, seed), character_tokenizer(config, inside), folder)
    if not inside:
        from transformers import PreTrainedTokenizerFast

        whole = character_tokenizer(config)
        words = PreTrainedTokenizerFast(
            tokenizer_object=whole, pad_token=PAD, eos_token=EOS, padding_side="left"
        )
        words.save_pretrained(folder / RIVALS_WORDS)
    return folder


def rivals_words(folder: Path) -> str:
    """The folder of the tokenizer that a rival loads beside the model in `folder`."""
    own = folder / RIVALS_WORDS
    return str(own if own.is_dir() else folder)


def random_decoder(config: DecoderConfig, seed: int = 0) -> Decoder:
    """Random weights; the end-of-sequence row is 0, so that its logit is the same at every position."""
    decoder = initialise(Decoder(config), seed)
    if config.eos_token_id < config.vocab_size:
        with torch.no_grad():
            decoder.output_weight[config.eos_token_id] = 0.0
    return decoder


def read_decoder(folder: Path) -> Decoder:
    """The decoder in `folder`."""
    return load_model(folder)[0]


def random_ids(config: DecoderConfig, rows: int, length: int, seed: int) -> torch.Tensor:
    """Token ids int64 [rows, length] that are neither padding nor the end of a sequence."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(2, config.vocab_size, (rows, length), generator=generator)


def random_text(config: DecoderConfig, length: int, seed: int) -> str:
    """A text of `length` tokens, one character each."""
    tokenizer = character_tokenizer(config)
    ids = random_ids(config, 1, length, seed)[0].tolist()
    return "".join(str(tokenizer.id_to_token(index)) for index in ids)
