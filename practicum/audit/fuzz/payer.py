"""Asking a reward function what it pays: in a worker process, within limits of calls and seconds.

A batch that fails is halved until the text that fails is found, so that one text's crash is told from a
batch's.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from practicum.audit.fuzz.rows import FuzzRow
from practicum.errors import InputError
from practicum.reward.config import FunctionsConfig
from practicum.reward.function import Function, Progress, refuse_what_cannot_be_sent, row_of
from practicum.reward.process import Call, Queue, Worker, answers

BATCH = 64
TIME_LIMIT = 10.0
"""Seconds a call may take."""
QUICK = 2.0
"""Seconds that a text suspected to hang is given at first."""
HANG = 6.0
"""Seconds after which a text that is alone in its batch hangs, where others take far less."""
SLOW = 0.3
"""Seconds from which on a single text is slow, so that a longer one of its kind is tried, too."""
LONG_BATCH, TIMES_USUAL = 3.0, 10.0
"""Seconds, and times what the quickest batch took for as many texts, after which the texts of a batch are
asked one by one: some of them are slow, and a faster machine must not hide it."""
MOST_LENGTHENED = 3
SLOW_TEXT = 600
"""Characters of a text that no judge needs a moment for."""
MOST_HUNG = 4
"""Texts that hang which are waited for: with that many, the fault is shown, and time is for other faults."""
FEW = 8
"""Texts of a batch where many hang: what is in a batch with one of them is not asked."""


@dataclass(frozen=True)
class Ask:
    """One text for one row."""

    row: int
    text: str


@dataclass(frozen=True)
class Paid:
    """What a reward said: a number, nothing (it does not judge), or how it failed.

    error: empty, crash, hang, count (a batch of another length), value (no finite number) or unasked (others
    of its batch hung).
    """

    value: float | None
    error: str = ""
    words: str = ""

    @property
    def key(self) -> tuple[float | None, str]:
        """What two payments of one text must share."""
        return self.value, self.error


class BudgetSpent(InputError):  # noqa: N818 - it ends a search
    """No calls or no seconds are left: an error only before honest replies have been paid."""


class Payer:
    """A reward function with a budget: `calls` counts each text judged. `close` ends its processes."""

    def __init__(
        self,
        reward: str,
        config: FunctionsConfig,
        rows: Sequence[FuzzRow],
        budget: int,
        seconds: float,
        told: Callable[[int], None] = lambda calls: None,
    ) -> None:
        self.rows, self.budget, self.seconds, self.told = rows, budget, seconds, told
        self.calls, self.started = 0, time.monotonic()
        options = {"judge": asdict(config.judge), "time_limit": config.time_limit, "max_new_tokens": 512}
        self.function = Function(reward, config.names[0], config, options)
        self.workers: dict[str, Worker] = {"0": self.function.workers[0]}
        self.known: dict[Ask, Paid] = {}
        self.reserved_calls, self.reserved_seconds = 0, 0.0
        self.only_together: list[tuple[Ask, ...]] = []
        self.patience, self.quick, self.most = HANG, QUICK, BATCH
        self.hung: list[Ask] = []
        self.lengthened = 0
        self.usual = math.inf

    def check(self) -> None:
        """Raise InputError where the function needs a column that the rows do not have."""
        for row in self.rows:
            sample = row_of(row.prompt, "", None)
            refuse_what_cannot_be_sent(sample)
            self.function.check(sample)

    @property
    def left(self) -> int:
        """Calls that are left, 0 where no time is."""
        if self.seconds_left <= self.reserved_seconds:
            return 0
        return max(0, self.budget - self.calls - self.reserved_calls)

    @property
    def seconds_left(self) -> float:
        """Seconds that are left."""
        return self.seconds - (time.monotonic() - self.started)

    def pay(self, asks: Sequence[Ask], batch: int = BATCH) -> list[Paid]:
        """What each is paid; one that was asked before costs nothing. Raises BudgetSpent."""
        new = [one for one in dict.fromkeys(asks) if one not in self.known]
        for one, paid in zip(new, self.again(new, batch), strict=True):
            self.known[one] = paid
        return [self.known[one] for one in asks]

    def again(
        self, asks: Sequence[Ask], batch: int = BATCH, seed: str = "0", limit: float = TIME_LIMIT
    ) -> list[Paid]:
        """What each is paid if it is asked now, whatever is known; `seed` is the process's hash seed."""
        found: list[Paid] = []
        while len(found) < len(asks):
            # Where texts hang, most time goes to waiting for the next one.
            many = len(self.hung) >= MOST_HUNG
            most = min(limit, self.quick if many else 2 * self.quick) if self.hung else limit
            some = asks[len(found) : len(found) + min(batch, FEW if many else self.most)]
            if len(some) > 1:
                most = min(most, max(LONG_BATCH, TIMES_USUAL * self.usual * len(some)))
            found += self._batch(some, seed, most)
        return found

    def reserve(self, calls: int, share: float) -> None:
        """Keep so many calls, and this share of the seconds, for later."""
        self.reserved_calls, self.reserved_seconds = calls, share * self.seconds

    def fresh(self, seed: str = "0") -> None:
        """End the process with this hash seed; the next question starts a new one."""
        if seed in self.workers:
            self.workers[seed].kill()

    def close(self) -> None:
        """End all processes."""
        for worker in self.workers.values():
            worker.kill()

    def _batch(self, asks: Sequence[Ask], seed: str, limit: float) -> list[Paid]:
        """One call; where it fails, halves of it, down to single texts."""
        if len(asks) > self.left:
            raise self._spent()
        reply = self._call(asks, seed, limit)
        if "error" not in reply:
            return [_paid(result) for result in reply["rows"]]
        if len(asks) == 1:
            failed = _failed(reply)
            return [self._noted(asks[0], failed) if limit > self.quick else failed]
        if reply["error"] == "time limit":
            before = len(self.hung)
            paid = self._one_by_one(asks, seed)
            self.most = self.most if len(self.hung) > before else max(1, len(asks) // 4)
            return paid
        half = len(asks) // 2
        parts = [*self._batch(asks[:half], seed, limit), *self._batch(asks[half:], seed, limit)]
        if not any(one.error for one in parts):
            self.only_together.append(tuple(asks))
        return parts

    def _one_by_one(self, asks: Sequence[Ask], seed: str) -> list[Paid]:
        """The texts of a batch that ran out of time, each alone: to halve it would wait for one text many
        times. The first that hangs is given longer; what hangs is known at once, since the time may end."""
        paid: list[Paid] = []
        for ask in asks:
            if len(self.hung) >= MOST_HUNG:
                paid.append(Paid(None, "unasked", "other texts hung"))
                continue
            if not self.left:
                raise self._spent()
            started = time.monotonic()
            one = _paid_alone(self._call([ask], seed, self.quick))
            slow = time.monotonic() - started > SLOW
            if slow and not one.error and not self.hung and self.lengthened < MOST_LENGTHENED:
                self._hangs_longer(ask, seed)
            if one.error == "hang" and not self.hung and self.left:
                one = _paid_alone(self._call([ask], seed, self.patience))
                # What takes longer than a moment and ends is slow: others may be as slow.
                if one.error != "hang" and not self._hangs_longer(ask, seed):
                    self.quick = self.patience
            paid.append(self._noted(ask, one))
        return paid

    def _hangs_longer(self, ask: Ask, seed: str) -> bool:
        """Whether a short text that was slow hangs with its middle some times over: its time grows without
        bound, and no text is just as long as it takes to see that."""
        third = len(ask.text) // 3
        if not 0 < third <= SLOW_TEXT // 3 or not self.left:
            return False
        self.lengthened += 1
        longer = Ask(ask.row, ask.text[:third] + ask.text[third : 2 * third] * 6 + ask.text[2 * third :])
        return self._noted(longer, _paid_alone(self._call([longer], seed, self.patience))).error == "hang"

    def _noted(self, ask: Ask, paid: Paid) -> Paid:
        """The payment, known from now on where it is a hang."""
        if paid.error == "hang":
            self.hung.append(ask)
            self.known[ask] = paid
        return paid

    def reached(self, ask: Ask) -> frozenset[str]:
        """Pay one text, and say which instructions of the function's own code it reaches; none where it
        fails. Raises BudgetSpent."""
        if self.left < 1:
            raise self._spent()
        reply = self._call([ask], "0", self.patience, reached=True)
        if _ran_out(reply):
            # To be watched takes time: what hangs then may not hang.
            self.pay([ask], 1)
            return frozenset()
        self.known[ask] = _paid_alone(reply)
        return frozenset(reply.get("reached", ()))

    def constants(self) -> list[str | int | float]:
        """Constants of the function's own code; none where it does not say."""
        reply = self._sent((), {"constants": True}, "0", TIME_LIMIT)
        return list(reply.get("constants", ()))

    def together(self, asks: Sequence[Ask]) -> Paid | None:
        """How a batch fails in a fresh process, None where it does not or where there is no room to ask."""
        if len(asks) > self.left:
            return None
        self.fresh()
        try:
            reply = self._call(asks, "0", TIME_LIMIT)
        except BudgetSpent:
            return None
        return _failed(reply) if "error" in reply else None

    def _call(self, asks: Sequence[Ask], seed: str, limit: float, **more: bool) -> dict[str, Any]:
        rows = [row_of(self.rows[one.row].prompt, one.text, None) for one in asks]
        # A call that the end of the search cuts off says nothing about the function.
        most = min(limit, max(self.seconds_left, 0.01))
        self.calls += len(asks)
        request = {"rows": rows, "state": asdict(Progress()), "limit": most, **more}
        started = time.monotonic()
        reply = self._sent(asks, request, seed, most)
        if len(asks) >= FEW and "error" not in reply:
            self.usual = min(self.usual, (time.monotonic() - started) / len(asks))
        if most < limit and _ran_out(reply):
            raise self._spent()
        return reply

    def _sent(self, asks: Sequence[Ask], request: dict[str, Any], seed: str, limit: float) -> dict[str, Any]:
        call = Call(tuple(range(len(asks))), request, limit)
        for _, _, reply in answers([Queue([self._worker(seed)], deque([call]))]):
            self.told(self.calls)
            return reply
        raise AssertionError("a call is always answered")

    def _spent(self) -> BudgetSpent:
        late = self.seconds_left <= 0
        over = f"{self.seconds:g} s were over, after {self.calls} calls," if late else "all calls were spent"
        return BudgetSpent(
            f"reward {self.function.text}: {over} before it was known what it pays honest replies: give more "
            f"--{'seconds' if late else 'budget'}"
        )

    def _worker(self, seed: str) -> Worker:
        if seed not in self.workers:
            setup = self.function.workers[0].setup
            self.workers[seed] = Worker(setup, self.function.text)
        worker = self.workers[seed]
        if worker.process is None:
            with _hash_seed(seed):
                worker.start()
        return worker


@contextlib.contextmanager
def _hash_seed(seed: str) -> Iterator[None]:
    """Within this, processes that start have that hash seed."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = seed
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def _paid_alone(reply: dict[str, Any]) -> Paid:
    """What the only text of a call is paid, or how the call failed."""
    return _failed(reply) if "error" in reply else _paid(reply["rows"][0])


def _paid(result: dict[str, Any]) -> Paid:
    if "error" in result:
        return _failed(result)
    if "parts" in result:
        return Paid(float(sum(result["parts"].values())))
    value = result["value"]
    return Paid(None if value is None else float(value))


def _ran_out(reply: dict[str, Any]) -> bool:
    """Whether a call, or one of its rows, was not over at its time limit."""
    return any(one.get("error") == "time limit" for one in (reply, *reply.get("rows", ())))


def _failed(reply: dict[str, Any]) -> Paid:
    words = str(reply["words"])
    if reply["error"] == "time limit":
        return Paid(None, "hang", words)
    if reply["error"] == "BadReward":
        return Paid(None, "count" if " rewards for " in words else "value", words)
    return Paid(None, "crash", words)


def file_of(reward: str) -> Path:
    """The file of FILE.py:function."""
    return Path(reward.rpartition(":")[0])
