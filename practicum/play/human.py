"""Be the policy: a task asks, a person answers, and is paid as a model would be."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from practicum.errors import InputError
from practicum.play.paid import judge, told
from practicum.play.terminal import ask_lines, printable
from practicum.tasks.task import Converses, Task
from practicum.types import Prompt, Reward

GOLD, QUIT = "/gold", "/quit"
HOW = (
    "practicum: you are the policy. An empty line ends your answer, alone it asks for the next problem; "
    "/gold shows a right answer, where the task has one; /quit ends."
)


def be_the_policy(
    task: Task, reward: Reward, prompts: Callable[[int], Prompt], max_turns: int
) -> dict[str, Any]:
    """Ask until the person ends; returns every answer and what it was paid, with the means."""
    print(HOW, file=sys.stderr)
    answers: list[dict[str, Any]] = []
    number = 0
    while True:
        prompt = prompts(number)
        number += 1
        print(f"\n{printable(_shown(prompt))}")
        turns = _turns(task, reward, prompt, max_turns)
        if turns is None:
            break
        if not turns:
            continue
        paid = judge(task, reward, prompt, turns)
        print(printable("\n".join(told(paid))))
        spoken = {"turns": turns} if len(turns) > 1 else {}
        answers.append({"prompt": prompt.text, "completion": turns[-1], **spoken, **paid})
    return _summary(answers)


def _turns(task: Task, reward: Reward, prompt: Prompt, max_turns: int) -> list[str] | None:
    """The turns of one problem, the person's and the task's; empty: another problem; None: the end."""
    reply = getattr(task, Converses.reply.__name__, None)
    turns: list[str] = []
    while True:
        text = ask_lines("you> ", (GOLD, QUIT))
        if text is None or text == QUIT:
            return None
        if text == GOLD:
            _show_gold(task, reward, prompt)
            continue
        if not text:
            return turns[:-1]
        turns.append(text)
        said = reply(prompt, tuple(turns)) if reply and (len(turns) + 1) // 2 < max_turns else None
        if said is None:
            return turns
        print(f"{task.name}> {printable(said)}")
        turns.append(said)


def _show_gold(task: Task, reward: Reward, prompt: Prompt) -> None:
    gold = getattr(task, "gold", None)
    if gold is None:
        # A row has the answer alone, which need not be written as its reward wants it: so it is not paid.
        answer = prompt.data.get("answer")
        said = f"{task.name} shows no right answers" if answer is None else f"the row's answer: {answer}"
        print(printable(said))
        return
    try:
        text = gold(prompt)
    except InputError as error:
        print(printable(str(error)))
        return
    print(printable(text))
    print(printable("\n".join(told(judge(task, reward, prompt, [text])))))


def _shown(prompt: Prompt) -> str:
    """What a policy reads: a text, or the messages of a chat."""
    if not prompt.messages:
        return prompt.text.rstrip("\n")
    return "\n".join(f"[{one.get('role')}] {one.get('content')}" for one in prompt.messages)


def _summary(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    rewards = [one["reward"] for one in answers]
    solved = [one["solved"] for one in answers if one["solved"] is not None]
    mean = sum(rewards) / len(rewards) if rewards else None
    share = sum(solved) / len(solved) if solved else None
    if rewards:
        count = "1 answer" if len(rewards) == 1 else f"{len(rewards)} answers"
        end = f"{count}, paid {mean:.3g} on average"
        print(end + (f", {share:.0%} solved" if share is not None else ""))
    return {"answers": list(answers), "mean_reward": mean, "solved": share}
