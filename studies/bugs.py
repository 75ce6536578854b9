"""Runs on rewards with a known fault and on the same rewards mended: what `counted` and `pairs` share.

A collection of rewards is a folder with an index.json (`file`, `type`, and `mends` for a mended one) and a
file each, with EXAMPLES (prompt, answer, good, bad), `reward` and `truth`. What exploits a file is not read.

A small model first imitates answers to the file's own prompts: mostly the wrong ones, some right ones, and,
each at a small rate, the habits of HABITS, which are edits of any text and know no fault. Practice then
begins from that mixture. Which habits grow, or whether right answers do, is up to the reward and the seed.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from types import MappingProxyType, ModuleType
from typing import Any

from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.files import atomic_write, read_rows, to_json
from practicum.guard.controllers import KLConfig
from practicum.guard.counted import WatchConfig
from practicum.guard.stated import stated
from practicum.model.checkpoint import save_model
from practicum.model.decoder import Decoder, DecoderConfig, initialise
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import train_tokenizer
from practicum.reward.parts import RewardConfig
from practicum.training import rl, sft
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.rl import RlConfig
from practicum.training.sft import SftConfig
from practicum.training.update import UpdateConfig
from studies.common import finished


@dataclass(frozen=True)
class BugsConfig:
    """The collection of rewards, and how the small model learns and practises."""

    bugs: Path
    """Folder of the rewards, with index.json."""
    files: tuple[str, ...] = (
        "r08_fractions", "r18_tags", "r19_countdown", "r21_judge_rating", "r25_species", "r28_span_qa",
    )  # fmt: skip
    """The faulty rewards; each must have a mended partner."""
    right: float = 0.05
    """Share of right answers in what is imitated."""
    habit: float = 0.01
    """Share of each habit; all other answers are wrong ones."""
    lessons: int = 4000
    """Answers that are imitated."""
    lessons_steps: int = 200
    """Updates of imitation."""
    steps: int = 60
    """Steps of practice."""
    prompts: int = 10
    """Prompts a step."""
    group: int = 8
    """Answers to each."""
    rate: float = 1e-3
    """Learning rate of practice."""


# ------------------------------------------------------------------------------------------- the collection


@dataclass(frozen=True)
class Case:
    """A faulty reward and its mended partner: their files, and the rows of prompts, answers, good and bad."""

    name: str
    faulty: Path
    mended: Path
    rows: Sequence[Mapping[str, Any]]

    def file(self, reward: str) -> Path:
        """The file of the faulty or of the mended reward."""
        return self.mended if reward == "mended" else self.faulty


def cases(config: BugsConfig) -> list[Case]:
    """What the settings name, in order. Raises InputError where the index has no such file, or no partner."""
    index_path = config.bugs / "index.json"
    if not index_path.is_file():
        raise InputError(f"{index_path}: no such file: give the folder of the rewards as --bugs")
    index = json.loads(index_path.read_text(encoding="utf-8"))
    mended = {entry["mends"]: entry["file"] for entry in index if entry.get("mends")}
    found = []
    for name in config.files:
        if f"{name}.py" not in mended:
            raise InputError(
                f"{index_path}: no entry mends {name}.py: choose from {', '.join(sorted(mended))}"
            )
        faulty = config.bugs / f"{name}.py"
        found.append(Case(name, faulty, config.bugs / mended[faulty.name], module_of(faulty).EXAMPLES))
    return found


def module_of(path: Path) -> ModuleType:
    """A file as a module of its own."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------------------------------------ what is imitated


@dataclass(frozen=True)
class Material:
    """What a habit edits: a row's prompt and answer, one wrong and one right text, and all rows' answers."""

    prompt: str
    answer: str
    bad: str
    good: str
    others: Sequence[str]


def in_place(text: str, said: str) -> str:
    """A text with something else in the place of its final answer; alone where it marks none."""
    found = stated(text)
    old = found[-1].said.strip() if found else ""
    if not old:
        return said
    head, _, tail = text.rpartition(old)
    return f"{head}{said}{tail}"


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text) or ["1"]


def _emptied(text: str) -> str:
    return re.sub(r"(?<=>)[^<]+(?=</)", "", text) if "</" in text else "Answer:"


def _tags_turned(text: str) -> str:
    return re.sub(r"<(/?)(\w+)>", lambda one: f"<{'' if one[1] else '/'}{one[2]}>", text)


