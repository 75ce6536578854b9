"""The command line: finds the command, reads its settings, prints its result; loads nothing heavy before."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from practicum import __version__
from practicum.applications.command import APPLICATIONS, EXTRA
from practicum.audit.instruments import INSTRUMENTS
from practicum.errors import InputError

if TYPE_CHECKING:
    from practicum.run.branch import Origin

Help = Literal["", "common", "all"]
BAD_INPUT = 2
DRY = ("pretrain", "sft", "rl", "dpo", "reward-model", "rlhf")
"""Commands that can be tried with --dry-run."""
INTERRUPTED = 130


@dataclass(frozen=True)
class Arguments:
    """What every configured command understands, and the rest as settings of its config."""

    config: Path | None
    run: Path | None
    resume: bool
    dry_run: bool
    json: bool
    help: Help
    settings: list[str]
    log: list[str]
    branch: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 bad input, 130 interrupted, or its own."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _check_text(given)
        code = _dispatch(given)
        sys.stdout.flush()
        return code
    except InputError as error:
        print(f"practicum: error: {_one_line(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("practicum: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has gone; what Python would still flush at exit has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _check_text(arguments: Sequence[str]) -> None:
    """Raises InputError for an argument whose bytes are no text: neither a prompt nor a saved config can hold
    it."""
    for place, argument in enumerate(arguments, start=1):
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            raise InputError(
                f"argument {place}, {argument!r}: holds bytes that are no {sys.getfilesystemencoding()} "
                "text; write it in that encoding"
            )


def _one_line(text: str) -> str:
    """Text safe for a terminal: what a person or a model wrote may hold line breaks and escape codes."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        raise InputError("no command given; `practicum --help` lists them")
    name, *rest = arguments
    if name in ("-h", "--help", "help"):
        print(overview())
        return 0
    if name == "--version":
        print(f"practicum {__version__}")
        return 0
    if name not in COMMANDS:
        from practicum.config import nearest

        raise InputError(
            f"unknown command {name!r}{nearest(name, list(COMMANDS)) or ';'} `practicum --help` lists all"
        )
    return COMMANDS[name].call(rest)


def overview() -> str:
    """The page of `practicum --help`: every command in learning order."""
    lines = [f"  {name:<13}{command.line}" for name, command in COMMANDS.items()]
    return OVERVIEW.format(commands="\n".join(lines))


# ------------------------------------------------------------------------------------------ kinds of command


def _train(
    name: str,
    module: str,
    config_name: str,
    function: str,
    arguments: Sequence[str],
    prints_its_own: bool = False,
    extra: str = "",
) -> int:
    """A command that fills a run's folder: `function(config, run_path, resume=bool) -> summary`.

    With `prints_its_own` the function writes its result for people, and only --json is printed here. `extra`
    names the optional dependencies that the command's module imports. `exit_code` in the summary is the
    command's, where it is not 0.
    """
    from practicum.run.branch import BRANCHING, branched
    from practicum.run.folder import announced
    from practicum.run.loggers import chosen_loggers, logging_to, remembered_loggers
    from practicum.run.progress import never_silent

    options = _read_arguments(arguments)
    loggers = chosen_loggers(options.log) if options.log else None
    with never_silent("loading PyTorch"):
        stage = _imported(name, module, extra)
    config_class = getattr(stage, config_name)
    if options.help:
        every = RUN_OPTIONS + (LOG_OPTION if name != "compare" else "")
        every += BRANCH_OPTION if name in BRANCHING else ""
        every += DRY_OPTION if name in DRY else ""
        return _print_help(name, config_class, every, options.help)
    if options.resume and options.run is None:
        raise InputError("--resume needs --run DIR, the run to continue")
    if options.dry_run:
        return _dry_run(name, config_class, getattr(stage, function), options)
    run_path = options.run or Path("runs") / f"{name.replace(' ', '-')}-{datetime.now():%Y%m%d-%H%M%S}"
    origin = _origin(name, options)
    config = _run_settings(name, config_class, options, run_path, origin.config if origin else None)
    goes_on = options.resume or origin is not None
    for look in [] if goes_on else _first_looks(name, config):
        print(f"practicum: {_one_line(look.sentence)}", file=sys.stderr)
        if look.remedy:
            print(f"  -> {_one_line(look.remedy)}", file=sys.stderr)
    if options.resume and loggers is None:
        loggers = tuple(remembered_loggers(run_path))
    train = partial(getattr(stage, function), config, run_path, resume=goes_on)
    begun = branched(origin, run_path, config, name) if origin else nullcontext("")
    try:
        with begun as said, announced(run_path), logging_to(loggers), never_silent(f"{name} is at work"):
            if said:
                print(f"practicum: {_one_line(said)}", file=sys.stderr)
            summary = _quietly(options.json, train)
    except KeyboardInterrupt:
        if not (run_path / "config.toml").exists():
            raise
        again = shlex.join(["practicum", *name.split(), "--run", str(run_path), "--resume"])
        print(f"practicum: interrupted; continue with: {again}", file=sys.stderr)
        return INTERRUPTED
    code = int(summary.pop("exit_code", 0))
    if options.json or not prints_its_own:
        _print_result({"run": str(run_path), **summary}, options.json)
    return code


