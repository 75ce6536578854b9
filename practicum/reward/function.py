"""Rewards that are functions, the user's own or ready-made: called in worker processes, added up by weight.

Three signatures are known: TRL's (prompts, completions, **columns), verl's (data_source, solution_str,
ground_truth, extra_info) and (prompt, completion, row). Whatever a function does costs the sample it did it
on, not the run: see `FunctionsConfig`.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import weakref
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from practicum.data.records import final_answer
from practicum.errors import InputError
from practicum.reward.config import FunctionsConfig, Source, function_names, source_of
from practicum.reward.json_text import schema_of
from practicum.reward.process import Call, Queue, Worker, answers
from practicum.reward.worker import AT_ONCE, BATCHED, GIVEN_BY_TRL, NO_COLUMNS, SIGNATURES, VERL
from practicum.types import LARGEST_REWARD, Prompt, Reward, Score

RECENT = 100
"""Samples of a function that its share of failures is over."""
ENOUGH = 20
"""Samples after which that share may stop a run; before, it stops where all have failed."""
REMEMBERED = 100_000
"""Results of a pure function that are kept."""
SHOWN = 80
Result = dict[str, Any]
"""What a worker says of one sample: see `practicum.reward.worker.judged`."""


@dataclass(frozen=True)
class Progress:
    """What a function sees of the run as TRL's trainer_state: steps done, and all of them."""

    global_step: int = 0
    max_steps: int = 0


@runtime_checkable
class FollowsProgress(Protocol):
    """A reward whose pay depends on how far the run is; the loop sets this before each step."""

    progress: Progress


class Function:
    """One function with its processes, its memory and the count of its failures."""

    def __init__(
        self, text: str, name: str, config: FunctionsConfig, options: Mapping[str, Any] | None = None
    ) -> None:
        self.text, self.name, self.config = text, name, config
        self.source = source_of(text)
        self.pure = bool({name, "all"} & set(config.pure)) or bool(self.source.ready)
        if self.source.file and not Path(self.source.file).is_file():
            raise InputError(f"reward {text}: there is no file {self.source.file}")
        setup = {**asdict(self.source), "options": dict(options or {})}
        count = config.workers if self.pure else 1
        self.workers = [Worker(setup, text) for _ in range(count)]
        self.recent: deque[bool] = deque(maxlen=RECENT)
        self._last_failure: Result | None = None
        self.samples, self.failures = 0, Counter[str]()
        self._known: dict[bytes, Result] = {}
        self._told: set[str] = set()
        self.weights_checked = False
        self.workers[0].start()
        signature = self.workers[0].signature
        self.kind = signature["kind"]
        self.names, self.needs = tuple(signature["names"]), tuple(signature["needs"])
        self.places = tuple(signature["places"])
        self.reads_ids = self.kind == "trl" and (signature["open"] or "completion_ids" in self.names)
        self.together = self.kind in BATCHED or signature["is_async"]
        self.limit = max(config.time_limit, float(signature.get("limit") or 0))
        if not self.source.ready:
            words = "async, " * signature["is_async"] + SIGNATURES[self.kind]
            print(f"practicum: reward {name}: {words}", file=sys.stderr)
        if self.pure and "trainer_state" in self.names:
            raise InputError(
                f"reward.pure: {name} reads trainer_state, so it does not depend on the sample alone"
            )

    def check(self, row: Mapping[str, Any]) -> None:
        """Raise InputError where the function needs what a row like this one does not give it."""
        check_parameters(self.text, self.kind, self.needs, self.places, row)

    def key(self, row: Mapping[str, Any]) -> bytes:
        """What a sample is known by; samples that differ in anything the function can see differ in it."""
        seen = row if self.reads_ids else {**row, "ids": None}
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).digest()

    def tell(self, kind: str, words: str, stack: str, row: Mapping[str, Any] | None) -> None:
        """Show the first failure of each kind."""
        if kind in self._told:
            return
        self._told.add(kind)
        about = f" on {_shown(row['text'])} to {_shown(row['prompt'])}" if row else ""
        lines = f"\n{stack}" if stack else ""
        print(f"practicum: reward {self.name} failed{about}: {words}{lines}", file=sys.stderr)

    def count(self, result: Result, row: Mapping[str, Any]) -> None:
        """Take note of one sample. Raises InputError where too many have failed."""
        failed = "error" in result
        self.samples += 1
        self.recent.append(failed)
        if failed:
            self._last_failure = result
            self.failures[result["error"]] += 1
            self.tell(result["error"], result["words"], result.get("traceback", ""), row)
        if self._last_failure is not None and len(self.recent) >= ENOUGH:
            self.stop_if_too_many(self._last_failure)

    def stop_if_too_many(self, result: Result) -> None:
        """Raise InputError where more samples failed than reward.max_failures allows."""
        failed = sum(self.recent)
        if failed <= self.config.max_failures * len(self.recent):
            return
        raise InputError(
            f"reward {self.name}: {failed} of its last {len(self.recent)} samples failed, more than "
            f"reward.max_failures {self.config.max_failures:g} allows; the last one: {result['words']}"
        )

    def known(self, key: bytes) -> Result | None:
        """The result of an equal sample, where the function is pure."""
        return self._known.get(key) if self.pure else None

    def remember(self, key: bytes, result: Result) -> None:
        """Keep a result of a pure function; failures may pass, so they are not kept."""
        if not self.pure or "error" in result:
            return
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = result

    def calls(self, rows: Sequence[Mapping[str, Any]], places: Sequence[int], state: Progress) -> list[Call]:
        """The calls for these rows: one for all of them, split over the workers, or one each."""
        if self.together:
            share = math.ceil(len(places) / len(self.workers)) or 1
            groups = [places[start : start + share] for start in range(0, len(places), share)]
        else:
            groups = [[place] for place in places]
        return [self.call(rows, group, state) for group in groups]

    def call(self, rows: Sequence[Mapping[str, Any]], places: Sequence[int], state: Progress) -> Call:
        """One call about the rows at these places."""
        request = {"rows": [rows[place] for place in places], "state": asdict(state), "limit": self.limit}
        # Rows of an async function wait side by side, so many at a time.
        turns = 1 if self.kind in BATCHED else math.ceil(len(places) / AT_ONCE)
        return Call(tuple(places), request, self.limit * turns)


