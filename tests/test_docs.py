"""What the documentation shows is true: commands run, output agrees, links lead somewhere."""

from __future__ import annotations

import importlib
import io
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from practicum import cli, demo
from practicum.config import load
from practicum.demo import DemoConfig
from practicum.tasks.equations.task import EquationsConfig
from practicum.tasks.registry import TaskConfig
from studies import cli_page, equations, humicroedit, jester, results

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "recipes").glob("*/README.md")),
]
WITH_COMMANDS = [page for page in PAGES if page.name != "cli.md"]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
HERE_DOCUMENT = re.compile(r"^cat > (\S+) <<'END'\n(.*?)^END$", re.MULTILINE | re.DOTALL)
"""A file that a page has its reader write."""
SHELL = ("", "sh", "bash", "shell", "console", "text")
QUICK = ("verify", "report", "preferences", "audit", "algorithms")
SMALL = {
    "apply overoptimization": "--agent.iterations=2 --agent.horizon=8 --seeds=1 --made_up.rows=1000",
    "apply ads": (
        "--seeds=1 --made_up.rows=1000 --made_up.items=4 --made_up.rate=0.1 --rival=none "
        "--agent.iterations=2 --agent.horizon=16 --session_agent.iterations=2 --session_agent.horizon=16"
    ),
    "apply agent": "--agent.iterations=2 --agent.horizon=16 --episodes=2 --seeds=1",
    "bench": "--quick --pairs=1",
    "reward-model": "--epochs=1 --held_out=0.4 --threads=1",
    "rlhf": (
        "--rounds=1 --prompts=40 --responses=8 --examined=4 --people.raters=4 --reward_model.epochs=1 "
        "--reward_model.held_out=0.4 --practice.prompts_per_step=4 --practice.group_size=2 "
        "--practice.sampling.max_new_tokens=80 --practice.loop.steps=2 --practice.loop.threads=1"
    ),
    "demo": (
        "--pretrain_steps=2 --sft_steps=2 --rl_steps=2 --examination_count=4 --sampled_count=2 --samples=2 "
        "--jokes_pretrain_steps=20 --jokes_sft_steps=20 --ranked_prompts=40 --rlhf_steps=2"
    ),
    "pretrain": (
        "--model.layers=1 --model.hidden_size=32 --model.intermediate_size=32 --model.heads=2 "
        "--model.key_value_heads=1 --model.head_dim=16 --batch_rows=2 --loop.steps=2 --loop.threads=1"
    ),
    "sft": "--batch_demonstrations=4 --loop.steps=2 --loop.threads=1",
    "rl": "--prompts_per_step=4 --group_size=2 --sampling.max_new_tokens=8 --loop.steps=2 --loop.threads=1",
    "dpo": "--held_out=0.3 --loop.steps=2 --loop.threads=1",
    "compare": (
        "--prompts_per_step=4 --group_size=2 --samples=16 --sampling.max_new_tokens=8 --loop.allow_dead "
        "--examination.count=6 --examination.samples=2 --examination.sampled_count=2 --jobs=1"
    ),
    "compare offline": (
        "--held_out=0.3 --loop.steps=2 --sampling.max_new_tokens=8 --examination.count=6 "
        "--examination.samples=0 --jobs=1"
    ),
    "eval": "--count=4 --sampled_count=2 --sampling.max_new_tokens=8 --threads=1",
    "sample": "--sampling.max_new_tokens=8",
    "play": "--sampling.max_new_tokens=8",
    "export": "",
    "dashboard": "--list",
    "apply cloud": (
        "--seeds=1 --trials=2 --agent.iterations=1 --data.generator.days=2 --data.episode_minutes=480 "
        "--forecaster.steps=20"
    ),
    "apply portfolio": "--seeds=1 --windows=1 --agent.iterations=1",
    "audit overoptimization": (
        "--model_steps=4 --seeds=1 --rankings=20 --members=1 --steps=8 --checkpoint_every=1 --examined=8 "
        "--best_of=8 --best_of_prompts=4 --threads=1"
    ),
}


