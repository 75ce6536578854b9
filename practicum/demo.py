"""The whole curriculum on one machine: exposition, worked problems, practice, human feedback, audit.

The stages run with their own defaults, so `practicum pretrain`, `sft` and `rl` repeat any of them alone.
Every stage has a run folder of its own inside the demo's; a demo that is killed continues with --resume.

    RUN/pretrain, sft, rl             a model learns to solve equations, judged by the exact verifier
    RUN/jokes/pretrain, sft           another learns to tell jokes, which no verifier can judge
    RUN/rlhf                          simulated people rank its jokes; a reward model and PPO follow
    RUN/audit                         what that reward model is worth, as audit.html and audit.json
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from practicum.audit import whole
from practicum.config import load
from practicum.exact.verifier import verify
from practicum.files import atomic_write, read_json, to_json
from practicum.model.device import chosen_device, described
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.play.speaker import Speaker
from practicum.play.talk import solve
from practicum.ranges import MOST_HELD, Common, Count, CountOrNone, PositiveInt, Range, Ranged, Seed
from practicum.reward.controls import Control
from practicum.run.environment import energy_counter
from practicum.run.folder import Run
from practicum.run.progress import doing
from practicum.tasks.registry import TaskConfig, find_task
from practicum.tasks.task import Reads
from practicum.training import pretrain, rl, rlhf, sft
from practicum.training.evaluate import EvalConfig, evaluate

SHOWN_BEHAVIOURS = ("domain_check", "factoring", "verification")
CONTRAST_STEPS = 150
"""Updates in which the reward model learns to tell an answer from a spoiled one, before people's rankings."""
SEED_EQUATION, CLAIMED_ANSWER = "3 - (3+y)/y = y", "1, 3"

AGAIN = "remove it to have it made again"


@dataclass(frozen=True, kw_only=True)
class DemoSettings(Ranged):
    """The whole curriculum, whoever decides on the seed."""

    before: ClassVar[Mapping[str, Any]] = {"human_feedback": False}

    pretrain_steps: Common[PositiveInt] = pretrain.PretrainConfig().loop.steps
    """Updates of exposition."""
    sft_steps: Common[PositiveInt] = sft.SftConfig(Path()).loop.steps
    """Updates on worked problems."""
    rl_steps: Common[PositiveInt] = rl.RlConfig(Path()).loop.steps
    """Iterations of practice."""
    algorithm: Common[Literal["group", "grpo", "ppo"]] = "group"
    """How practice assigns credit."""
    control: Common[Control] = "none"
    """Practise on a null reward instead, to see what the true one is worth."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task; every stage and every examination uses it."""
    examination_count: Common[Count] = 1000
    """Held-out problems of each examination: so many of the whole mix, and so many of the seed family."""
    human_feedback: Common[bool] = True
    """Go on to jokes, simulated people's rankings, PPO against a model of them, and the audit of that."""
    jokes_pretrain_steps: Common[PositiveInt] = 300
    """Updates of exposition on jokes."""
    jokes_sft_steps: Common[PositiveInt] = 300
    """Updates on jokes told by people."""
    ranked_prompts: Common[Annotated[int, Range(at_least=2, at_most=MOST_HELD)]] = 400
    """Prompts whose answers are ranked, five to each."""
    rlhf_steps: Common[PositiveInt] = 60
    """Iterations of PPO against the model of people's rankings."""
    sampled_count: Count = 200
    """Problems of the pass@k estimate."""
    samples: Common[CountOrNone] = 16
    """Completions a problem for pass@k."""


@dataclass(frozen=True)
class DemoConfig(DemoSettings):
    """The whole curriculum on equations, in minutes.

    practicum demo --run runs/demo
    practicum demo --no_human_feedback --algorithm ppo
    """

    device: Common[str] = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
    seed: Common[Seed] = 0
    """Fixes everything."""


