"""What short runs give, to the bit: recorded once, compared after the code has moved.
`python -m studies.golden --record FILE`, `python -m studies.golden --check FILE`.

Every run is a command line in a folder of its own, on one thread, with seeds fixed. Recorded are exit codes,
metrics, samples, summaries, what audits print, and hashes of weights and of the state of optimizers and value
heads. Bits hold on one kind of machine only: on another, --check refuses. Exit codes: 0 all is equal, 1
something differs, 2 bad input or another arithmetic.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from practicum.errors import InputError
from practicum.files import atomic_write

RENAMED: dict[str, str] = {}
"""Settings that have another name since the record, old flag -> new flag: {"--reward_model": "--reward"}."""

KNOWN: tuple[tuple[str, str], ...] = (
    # The default algorithm has a name of its own since `grpo` is the one of the paper.
    ("*", "summary.json algorithm"),
    ("*", "printed algorithm"),
)
"""Differences that are meant: (run, or * for all; beginning of place and name). They are still counted."""

# ------------------------------------------------------------------------------------------------- the runs

SHAPE = (
    "--model.hidden_size 32 --model.intermediate_size 64 --model.layers 2 --model.heads 2 "
    "--model.key_value_heads 1 --model.head_dim 16 --model.max_positions 320"
)
STAGE = "--dtype float32 --loop.threads 1 --json"
LOW = "--dtype bfloat16 --loop.threads 1 --json"
READ = f"--batch_rows 16 --sequence_length 64 {SHAPE}"
LEARN = "--batch_demonstrations 16 --textbook_passages 2 --optimizer.learning_rate 0.01"
LINEAR = "--task.name equations --task.equations.families.linear 1"
TRY = (
    "--prompts_per_step 4 --group_size 4 --samples_per_step 4 --sampling.max_new_tokens 60 "
    "--optimizer.learning_rate 0.002 --optimizer.warmup_steps 1 --loop.steps 4 --loop.checkpoint_every 2"
)
SOUND = f"--model sft-jokes --task.name jokes {TRY}"
GOLD = f"{SOUND} --task.jokes.reward gold"
FULL = f"--sampling.dtype float32 {STAGE}"
RANKED = "--preferences rlhf/preferences.sqlite --project round-1"
FIT = "--model sft-jokes --epochs 1 --batch_prompts 6 --held_out 0.25 --dtype float32 --threads 1 --json"
LIKED = f"{SOUND} --reward_model reward-model reward-model-seed-1 --algorithm ppo --update.minibatches 2"
PULL = "--update.kl.weight 0.1"
WATCHED = (
    f"{LIKED} {PULL} --optimizer.learning_rate 0.0007 --loop.steps 8 --loop.checkpoint_every 1 "
    "--guard.baseline 2 --guard.kl_budget 1.5"
)
LOOP = (
    "--model sft-jokes --rounds 2 --prompts 24 --responses 4 --overlap 2 --members 1 --examined 16 "
    "--people.raters 6 --reward_model.epochs 1 --reward_model.batch_prompts 6 --reward_model.dtype float32 "
    "--practice.prompts_per_step 4 --practice.group_size 4 "
    "--practice.sampling.max_new_tokens 60 --practice.sampling.dtype float32 --practice.dtype float32 "
    "--practice.loop.steps 3 --practice.loop.checkpoint_every 2 --practice.loop.threads 1 --json"
)
PLAIN = "--sampling.dtype float32 --sampling.max_new_tokens 60"
ASKED = "--preferences liked.jsonl"
BOTH = "--reward_model reward-model reward-model-seed-1"


@dataclass(frozen=True)
class Case:
    """One command; its files go to a folder of its name (`--run NAME`, or as its arguments say).

    `killed_at`: the process is killed as soon as this file is in the folder, and the run is resumed.
    """

    name: str
    command: str
    arguments: str
    killed_at: str = ""


def filling(name: str, command: str, arguments: str, killed_at: str = "") -> Case:
    """A command that fills a run's folder."""
    return Case(name, command, f"--run {name} {arguments}", killed_at)