def _origin(name: str, options: Arguments) -> Origin | None:
    """The checkpoint that --branch names."""
    if not options.branch:
        return None
    from practicum.run.branch import find_origin

    if options.resume or options.config:
        other = "--resume" if options.resume else "--config"
        raise InputError(f"--branch begins a new run with the settings of another: drop {other}")
    return find_origin(options.branch, name)


def _run_settings(
    name: str, config_class: type[Any], options: Arguments, run_path: Path, given: Path | None
) -> Any:
    """The settings of a run that is begun, resumed or branched, where `given` has them."""
    from practicum.config import load
    from practicum.run.progress import never_silent

    config_path, stored = given or options.config, run_path / "config.toml"
    if not options.resume and stored.exists():
        raise InputError(f"{run_path} is not empty: pass --resume to continue it, or another --run")
    if options.resume and config_path is None:
        if not stored.exists():
            raise InputError(
                f"{run_path} holds no run to resume (no config.toml): drop --resume to start one"
            )
        config_path = stored
        _check_made_by(name, run_path)
    try:
        with never_silent("reading the settings"):
            return load(config_class, config_path, options.settings)
    except InputError as error:
        if config_path != stored or str(error).startswith(str(stored)):
            raise
        # What is missing here is missing in the run's own file.
        raise InputError(f"{stored}: {error}") from error


def _check_made_by(name: str, run_path: Path) -> None:
    """Raise InputError for a run that another command began, whose settings are others."""
    from practicum.files import read_json
    from practicum.run.branch import BRANCHING

    record = run_path / "environment.json"
    made_by = read_json(record, "restore it").get("command", name) if record.is_file() else name
    if made_by != name and made_by in (*BRANCHING, "rlhf", "demo", "compare"):
        raise InputError(
            f"{run_path} holds a run of {made_by}: practicum {made_by} --run {run_path} --resume continues it"
        )


def _first_looks(name: str, config: Any) -> Sequence[Any]:
    """What a short examination of the user's own reward functions found, before practice with them."""
    if name != "rl" or not config.reward.functions or not config.guard.fuzz or config.control != "none":
        return []
    from practicum.run.progress import never_silent

    short = importlib.import_module("practicum.audit.fuzz.first_look")
    with never_silent("the reward is examined"):
        looks: Sequence[Any] = short.first_look(config.reward, config.data, config.guard.fuzz, config.seed)
    return looks


def _dry_run(name: str, config_class: type[Any], train: Callable[..., Any], options: Arguments) -> int:
    """Make a stage's first steps and say what they show; exit 3 where the run would be refused."""
    from practicum.config import load
    from practicum.run.progress import never_silent

    if name not in DRY:
        raise InputError(f"--dry-run is for {', '.join(DRY)}: {name} has none")
    if options.resume or options.branch:
        other = "--resume" if options.resume else "--branch"
        raise InputError(f"--dry-run begins a run and leaves none: drop {other}")
    with never_silent("reading the settings"):
        config = load(config_class, options.config, options.settings)
    doctor = importlib.import_module("practicum.training.doctor")
    looks = _first_looks(name, config)
    found = [doctor.Finding("reward", look.severity, look.sentence, look.remedy) for look in looks]
    examine = partial(doctor.dry_run, name, train, config, options.run or Path("runs"), found)
    with never_silent(f"{name} is tried"):
        result = _quietly(options.json, examine)
    code = int(result.pop("exit_code", 0))
    if options.json:
        _print_result(result, json=True)
    else:
        print("\n".join(map(_one_line, doctor.lines(result))))
    return code


