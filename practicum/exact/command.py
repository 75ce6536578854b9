"""`practicum verify EQUATION ANSWER` and `--gold GOLD ANSWER`: verdicts for one answer or lines of JSON."""

from __future__ import annotations

import codecs
import json
import sys
from dataclasses import dataclass
from typing import Any, BinaryIO

from practicum.errors import InputError
from practicum.exact.gold_answers import judge_answer, judge_completion
from practicum.exact.verifier import Verdict, count_outcomes, verify, verify_completion
from practicum.files import json_object

HELP = """\
usage: practicum verify [--ask solve|sum] [--json] [--] EQUATION ANSWER
       practicum verify --gold GOLD [--json] [--] ANSWER
       practicum verify --stdin [--ask solve|sum] < items.jsonl > verdicts.jsonl

Judges an answer to an equation exactly, over the real numbers, by substitution: no answer key is trusted.
With --gold, judges any mathematical answer against the right one, by what it means and not how it is written.
Exit code: 0 correct, 1 wrong, 2 bad input (with --stdin: 0, or 2 when a line was bad).

  EQUATION    one unknown: 3 - (3+y)/y = y    sqrt(x+7) = x - 5   |2x-3| = x+1    \\frac{1}{x} = 2
  ANSWER      the set of all real solutions: 1, 3    x = 1 or x = 3    {1, 3}    (5 ± sqrt(13))/2
              \\boxed{1/2}    no real solutions    all real numbers except 0
  --gold GOLD ANSWER is a number, an expression, an equation, a tuple, a set, an interval, a matrix, a letter
              or a word, in LaTeX or plain, or a whole solution that names one; GOLD the right one, or a
              solution that names it (docs/verifier.md says what is equal to what)
  --ask sum   ANSWER is the sum of the real solutions, each counted once; one other letter may be a parameter
  --json      print one JSON object: verdict, outcome, reason, missing, extraneous, solutions
  --stdin     read one {"equation": ..., "answer": ..., "ask": "solve" or "sum" (optional)} a line, or one
              {"gold": ..., "answer": ...}, print one JSON verdict a line, in order; "completion" in place of
              "answer" is a whole solution, from which the answer is taken as in training; a line that is no
              such object, also a blank one, gets an "error" naming the line

An equation or answer may begin with a minus sign. Examples:

  practicum verify '3 - (3+y)/y = y' '1, 3'                  wrong: 3 - 4/1 is -1, not 1
  practicum verify '3 - (3+y)/y = y' 'no real solutions'     correct
  practicum verify 'x^2 - 5x + 3 = 0' '(5 ± sqrt(13))/2'     correct
  practicum verify '-x = 3' '-3'                             correct
  practicum verify 'x/x = 1' 'all x except 0'                correct
  practicum verify --ask sum 'a - (a+x)/x = x' 'a - 1'       correct, for a where real solutions exist
  practicum verify --gold '\\frac{1}{2}' '0.5'              correct
  practicum verify --gold '(1, 3]' '1 < x <= 3'            correct
  practicum verify --gold '18' '17 or 18'                  wrong: it names two
  echo '{"equation": "x^2=4", "answer": "2"}' | practicum verify --stdin
"""

EXPECTED = "an object with equation and answer, or with gold and answer"
_USAGE = (
    "practicum verify EQUATION ANSWER [--ask solve|sum] [--json], --gold GOLD ANSWER, or --stdin; "
    "see practicum verify --help"
)


@dataclass(frozen=True)
class Arguments:
    """What the command line asks for."""

    positional: tuple[str, ...] = ()
    ask: str | None = None
    gold: str | None = None
    json: bool = False
    stdin: bool = False
    help: bool = False


def parse_arguments(arguments: list[str]) -> Arguments:
    """Read options anywhere; anything else is an equation or an answer, also when it begins with "-".

    Raises InputError for an unknown --option or a wrong --ask.
    """
    positional: list[str] = []
    ask: str | None = None
    gold: str | None = None
    as_json = stdin = wants_help = False
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            positional.extend(rest)
        elif argument == "--json":
            as_json = True
        elif argument == "--stdin":
            stdin = True
        elif argument in ("--help", "-h"):
            wants_help = True
        elif argument == "--gold" or argument.startswith("--gold="):
            gold = argument[7:] if argument.startswith("--gold=") else next(rest, None)
            if gold is None:
                raise InputError(f"--gold needs the gold answer behind it: {_USAGE}")
        elif argument == "--ask" or argument.startswith("--ask="):
            ask = argument[6:] if argument.startswith("--ask=") else next(rest, "")
            if ask not in ("solve", "sum"):
                raise InputError(f"--ask is {ask!r}: expected solve or sum")
        elif (
            argument.startswith("--")
            and argument[2:3].isalpha()
            and "=" not in argument
            and len(argument) > 3
        ):
            raise InputError(f"unknown option {argument}: {_USAGE}")
        else:
            positional.append(argument)
    return Arguments(tuple(positional), ask, gold, as_json, stdin, wants_help)


