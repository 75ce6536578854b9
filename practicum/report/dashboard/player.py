"""What the page Play does: a model answers, or a token at a time; or a person answers and is paid like one.

A model is loaded when somebody asks it, one at a time; PyTorch is loaded with the first.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from practicum.errors import InputError
from practicum.report.dashboard.samples import Token, coloured, sample

if TYPE_CHECKING:
    from practicum.play.speaker import Speaker
    from practicum.tasks.task import Task
    from practicum.types import Prompt

HOUSE = ("equations", "jokes", "explanations")
MOST_TOKENS = 256
ALTERNATIVES = 8


@dataclass(frozen=True)
class Asked:
    """What a model is asked: the folder of a run or a checkpoint, a task or none, and the text.

    `said` are the turns before, a person's and the model's, of a conversation through a chat template.
    """

    folder: Path
    task: str
    text: str
    temperature: float = 0.0
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What was written, each token with its probability, and how it is paid; `ended` by its own choice.

    `ids` are the tokens so far and `options` the likeliest next ones, where tokens are chosen one by one.
    `said` is the conversation up to this answer, empty where there is none.
    """

    prompt: str
    text: str
    tokens: Sequence[Token] = ()
    paid: Sequence[str] = ()
    ids: Sequence[int] = ()
    options: Sequence[dict[str, Any]] = ()
    ended: bool = True
    said: Sequence[str] = ()


