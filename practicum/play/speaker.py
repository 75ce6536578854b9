"""A model that speaks in a terminal: a prompt's tokens, then its answer piece by piece."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer

from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import chat_of, encode_batch, encode_prompts
from practicum.play.terminal import Pieces, printable
from practicum.rollout.stepwise import Stepper, check_room
from practicum.types import Prompt


@dataclass
class Speaker:
    """A policy with its tokenizer, and the random numbers of its answers."""

    policy: Policy
    tokenizer: Tokenizer
    stepper: Stepper
    generator: torch.Generator

    @classmethod
    def of(cls, policy: Policy, tokenizer: Tokenizer, sampling: SamplingConfig, seed: int) -> Speaker:
        """The speaker of a policy's present weights."""
        generator = torch.Generator().manual_seed(seed)
        return cls(policy, tokenizer, Stepper(policy, sampling), generator)

    def prompt(self, prompt: Prompt) -> list[int]:
        """A prompt's tokens. Raises InputError where it leaves no room for an answer."""
        ids = encode_prompts(self.tokenizer, [prompt])[0]
        check_room(ids, self.policy)
        return ids

    def conversation(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """A conversation's tokens through the chat template, up to where the answer begins."""
        chat = chat_of(self.tokenizer)
        assert chat is not None, "only a model with a chat template converses"
        ids = encode_batch(self.tokenizer, [chat.render(messages)])[0]
        check_room(ids, self.policy)
        return ids

    def say(self, ids: Sequence[int]) -> tuple[str, bool]:
        """Answer on stdout while it is drawn; (the text, whether it ended by itself). Ctrl-C ends it."""
        pieces, finished = Pieces(self.tokenizer), False
        try:
            for token, _ in self.stepper.stream(ids, self.generator):
                finished = token in self.policy.spec.eos_ids
                sys.stdout.write(printable(pieces.add(token)))
                sys.stdout.flush()
        except KeyboardInterrupt:
            pass
        sys.stdout.write(printable(pieces.rest()) + "\n")
        if not finished:
            print("(cut)", file=sys.stderr)
        return pieces.text, finished