class FunctionReward:
    """Functions as a `Reward`: the sum of their parts by weight, and the task's own judgement beside it.

    `judge` says what is solved where it can, and is paid by its weight `task`, 0 where none is given.
    `options` are what ready-made functions need to know of the run. `close` ends the processes; they start
    again when they are asked again. Raises InputError for a function that cannot be loaded or called.
    """

    def __init__(
        self, config: FunctionsConfig, judge: Reward | None = None, options: Mapping[str, Any] | None = None
    ) -> None:
        names = function_names(config.functions)
        if not names:
            raise InputError("reward.functions: none is given")
        self.config, self.judge, self.progress = config, judge, Progress()
        workers: list[Worker] = []
        self._finalizer = weakref.finalize(self, _end, workers)
        self.functions: list[Function] = []
        known = {"judge": asdict(config.judge), "time_limit": config.time_limit, **(options or {})}
        try:
            for text, name in zip(config.functions, names, strict=True):
                function = Function(text, name, config, known)
                workers += function.workers
                self.functions.append(function)
        except BaseException:
            _end(workers)
            raise

    @property
    def name(self) -> str:
        """The names of the functions."""
        return " + ".join(function.name for function in self.functions)

    def check(self, prompt: Prompt) -> None:
        """Raise InputError where a function needs a column that a prompt like this one does not have."""
        row = row_of(prompt, "", None)
        refuse_what_cannot_be_sent(row)
        for function in self.functions:
            function.check(row)

    def check_schemas(self, task: Any, split: str) -> None:
        """Raise InputError that names the first row of a table with a faulty schema, where schemas pay."""
        if not any(function.source == Source(ready="json_schema") for function in self.functions):
            return
        for record in getattr(task, "splits", {}).get(split, ()):
            try:
                schema_of(record.prompt.data.get("row", {}).get("schema"))
            except ValueError as error:
                raise InputError(f"{record.origin}: {error}: mend it, or leave the row out") from None

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """As `score_tokens`, where the tokens are not known."""
        return self.score_tokens(prompts, texts, [None] * len(texts))

    def score_tokens(
        self, prompts: Sequence[Prompt], texts: Sequence[str], ids: Sequence[Sequence[int] | None]
    ) -> list[Score]:
        """One score per completion, in the order given.

        A sample on which a function failed has the part failed/NAME 1, the others 0. Raises InputError where
        more fail than the settings allow.
        """
        rows = [row_of(*one) for one in zip(prompts, texts, ids, strict=True)]
        for row in rows:
            refuse_what_cannot_be_sent(row)
        judged: Sequence[Score | None] = (
            self.judge.score(prompts, texts) if self.judge else [None] * len(rows)
        )
        results = self._results(rows)
        for function, found in zip(self.functions, results, strict=True):
            check_weights(function, found, self.config.weights)
        return [self._sum(judged[row], [one[row] for one in results]) for row in range(len(rows))]

    def failed(self) -> dict[str, int]:
        """How many samples each function failed on so far."""
        return {function.name: sum(function.failures.values()) for function in self.functions}

    def close(self) -> None:
        """End all processes, and say how often each function failed."""
        for function in self.functions:
            if function.failures:
                kinds = ", ".join(f"{count} x {kind}" for kind, count in function.failures.most_common())
                print(
                    f"practicum: reward {function.name} failed on {sum(function.failures.values())} of "
                    f"{function.samples} samples ({kinds})",
                    file=sys.stderr,
                )
                function.failures.clear()
                function.samples = 0
            _end(function.workers)

    def _results(self, rows: Sequence[Mapping[str, Any]]) -> list[list[Result]]:
        """Every function's result of every row; all functions work at the same time."""
        found: list[dict[int, Result]] = [{} for _ in self.functions]
        keys = [[function.key(row) for row in rows] if function.pure else [] for function in self.functions]
        queues = []
        for number, function in enumerate(self.functions):
            asked = _first_places(keys[number]) if function.pure else range(len(rows))
            places = []
            for place in asked:
                known = function.known(keys[number][place]) if function.pure else None
                if known is None:
                    places.append(place)
                else:
                    found[number][place] = known
            queues.append(Queue(function.workers, deque(function.calls(rows, places, self.progress))))
        for number, call, reply in answers(queues):
            self._take(self.functions[number], queues[number], found[number], rows, call, reply)
        for number, function in enumerate(self.functions):
            self._settle(function, found[number], keys[number], rows)
        return [[found[number][place] for place in range(len(rows))] for number in range(len(self.functions))]

    def _take(
        self,
        function: Function,
        queue: Queue,
        found: dict[int, Result],
        rows: Sequence[Mapping[str, Any]],
        call: Call,
        reply: Mapping[str, Any],
    ) -> None:
        """Put a reply in its places, or ask the rows of a failed call one by one."""
        if "error" not in reply:
            results = reply["rows"]
        elif len(call.rows) == 1:
            results = [dict(reply)]
        else:
            words = f"{reply['words']}; its {len(call.rows)} rows are asked one by one"
            function.tell(f"call: {reply['error']}", words, reply.get("traceback", ""), None)
            queue.calls.extend(function.call(rows, [place], self.progress) for place in call.rows)
            return
        for place, result in zip(call.rows, results, strict=True):
            found[place] = result
            function.count(result, rows[place])

    def _settle(
        self,
        function: Function,
        found: dict[int, Result],
        keys: Sequence[bytes],
        rows: Sequence[Mapping[str, Any]],
    ) -> None:
        """Stop where every sample so far failed; give equal samples of a pure function their result."""
        bad = [result for result in found.values() if "error" in result]
        if bad and function.recent and all(function.recent):
            function.stop_if_too_many(bad[-1])
        by_key = {keys[place]: found[place] for place in found} if keys else {}
        for place, key in enumerate(keys):
            found[place] = by_key[key]
            function.remember(key, by_key[key])

    def _sum(self, judged: Score | None, results: Sequence[Result]) -> Score:
        """One score from what every function, and the task, said of a sample."""
        weights, score = self.config.weights, judged or Score(0.0)
        value, parts = 0.0, dict(score.parts)
        if judged is not None:
            parts["task"] = judged.value
            value += weights.get("task", 0.0) * judged.value
        reasons = [score.reason] if score.reason else []
        for function, result in zip(self.functions, results, strict=True):
            name = function.name
            found = self._parts(name, result)
            parts |= found | {f"failed/{name}": float("error" in result)}
            if name in found:
                value += weights.get(name, 1.0) * found[name]
            if "error" in result:
                reasons.append(f"{name}: {result['words']}")
            else:
                score = _with_more(score, result)
                reasons += [result["reason"]] if result.get("reason") else []
        value = max(-LARGEST_REWARD, min(LARGEST_REWARD, value))
        return replace(score, value=value, reason="; ".join(reasons), parts=parts)

    def _parts(self, name: str, result: Result) -> dict[str, float]:
        """The parts of one function by their full names: its own, and those it returned in a dict."""
        if "error" in result:
            return {} if self.config.on_error is None else {name: self.config.on_error}
        if "parts" in result:
            inner = {f"{name}.{key}": value for key, value in result["parts"].items()}
            total = sum(self.config.weights.get(key, 1.0) * value for key, value in inner.items())
            return {name: max(-LARGEST_REWARD, min(LARGEST_REWARD, total)), **inner}
        info = {f"{name}.{key}": value for key, value in result.get("info", {}).items()}
        return info if result["value"] is None else {name: result["value"], **info}


