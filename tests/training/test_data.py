"""A user's rows through whole commands: practice, imitation, examination, a reward model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.cli import main
from practicum.config import load
from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.model.checkpoint import save_model
from practicum.model.policy import load_policy
from practicum.model.sampling import DecodingSettings, SamplingConfig
from practicum.model.tokenizer import Chat, encode_prompts, set_chat, train_tokenizer
from practicum.preferences.rankings import Judged, by_prompt
from practicum.reward.parts import RewardConfig
from practicum.tasks.table import load_table
from practicum.training import dpo, evaluate, reward_model, rl, sft
from practicum.training.dpo import DpoConfig
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
    weighted = replace(config, reward_model=(tmp_path,), reward=RewardConfig({"task": 1.0}))
    with pytest.raises(
        InputError, match=r"reward\.weights\.task: f\.jsonl holds rows, which judge no answer"
    ):
        rl.build(weighted)
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
    with pytest.raises(InputError, match=r"use --data\.test_share"):
        RewardModelConfig(model=model, data=DataConfig(Path("f"), validation_share=0.1))


def pair(number: int) -> dict[str, str]:
    return {"prompt": f"is it {number}?", "chosen": "yes", "rejected": "no"}


def asked_of(items: Sequence[Judged]) -> set[str]:
    return {item.prompt.text for item in items}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.sampled_from([0.1, 0.25, 0.5]), count=st.integers(60, 90))
def test_a_share_of_pairs_is_held_out_as_a_policys_test_prompts_are(
    model: Path, tmp_path: Path, share: float, count: int
) -> None:
    path = lines(tmp_path / f"{count}.jsonl", [pair(number) for number in range(count)])
    config = load(
        RewardModelConfig, None, [f"--model={model}", f"--data={path}", f"--data.test_share={share}"]
    )
    rankings, examined = reward_model.rankings_of(config)
    assert not examined
    learned, held_out, _ = reward_model.divided(by_prompt(rankings), *load_policy(model), config)
    task = load_table(config.data, "practice")
    assert asked_of(held_out) == {record.prompt.text for record in task.splits["test"]}
    assert asked_of(learned) == {record.prompt.text for record in task.splits["train"]}


@pytest.mark.parametrize("named", ["file", "folder", "validation"])
def test_a_test_split_of_pairs_is_examined_and_never_learned_from(
    model: Path, tmp_path: Path, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pairs"
    folder.mkdir()
    other = "validation" if named == "validation" else "test"
    train = lines(folder / "train.jsonl", [pair(number) for number in range(12)])
    test = lines(folder / f"{other}.jsonl", [pair(number) for number in range(10, 17)])
    if named == "folder":
        lines(folder / "validation.jsonl", [pair(number) for number in range(20, 23)])
    data = [f"--data={train}", f"--data.test={test}"] if named == "file" else [f"--data={folder}"]
    config = load(RewardModelConfig, None, [f"--model={model}", *data, "--epochs=1", "--threads=1"])
    rankings, examined = reward_model.rankings_of(config)
    assert {one.prompt.text for one in examined} == {f"is it {number}?" for number in range(10, 17)}
    assert len(rankings) == 12
    told = capsys.readouterr().err
    assert "2 of 7 rankings of the test split are of prompts that are learned from too" in told
    assert ("3 rankings of the validation split are neither" in told) == (named == "folder")
    summary = reward_model.train(config, tmp_path / "run")
    report = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert (summary["prompts"], report["prompts"], report["pairs"]) == (12, 7, 7)
    assert summary["alike"]["pairs"] == 19
    with pytest.raises(InputError, match=r"held_out 0\.3: .* has a test split: drop it"):
        reward_model.rankings_of(replace(config, held_out=0.3))
    if named != "file":
        with pytest.raises(InputError, match=r"data\.test_share: .* has a \w+ split of its own"):
            reward_model.rankings_of(replace(config, data=replace(config.data, test_share=0.1)))


def test_held_out_beside_a_test_split_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("--data.test=t.jsonl", "--data.test_share=0.1"):
        flags = ["reward-model", "--model=m", "--data=f.jsonl", split, "--held_out=0.1"]
        assert main(flags) == 2
        assert "--held_out has no effect: data.test and" in capsys.readouterr().err


CALLING = (
    "{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }}"
    "{% for call in message['tool_calls'] or [] %}{{ call['function']['arguments'] | tojson }}{% endfor %}"
    "{% if message['content'] == 'bad' %}{{ raise_exception('not bad') }}{% endif %};{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture(scope="module")
def calling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose chat template writes tool calls, and refuses a message that says bad."""
    tokenizer = train_tokenizer(['what is it? {"city": 1}'] * 3, 120)
    set_chat(tokenizer, Chat(CALLING))
    folder = tmp_path_factory.mktemp("calling")
    save_model(tiny_decoder(tokenizer, max_position_embeddings=128), tokenizer, folder)
    return folder


