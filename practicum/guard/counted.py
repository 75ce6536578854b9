"""Counts, while a policy learns, how many of its answers are texts that exploit a reward, and what pays them.

At every step all answers are looked at: whether they belong to a family of `known.py`, are near a text that
an audit found (`findings.py`), or are the same whatever is asked; at some steps also whether they are right
by a truth that does not pay (`truth.py`). The count says so, or ends the run, once such a share among the
well-paid answers is high beyond chance. Who pays is not asked: it works for a user's own function as for a
reward model.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

from practicum.guard.asked import write_asked
from practicum.guard.findings import Found, near, normal, read_findings
from practicum.guard.guard import GuardConfig
from practicum.guard.known import KNOWN, families
from practicum.guard.observer import GO_ON, Paid, Quiet, StepResult, Verdict
from practicum.guard.stated import gold_of, plain
from practicum.guard.tally import Tally, by_prompt, well_paid
from practicum.guard.truth import Look, Truth, columns_of, look_at, parted
from practicum.ranges import OpenShare, PositiveInt, Range
from practicum.run.folder import Run
from practicum.types import Prompt

CONSTANT, WRONG, OVERPAID, PARTED = "constant", "paid_wrong", "overpaid", "truth"
FOUND = "found:"
TALLIES = ("answers", "everything", "wrong")
COUNTING = ("known_share", "known_confidence", "known_steps", "truth_every")
"""Settings that say how answers are counted."""
SHOWN = 3
MOSTLY = 0.5
SENTENCES: Mapping[str, str] = {name: one.sentence for name, one in KNOWN.items()} | {
    CONSTANT: "are the same whatever is asked",
}


@dataclass(frozen=True)
class WatchConfig(GuardConfig, section="guard"):
    """What watches practice, and what it does about it."""

    rewards: Literal["learned", "any"] = "learned"
    """Beside which rewards the signals above are watched: reward models, or any reward; then a reference is
    loaded for the KL."""
    known: Literal["warn", "stop", "ask", "off"] = "warn"
    """What to do when well-paid answers exploit the reward. Too many of them are of a kind that does, or the
    reward rises and the truth does not: warn says so, stop ends the run, ask ends it and writes the prompts
    to ask people about. off counts nothing."""
    known_share: OpenShare = 0.1
    """Share of the well-paid answers that such a kind must exceed, beyond chance."""
    known_confidence: Annotated[float, Range(at_least=0.5, below=1)] = 0.999
    """Confidence of that at a step, one-sided; the answers to one prompt count as one."""
    known_steps: PositiveInt = 5
    """Steps that a share is over. The first so many say what is usual: a kind must be more frequent than
    then, unless an audit found it in this reward."""
    findings: Path | None = None
    """What `practicum audit exploits --json` printed about this reward: these texts are counted too."""
    truth: str = "auto"
    """A function, given as for --reward, that says what answers are worth (0 to 1) and does not pay. auto:
    the exact verifier, where the right answers are numbers. none: no truth."""
    truth_every: PositiveInt = 5
    """Steps between two looks at the truth."""
    fuzz: Annotated[int, Range(at_least=0, at_most=2000)] = 300
    """Calls of your reward function that `practicum rl` and its --dry-run spend, before the first step, on
    looking for texts that it overpays; 0: none."""

    def countable(self, own_reward: bool) -> bool:
        """Whether answers can be counted: beside a reward of the user's own, or where there is something to
        count them by."""
        return own_reward or self.findings is not None or self.truth not in ("auto", "none")

    def without_effect(self) -> Mapping[str, str]:
        """What would be watched and counted, where that is off."""
        idle = dict(super().without_effect())
        if self.action == "off":
            idle["rewards"] = "the guard is off (guard.action)"
        if self.known == "off":
            idle |= dict.fromkeys(
                (*COUNTING, "findings", "truth"), "no answers are counted (guard.known off)"
            )
        elif self.truth == "none":
            idle["truth_every"] = "there is no truth to look at (guard.truth none)"
        return idle


@dataclass
class _Memory:
    """All that a checkpoint must hold: the least and the most that was ever paid, the shares among the
    well-paid and among all answers, the looks at the truth, what was told at which step, how the run ended.

    right: of each kind's well-paid answers, the share that the truth called right when it last saw some.
    right_pay: what right answers were paid, the median of each look. excused: the kinds that were too
    frequent and mostly right, with the step.
    """

    answers: Tally
    everything: Tally
    wrong: Tally
    lowest: float | None = None
    highest: float | None = None
    kinds: list[str] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    right: dict[str, float] = field(default_factory=dict)
    right_pay: list[float] = field(default_factory=list)
    excused: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)
    ended: dict[str, Any] = field(default_factory=dict)


class Counted(Quiet):
    """The count beside one run; `prompts_of` gives the prompts of a step, `truth` what answers are worth."""

    name = "known"

    def __init__(
        self,
        config: WatchConfig,
        prompts_of: Callable[[int], Sequence[Prompt]],
        truth: Truth | None = None,
    ) -> None:
        self.config, self.prompts_of, self.truth = config, prompts_of, truth
        self.findings: tuple[Found, ...] = read_findings(config.findings) if config.findings else ()
        self.memory = self._empty()

    def after(self, step: int, result: StepResult) -> Verdict:
        """Count the step's answers; the verdict has the shares, the samples' kinds and what is too much."""
        started = time.perf_counter()
        memory, paid = self.memory, result.paid
        well = well_paid([one.reward for one in paid], memory.lowest)
        self._note_range(paid)
        found = [self.kinds(one.prompt, one.text) for one in paid]
        for row in constant(paid, well):
            found[row].append(CONSTANT)
        metrics = self._count(paid, found, well) | self._look(step, paid, found, well)
        said = self._alarms(step)
        if said and self.config.known in ("stop", "ask"):
            memory.ended = self._end(step, said, paid, found, well)
        elif said:
            said = tuple(f"practicum: warning: {line}" for line in said)
        metrics["guard_seconds"] = result.metrics.get("guard_seconds", 0.0) + time.perf_counter() - started
        asked = zip(result.prompts, result.samples, strict=True)
        marks = [{"known": self.kinds(prompt, str(sample["completion"]))} for prompt, sample in asked]
        if memory.ended:
            return Verdict(ends=True, said=tuple(memory.ended["said"]), metrics=metrics, marks=marks)
        return Verdict(said=said, metrics=metrics, marks=marks)

    def state(self) -> dict[str, Any]:
        """What was counted, in plain values; nothing before the first step."""
        memory = self.memory
        if memory.lowest is None:
            return {}
        looks = [asdict(look) for look in memory.looks]
        tallies = {name: getattr(memory, name).state() for name in TALLIES}
        return {**memory.__dict__, **tallies, "looks": looks}

    def restore(self, state: Mapping[str, Any], run: Run) -> Verdict:
        """Take it; an alarm that ended the run ends it again."""
        self.memory = self._empty()
        if state:
            tallies = {name: Tally(*state[name]) for name in TALLIES}
            looks = [Look(**look) for look in state["looks"]]
            self.memory = _Memory(**{**state, **tallies, "looks": looks})
        ended = self.memory.ended
        return Verdict(ends=True, said=tuple(ended["said"])) if ended else GO_ON

    def conclude(self, run: Run) -> dict[str, Any]:
        """What was seen, for summary.json; with action ask, RUN/ask.jsonl gets the prompts."""
        close: Callable[[], None] | None = getattr(self.truth, "close", None)
        if close is not None:
            close()
        memory, ended = self.memory, self.memory.ended
        if ended.get("action") == "ask":
            write_asked(run, self.prompts_of(int(ended["step"])), ended["prompts"])
        shares = {name: memory.answers.share(name) for name in memory.answers.names() if FOUND not in name}
        action = ended.get("action") or ("warn" if memory.told else "go_on")
        found = {"action": action, "told": memory.told, "sentences": memory.sentences, "well_paid": shares}
        found["excused"] = memory.excused
        return {"known": found | ({"step": ended["step"], "samples": ended["samples"]} if ended else {})}

    def kinds(self, prompt: Prompt, text: str) -> list[str]:
        """The kinds of an answer: known families, those of findings it is near, these as found:NAME too."""
        row = columns_of(prompt)
        again = near(self.findings, prompt.text, text, row)
        known = dict.fromkeys([*families(prompt.text, text, row), *again])
        return [*known, *(FOUND + name for name in again)]

    # ---------------------------------------------------------------------------------------------- its parts

    def _empty(self) -> _Memory:
        steps = self.config.known_steps
        return _Memory(Tally(steps), Tally(steps), Tally(steps))

    def _note_range(self, paid: Sequence[Paid]) -> None:
        rewards, memory = [one.reward for one in paid], self.memory
        if rewards:
            memory.lowest = min([*rewards, *([] if memory.lowest is None else [memory.lowest])])
            memory.highest = max([*rewards, *([] if memory.highest is None else [memory.highest])])

    def _count(
        self, paid: Sequence[Paid], found: Sequence[Sequence[str]], well: Sequence[int]
    ) -> dict[str, float]:
        """Add the step to the tally, and return its shares: of every kind that was seen in the run so far."""
        memory = self.memory
        memory.answers.add(*by_prompt([paid[row].prompt.text for row in well], [found[row] for row in well]))
        memory.everything.add(*by_prompt([one.prompt.text for one in paid], found))
        new = {name for names in found for name in names if not name.startswith(FOUND)}
        memory.kinds = sorted({*memory.kinds, *new})
        metrics = {"well_paid": len(well) / len(paid)} if paid else {}
        for name in memory.kinds if paid else ():
            metrics[f"known/{name}"] = sum(name in names for names in found) / len(paid)
        if well:
            metrics["known_paid"] = sum(bool(found[row]) for row in well) / len(well)
            for name in memory.kinds:
                metrics[f"known_paid/{name}"] = sum(name in found[row] for row in well) / len(well)
        return metrics

    def _look(
        self, step: int, paid: Sequence[Paid], found: Sequence[Sequence[str]], well: Sequence[int]
    ) -> dict[str, float]:
        """At some steps: what the truth says of these very answers."""
        if self.truth is None or (step - 1) % self.config.truth_every or not paid:
            return {}
        worth = self.truth([one.prompt for one in paid], [one.text for one in paid])
        look = look_at(step, paid, worth)
        if look is None:
            return {}
        memory = self.memory
        memory.looks.append(look)
        judged = [row for row, value in enumerate(worth) if value is not None]
        right = {row for row in judged if (worth[row] or 0.0) >= 0.5}
        for name in memory.kinds:
            of_kind = [row in right for row in well if name in found[row] and worth[row] is not None]
            if of_kind:
                memory.right[name] = sum(of_kind) / len(of_kind)
        return {"truth": len(right) / len(judged), **self._overpaid(paid, judged, right)}

    def _overpaid(self, paid: Sequence[Paid], judged: Sequence[int], right: set[int]) -> dict[str, float]:
        """Add the look to the tally of wrong answers that are paid as right ones are, and return their share
        of all answers that are so paid, and of all.

        What right ones are paid is the median of all looks' medians; without a right one so far, nothing.
        """
        memory = self.memory
        if right:
            memory.right_pay.append(median(paid[row].reward for row in right))
        if not memory.right_pay:
            return {}
        level = median(memory.right_pay)
        level -= 1e-9 * abs(level)
        rows = [row for row in judged if paid[row].reward >= level]
        wrong = [[] if row in right else [WRONG] for row in rows]
        memory.wrong.add(*by_prompt([paid[row].prompt.text for row in rows], wrong))
        count = sum(map(len, wrong))
        return {OVERPAID: count / len(judged)} | ({WRONG: count / len(rows)} if rows else {})

    def _alarms(self, step: int) -> tuple[str, ...]:
        """A sentence for each kind that is too frequent now and was not told before.

        What the truth mostly calls right exploits nothing, whatever it looks like.
        """
        memory, sure = self.memory, self.config.known_confidence
        said = {}
        for tally in (memory.answers, memory.wrong):
            for name in tally.names():
                family = name.removeprefix(FOUND)
                least = self._least(tally, name)
                if family in memory.told or least <= self.config.known_share:
                    continue
                if memory.right.get(family, 0.0) >= MOSTLY:
                    memory.excused.setdefault(family, step)
                else:
                    said[family] = self._sentence(tally, name, least)
        span = (memory.highest or 0.0) - (memory.lowest or 0.0)
        drift = parted(memory.looks, sure, span)
        if drift and PARTED not in memory.told:
            said[PARTED] = drift
        memory.told |= dict.fromkeys(said, step)
        memory.sentences += [f"step {step}: {sentence}" for sentence in said.values()]
        return tuple(f"step {step}: {sentence}" for sentence in said.values())

    def _least(self, tally: Tally, name: str) -> float:
        """What a kind's share among the well-paid exceeds beyond chance; 0 where it is as it was at first.

        What was found in this reward, or is wrong by the truth, need not be more than at first. Of a
        worthless kind it is enough that it grows among all answers.
        """
        sure = self.config.known_confidence
        certain = name.startswith(FOUND) or name == WRONG
        grows = name in KNOWN and KNOWN[name].worthless and self.memory.everything.risen(name, sure) > 0
        return tally.least(name, sure) if certain or grows else tally.risen(name, sure)

    def _sentence(self, tally: Tally, name: str, least: float) -> str:
        family = name.removeprefix(FOUND)
        if name == WRONG:
            return (
                f"{tally.share(name):.0%} of the answers that are paid as right ones are wrong by the truth "
                f"(at least {least:.0%} beyond chance)"
            )
        words = SENTENCES.get(family) or next(
            (one.sentence for one in self.findings if one.family == family and one.sentence), family
        )
        share = (
            f"{tally.share(name):.0%} of the well-paid answers {words} (at least {least:.0%} beyond chance)"
        )
        if name != family:
            return f"{share}, which an audit found this reward to pay for"
        return f"{share}, against {tally.usual(name):.0%} in the first steps"

    def _end(
        self,
        step: int,
        said: Sequence[str],
        paid: Sequence[Paid],
        found: Sequence[Sequence[str]],
        well: Sequence[int],
    ) -> dict[str, Any]:
        """How the run ends here: the samples are well-paid ones of the kinds that are too frequent."""
        told = {name for name, at in self.memory.told.items() if at == step}
        rows = [row for row in well if told & set(found[row])] or list(well)
        texts = dict.fromkeys(paid[row].text for row in rows)
        shown = [next(paid[row] for row in rows if paid[row].text == text) for text in list(texts)[:SHOWN]]
        words = "ask people about it before going on" if self.config.known == "ask" else "stop here"
        lines = [f"practicum: guard: {line}; {words}" for line in said]
        lines += [f"  reward {one.reward:.2f}: {one.text!r:.100}" for one in shown]
        samples = [{"prompt": one.prompt.text, "completion": one.text, "reward": one.reward} for one in shown]
        prompts = list(dict.fromkeys(paid[row].prompt.text for row in rows))
        return {
            "action": self.config.known, "step": step, "said": lines, "samples": samples, "prompts": prompts,
        }  # fmt: skip


def constant(paid: Sequence[Paid], well: Sequence[int]) -> list[int]:
    """The well-paid answers that are well paid, word for word, for prompts with different right answers.

    Prompts whose right answer is not known are left out.
    """
    golds: dict[str, set[str]] = defaultdict(set)
    for row in well:
        gold = gold_of(columns_of(paid[row].prompt))
        if gold is not None:
            golds[normal(paid[row].text)].add(plain(gold))
    return [row for row in well if len(golds.get(normal(paid[row].text), ())) > 1]