CASES = (
    filling("pretrain-equations", "pretrain", f"--task.name equations {READ} --loop.steps 30 {STAGE}"),
    filling("pretrain-bfloat16", "pretrain", f"--task.name equations {READ} --loop.steps 4 {LOW}"),
    filling("pretrain-jokes", "pretrain", f"--task.name jokes {READ} --loop.steps 40 {STAGE}"),
    filling(
        "pretrain-killed",
        "pretrain",
        f"--task.name jokes {READ} --loop.steps 40 --loop.checkpoint_every 5 {STAGE}",
        "checkpoints/step-000005/trainer.json",
    ),
    filling("sft-equations", "sft", f"--model pretrain-equations {LINEAR} {LEARN} --loop.steps 60 {STAGE}"),
    filling("sft-jokes", "sft", f"--model pretrain-jokes --task.name jokes {LEARN} --loop.steps 200 {STAGE}"),
    filling(
        "sft-lora",
        "sft",
        "--model pretrain-jokes --task.name jokes --lora.rank 2 --optimizer.algorithm adamw "
        f"--batch_demonstrations 8 --loop.steps 5 {STAGE}",
    ),
    filling("grpo-jokes", "rl", f"{GOLD} {FULL}"),
    filling(
        "grpo-equations",
        "rl",
        f"--model sft-equations {LINEAR} {TRY} --group_size 8 --loop.allow_dead true {FULL}",
    ),
    filling("grpo-bfloat16", "rl", f"{GOLD} --sampling.dtype bfloat16 {LOW}"),
    filling(
        "grpo-kl-in-loss",
        "rl",
        f"{GOLD} {PULL} --update.kl.placement loss --update.kl.estimator k2 {FULL}",
    ),
    filling(
        "leave-one-out",
        "rl",
        f"{GOLD} --grpo.advantage leave_one_out --update.minibatches 2 --update.epochs 2 {FULL}",
    ),
    filling(
        "group-mean",
        "rl",
        f"{GOLD} --grpo.advantage group_mean --update.aggregation constant --update.entropy_weight 0.01 "
        f"--update.micro_batch_tokens 256 {FULL}",
    ),
    filling("top-p-top-k", "rl", f"{GOLD} {PULL} --sampling.top_p 0.9 --sampling.top_k 20 {FULL}"),
    filling("grpo-lora", "rl", f"{GOLD} {PULL} --lora.rank 2 {FULL}"),
    filling("control-random", "rl", f"--model sft-equations {LINEAR} {TRY} --control random {FULL}"),
    filling(
        "control-format", "rl", f"--model sft-equations {LINEAR} {TRY} --group_size 8 --control format {FULL}"
    ),
    filling("ppo-value-head", "rl", f"{GOLD} --algorithm ppo --ppo.gae_lambda 0.95 {FULL}"),
    filling("rl-killed", "rl", f"{GOLD} --algorithm ppo --loop.steps 24 {FULL}", "checkpoints/step-000004"),
    filling("rlhf", "rlhf", LOOP, "round-1/summary.json"),
    Case(
        "export",
        "preferences export",
        "--database rlhf/preferences.sqlite --project round-1 --output export/rankings.jsonl --json",
    ),
    Case(
        "export-pairs",
        "preferences export",
        "--database rlhf/preferences.sqlite --project round-1 --format trl "
        "--output export-pairs/pairs.jsonl --json",
    ),
    Case("agreement", "preferences stats", "--database rlhf/preferences.sqlite --project round-1 --json"),
    filling("reward-model", "reward-model", f"{RANKED} {FIT} --head_seed 0"),
    filling("reward-model-seed-1", "reward-model", f"{RANKED} {FIT} --seed 1 --head_seed 0"),
    filling(
        "reward-model-average",
        "reward-model",
        f"{RANKED} --average reward-model reward-model-seed-1 --held_out 0.25 --dtype float32 --threads 1 "
        "--json",
    ),
    filling(
        "reward-model-pairs",
        "reward-model",
        f"--preferences export-pairs/pairs.jsonl --batching pairs --margin 0.1 {FIT}",
    ),
    filling(
        "reward-model-heads",
        "reward-model",
        f"{RANKED} --objective plackett-luce --heads 2 --length_control regress --contrast_steps 2 {FIT}",
    ),
    filling(
        "reward-model-raters",
        "reward-model",
        f"{ASKED} --rater_weights reliability --weights.simulated-001 0.5 {FIT}",
    ),
    filling("reward-model-shuffled", "reward-model", f"{RANKED} --control shuffled-labels {FIT}"),
    filling("reward-model-length", "reward-model", f"{RANKED} --control length-only --lora.rank 2 {FIT}"),
    filling(
        "ppo-budgets-shares",
        "rl",
        f"{LIKED} {PULL} --reward.ensemble mean_minus_variance --reward.scale --reward.weights.task 0.5 "
        "--reward.weights.length -0.2 --reward.budgets.reward_model 0.1 --reward.shares.pun 0.3 "
        f"--guard.action off --ppo.whiten_rewards {FULL}",
    ),
    filling("ppo-critic", "rl", f"{LIKED} {PULL} --ppo.critic reward_model --reward.ensemble min {FULL}"),
    filling("kl-target", "rl", f"{LIKED} {PULL} --update.kl.target 0.5 --guard.action off {FULL}"),
    filling(
        "kl-target-held",
        "rl",
        f"{LIKED} {PULL} --update.kl.target 0.2 --update.kl.hold --guard.action off {FULL}",
    ),
    filling("guard-stop", "rl", f"{WATCHED} --guard.action stop {FULL}"),
    filling("guard-roll-back", "rl", f"{WATCHED} --guard.action roll_back {FULL}"),
    filling("guard-hold", "rl", f"{WATCHED} --guard.action hold {FULL}"),
    filling("guard-ask", "rl", f"{WATCHED} --guard.action ask {FULL}"),
    Case(
        "eval-equations",
        "eval",
        f"--model sft-equations {LINEAR} --count 24 --samples 4 --sampled_count 6 --threads 1 {PLAIN} --json",
    ),
    Case(
        "eval-jokes",
        "eval",
        f"--model grpo-jokes --task.name jokes --count 24 --threads 1 {PLAIN} --json",
    ),
    Case("sample", "sample", f"--model sft-equations --count 3 {PLAIN} --json"),
    Case("sample-chat", "sample", f"--model sft-jokes --chat on --prompt cats --count 3 {PLAIN} --json"),
    Case(
        "audit",
        "audit",
        f"{BOTH} --policy ppo-critic --reference sft-jokes --prompts 12 --queries 900 --threads 1 {PLAIN} "
        f"{ASKED} --report audit --json",
    ),
    Case(
        "audit-exploits",
        "audit exploits",
        f"{ASKED} {BOTH} --queries 800 --negatives audit-exploits/negatives.jsonl --json",
    ),
    Case("audit-exploits-linear", "audit exploits", f"{ASKED} --queries 800 --json"),
    Case(
        "audit-bias",
        "audit bias",
        f"{ASKED} {BOTH} --attribute words:why,walked --weights audit-bias/weights.toml --json",
    ),
    Case(
        "audit-bias-measured",
        "audit bias",
        f"{ASKED} --reference sft.jsonl --policy ppo.jsonl --attribute words:why,walked "
        "--reference_share 0.3 --report audit-bias-measured --json",
    ),
    Case("audit-distortion", "audit distortion", f"{ASKED} {BOTH} --report audit-distortion --json"),
    Case("audit-rank-table", "audit rank-table", f"{ASKED} {BOTH} --json"),
    Case(
        "audit-guard",
        "audit guard",
        "--metrics guard-hold/untrusted/metrics.jsonl --samples guard-hold/untrusted/samples.jsonl "
        "--guard.baseline 2 --guard.kl_budget 1.5 --json",
    ),
    Case(
        "audit-detectors",
        "audit detectors",
        "--clean kl-target kl-target-held --gamed ppo-budgets-shares --gold reward/task --false_alarms 0.5 "
        "--baseline 2 --thresholds audit-detectors/thresholds.toml --json",
    ),
    filling(
        "audit-overoptimization",
        "audit overoptimization",
        "--model sft-jokes --seeds 1 --rankings 24 --members 1 --steps 4 --checkpoint_every 1 --examined 24 "
        "--best_of 8 --best_of_prompts 4 --threads 1 --json",
    ),
    Case("audit-verifier", "audit verifier", "--key poisoned --prompts 8 --json"),
    Case("audit-budget", "audit budget", "--rankings 20 --batch 10 --prompts 12 --json"),
)