def check_weights(function: Function, results: Sequence[Result], weights: Mapping[str, float]) -> None:
    """Look once whether the weighted parts of a function occur in what it returns.

    Raises InputError where it returns no parts; says on stderr which part was not among them.
    """
    judged = [one for one in results if "parts" in one or one.get("value") is not None]
    names = [name for name in weights if name.startswith(f"{function.name}.")]
    if not judged or not names or function.weights_checked:
        return
    function.weights_checked = True
    parts = dict.fromkeys(f"{function.name}.{part}" for one in judged for part in one.get("parts", ()))
    for name in names:
        if not parts:
            raise InputError(
                f"reward.weights.{name}: {function.name} returns a number: what it says or logs beside it is "
                f"recorded and not paid; give reward.weights.{function.name}, or return a dict of parts"
            )
        if name not in parts:
            print(
                f"practicum: reward.weights.{name}: {function.name} has returned no such part so far; it has "
                f"{', '.join(parts)}",
                file=sys.stderr,
            )


def check_parameters(
    text: str, kind: str, needs: Sequence[str], places: Sequence[str], row: Mapping[str, Any]
) -> None:
    """Raise InputError where a function, named `text`, needs what a row like this one does not give it, or
    has a column's name for what is passed in order.
    """
    columns = [name for name in row["row"] if name not in NO_COLUMNS]
    for place, name in enumerate(places):
        if name in columns and not (place == 0 and row["row"][name] == row["prompt"]):
            raise InputError(
                f"reward {text}: its parameter {name!r} is a column of the data, but its parameters are "
                "taken in order, as prompt, completion, row: call the completion `completion`, and all are "
                "passed by name"
            )
    known = {"trl": ("prompts", "completions", *GIVEN_BY_TRL), "plain": ("prompt", "completion", "row")}
    if kind in known:
        for name in needs:
            if name not in (*known[kind], *columns, *row["named"]):
                raise InputError(
                    f"reward {text}: asks for {name!r}, which is no column of the data; "
                    f"besides the prompt it has: {', '.join(columns) or 'none'}"
                )
        return
    plural = (*(f"{name}s" for name in VERL), "extra_infos")
    for name in needs:
        if name not in (VERL if kind == "verl" else plural):
            raise InputError(f"reward {text}: asks for {name!r}, which verl does not give")


