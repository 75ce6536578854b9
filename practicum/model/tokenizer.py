"""Tokenizers in the `tokenizers` format: one token per character of mathematics, short words whole.

Digits, operators, brackets and single letters are always tokens of their own, so that arithmetic is seen
digit by digit; runs of two or more letters are merged by byte-pair encoding learned from the textbook.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from practicum.errors import InputError

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
PIECES = Regex(r"[A-Za-z]{2,}: | ?[A-Za-z]{2,}|[\s\S]")


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Learn a tokenizer: every printable ASCII character, then the commonest words of `texts`.

    A word is a run of two or more letters with the space before it or the `: ` behind it.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(PIECES, "isolated")
    tokenizer.decoder = decoders.Fuse()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[PAD, EOS, UNKNOWN],
        initial_alphabet=sorted(string.printable[:95] + "\n"),
        show_progress=False,
        min_frequency=2,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read `tokenizer.json` of a model folder. Raises InputError when it is missing or malformed."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; a model folder holds config.json, tokenizer.json and weights"
        )
    try:
        return Tokenizer.from_file(str(path))
    # The Rust side raises plain Exception for a malformed file, there is nothing narrower to catch.
    except Exception as error:
        raise InputError(f"{path}: not a tokenizer of the `tokenizers` library ({error})") from error


def encode_batch(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, no special tokens added, same order."""
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """Id of a special token. Raises InputError when the vocabulary lacks it."""
    index = tokenizer.token_to_id(token)
    if index is None:
        raise InputError(f"the tokenizer has no token {token}; train one, or name the model's own")
    return int(index)
