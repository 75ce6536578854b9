"""One step of PPO: against our GRPO step, and against TRL's PPOTrainer in an environment that has one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from practicum.bench import models, practice
from practicum.bench.measure import Row, Side, alternate, rate_row
from practicum.bench.rivals import trl_ppo_child
from practicum.bench.settings import Bench, Ppo
from practicum.errors import InputError
from practicum.model.checkpoint import load_model
from practicum.model.heads import RewardHead
from practicum.reward.model import Calibration, save_reward_model

CHILD = Path(trl_ppo_child.__file__)


def rows(bench: Ppo, folder: Path) -> list[Row]:
    """A row on what the value head and its pass cost; two against TRL's PPOTrainer where it is given."""
    case = (practice.QUICK if bench.quick else practice.CASES)[0]
    place = practice.write_model(case, folder)
    found = [grpo_row(bench, case, place)]
    return found if bench.trl_python is None else [*found, *trl_rows(bench, bench.trl_python, case, place)]


def trl_text(case: practice.Case) -> str:
    """Our PPO as it is used, its values read off the policy."""
    return f"{case.text}, PPOTrainer"


def four_models_text(case: practice.Case) -> str:
    """Our PPO with the four models that PPOTrainer has."""
    return f"{case.text}, PPOTrainer, four models on both sides"


def grpo_row(bench: Bench, case: practice.Case, place: Path) -> Row:
    """Our PPO step against our GRPO step."""
    ppo, grpo = (practice.practice_work(place, case, algorithm) for algorithm in ("ppo", "group"))
    pairs = alternate(ppo, grpo, bench.pairs)
    ours, rival = (our_side(place, case, algorithm) for algorithm in ("ppo", "group"))
    return rate_row(case.text, "tokens/s", pairs, "practicum GRPO", None, bench.memory(ours, rival))


def trl_rows(bench: Bench, python: Path, case: practice.Case, place: Path) -> list[Row]:
    """Our PPO as it is used, and with a critic, a reward model and a reference of its own."""
    reward = write_reward_model(case, place.with_name(f"{place.name}-reward"))
    found = []
    with PpoTrainer(python, place, case, 2 * bench.pairs + 1, bench.threads) as trainer:
        for text, more in ((trl_text(case), ()), (four_models_text(case), (reward,))):
            ours = practice.practice_work(place, case, "ppo", *more)
            if more:
                ours()
            pairs = alternate(ours, trainer.step, bench.pairs, rival_is_warm=bool(more))
            memory, _ = bench.memory(our_side(place, case, "ppo", *more), None)
            peaks = (memory, None if memory is None else trainer.peaks[0])
            found.append(rate_row(text, "tokens/s", pairs, trainer.name, None, peaks))
    return found


def our_side(place: Path, case: practice.Case, algorithm: practice.Algorithm, *more: Path) -> Side:
    """How to measure our memory."""
    return Side(practice.practice_work, (place, case, algorithm, *more), (practice.__name__,))


def write_reward_model(case: practice.Case, folder: Path) -> Path:
    """A random reward model of the policy's size, whose vocabulary has the end of a sequence."""
    config = practice.case_config(case)
    words = replace(config, vocab_size=config.eos_token_id + 1, max_position_embeddings=512)
    _, tokenizer = load_model(folder.with_name(folder.name.removesuffix("-reward")))
    head = RewardHead(words.hidden_size, 1, seed=0)
    save_reward_model(models.random_decoder(words), tokenizer, head, Calibration((0.0,)), folder)
    return folder


class PpoTrainer:
    """TRL's PPOTrainer under another Python, in a process that makes one step each time it is asked to.

    Raises InputError when that Python has no PPOTrainer or the process ends too early; what it printed is on
    the terminal.
    """

    def __init__(self, python: Path, folder: Path, case: practice.Case, steps: int, threads: int) -> None:
        prompts = models.random_ids(practice.case_config(case), case.prompts, case.prompt_tokens, 1)
        rows = case.prompts * case.group
        self.python = python
        self.peaks: list[float] = []
        # Isolated: the modules beside the script, and ours, are not its own.
        command = [str(python), "-I", str(CHILD)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        order = {
            "folder": str(folder),
            "words": models.rivals_words(folder),
            "prompts": prompts.repeat_interleave(case.group, 0).tolist(),
            "new_tokens": case.new_tokens,
            "steps": steps,
            "threads": threads,
            "rollout_rows": rows,
            "update_rows": rows,
        }
        versions = self.ask(order)["versions"]
        self.name = (
            f"TRL {versions['trl']} PPOTrainer (transformers {versions['transformers']}), bfloat16, "
            "with value, reward and reference models"
        )

    def ask(self, order: Mapping[str, Any]) -> Any:
        """Send a line and wait for the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps(order), file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise InputError(
                f"--trl_python {self.python}: its process ended with {self.process.wait()} and no answer; "
                "expected the Python of an environment with trl 1.12.0 (docs/bench.md tells how to make it)"
            )
        return json.loads(answer)

    def step(self) -> float:
        """One step; the tokens it sampled."""
        answer = self.ask({"step": 1})
        self.peaks.append(answer["peak_mb"])
        return float(answer["tokens"])

    def __enter__(self) -> PpoTrainer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tell it that no more steps are wanted, and wait until it has gone."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
