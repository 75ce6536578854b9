"""The tokens of a sample with what the update knows of each, for those who look at samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer

from practicum.training.algorithms.algorithm import Experience

DIGITS = 4


def tokens_of(experience: Experience, row: int, tokenizer: Tokenizer) -> dict[str, list[Any]]:
    """What the policy wrote in a row, token by token; every list has one value a token.

    `text`: pieces that make up the whole; `logprob`: of the distribution sampled from, nats; `advantage`;
    `kl`: the log-probability less the reference's, nats, where there is a reference.
    """
    rollout = experience.rollout
    mask_T = rollout.mask_BT[row]
    logprobs_T = rollout.logprobs_BT[row]
    columns = {"logprob": logprobs_T, "advantage": experience.advantages_BT[row]}
    if experience.reference_logprobs_BT is not None:
        columns["kl"] = logprobs_T - experience.reference_logprobs_BT[row]
    ids = rollout.completion_ids_BT[row][mask_T].tolist()
    values = {
        name: [round(value, DIGITS) for value in column[mask_T].tolist()] for name, column in columns.items()
    }
    return {"text": pieces(tokenizer, ids), **values}


def pieces(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """The text that each token adds, special tokens in full; a character is with the token that ends it.

    Only a few tokens are decoded at a time: what a token adds may depend on the one before it, no further.
    """
    found, begin, shown = list[str](), 0, 0
    for end in range(1, len(ids) + 1):
        before = tokenizer.decode(ids[begin:shown], skip_special_tokens=False)
        text = tokenizer.decode(ids[begin:end], skip_special_tokens=False)
        if text.endswith("\ufffd") and end < len(ids):
            found.append("")
            continue
        found.append(text[len(before) :])
        begin, shown = shown, end
    return found