# --------------------------------------------------------------------------------------- what is left out

CLOCK = ("seconds", "per_second", "time", "started", "finished_at", "created", "date")
"""Endings of names that hang on the clock."""

RANDOM = ("id", "ranking_id")
"""Names of rankings, which every store draws anew from the system's randomness."""

PLACES = ("base_model_name_or_path",)
"""Names of absolute paths, which hold the folder that the runs were made in."""

FILES_LEFT_OUT = {
    "environment.json": "clock, path, machine and commit",
    "trainer.json": "byte counts of logs, which hold seconds; the metrics in it are compared as metrics",
    "config.toml": "settings, which may get new names: the runs are given as command lines",
    "preferences.sqlite": "clock; its rankings are compared as they are exported",
    "audit.html": "a page for people; its figures are in audit.json",
    ".lock": "process and clock",
}

STATE = ("heads.kl", "heads.budgets", "heads.prices")
"""Tensors that are no weights; their effect is in the metrics (kl_weight, budgets, prices)."""

LONG = 100
"""Texts above this many letters are recorded by their hash."""


def figures_of(folder: Path, output: str) -> dict[str, dict[str, dict[str, Any]]]:
    """All that a command printed and wrote, as {place: {step: {name: value}}}."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    if output.strip().startswith("{"):
        found["printed"] = {"-": dict(leaves(json.loads(output)))}
    elif output.strip():
        found["printed"] = {"-": {"text": digest(output)}}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in FILES_LEFT_OUT:
            found[path.relative_to(folder).as_posix()] = read(path)
    return found


def read(path: Path) -> dict[str, dict[str, Any]]:
    """What a file says, without what hangs on the clock."""
    if path.suffix == ".safetensors":
        tensors = load_file(path)
        kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(STATE)}
        return {"-": {name: tensor_digest(name, tensor) for name, tensor in sorted(kept.items())}}
    if path.suffix == ".jsonl":
        rows = read_rows(path)
        if path.name == "metrics.jsonl":
            return {str(row.get("step", index)): dict(leaves(row)) for index, row in enumerate(rows, 1)}
        return {f"row {index}": {"row": digest(dict(leaves(row)))} for index, row in enumerate(rows, 1)}
    if path.suffix == ".json" and path.name not in ("tokenizer.json", "tokenizer_config.json"):
        return {"-": dict(leaves(json.loads(path.read_text(encoding="utf-8"))))}
    return {"-": {"bytes": hashlib.sha256(path.read_bytes()).hexdigest()[:32]}}


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of every number and text in JSON, but what hangs on clock, chance or place."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not key.endswith(CLOCK):
                yield from leaves(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        yield f"{name}.length", len(value)
        for index, item in enumerate(value):
            yield from leaves(item, f"{name}.{index}")
    elif name not in (*RANDOM, *PLACES):
        yield name, digest(value) if isinstance(value, str) and len(value) > LONG else value


def digest(value: Any) -> str:
    """128 bits of the SHA-256 of a text, or of JSON."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def tensor_digest(name: str, tensor: torch.Tensor) -> str:
    """128 bits of the SHA-256 of a tensor's name, dtype, shape and bytes."""
    head = f"{name} {tensor.dtype} {list(tensor.shape)} ".encode()
    data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(head + data).hexdigest()[:32]