def command(arguments: list[str]) -> int:
    """Run `practicum verify` with what follows the word; returns the exit code."""
    try:
        options = parse_arguments(arguments)
        if options.help:
            print(HELP, end="")
            return 0
        if options.stdin:
            if options.positional:
                raise InputError(
                    f"--stdin reads its items from standard input, found {options.positional[0]!r} as well"
                )
            if options.gold is not None:
                raise InputError("--stdin reads its gold answers from standard input, found --gold as well")
            return judge_lines(sys.stdin.buffer, sys.stdout.buffer, options.ask or "solve")
        verdict = _judged(options)
    except InputError as error:
        print(f"practicum verify: {_one_line(str(error))}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(verdict.json(), ensure_ascii=False))
    else:
        _print(verdict)
    return 0 if verdict.verdict == "correct" else 1


def _judged(options: Arguments) -> Verdict:
    if options.gold is not None:
        if len(options.positional) != 1 or options.ask is not None:
            what = "--ask as well" if options.ask is not None else f"{len(options.positional)} arguments"
            raise InputError(f"--gold GOLD takes one answer after it, found {what}: {_USAGE}")
        return judge_answer(options.gold, options.positional[0])
    if len(options.positional) != 2:
        raise InputError(f"expected an equation and an answer, found {len(options.positional)}: {_USAGE}")
    equation, answer = options.positional
    return verify(equation, answer, options.ask or "solve")


def _print(verdict: Verdict) -> None:
    kind = (
        verdict.verdict
        if verdict.outcome.value in ("correct", "wrong")
        else f"wrong ({verdict.outcome.value})"
    )
    print(f"{kind}: {verdict.reason}")
    for title, members in (("missing", verdict.missing), ("extraneous", verdict.extraneous)):
        if members:
            print(f"  {title}: {', '.join(members)}")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def judge_lines(source: BinaryIO, target: BinaryIO, ask: str) -> int:
    """Judge JSONL items; every input line gets exactly one output line, in order, whatever bytes it holds.

    Returns the exit code: 2 when a line was bad, else 0. A byte-order mark before the first line is skipped.
    """
    verdicts: list[Verdict] = []
    errors = 0
    for number, line in enumerate(source, start=1):
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            verdict = _judge_line(line, ask)
            verdicts.append(verdict)
            row: dict[str, object] = verdict.json()
        except InputError as error:
            errors += 1
            row = {"error": f"line {number}: {_one_line(str(error))}"}
        # Half of a surrogate pair has no UTF-8; its escape is what JSON has for it.
        target.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))
    target.flush()
    counts = ", ".join(f"{count} {outcome}" for outcome, count in count_outcomes(verdicts).items())
    print(f"practicum verify: {counts}, {errors} bad lines", file=sys.stderr)
    return 2 if errors else 0


def _judge_line(line: bytes, ask: str) -> Verdict:
    item = _read_item(line)
    asked = item.get("ask", ask)
    if not isinstance(asked, str):
        raise InputError("expected 'solve' or 'sum' under 'ask'")
    given = "completion" if "completion" in item else "answer"
    if "completion" in item and "answer" in item:
        raise InputError("expected an 'answer' or a 'completion', found both")
    asked_by = "gold" if "gold" in item else "equation"
    if asked_by == "gold" and ("equation" in item or "ask" in item):
        raise InputError("expected an 'equation' or a 'gold' answer, which nothing is asked of, found both")
    for key in (asked_by, given):
        if not isinstance(item.get(key), str):
            raise InputError(f"expected a string under {key!r}")
    if asked_by == "gold":
        judge_gold = judge_completion if given == "completion" else judge_answer
        return judge_gold(item["gold"], item[given])
    judge = verify_completion if given == "completion" else verify
    return judge(item["equation"], item[given], asked)


def _read_item(line: bytes) -> dict[str, Any]:
    if not line.strip():
        raise InputError(f"the line is blank: expected {EXPECTED}")
    return json_object(line, EXPECTED)