def _compute(
    name: str,
    module: str,
    config_name: str,
    function: str,
    arguments: Sequence[str],
    prints_its_own: bool = False,
    extra: str = "",
    waits: bool = False,
) -> int:
    """A command that only answers: `function(config) -> dict`; `prints_its_own` as in `_train`.

    `extra` names the optional dependencies that the command's module imports. With `waits` it waits for
    people, and says so itself.
    """
    from practicum.config import load
    from practicum.run.progress import never_silent

    options = _read_arguments(arguments)
    with never_silent("loading"):
        stage = _imported(name, module, extra)
    config_class = getattr(stage, config_name)
    if options.help:
        return _print_help(name, config_class, ANSWER_OPTIONS, options.help)
    if options.log:
        raise InputError(f"practicum {name} trains nothing: drop --log")
    if options.run is not None or options.resume or options.branch:
        raise InputError(f"practicum {name} writes no run folder: drop --run, --resume and --branch")
    if options.dry_run:
        raise InputError(f"--dry-run is for {', '.join(DRY)}: {name} has none")
    config = load(config_class, options.config, options.settings)
    answer = partial(_quietly, options.json, partial(getattr(stage, function), config))
    if waits:
        result = answer()
    else:
        with never_silent(f"{name} is at work"):
            result = answer()
    # An audit that found what should stop training says so by its exit code.
    code = int(result.pop("exit_code", 0))
    if options.json or not prints_its_own:
        _print_result(result, options.json)
    return code


def _imported(name: str, module: str, extra: str) -> Any:
    """A command's module. InputError says which extra to install where what it imports is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not extra or f"{error.name}.".startswith("practicum."):
            raise
        raise InputError(
            f"practicum {name} needs {error.name}, which is not installed: pip install 'practicum[{extra}]'"
        ) from error


def _raw(module: str, arguments: Sequence[str]) -> int:
    """A command that reads its own arguments: `command(arguments) -> exit code`."""
    code: int = importlib.import_module(module).command(list(arguments))
    return code


def _report(arguments: Sequence[str]) -> int:
    if "-h" in arguments or "--help" in arguments:
        print(REPORT_HELP)
        return 0
    for argument in arguments:
        if argument.startswith("-"):
            raise InputError(
                f"report has no option {argument}: give run folders, practicum report RUN [RUN ...]"
            )
    if not arguments:
        raise InputError("no run folder given: practicum report RUN [RUN ...]")
    run_path, *others = (Path(argument) for argument in arguments)
    print(importlib.import_module("practicum.report.page").write(run_path, others))
    return 0


def _dashboard(arguments: Sequence[str]) -> int:
    """A live page; the runs folder may stand first, as in `practicum dashboard runs`."""
    first = list(arguments[:1])
    if first and not first[0].startswith("-"):
        arguments = ["--runs", *arguments]
    module = "practicum.report.dashboard.command"
    return _compute(
        "dashboard",
        module,
        "DashboardConfig",
        "dashboard",
        arguments,
        prints_its_own=True,
        extra="web",
        waits=True,
    )


# --------------------------------------------------------------------------------------- arguments, output


def _read_arguments(arguments: Sequence[str]) -> Arguments:
    """Split what every command understands from the settings of its config."""
    from practicum.config import asked_help

    paths: dict[str, Path] = {}
    switches: set[str] = set()
    settings: list[str] = []
    log: list[str] = []
    branch = ""
    given, asked = asked_help(arguments)
    words = iter(given)
    for word in words:
        name, equals, value = word.partition("=")
        if name == "--branch":
            branch = value if equals else next(words, "")
            if not branch or branch.startswith("--"):
                raise InputError("--branch needs a run after it: --branch RUN@STEP")
            continue
        if name == "--log":
            value = value if equals else next(words, "")
            log.append("" if value.startswith("--") else value)
            continue
        if name in ("--config", "--run"):
            value = value if equals else next(words, "")
            if not value or value.startswith("--"):
                raise InputError(f"{name} needs a path after it")
            paths[name] = Path(value)
        elif word in ("--resume", "--json", "--dry-run", "--dry_run"):
            switches.add(word.replace("_", "-"))
        else:
            settings.append(word)
    return Arguments(
        config=paths.get("--config"),
        run=paths.get("--run"),
        resume="--resume" in switches,
        dry_run="--dry-run" in switches,
        json="--json" in switches,
        help=asked,
        settings=settings,
        log=log,
        branch=branch,
    )


def _quietly(json: bool, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Call; with --json anything printed on the way goes to stderr, so that stdout holds one object only."""
    if not json:
        return call()
    import contextlib

    with contextlib.redirect_stdout(sys.stderr):
        return call()