def row_of(prompt: Prompt, text: str, ids: Sequence[int] | None) -> dict[str, Any]:
    """A sample as functions see it.

    prompt: text, or messages where it is a chat; completion likewise, text the completion as text always.
    row: the columns of the data, or the task's own record, with `answer` where one is known. named: what goes
    by the name of a column in its place: the final answer, where the column holds a worked solution.
    """
    data = dict(prompt.data)
    columns = dict(data.pop("row", data))
    named = {}
    if "answer" in data:
        columns.setdefault("answer", data["answer"])
        named["answer"] = data["answer"]
        named["ground_truth"] = final_answer(columns.get("ground_truth", data["answer"]))
    chat = [dict(message) for message in prompt.messages]
    return {
        "prompt": chat or prompt.text,
        "completion": [{"role": "assistant", "content": text}] if chat else text,
        "text": text,
        "row": columns,
        "named": named,
        "ids": None if ids is None else list(ids),
    }


def refuse_what_cannot_be_sent(row: Mapping[str, Any]) -> None:
    """Raise InputError that names the field of a sample that is no JSON: functions run in other processes."""
    columns = [(f"data.{name}", value) for name, value in row["row"].items()]
    names = dict.fromkeys(row["row"])
    for name, value in (("messages", row["prompt"]), ("data", names), *columns):
        if found := not_json(value, name):
            raise InputError(
                f"reward: a prompt's {found}: functions run in processes of their own and are sent JSON; "
                "give texts, numbers, lists, and dicts with texts as keys"
            )