@pytest.mark.parametrize("loss", ["dpo", "kto"])
def test_tool_calls_are_learned_from_as_the_template_writes_them(
    calling: Path, tmp_path: Path, loss: Any
) -> None:
    def call(city: int) -> dict[str, Any]:
        function = {"name": "f", "arguments": json.dumps({"city": city})}
        return {"role": "assistant", "content": None, "tool_calls": [{"function": function}]}

    rows: list[dict[str, Any]] = [{"prompt": "what?", "chosen": [call(1)], "rejected": [call(2)]}]
    if loss == "kto":
        rows = [{"prompt": "what?", "completion": [call(city)], "label": city == 1} for city in (1, 2)]
    config = DpoConfig(calling, loss, data=DataConfig(lines(tmp_path / "p.jsonl", rows)), held_out=0.0)
    policy, tokenizer = load_policy(calling, "cpu")
    said_of, _ = dpo.said_in(config)
    found = dpo.encoded(policy.spec, tokenizer, said_of, config)
    written = [tokenizer.decode(ids) for ids in found.sequences[:2]]
    assert ['{"city": 1}' in written[0], '{"city": 2}' in written[1]] == [True, True]
    assert all(text.startswith("[user]what?;[assistant]") for text in written)


def test_a_row_that_the_template_refuses_is_named(calling: Path, tmp_path: Path) -> None:
    good, bad = [said("user", "what?")], [said("user", "what?"), said("user", "bad")]
    reply = said("assistant", "it")
    pairs = [
        {"prompt": asked, "chosen": [reply], "rejected": [said("assistant", "is")]} for asked in (good, bad)
    ]
    data = DataConfig(lines(tmp_path / "pairs.jsonl", pairs))
    refusal = r"pairs\.jsonl:2: .*chat template fails on 2 messages: not bad"
    with pytest.raises(InputError, match=refusal):
        dpo.train(DpoConfig(calling, data=data, held_out=0.0), tmp_path / "run")
    with pytest.raises(InputError, match=refusal):
        reward_model.train(RewardModelConfig(model=calling, data=data, held_out=0.0), tmp_path / "run")
    chats = lines(tmp_path / "chats.jsonl", [{"messages": [*asked, reply]} for asked in (good, bad)])
    with pytest.raises(InputError, match=r"chats\.jsonl:2: messages: .*chat template fails on 2 messages"):
        sft.train(SftConfig(calling, data=DataConfig(chats)), tmp_path / "run")


def test_what_is_too_long_is_named_by_its_row(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"prompt": f"is it {n}?", "completion": "yes " * (2 if n else 400)} for n in range(4)]
    config = SftConfig(
        model, data=DataConfig(lines(tmp_path / "f.jsonl", rows)), batch_demonstrations=4, loop=LOOP
    )
    sft.train(config, tmp_path / "sft")
    assert f"{tmp_path}/f.jsonl:1: " in capsys.readouterr().err
    pairs = [{"prompt": one["prompt"], "chosen": one["completion"], "rejected": "no"} for one in rows]
    data = DataConfig(lines(tmp_path / "p.jsonl", pairs))
    reward_model.train(RewardModelConfig(model=model, data=data, held_out=0.0, epochs=1), tmp_path / "reward")
    told = capsys.readouterr().err
    assert "1 of 8 answers are, with their prompts, longer than the 128 tokens" in told
    assert f"the first is that of {tmp_path}/p.jsonl:1: prompt: 4" in told