def _print_result(result: Mapping[str, Any], json: bool) -> None:
    from practicum.config import flatten
    from practicum.files import to_json

    if json:
        print(to_json(result))
        return
    flat = {key: _readable(value) for key, value in flatten(result).items()}
    width = max((len(key) for key in flat), default=0)
    for key, value in flat.items():
        print(f"{key:<{width}}  {value}")


def _readable(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        if any(isinstance(item, Mapping) for item in value):
            return f"{len(value)} rows, shown with --json"
        return ", ".join(_readable(item) for item in value) or "none"
    return "none" if value == {} else str(value)


def _print_help(name: str, config_class: type[Any], options: str, asked: Help) -> int:
    from practicum.config import help_text

    description = (config_class.__doc__ or "").strip().split("\n\n")[0]
    print(help_text(config_class, f"practicum {name}", description, everything=asked == "all").rstrip())
    print(options)
    return 0


RUN_OPTIONS = """
for every training command:
  --config FILE.toml  settings from a file; flags win over it
  --run DIR           the run's folder (default: runs/ and the command's name and time)
  --resume            continue the run in --run DIR, bit for bit; more --loop.steps extend it
  --json              print the summary as one JSON object on stdout; logs stay on stderr"""

LOG_OPTION = """
  --log NAME          send metrics to tensorboard, trackio, wandb or mlflow too (several: --log A,B)"""

BRANCH_OPTION = """
  --branch RUN@STEP   begin at a checkpoint of another run, with its settings or others"""

DRY_OPTION = """
  --dry-run           try a few steps: what is wrong, what it takes; exit 3 where a run is refused"""

ANSWER_OPTIONS = """
for every command that prints results:
  --config FILE.toml  settings from a file; flags win over it
  --json              print the result as one JSON object on stdout; logs stay on stderr"""

REPORT_HELP = """usage: practicum report RUN [RUN ...]

Write RUN/report.html, one self-contained page about a run, and print its path.

  RUN       the folder of `practicum demo`, or of one stage (pretrain, sft, rl)
  RUN ...   the same recipe with other seeds, or with a control reward: their spread is drawn as a
            band, controls as dashed lines, and what the true reward gained over them is tabled"""

OVERVIEW = """usage: practicum COMMAND [--config FILE.toml] [--setting value ...] [--run DIR] [--json]

Teach a language model the way people learn: exposition, worked problems, practice, examination.

start here:
  practicum demo                                  the whole curriculum on this machine, in minutes
  practicum verify '3 - (3+y)/y = y' '1, 3'       is this answer right?
  practicum COMMAND --help                        what most people set; `--help all`: every setting

commands, in learning order:
{commands}"""


@dataclass(frozen=True)
class Command:
    """One line for the overview, and what runs."""

    line: str
    call: Callable[[Sequence[str]], int]


def _group(
    name: str, commands: Mapping[str, Callable[[Sequence[str]], int]], arguments: Sequence[str]
) -> int:
    """A command of commands: the first word chooses."""
    if arguments and arguments[0] in commands:
        return commands[arguments[0]](arguments[1:])
    usage = f"practicum {name} {'|'.join(commands)} [--help]"
    if set(arguments) & {"-h", "--help"}:
        # Broken after a bar where the line ends.
        print(textwrap.fill(f"usage: {usage}".replace("|", "| "), 100).replace("| ", "|"))
        return 0
    raise InputError(f"{name} needs one of {', '.join(commands)}: {usage}")


def _stage(name: str, line: str, module: str, config_name: str) -> Command:
    return Command(line, partial(_train, name, module, config_name, "train"))


PREFERENCES: dict[str, Callable[[Sequence[str]], int]] = {
    word: partial(
        _compute,
        f"preferences {word}",
        "practicum.preferences.commands",
        config,
        function,
        prints_its_own=True,
    )
    for word, config, function in (
        ("import", "ImportConfig", "import_file"),
        ("export", "ExportConfig", "export_file"),
        ("stats", "StatsConfig", "stats"),
    )
}


def _instrument(word: str, prints_its_own: bool = True) -> Callable[..., int]:
    module = INSTRUMENTS[word]
    return partial(_compute, f"audit {word}", module, "Config", "audit", prints_its_own=prints_its_own)


def _overoptimization(arguments: Sequence[str]) -> int:
    """Fit recorded runs where `metrics` names them, else run the whole experiment in a folder."""
    from practicum.config import read_toml

    name = "overoptimization"
    recorded = _instrument(name, prints_its_own=False)
    options = _read_arguments(arguments)
    given = {"--" + word[2:].partition("=")[0].replace("-", "_") for word in options.settings}
    if "--metrics" in given or (options.config and "metrics" in read_toml(options.config)):
        return recorded(arguments)
    if alone := sorted(given & {"--gold", "--kl", "--per_token", "--form", "--report"}):
        raise InputError(f"{alone[0]} is about recorded runs: give them as --metrics FILE FILE ...")
    if options.help == "all":
        recorded(arguments)
        print("\nWithout --metrics the whole experiment, from rankings to curves, in a run's folder:\n")
    elif options.help:
        print(
            "--metrics FILE ... fits recorded runs (`practicum audit overoptimization --metrics x --help`)."
        )
        print("Without it the whole experiment, from rankings to curves, in a run's folder:\n")
    return _train(f"audit {name}", "practicum.audit.lab", "LabConfig", "lab", arguments, prints_its_own=True)


def _exploits(arguments: Sequence[str]) -> int:
    """With rankings search a reward model, judge or function for exploits; else fuzz a function by rows."""
    from practicum.config import read_toml

    options = _read_arguments(arguments)
    given = {word[2:].partition("=")[0].partition(".")[0] for word in options.settings}
    given |= set(read_toml(options.config)) if options.config else set()
    if "reward" in given and "preferences" not in given:
        return _fuzz(arguments)
    if "data" in given and not options.help:
        raise InputError(
            "--data has the rows for a function of yours, --preferences the rankings for reward models and "
            "judges: give --reward FILE.py:NAME --data FILE, or --preferences FILE"
        )
    if "preferences" not in given and not options.help:
        raise InputError(
            "nothing to audit: give --reward FILE.py:NAME --data FILE for a function of yours, or "
            "--preferences FILE, with --reward_model DIR or --reward, for what learned from rankings"
        )
    if options.help == "all":
        _fuzz(["--help", "all"])
        print("\nWith --preferences, reward models or a judge are searched on what people ranked:\n")
    elif options.help:
        print("--reward FILE.py:function --data FILE fuzzes a function of yours")
        print("(`practicum audit exploits --reward x --help`).")
        print("With --preferences FILE, reward models or a judge are searched on what people ranked:\n")
    return _instrument("exploits")(arguments)


_fuzz = partial(
    _compute, "audit exploits", "practicum.audit.fuzz.command", "Config", "audit", prints_its_own=True
)
OWN_WAYS = {"overoptimization": _overoptimization, "exploits": _exploits}
AUDIT: dict[str, Callable[[Sequence[str]], int]] = {
    word: OWN_WAYS[word] if word in OWN_WAYS else _instrument(word) for word in INSTRUMENTS
}
APPLY: dict[str, Callable[[Sequence[str]], int]] = {
    word: partial(_train, f"apply {word}", module, "Config", "run", prints_its_own=True, extra=EXTRA)
    for word, module in APPLICATIONS.items()
}
GROUPS = {"preferences": PREFERENCES, "audit": AUDIT, "apply": APPLY}


def _audit(arguments: Sequence[str]) -> int:
    """One instrument by its name, or, with settings at once, all of them on a policy and its reward."""
    if not arguments or not arguments[0].startswith("-"):
        return _group("audit", AUDIT, arguments)
    if _read_arguments(arguments).help:
        _group("audit", AUDIT, ["--help"])
        print()
    return _compute("audit", "practicum.audit.whole", "AuditConfig", "audit", arguments, prints_its_own=True)


def _compare(arguments: Sequence[str]) -> int:
    """Recipes are words of their own, and settings of rl and dpo hold for all of them."""
    from practicum.run.progress import never_silent

    with never_silent("loading PyTorch"):
        words = importlib.import_module("practicum.compare.arguments").translated(arguments)
    module = "practicum.compare.command"
    return _train("compare", module, "CompareConfig", "run", words, prints_its_own=True)


COMMANDS: dict[str, Command] = {
    "demo": Command(
        "all the stages below, one after another, and a table of what each one taught",
        partial(_train, "demo", "practicum.demo", "DemoConfig", "run", prints_its_own=True),
    ),
    "pretrain": _stage(
        "pretrain",
        "exposition: a new model reads the textbook",
        "practicum.training.pretrain",
        "PretrainConfig",
    ),
    "sft": _stage("sft", "worked problems: it imitates solutions", "practicum.training.sft", "SftConfig"),
    "rl": _stage("rl", "practice: it tries, a verifier judges", "practicum.training.rl", "RlConfig"),
    "dpo": _stage(
        "dpo",
        "preferences: it learns from pairs or labels directly, without a reward model",
        "practicum.training.dpo",
        "DpoConfig",
    ),
    "algorithms": Command(
        "the algorithms of rl and dpo: what each changes, needs and costs",
        partial(
            _compute,
            "algorithms",
            "practicum.training.algorithms.table",
            "AlgorithmsConfig",
            "table",
            prints_its_own=True,
        ),
    ),
    "compare": Command(
        "recipes side by side: each with every seed at one budget, and what is noise", _compare
    ),
    "verify": Command(
        "judge an answer to an equation, exactly",
        partial(_raw, "practicum.exact.command"),
    ),
    "eval": Command(
        "examination: accuracy, pass@k and behaviours of a model, with intervals",
        partial(_compute, "eval", "practicum.training.evaluate", "EvalConfig", "evaluate"),
    ),
    "sample": Command(
        "read what a model writes",
        partial(
            _compute,
            "sample",
            "practicum.training.sample_command",
            "SampleConfig",
            "sample",
            prints_its_own=True,
        ),
    ),
    "play": Command(
        "talk to a model, or be the policy yourself",
        partial(
            _compute, "play", "practicum.play.command", "PlayConfig", "play", prints_its_own=True, waits=True
        ),
    ),
    "export": Command(
        "a model as a Hugging Face folder or a GGUF file, adapters merged",
        partial(_compute, "export", "practicum.model.export", "ExportConfig", "export"),
    ),
    "reward-model": _stage(
        "reward-model",
        "human feedback: a model learns what people like",
        "practicum.training.reward_model",
        "RewardModelConfig",
    ),
    "rlhf": _stage(
        "rlhf",
        "the whole loop: sample, rank, reward model, PPO, again",
        "practicum.training.rlhf",
        "RlhfConfig",
    ),
    "collect": Command(
        "people rank responses in a browser",
        partial(
            _compute,
            "collect",
            "practicum.preferences.app.collect",
            "CollectConfig",
            "collect",
            extra="web",
            waits=True,
        ),
    ),
    "preferences": Command(
        "rankings in and out of the store, agreement, cost",
        partial(_group, "preferences", GROUPS["preferences"]),
    ),
    "rate": Command(
        "simulated raters work through a preference store",
        partial(_compute, "rate", "practicum.preferences.rate", "RateConfig", "rate"),
    ),
    "audit": Command(
        "how far a reward can be trusted: exploits, bias, distortion, budget",
        _audit,
    ),
    "apply": Command(
        "reinforcement learning outside of language, against the usual baselines",
        partial(_group, "apply", GROUPS["apply"]),
    ),
    "bench": Command(
        "speed against named rivals and the machine's limit", partial(_raw, "practicum.bench.command")
    ),
    "init": Command(
        "a recipe or an example that came with Practicum, to start from",
        partial(_raw, "practicum.starters"),
    ),
    "report": Command("one self-contained HTML page about a run", _report),
    "dashboard": Command("a live page over the runs: curves, samples, findings", _dashboard),
}