# ----------------------------------------------------------------------------------------------- running


def arithmetic() -> dict[str, Any]:
    """What the last bits hang on: instructions, libraries, compiler, and which kernels are on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    vector = sorted(flag for flag in flags if flag.startswith(("avx", "amx", "fma", "sse4")))
    compiler = next((found for name in ("c++", "g++", "clang++") if (found := shutil.which(name))), None)
    version = (
        subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
        if compiler
        else "none"
    )
    return {
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "vector instructions": " ".join(vector),
        "compiler": version.splitlines()[0],
        "kernels": compiler is not None and os.environ.get("PRACTICUM_NATIVE", "1") != "0",
        "bfloat16": os.environ.get("PRACTICUM_BFLOAT16", "1") != "0",
        **{name: metadata.version(name) for name in ("torch", "numpy", "scipy", "tokenizers")},
    }


def make_all(work: Path) -> dict[str, Any]:
    """Run every case in `work` and return what each gave."""
    results: dict[str, Any] = {}
    for case in CASES:
        started = time.perf_counter()
        code, output, errors = run(case, work)
        figures = figures_of(work / case.name, output)
        results[case.name] = {"exit": code, "figures": figures}
        count = sum(len(names) for steps in figures.values() for names in steps.values())
        last = f": {errors.strip().splitlines()[-1]}" if code and errors.strip() else ""
        print(
            f"{case.name}: exit {code}, {count} figures, {time.perf_counter() - started:.1f} s{last}",
            file=sys.stderr,
        )
        if case.name in AFTERWARDS:
            AFTERWARDS[case.name](work)
    return results


def write_liked(work: Path) -> None:
    """The exported rankings without flags: such a small model's jokes are all flagged as nonsense."""
    rows = read_rows(work / "export" / "rankings.jsonl")
    write_rows(work / "liked.jsonl", [{**row, "flags": []} for row in rows])


