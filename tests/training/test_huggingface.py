"""The commands on a model of transformers: worked problems, practice, examination, sampling, resuming."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from practicum.cli import main
from tests.families import family_folder
from tests.training.test_resume import kill_after, rows, without_times

# The models of these tests run in PyTorch with and without kernels.
pytestmark = pytest.mark.one_way

COMMON = shlex.split("--loop.steps 4 --loop.checkpoint_every 2 --loop.threads 2 --seed 5 --dtype float32")
LESSONS = shlex.split("--batch_demonstrations 4 --textbook_passages 1")
SAMPLING = shlex.split("--sampling.max_new_tokens 8 --sampling.dtype float32")
PRACTICE = shlex.split("--control random --prompts_per_step 3 --group_size 4 --update.kl.weight 0.05")
STAGES = {
    "sft": ["sft", *LESSONS],
    "grpo with adapters": ["rl", *PRACTICE, *SAMPLING, "--lora.rank", "2"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return family_folder("gpt_neox", tmp_path_factory.mktemp("model"), max_position_embeddings=512)


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_run_continues_bit_for_bit(stage: str, model: Path, tmp_path: Path) -> None:
    arguments = [*STAGES[stage], *COMMON, "--model", str(model)]
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    assert main([*arguments, "--run", str(unbroken)]) == 0
    kill_after(arguments, broken, row=2, delay=0.01)
    assert not (broken / "summary.json").exists()
    assert main([*arguments, "--run", str(broken), "--resume"]) == 0
    one, other = (
        [without_times(row) for row in rows(folder / "metrics.jsonl")] for folder in (unbroken, broken)
    )
    assert one == other
    last = Path("checkpoints/step-000004")
    for path in sorted((unbroken / last).rglob("*.safetensors")):
        name = path.relative_to(unbroken)
        assert path.read_bytes() == (broken / name).read_bytes(), name
    AutoModelForCausalLM.from_pretrained(unbroken / last)


def test_a_model_is_examined_and_sampled_from(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(*words: str) -> dict[str, Any]:
        capsys.readouterr()
        assert main([*words, "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    run = tmp_path / "run"
    assert main(["sft", *LESSONS, *COMMON, "--model", str(model), "--run", str(run)]) == 0
    examined = answer("eval", "--model", str(run), "--count", "6", *SAMPLING)
    assert "ci95" in json.dumps(examined)
    drawn = answer("sample", "--model", str(run), "--prompt", "sum: x^2 = 4", "--count", "3", *SAMPLING)
    assert len(drawn["samples"]) == 3