def not_json(value: Any, path: str) -> str:
    """Which part of a value is no JSON, by its path, and what it is; empty where all of it is."""
    try:
        json.dumps(value, sort_keys=True)
        return ""
    except (ValueError, RecursionError):
        return f"{path} holds itself, or is nested too deeply"
    except TypeError:
        pass
    inner: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        if odd := [key for key in value if not isinstance(key, str)]:
            return f"{path} has the key {_shown(odd[0])}"
        inner = [(f"{path}.{key}", one) for key, one in value.items()]
    if isinstance(value, (list, tuple)):
        inner = [(f"{path}[{place}]", one) for place, one in enumerate(value)]
    for name, one in inner:
        if found := not_json(one, name):
            return found
    return f"{path} is a {type(value).__name__}"


def with_functions(
    config: FunctionsConfig,
    task: Any,
    reward: Reward | None,
    options: Mapping[str, Any],
    split: str = "train",
    first: Prompt | None = None,
) -> Reward:
    """Who pays: the functions that the settings list, with the task's own judgement beside them; else that.

    `reward` judges in place of the task. A task of plain rows has a `judge`, which may be none. Functions are
    tried on the prompt `first`, else on one of the task's `split`. Raises InputError for a weight of the
    task's judgement where there is none.
    """
    judge: Reward | None = reward or getattr(task, "judge", task)
    if judge is None and config.weights.get("task"):
        raise InputError(f"reward.weights.task: {task.name} holds rows, which judge no answer: drop it")
    if not config.functions:
        return reward or task
    found = FunctionReward(config, judge, options)
    try:
        found.check(first or task.prompts(split, 1, 0)[0])
        found.check_schemas(task, split)
    except BaseException:
        found.close()
        raise
    return found


def close(reward: Reward) -> None:
    """End the processes of a reward that has some."""
    ending = getattr(reward, "close", None)
    if ending is not None:
        ending()


def tell_progress(reward: Reward, step: int, steps: int) -> None:
    """Let a reward that follows the run know how many steps are done, of how many."""
    inner = getattr(reward, "true", reward)
    if isinstance(inner, FollowsProgress):
        inner.progress = Progress(step, steps)


def _end(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.kill()


def _first_places(keys: Sequence[bytes]) -> list[int]:
    """The first place of each different key, in order."""
    return list({key: place for place, key in reversed(list(enumerate(keys)))}.values())[::-1]


def _with_more(score: Score, result: Result) -> Score:
    """The score with what a function says of a sample besides its value, where it says anything."""
    changes = {name: result[name] for name in ("solved", "readable") if result.get(name) is not None}
    if result.get("outcome"):
        changes["outcome"] = result["outcome"]
    return replace(score, **changes) if changes else score


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