def write_texts(work: Path) -> None:
    """What a policy wrote in the first half of its run and in the second, for the audit of bias."""
    rows = read_rows(work / "ppo-critic" / "samples.jsonl")
    texts = [{key: row[key] for key in ("prompt", "completion")} for row in rows]
    write_rows(work / "sft.jsonl", texts[: len(texts) // 2])
    write_rows(work / "ppo.jsonl", texts[len(texts) // 2 :])


AFTERWARDS: dict[str, Callable[[Path], None]] = {"export": write_liked, "ppo-critic": write_texts}
"""Files made of what a case wrote, which later cases read."""


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file; none where a command failed to write it."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run(case: Case, work: Path) -> tuple[int, str, str]:
    """Run one command in `work`, killed and resumed where it says so: exit code, stdout and stderr."""
    arguments = [RENAMED.get(word, word) for word in case.arguments.split()]
    if "--run" not in arguments:
        (work / case.name).mkdir()
    command = [*case.command.split(), *arguments]
    if case.killed_at:
        kill_at(command, work, work / case.name / case.killed_at)
        command = [*case.command.split(), "--run", case.name, "--resume", "--json"]
    done = subprocess.run(practicum(command), cwd=work, env=environment(), capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def kill_at(command: Sequence[str], work: Path, path: Path) -> None:
    """Start a command and kill it as soon as `path` is there. Raises InputError where it ends before."""
    process = subprocess.Popen(
        practicum(command), cwd=work, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not path.exists() and process.poll() is None:
        time.sleep(0.002)
    ended = process.poll() is not None
    process.kill()
    process.wait()
    if ended:
        raise InputError(f"{' '.join(command)}: ended before it could be killed: give it more steps")


def practicum(command: Sequence[str]) -> list[str]:
    """The command line in this Python."""
    return [sys.executable, "-m", "practicum", *command]


def environment() -> dict[str, str]:
    """This process's environment with this source tree first, and one thread in every library."""
    root = str(Path(__file__).resolve().parents[1])
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**os.environ, **one, "PYTHONPATH": root}


# ---------------------------------------------------------------------------------------------- comparing


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """(run, place and name, step, before, after) of everything that is not equal."""
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = flat(before.get(name)), flat(after.get(name))
        for key in [*old, *(key for key in new if key not in old)]:
            first, second = (side.get(key, "nothing") for side in (old, new))
            if type(first) is not type(second) or first != second:
                yield name, key[0], key[1], json.dumps(first), json.dumps(second)


def flat(result: Mapping[str, Any] | None) -> dict[tuple[str, str], Any]:
    """One run's record as {(place and name, step): value}."""
    if result is None:
        return {}
    return {("exit", "-"): result["exit"]} | {
        (f"{place} {name}", step): value
        for place, steps in result["figures"].items()
        for step, names in steps.items()
        for name, value in names.items()
    }


def known(difference: Sequence[str]) -> bool:
    """Whether a difference is one of KNOWN."""
    return any(name in ("*", difference[0]) and difference[1].startswith(start) for name, start in KNOWN)


def check(path: Path, work: Path) -> int:
    """Make the runs again and print every difference. Raises InputError where the arithmetic is another."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); make it with --record {path}") from error
    here, there = arithmetic(), record["arithmetic"]
    other = [
        f"{name} {there.get(name)!r}, here {here[name]!r}" for name in here if here[name] != there.get(name)
    ]
    if other:
        raise InputError(
            f"{path} was recorded with other arithmetic, so bits cannot agree: {'; '.join(other)}"
        )
    found = list(differences(record["runs"], make_all(work)))
    unexpected = [one for one in found if not known(one)]
    for one in unexpected:
        print(" | ".join(one))
    count = sum(len(flat(result)) for result in record["runs"].values())
    print(
        f"{len(record['runs'])} runs, {count} figures: {len(unexpected)} differ"
        + (f", and {len(found) - len(unexpected)} that are known" if len(found) > len(unexpected) else "")
    )
    return 1 if unexpected else 0


def main(arguments: Sequence[str]) -> int:
    """Record or check: 0 equal, 1 different, 2 bad input."""
    description = str(__doc__).partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m studies.golden", description=description)
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--record", type=Path, metavar="FILE", help="run everything and write what it gave")
    way.add_argument("--check", type=Path, metavar="FILE", help="run everything again and print differences")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="an empty folder to run in, kept afterwards")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            work = options.keep.resolve() if options.keep else Path(temporary)
            work.mkdir(parents=True, exist_ok=True)
            if options.check:
                return check(options.check, work)
            record = {"arithmetic": arithmetic(), "runs": make_all(work)}
            options.record.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(options.record, json.dumps(record, indent=0, ensure_ascii=False) + "\n")
            return 0
    except InputError as error:
        print(f"studies.golden: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