@dataclass
class Player:
    """The model that is loaded, if one is, and the tasks that may be played: the house's, and those given."""

    given: tuple[str, ...] = ()
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    loaded: tuple[Any, ...] | None = None
    speaker: Speaker | None = field(default=None, repr=False)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return (*HOUSE, *self.given)

    def task(self, name: str) -> Task:
        """A task by its name. Raises InputError for one that is not among `tasks`."""
        if name not in self.tasks:
            raise InputError(f"task: choose one of {', '.join(self.tasks)}; --tasks offers more")
        from practicum.tasks.registry import TaskConfig, find_task

        return find_task(TaskConfig(name=name))

    def answer(self, asked: Asked) -> Answer:
        """A model's answer to a text: as it stands, in its chat template, or in a task's words and judged."""
        with self.lock:
            speaker = self._speaker(asked)
            prompt, prompt_ids = self._prompt(speaker, asked)
            drawn = list(speaker.stepper.stream(prompt_ids, speaker.generator))
            ids = [token for token, _ in drawn]
            return self._told(speaker, asked, prompt, ids, [logprob for _, logprob in drawn])

    def step(self, asked: Asked, ids: Sequence[int], word: str = "") -> Answer:
        """An answer that begins with the tokens `ids`, with the likeliest next.

        With the word `draw` one more is drawn, with `rest` all to the end as the temperature has it.
        """
        from practicum.play.step import chosen_token, is_over, options_of

        with self.lock:
            speaker = self._speaker(asked)
            prompt, prompt_ids = self._prompt(speaker, asked)
            spec = speaker.policy.spec
            if any(not 0 <= token < spec.vocab_size for token in ids):
                raise InputError("tokens: another model has other ones: begin anew")
            chosen = list(ids)[:MOST_TOKENS]
            room = spec.max_positions - len(prompt_ids)

            def over() -> bool:
                return is_over([{"id": token} for token in chosen], spec.eos_ids, MOST_TOKENS, room)

            while word in ("draw", "rest") and not over():
                logprobs_V = speaker.stepper.logprobs([*prompt_ids, *chosen]).cpu()
                token = chosen_token({"draw": "s", "rest": "e"}[word], [], logprobs_V, speaker)
                assert token is not None, "a token that is drawn is always one"
                chosen.append(token)
                word = "" if word == "draw" else word
            if over():
                logprobs = [
                    float(speaker.stepper.logprobs([*prompt_ids, *chosen[:place]])[token])
                    for place, token in enumerate(chosen)
                ]
                return self._told(speaker, asked, prompt, chosen, logprobs)
            logprobs_V = speaker.stepper.logprobs([*prompt_ids, *chosen]).cpu()
            options = options_of(speaker, logprobs_V, ALTERNATIVES)
            ends = [{**one, "ends": one["id"] in spec.eos_ids} for one in options]
            text = self._text(speaker, chosen)
            return Answer(prompt.text, text, ids=chosen, options=ends, ended=False, said=asked.said)

    def asked(self, task: str, number: int) -> Prompt:
        """The problem of this number that a task asks."""
        from practicum.rollout.sampler import scattered

        return self.task(task).prompts("test", 1, scattered(number))[0]

    def reply(self, task: str, number: int, turns: Sequence[str]) -> str | None:
        """What a task says to a person's last turn; None where it says no more and the turns are paid."""
        from practicum.model.sampling import SamplingConfig

        reply = getattr(self.task(task), "reply", None)
        if reply is None or (len(turns) + 1) // 2 >= SamplingConfig().max_turns:
            return None
        said = reply(self.asked(task, number), tuple(turns))
        return None if said is None else str(said)

    def pay(self, task: str, number: int, turns: Sequence[str]) -> list[str]:
        """How a person's turns, with the task's between them, are paid."""
        return self._paid(task, self.asked(task, number), turns)

    def gold(self, task: str, number: int) -> str:
        """A right answer to a problem. Raises InputError where the task shows none."""
        shown = getattr(self.task(task), "gold", None)
        if shown is None:
            raise InputError(f"{task} shows no right answers")
        return str(shown(self.asked(task, number)))

    # ---------------------------------------------------------------------------------------------- its parts

    def _speaker(self, asked: Asked) -> Speaker:
        from practicum.model.checkpoint import model_folder
        from practicum.model.policy import load_policy
        from practicum.model.sampling import SamplingConfig
        from practicum.play.speaker import Speaker

        sampling = SamplingConfig(temperature=asked.temperature, max_new_tokens=MOST_TOKENS)
        folder = model_folder(asked.folder)
        try:
            key = (folder, folder.stat().st_mtime_ns)
            if self.speaker is None or self.loaded != key:
                self.speaker = self.loaded = None
                policy, tokenizer = load_policy(folder)
                self.speaker, self.loaded = Speaker.of(policy, tokenizer, sampling, 0), key
        except OSError as error:
            # A run that trains takes old checkpoints away.
            raise InputError(f"{folder.name}: cannot be read any more: choose another one") from error
        if self.speaker.stepper.config != sampling:
            self.speaker = Speaker.of(self.speaker.policy, self.speaker.tokenizer, sampling, 0)
        return self.speaker

    def _prompt(self, speaker: Speaker, asked: Asked) -> tuple[Prompt, list[int]]:
        from practicum.model.tokenizer import chat_of
        from practicum.tasks.task import Reads, check_able
        from practicum.types import Prompt

        if not asked.text.strip():
            raise InputError("prompt: type something for the model to read")
        if asked.task:
            found = self.task(asked.task)
            check_able(found, "play", Reads)
            prompt: Prompt = found.read(asked.text)  # type: ignore[attr-defined]
            return prompt, speaker.prompt(prompt)
        prompt = Prompt(asked.text)
        if chat_of(speaker.tokenizer) is not None:
            roles = ("user", "assistant")
            turns = enumerate((*asked.said, asked.text))
            return prompt, speaker.conversation(
                [{"role": roles[place % 2], "content": text} for place, text in turns]
            )
        return prompt, speaker.prompt(prompt)

    def _told(
        self, speaker: Speaker, asked: Asked, prompt: Prompt, ids: Sequence[int], logprobs: Sequence[float]
    ) -> Answer:
        from practicum.model.tokenizer import chat_of
        from practicum.training.spoken import pieces

        text = self._text(speaker, ids)
        finite = [value if math.isfinite(value) else None for value in logprobs]
        row = {"tokens": {"text": pieces(speaker.tokenizer, list(ids)), "logprob": finite}}
        ended = bool(ids) and ids[-1] in speaker.policy.spec.eos_ids
        paid = self._paid(asked.task, prompt, [text]) if asked.task else ()
        chats = not asked.task and chat_of(speaker.tokenizer) is not None
        said = (*asked.said, asked.text, text) if chats else ()
        tokens = coloured(sample(-1, row), "logprob")
        return Answer(prompt.text, text, tokens, paid, ids, ended=ended, said=said)

    def _text(self, speaker: Speaker, ids: Sequence[int]) -> str:
        return str(speaker.tokenizer.decode(list(ids), skip_special_tokens=True))

    def _paid(self, name: str, prompt: Prompt, turns: Sequence[str]) -> list[str]:
        from practicum.play.paid import judge, told
        from practicum.reward.config import FunctionsConfig
        from practicum.reward.function import close, with_functions

        task = self.task(name)
        reward = with_functions(FunctionsConfig(), task, None, {}, split="test", first=prompt)
        try:
            return told(judge(task, reward, prompt, turns))
        finally:
            close(reward)
