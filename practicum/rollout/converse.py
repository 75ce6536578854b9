"""Several turns: the policy writes to its end of turn, the task replies, and the policy goes on.

The reply's tokens are appended to the very ids that were sampled, which are never rendered or encoded again;
each continuation reads the whole conversation as its prompt, so every sampler can draw it. What the task
wrote is no choice of the policy: it is masked out, with log-probability 0.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from practicum.errors import InputError
from practicum.model.policy import Policy
from practicum.model.sampling import DecodingSettings
from practicum.model.tokenizer import Chat, chat_of, encode_batch
from practicum.rollout.sampler import Completion, Sampler, scattered
from practicum.tasks.task import Converses
from practicum.types import Prompt

Reply = Callable[[Prompt, Sequence[str]], str | None]
# Texts that stand for a user's and a model's message where only what a template puts around them is wanted.
ASKED, SAID, REPLIED = "practicum-asked", "practicum-said", "practicum-replied"


@dataclass(frozen=True)
class Conversation:
    """How turns go on. max_turns: of the policy; max_new_tokens: of all its turns together; max_positions: of
    the whole conversation. `role`: of the message that a reply is in the model's chat template.
    """

    reply: Reply
    max_turns: int
    max_new_tokens: int
    max_positions: int
    role: str = "user"


@dataclass(frozen=True)
class Spoken:
    """A conversation: its tokens as one completion, and its texts, the policy's and the task's in turn."""

    completion: Completion
    turns: tuple[str, ...]


def conversation_of(task: object, policy: Policy, settings: DecodingSettings) -> Conversation | None:
    """How a task's conversations go on, None for a task that does not reply.

    A task's `reply_role` is the role of its messages: "user" unless it says "tool" or another.
    """
    reply: Reply | None = getattr(task, Converses.reply.__name__, None)
    if reply is None:
        return None
    role = str(getattr(task, "reply_role", "user"))
    limits = settings.max_turns, settings.max_new_tokens, policy.spec.max_positions
    return Conversation(reply, *limits, role)


def tell_unused_turns(task: object, settings: DecodingSettings) -> None:
    """Say on stderr where the most turns of a conversation are given and the task replies to nothing."""
    if settings.max_turns != DecodingSettings.max_turns and not hasattr(task, Converses.reply.__name__):
        name = getattr(task, "name", "the task")
        print(f"practicum: sampling.max_turns: {name} does not reply, so it has one turn", file=sys.stderr)


def converse(
    sampler: Sampler,
    tokenizer: Tokenizer,
    prompts: Sequence[Prompt],
    prompt_ids: Sequence[Sequence[int]],
    begun: Sequence[Completion],
    conversation: Conversation,
    seed: int,
) -> list[Spoken]:
    """Carry on from the first completions, one of each prompt, until nobody has anything more to say.

    A conversation ends when the task does not reply, at max_turns, or, unfinished, where the policy's turn
    was cut or there is no room for the reply and a token more.
    """
    rows = [
        _Row(prompt, list(ids), conversation.max_new_tokens, tokenizer)
        for prompt, ids in zip(prompts, prompt_ids, strict=True)
    ]
    for row, first in zip(rows, begun, strict=True):
        row.say(first)
    frame = Frame.of(tokenizer, conversation.role)
    for turn in range(1, conversation.max_turns):
        going = [row for row in rows if row.hear(conversation, frame)]
        if not going:
            break
        drawn = sampler.sample([row.context for row in going], 1, scattered((seed + turn) % 2**62))
        for row, group in zip(going, drawn, strict=True):
            row.say(group[0])
    return [row.spoken() for row in rows]


@dataclass(frozen=True)
class Frame:
    """What stands between a policy's text and its next turn.

    `before` the reply: the end of the policy's message and the beginning of the task's; `after` it: the end
    of that, and what opens the policy's next turn.
    """

    before: str = ""
    after: str = ""

    @classmethod
    def of(cls, tokenizer: Tokenizer, role: str) -> Frame:
        """The frame of a model's chat template, empty for a model without one.

        Raises InputError for a template that cannot put a message of this role behind an answer.
        """
        chat = chat_of(tokenizer)
        if chat is None:
            return cls()
        return cls(*_around(chat, role))

    def text(self, reply: str, ended_by: str) -> str:
        """The text to append behind a turn whose last token is `ended_by`."""
        return f"{self.before.removeprefix(ended_by) if ended_by else self.before}{reply}{self.after}"


def _around(chat: Chat, role: str) -> tuple[str, str]:
    asked, said = {"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}
    whole = chat.render([asked, said, {"role": role, "content": REPLIED}])
    _, found, behind = whole.partition(SAID)
    before, replied, after = behind.partition(REPLIED)
    if not found or not replied:
        raise InputError(
            f"the model's chat template does not show a message of the role {role!r} behind an answer, so "
            "the task cannot reply"
        )
    return before, after


class _Row:
    """One conversation while it goes on."""

    def __init__(self, prompt: Prompt, ids: list[int], budget: int, tokenizer: Tokenizer) -> None:
        self.prompt, self.context, self.budget, self.tokenizer = prompt, ids, budget, tokenizer
        self.start = len(ids)
        self.logprobs: list[float] = []
        self.chosen: list[bool] = []
        self.turns: list[str] = []
        self.finished, self.over, self.version = False, False, 0

    def say(self, drawn: Completion) -> None:
        """Take the policy's turn, cut where its budget ends."""
        ids, logprobs = drawn.ids[: self.budget], drawn.logprobs[: self.budget]
        self.finished = drawn.finished and len(ids) == len(drawn.ids)
        self.version = drawn.policy_version if not self.turns else min(self.version, drawn.policy_version)
        self.budget -= len(ids)
        self.context += ids
        self.logprobs += logprobs
        self.chosen += [True] * len(ids)
        self.turns.append(self.tokenizer.decode(ids, skip_special_tokens=True))

    def hear(self, conversation: Conversation, frame: Frame) -> bool:
        """Take the task's reply; False when the conversation is over."""
        if self.over or not self.finished:
            return False
        reply = conversation.reply(self.prompt, tuple(self.turns))
        if reply is None:
            self.over = True
            return False
        if not isinstance(reply, str):
            raise InputError(f"reply: expected a text or None, got {reply!r:.60}")
        ended_by = self.tokenizer.id_to_token(self.context[-1]) or ""
        ids = encode_batch(self.tokenizer, [frame.text(reply, ended_by)])[0]
        if not self.budget or len(self.context) + len(ids) >= conversation.max_positions:
            self.over, self.finished = True, False
            return False
        self.context += ids
        self.logprobs += [0.0] * len(ids)
        self.chosen += [False] * len(ids)
        self.turns.append(reply)
        return True

    def spoken(self) -> Spoken:
        ids = self.context[self.start :]
        completion = Completion(ids, self.logprobs, self.finished, self.version, self.chosen)
        return Spoken(completion, tuple(self.turns))
