"""A user's rows through whole commands: practice, imitation, examination, a reward model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.model.checkpoint import save_model
from practicum.model.sampling import DecodingSettings, SamplingConfig
from practicum.model.tokenizer import Chat, encode_prompts, set_chat, train_tokenizer
from practicum.tasks.table import load_table
from practicum.training import evaluate, reward_model, rl, sft
from practicum.training.evaluate import EvalConfig, examine
from practicum.training.loop import LoopConfig
from practicum.training.reward_model import RewardModelConfig
from practicum.training.rl import RlConfig
from practicum.training.sft import SftConfig
from practicum.types import Prompt, Score
from tests.tiny import tiny_decoder

TEMPLATE = (
    "{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }};{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
LOOP = LoopConfig(steps=2, checkpoint_every=2)


class Echoes:
    """Pays for the first letter of the answer, and keeps the prompts that it was asked about."""

    name = "echoes"

    def __init__(self) -> None:
        self.seen: list[Prompt] = []

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        self.seen += prompts
        right = [
            text[:1] == str(prompt.data["answer"])[:1] for prompt, text in zip(prompts, texts, strict=True)
        ]
        return [Score(float(one), one) for one in right]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = train_tokenizer(["what is it? yes or no"] * 3, 120)
    set_chat(tokenizer, Chat(TEMPLATE))
    folder = tmp_path_factory.mktemp("model")
    save_model(tiny_decoder(tokenizer, max_position_embeddings=128), tokenizer, folder)
    return folder


def lines(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


ROWS: list[dict[str, Any]] = [
    {"messages": [said("system", "brief"), said("user", f"is it {n}?")], "answer": "yn"[n % 2], "kind": n}
    for n in range(12)
]


def test_rows_are_practised_pass_after_pass_by_a_reward(model: Path, tmp_path: Path) -> None:
    rows = [*ROWS, {"messages": [said("user", "long " * 40)], "answer": "y"}]
    config = RlConfig(
        model=model,
        data=DataConfig(lines(tmp_path / "f.jsonl", rows)),
        prompts_per_step=6,
        group_size=2,
        sampling=SamplingConfig(max_new_tokens=4),
        loop=LOOP,
    )
    with pytest.raises(InputError, match=r"f\.jsonl: rows do not judge answers: give --reward"):
        rl.build(config)
    reward = Echoes()
    summary = rl.train(config, tmp_path / "run", parts=rl.build(config, reward=reward))
    assert summary["task"] == "f.jsonl"
    # Two steps of six prompts are one pass over the rows that fit, each asked twice.
    assert sorted(prompt.data["row"]["kind"] for prompt in reward.seen) == sorted([*range(12)] * 2)
    assert all(len(prompt.messages) == 2 for prompt in reward.seen)


def test_practice_asks_a_chat_as_its_template_writes_it(model: Path, tmp_path: Path) -> None:
    parts = rl.build(
        RlConfig(model=model, data=DataConfig(lines(tmp_path / "f.jsonl", ROWS))), reward=Echoes()
    )
    [prompt] = parts.task.prompts("train", 1, 0)
    [ids] = encode_prompts(parts.tokenizer, [prompt])
    asked = prompt.messages[1]["content"]
    assert parts.tokenizer.decode(ids) == f"[system]brief;[user]{asked};[assistant]"


def test_demonstrations_are_imitated(model: Path, tmp_path: Path) -> None:
    chats = [{"messages": [*row["messages"], said("assistant", row["answer"])]} for row in ROWS]
    config = SftConfig(
        model=model,
        data=DataConfig(lines(tmp_path / "f.jsonl", chats)),
        batch_demonstrations=6,
        loop=LOOP,
    )
    assert sft.train(config, tmp_path / "run")["step"] == 2
    shown = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert {row["completion"] for row in shown} <= {"y", "n"}
    with pytest.raises(InputError, match=r"p\.jsonl: no column to imitate among prompt"):
        sft.train(
            SftConfig(model=model, data=DataConfig(lines(tmp_path / "p.jsonl", [{"prompt": "x"}]))),
            tmp_path / "other",
        )
    assert not (tmp_path / "other").exists()


def test_an_examination_is_of_all_rows(model: Path, tmp_path: Path) -> None:
    data = DataConfig(lines(tmp_path / "f.jsonl", ROWS))
    config = EvalConfig(model=model, data=data, sampling=DecodingSettings(max_new_tokens=4))
    with pytest.raises(InputError, match=r"f\.jsonl: rows do not judge answers: give --reward"):
        evaluate.evaluate(config)
    task = load_table(data, "examination")
    task.judge = Echoes()
    parts = rl.build(RlConfig(model=model))
    result = examine(parts.policy, parts.tokenizer, task, config)
    assert (result["n"], result["judged"]) == (12, 12)


@pytest.mark.parametrize("form", ["implicit", "hh"])
def test_a_reward_model_learns_from_rows(
    model: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def row(number: int) -> dict[str, Any]:
        if form == "hh":
            text = f"\n\nHuman: is it {number}?\n\nAssistant: no\n\nHuman: sure?\n\nAssistant:"
            return {"chosen": f"{text} yes", "rejected": f"{text} no"}
        start = [said("user", f"is it {number}?"), said("assistant", "no"), said("user", "sure?")]
        return {"chosen": [*start, said("assistant", "yes")], "rejected": [*start, said("assistant", "no")]}

    tied = row(0) | {"rejected": row(0)["chosen"]}
    config = RewardModelConfig(
        model=model,
        data=DataConfig(lines(tmp_path / "f.jsonl", [*map(row, range(30)), tied])),
        held_out=0.2,
        epochs=1,
    )
    summary = reward_model.train(config, tmp_path / "run")
    assert summary["alike"]["pairs"] == 30
    assert "1 of 31 rows prefer nothing" in capsys.readouterr().err
    with pytest.raises(InputError, match="use --held_out"):
        RewardModelConfig(model=model, data=DataConfig(Path("f"), test_share=0.1))