@dataclass(frozen=True)
class Shown:
    """A command of a page, with the output shown below it (empty where none is)."""

    words: list[str]
    output: str


def shown_commands(text: str) -> Iterator[Shown]:
    """The commands in a page's code blocks: after `$ ` with their output, or lines that start with one."""
    for language, block in FENCE.findall(text):
        if language not in SHELL:
            continue
        if re.search(r"^\$ ", block, re.MULTILINE):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                line, _, output = part.partition("\n")
                yield Shown(shlex.split(line, comments=True), output)
            continue
        for line in block.splitlines():
            if re.match(r"(practicum|make|python|\.venv/bin/\w+) ", line):
                yield Shown(shlex.split(line.removeprefix(".venv/bin/"), comments=True), "")


def is_usage(words: list[str]) -> bool:
    """Whether a line shows a form with placeholders (RUN, [--json]) and not a command."""
    return any(re.fullmatch(r"\[?[A-Z_]{2,}\]?|\[.*|.*\]|\.\.\.", word) for word in words)


def test_commands_are_found_in_blocks() -> None:
    text = (
        "```console\n$ practicum verify 'a' 'b'  # judge\nwrong: c\n```\n"
        "```python\nmake x\n```\n```sh\nmake demo\n```\n"
    )
    assert list(shown_commands(text)) == [
        Shown(["practicum", "verify", "a", "b"], "wrong: c\n"),
        Shown(["make", "demo"], ""),
    ]
    assert is_usage(["practicum", "report", "RUN", "[RUN", "...]"])
    assert not is_usage(["practicum", "verify", "3 - (3+y)/y = y", "1, 3"])


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_run(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    untrained_model: Path,
    small_stages: Callable[[], AbstractContextManager[None]],
) -> None:
    for folder in ("recipes", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    # Whoever plays types nothing.
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    for name, content in HERE_DOCUMENT.findall(page.read_text(encoding="utf-8")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    for shown in shown_commands(page.read_text(encoding="utf-8")):
        program, *arguments = shown.words
        if program == "make":
            check_make(arguments)
        elif program == "python":
            check_study(arguments)
        elif program == "practicum" and is_usage(arguments):
            assert arguments[0] in cli.COMMANDS
        elif program == "practicum":
            # Models that a command makes on its way cannot be made small by flags.
            makes_models = arguments[0] == "demo" or arguments[:2] == ["audit", "overoptimization"]
            # The human half is the tests' of the demo itself.
            half = ["--no_human_feedback"] if arguments[0] == "demo" else []
            with small_stages() if makes_models else nullcontext():
                code = run_small([*arguments, *half], untrained_model)
            output = capsys.readouterr()
            # Judging a wrong answer, or a reward that should stop, is no failure of the command.
            assert code == 0 or (arguments[0], code) in (("verify", 1), ("audit", 3)), output.err
            if shown.output.strip():
                assert output.out.split() == shown.output.split()


def run_small(arguments: list[str], model: Path) -> int:
    """Run a command as shown, but small; a model that the page does not train is given."""
    name = " ".join(arguments[: 2 if arguments[0] == "apply" else 1])
    if arguments[:2] == ["audit", "overoptimization"] and "--run" in arguments:
        return cli.main([*arguments, *SMALL["audit overoptimization"].split()])
    if "--help" in arguments or name in QUICK:
        return cli.main(arguments)
    if name == "compare":
        # One seed of each recipe, every run being a process of its own.
        arguments = re.sub(r"(--seeds 0)( \d)+", r"\1", " ".join(arguments)).split()
    for flag in ("--model", "--run", "--data"):
        if flag in arguments:
            path = Path(arguments[arguments.index(flag) + 1])
            if flag == "--data" and not path.exists():
                write_rows(path)
            if flag == "--run" and "--resume" not in arguments:
                shutil.rmtree(path, ignore_errors=True)
            elif flag == "--model" and not path.exists():
                shutil.copytree(model, path)
    if "--plan" in arguments:
        return cli.main(arguments)
    small = SMALL.get(" ".join(arguments[:2])) or SMALL[name]
    return cli.main([*arguments, *small.split()])


def write_rows(path: Path) -> None:
    """A file as a reader has it: pairs, or questions with answers, in the format of its ending."""
    rows = [{"question": f"{n} + 1 =", "answer": f"{n + 1}"} for n in range(40)]
    if "pairs" in path.name:
        rows = [{"prompt": one["question"], "chosen": one["answer"], "rejected": "no"} for one in rows]
    if path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def check_study(arguments: list[str]) -> None:
    """The study exists and understands its settings; it is not run, since its data are elsewhere."""
    assert arguments[0] == "-m", arguments
    module = importlib.import_module(arguments[1])
    config = getattr(module, "StudyConfig", None) or module.ResultsConfig
    load(config, None, arguments[2:])


def check_make(arguments: list[str]) -> None:
    """The target exists, and so does every command it would run."""
    plan = subprocess.run(
        ["make", "--dry-run", "--always-make", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert plan.returncode == 0, plan.stderr


@pytest.mark.parametrize(
    ("module", "words"),
    [(equations, "--parts"), (results, "--run"), (jester, "--sets"), (humicroedit, "--pairs")],
)
def test_the_studies_explain_themselves(
    module: object, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert module.main(["--help"]) == 0  # type: ignore[attr-defined]
    assert words in capsys.readouterr().out
    assert module.main(["--run-s", "x"]) == 2  # type: ignore[attr-defined]
    assert "--run" in capsys.readouterr().err


def test_the_page_of_commands_is_current() -> None:
    assert cli_page.PAGE.read_text(encoding="utf-8") == cli_page.page(), "run `make docs-cli`"


def test_every_metric_of_every_stage_is_explained(
    tmp_path: Path, small_stages: Callable[[], AbstractContextManager[None]], small_demo: DemoConfig
) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([^`]+)` \| \S", page, re.MULTILINE))
    # This demo logs the most: a value head, and a reward with parts.
    config = replace(
        small_demo,
        algorithm="ppo",
        task=TaskConfig(equations=EquationsConfig(key="poisoned")),
        examination_count=4,
    )
    with small_stages():
        demo.run(config, tmp_path / "run")
    for stage in ("pretrain", "sft", "rl"):
        row = json.loads((tmp_path / "run" / stage / "metrics.jsonl").read_text().splitlines()[-1])
        for name in row:
            assert {name, f"{name.partition('/')[0]}/*"} & explained, (
                f"docs/metrics.md lacks {name} of {stage}"
            )


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    named = set(re.findall(r": (\S+\.md)$", navigation, re.MULTILINE))
    assert named == {page.name for page in (ROOT / "docs").glob("*.md")}


def test_the_places_in_the_paper_index_exist() -> None:
    page = (ROOT / "docs" / "paper_index.md").read_text(encoding="utf-8")
    for name, functions in re.findall(r"`([\w/]+\.py)(?:: ([\w, ]+))?`", page):
        found = [*(ROOT / "practicum").rglob(f"*{name}"), *ROOT.glob(name)]
        assert found, name
        source = "\n".join(path.read_text(encoding="utf-8") for path in found)
        for function in filter(None, functions.split(", ")):
            assert f"def {function}(" in source, f"{name}: {function}"


@pytest.mark.parametrize(
    "page",
    [
        *PAGES,
        ROOT / "mkdocs.yml",
        *sorted((ROOT / "studies").glob("*.py")),
        *sorted(ROOT.glob("examples/*.py")),
    ],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_pages_name_no_place_of_one_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for word in ("/home/", "/root/", "/work/", "/tmp/", "/opt/", "pypi.org", "index-url", "localhost"):
        assert word not in text, f"{page}: {word}"