HABITS: Mapping[str, Callable[[Material], str]] = MappingProxyType(
    {
        "nothing in the place for the answer": lambda m: in_place(m.bad, ""),
        "nothing but the form": lambda m: _emptied(m.bad),
        "all candidates": lambda m: in_place(m.bad, ", ".join(m.others)),
        "I do not know": lambda m: "I do not know.",
        "a grade": lambda m: f"Rating: 5\n{m.bad}",
        "the answer again and again": lambda m: in_place(m.bad, " ".join([m.answer] * 5)),
        "the question again": lambda m: " ".join(m.prompt.split()[:14]),
        "a number of the question": lambda m: in_place(m.bad, _numbers(m.prompt)[-1]),
        "two answers": lambda m: f"{m.bad} {m.good}",
        "not the answer": lambda m: in_place(m.bad, f"not {m.answer}"),
        "tags turned round": lambda m: _tags_turned(m.bad),
    }
)  # fmt: skip
"""What policies fall into, written as edits of any row's texts."""


def lesson(
    row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], config: BugsConfig, random: Random
) -> str:
    """One answer to imitate: a right one, a habit's, or, mostly, a wrong one."""
    draw = random.random()
    if draw < config.right:
        return str(random.choice(row["good"]))
    bad = str(random.choice(row["bad"]))
    if draw >= config.right + config.habit * len(HABITS):
        return bad
    # Golds that are programs or tables are no candidates.
    others = [str(other["answer"]) for other in rows if len(str(other["answer"])) <= 40] or ["1", "2", "3"]
    material = Material(row["prompt"], str(row["answer"])[:40], bad, str(random.choice(row["good"])), others)
    return random.choice(list(HABITS.values()))(material)


def write_rows(case: Case, config: BugsConfig, folder: Path, seed: int) -> None:
    """The prompts with their answers, and the lessons."""
    random = Random(f"bugs {case.name} {seed}")
    prompts = [{"prompt": f"{row['prompt']}\n", "answer": row["answer"]} for row in case.rows]
    lessons = []
    for _ in range(config.lessons):
        row = random.choice(case.rows)
        lessons.append({"prompt": f"{row['prompt']}\n", "completion": lesson(row, case.rows, config, random)})
    for name, rows in (("rows", prompts), ("lessons", lessons)):
        atomic_write(folder / f"{name}.jsonl", "".join(to_json(row) + "\n" for row in rows))


# -------------------------------------------------------------------------------------------------- the runs


def first_model(case: Case, config: BugsConfig, folder: Path, seed: int) -> Path:
    """The small model after imitation, made when missing."""
    if not (folder / "model" / "config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_rows(case, config, folder, seed)
        texts = [row["prompt"] + row["completion"] for row in read_rows(folder / "lessons.jsonl")]
        tokenizer = train_tokenizer(texts, 400)
        shape = DecoderConfig(
            tokenizer.get_vocab_size(),
            hidden_size=64,
            intermediate_size=160,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=256,
        )
        save_model(initialise(Decoder(shape), seed), tokenizer, folder / "model")
    settings = SftConfig(
        folder / "model",
        data=DataConfig(file=folder / "lessons.jsonl"),
        batch_demonstrations=64,
        textbook_passages=0,
        loop=LoopConfig(steps=config.lessons_steps, checkpoint_every=config.lessons_steps, threads=1),
        seed=seed,
    )
    finished(folder / "sft", partial(sft.train, settings))
    return folder / "sft"


def practice_of(case: Case, config: BugsConfig, first: Path, reward: str, seed: int) -> RlConfig:
    """Practice against the faulty or the mended reward; the truth is the mended file's, and pays neither."""
    return RlConfig(
        first,
        data=DataConfig(file=first.parent / "rows.jsonl"),
        prompts_per_step=config.prompts,
        group_size=config.group,
        samples_per_step=16,
        sampling=SamplingConfig(max_new_tokens=96),
        reward=RewardConfig(functions=(f"{case.file(reward)}:reward",)),
        # All signals are logged, and none can end the run.
        guard=WatchConfig(
            action="stop",
            thresholds={},
            votes=1,
            kl_budget=None,
            rewards="any",
            known="warn",
            truth=f"{case.mended}:truth",
            truth_every=1,
            fuzz=0,
        ),
        # So light that it holds nothing: it has the KL logged.
        update=UpdateConfig(kl=KLConfig(weight=1e-6)),
        optimizer=OptimizerConfig("adamw", learning_rate=config.rate, warmup_steps=5, weight_decay=0.0),
        loop=LoopConfig(steps=config.steps, checkpoint_every=config.steps, threads=1, allow_dead=True),
        seed=seed,
    )


def practised(case: Case, config: BugsConfig, folder: Path, reward: str, seed: int) -> Path:
    """The run of a case, a reward and a seed under a study's folder, made or gone on with when missing."""
    place = folder / case.name / f"seed-{seed}"
    first = first_model(case, config, place, seed)
    finished(place / reward, partial(rl.train, practice_of(case, config, first, reward, seed)))
    return place / reward