def run(config: DemoConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """Run or continue the curriculum, write summary.json and report.html, and return the summary."""
    from practicum.report.page import write

    device = described(chosen_device(config.device))
    folder = Run.open(run_path, config, "demo", resume=resume, device=device)
    before = energy_counter()
    stages = [
        _stage(run_path, name, train, config)
        for name, train in (("pretrain", _pretrain), ("sft", _sft), ("rl", _rl))
    ]
    feedback: dict[str, Any] = {}
    if config.human_feedback:
        row, feedback = human_feedback(config, run_path)
        stages.append(row)
    verdict = verify(SEED_EQUATION, CLAIMED_ANSWER)
    summary = {
        "seconds": sum(stage["seconds"] for stage in stages),
        "stages": stages,
        "seed_equation": {
            "equation": SEED_EQUATION,
            "claimed": CLAIMED_ANSWER,
            "verdict": verdict.verdict,
            "reason": verdict.reason,
        },
        "seed": config.seed,
        "algorithm": config.algorithm,
        "control": config.control,
        **feedback,
    }
    after = energy_counter()
    if before is not None and after is not None and after > before and not resume:
        summary["energy_joules"] = after - before
    folder.finish(summary)
    summary["report"] = str(write(run_path))
    print_table(summary)
    if sys.stdin.isatty() and sys.stdout.isatty() and sys.stdout is sys.__stdout__:
        try_it(config, run_path)
    return summary


def try_it(config: DemoConfig, run_path: Path) -> None:
    """Let a person ask the model that has practised, until they press Enter."""
    policy, tokenizer = load_policy(run_path / "rl", chosen_device(config.device))
    speaker = Speaker.of(policy, tokenizer, SamplingConfig(temperature=0.0), config.seed)
    task = find_task(config.task)
    if callable(getattr(task, Reads.read.__name__, None)):
        print("\nYour turn: what should it solve? (Enter ends)")
        with doing(""):
            solve(speaker, task, task, f"{task.name}> ")


def _stage(
    run_path: Path, name: str, train: Callable[[DemoConfig, Path, bool], dict[str, Any]], config: DemoConfig
) -> dict[str, Any]:
    """Train and examine one stage, or read what it already reached; `seconds` counts both."""
    folder = run_path / name
    result = folder / "examination.json"
    if not result.exists():
        trained = train(config, folder, (folder / "config.toml").exists())
        started = time.perf_counter()
        whole, family = examine(config, folder)
        seconds = trained["total_seconds"] + time.perf_counter() - started
        atomic_write(
            result,
            to_json({"training": trained, "whole": whole, "family": family, "seconds": seconds}) + "\n",
        )
    stored = read_json(result, AGAIN)
    whole, family = stored["whole"], stored["family"]
    return {
        "name": name,
        "accuracy": whole["accuracy"],
        "n": whole["n"],
        "ci95": whole["ci95"],
        "reward": whole.get("reward"),
        "iterations": stored["training"]["step"],
        "seconds": stored["seconds"],
        "behaviours": {behaviour: found["share"] for behaviour, found in whole["behaviours"].items()},
        "behaviours_ci95": {behaviour: found["ci95"] for behaviour, found in whole["behaviours"].items()},
        "family_accuracy": family["accuracy"],
        "family_ci95": family["ci95"],
        "pass_at_k": {k: share for k, share in whole.get("sampled", {}).items() if k.startswith("pass@")},
        "pass_at_k_ci95": whole.get("sampled", {}).get("ci95", {}),
        "problems": whole["distinct_problems"],
        "tokens": stored["training"]["total_tokens"],
    }


def examine(config: DemoConfig, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The examinations of a stage: the whole mix of the task, and the family a - (b+x)/x = x alone."""
    whole = EvalConfig(
        model=folder,
        task=config.task,
        count=config.examination_count,
        samples=config.samples,
        sampled_count=config.sampled_count,
        device=config.device,
    )
    only = replace(config.task.equations, families={"rational": 1.0})
    family = replace(whole, task=replace(config.task, equations=only), samples=0)
    return evaluate(whole), evaluate(family)


def _pretrain(config: DemoConfig, folder: Path, resume: bool) -> dict[str, Any]:
    stage = pretrain.PretrainConfig(task=config.task, device=config.device, seed=config.seed)
    return pretrain.train(_with_steps(stage, config.pretrain_steps), folder, resume=resume)


def _sft(config: DemoConfig, folder: Path, resume: bool) -> dict[str, Any]:
    stage = sft.SftConfig(
        model=folder.parent / "pretrain", task=config.task, device=config.device, seed=config.seed
    )
    return sft.train(_with_steps(stage, config.sft_steps), folder, resume=resume)


def _rl(config: DemoConfig, folder: Path, resume: bool) -> dict[str, Any]:
    stage = rl.RlConfig(
        model=folder.parent / "sft",
        task=config.task,
        device=config.device,
        seed=config.seed,
        algorithm=config.algorithm,
        control=config.control,
    )
    stage = _begun(rl.RlConfig, folder) if resume else _with_steps(stage, config.rl_steps)
    return rl.train(stage, folder, resume=resume)


def _begun(config_class: type[Any], folder: Path) -> Any:
    """The settings that a stage was begun with, which an earlier version may have written out otherwise."""
    return load(config_class, folder / "config.toml")


def _with_steps(stage: Any, steps: int) -> Any:
    return replace(stage, loop=replace(stage.loop, steps=steps))


# ------------------------------------------------------------------------ human feedback, and its audit


def human_feedback(config: DemoConfig, run_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Teach jokes, go once round the loop of human feedback, audit; (row of the stage, `human_feedback`)."""
    result = run_path / "rlhf" / "demo.json"
    if not result.exists():
        seconds = {}
        for name, step in (("learn", _learn_jokes), ("rlhf", _rlhf), ("audit", _audit)):
            started = time.perf_counter()
            step(config, run_path)
            seconds[name] = time.perf_counter() - started
        atomic_write(result, to_json(seconds) + "\n")
    seconds = read_json(result, AGAIN)
    loop = read_json(run_path / "rlhf" / "summary.json", AGAIN)
    audited = read_json(run_path / "audit" / "audit.json", AGAIN)
    return _rlhf_row(config, loop, sum(seconds.values())), {"human_feedback": _feedback(loop, audited)}


def _learn_jokes(config: DemoConfig, run_path: Path) -> None:
    task, folder = TaskConfig("jokes"), run_path / "jokes"
    reading = pretrain.PretrainConfig(task=task, device=config.device, seed=config.seed)
    reading = _with_steps(reading, config.jokes_pretrain_steps)
    _finished(folder / "pretrain", partial(pretrain.train, reading, folder / "pretrain"))
    imitating = sft.SftConfig(model=folder / "pretrain", task=task, device=config.device, seed=config.seed)
    imitating = _with_steps(imitating, config.jokes_sft_steps)
    _finished(folder / "sft", partial(sft.train, imitating, folder / "sft"))


def _rlhf(config: DemoConfig, run_path: Path) -> None:
    loop = rlhf.RlhfConfig(
        model=run_path / "jokes" / "sft",
        reward_start=run_path / "jokes" / "pretrain",
        rounds=1,
        prompts=config.ranked_prompts,
        overlap=2,
        device=config.device,
        seed=config.seed,
    )
    fitted = replace(loop.reward_model, contrast_steps=CONTRAST_STEPS, epochs=3)
    loop = replace(loop, practice=_with_steps(loop.practice, config.rlhf_steps), reward_model=fitted)
    if (run_path / "rlhf" / "config.toml").exists():
        loop = _begun(rlhf.RlhfConfig, run_path / "rlhf")
    _finished(run_path / "rlhf", partial(rlhf.train, loop, run_path / "rlhf"))


def _audit(config: DemoConfig, run_path: Path) -> None:
    settings = whole.AuditConfig(
        reward_model=(run_path / "rlhf" / "round-1" / "reward-model-1",),
        policy=run_path / "rlhf" / "round-1" / "practice",
        reference=run_path / "jokes" / "sft",
        report=run_path / "audit",
        device=config.device,
        seed=config.seed,
    )
    # The audit tells its findings one by one; the demo's own table comes at the end.
    with redirect_stdout(sys.stderr):
        whole.audit(settings)


def _finished(folder: Path, train: Callable[..., Any]) -> None:
    """Run a stage in its folder, continue it when it was begun, or leave it when it is done."""
    if not (folder / "summary.json").exists():
        train(resume=(folder / "config.toml").exists())


def _rlhf_row(config: DemoConfig, loop: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The stage as a row of `stages`: accuracy is the share of well-formed jokes about what was asked for."""
    after = loop["after"]
    return {
        "name": "rlhf",
        "accuracy": after["correct"],
        "n": int(after["examined"]),
        "ci95": [after["correct_low"], after["correct_high"]],
        "iterations": config.rlhf_steps,
        "seconds": seconds,
        # Jokes have no steps to check, so none of an equation's behaviours is shown.
        "behaviours": dict.fromkeys(SHOWN_BEHAVIOURS, 0.0),
    }


def _feedback(loop: dict[str, Any], audited: dict[str, Any]) -> dict[str, Any]:
    """What people's rankings cost and bought, and what the audit says, for summary.json."""
    before, after = loop["before"], loop["after"]
    return {
        "ratings": loop["ratings"],
        "dollars": loop["dollars"],
        "reward_model": loop["rounds"][0]["reward_models"][0],
        "guard": loop["rounds"][0]["guard"],
        "proxy": [before["proxy"], after["proxy"]],
        "gold": [before["gold"], after["gold"]],
        "correct": [before["correct"], after["correct"]],
        "puns": [before.get("style/pun", 0.0), after.get("style/pun", 0.0)],
        "kl_completion": after["kl"],
        "audit": {
            name: {"verdict": found["verdict"], "sentence": found["sentence"]}
            for name, found in audited.items()
            if isinstance(found, dict)
        },
        "audit_report": "audit/audit.html",
    }


def print_table(summary: dict[str, Any]) -> None:
    """The table of stages, to the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="What each stage taught")
    sampled = list(summary["stages"][0]["pass_at_k"])
    ends = dict.fromkeys([*sampled[:1], *sampled[-1:]])
    for heading in ("stage", "steps", "seconds", "accuracy", "95% interval", "a-(b+x)/x=x", *ends):
        table.add_column(heading, justify="left" if heading == "stage" else "right", no_wrap=True)
    names = [name for name in SHOWN_BEHAVIOURS if name in summary["stages"][0]["behaviours"]]
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for stage in (stage for stage in summary["stages"] if stage["name"] != "rlhf"):
        table.add_row(
            stage["name"],
            str(stage["iterations"]),
            f"{stage['seconds']:.0f}",
            *_reached(stage),
            _percent(stage["family_accuracy"]),
            *(_percent(stage["pass_at_k"][name]) for name in ends),
            *(f"{stage['behaviours'][name]:.0%}" for name in names),
        )
    Console(width=150).print(table)
    if "human_feedback" in summary:
        print(feedback_text(summary["human_feedback"], summary["stages"][-1]))
    seed = summary["seed_equation"]
    print(f"{seed['equation']}   claimed {seed['claimed']}: {seed['verdict']} ({seed['reason']})")
    print(f"report: {summary['report']}")


def _reached(stage: dict[str, Any]) -> tuple[str, str]:
    """Accuracy and its interval; the mean reward's where the task does not say what is solved."""
    if stage["accuracy"] is not None:
        low, high = stage["ci95"]
        return _percent(stage["accuracy"]), f"{low:.1%} - {high:.1%}"
    mean, bounds = stage["reward"]["mean"], stage["reward"]["ci95"]
    return f"reward {mean:.3g}", f"{bounds[0]:.3g} - {bounds[1]:.3g}" if bounds else "none"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"


def feedback_text(feedback: dict[str, Any], stage: dict[str, Any]) -> str:
    """What human feedback did to the jokes, in a few lines."""
    model = feedback["reward_model"]
    ceiling = model["ceiling"]
    own = f"is {ceiling['accuracy']:.1%}" if ceiling["accuracy"] is not None else "is not known: "
    if ceiling["accuracy"] is None:
        own += f"between {ceiling['low']:.1%} and {ceiling['high']:.1%}"
    lines = [
        f"human feedback on jokes ({stage['iterations']} iterations, {stage['seconds']:.0f} s): "
        f"{feedback['ratings']:,} ratings by simulated people, ${feedback['dollars']:,.2f}",
        f"  reward model: {model['accuracy']:.1%} of held-out pairs, people's own ceiling {own}",
        f"  reward by the model {_change(feedback['proxy'])}, people's utility {_change(feedback['gold'])}",
        f"  well-formed {_percents(feedback['correct'])}, puns {_percents(feedback['puns'])}, "
        f"KL {feedback['kl_completion']:.1f} nats a joke",
        *(f"  audit, {name}: {found['sentence']}" for name, found in feedback["audit"].items()),
    ]
    return "\n".join(lines)


def _change(pair: Sequence[float]) -> str:
    return f"{pair[0]:+.2f} -> {pair[1]:+.2f}"


def _percents(pair: Sequence[float | None]) -> str:
    return " -> ".join("none" if share is None else f"{share:.0%}" for share in pair)
