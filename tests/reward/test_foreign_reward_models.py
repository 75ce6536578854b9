"""Sequence classifiers of any architecture, whoever trained them, score here as they do in transformers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import trl
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PrinterCallback

from practicum.errors import InputError
from practicum.model.heads import RewardHead
from practicum.model.huggingface import HuggingFacePolicy
from practicum.model.lora import LoraConfig as OwnLoraConfig
from practicum.model.policy import load_policy
from practicum.model.scorer import make_scorer
from practicum.reward.model import (
    Calibration,
    RewardModel,
    load_reward_model,
    save_reward_model,
    sequences_of,
)
from tests.families import CHECKED, family_folder, reward_family_folder, words
from tests.reward.test_trl_reward_models import rows_of, scored_by_transformers

PROMPTS = ["what is 1 + 1?", "name a pet.", "say b"]
TEXTS = ["2", " a cat, of course.", "bb"]
KINDS = (*CHECKED, "phi", "falcon")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pad", [0, None, 1])
def test_scores_are_those_of_transformers(kind: str, pad: int | None, tmp_path: Path) -> None:
    folder = reward_family_folder(kind, tmp_path, pad_token_id=pad)
    model = load_reward_model(folder, torch.float32)
    assert isinstance(model.decoder, HuggingFacePolicy)
    found, _ = model.scores(PROMPTS, TEXTS)
    theirs = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = words()
    for prompt, text, score in zip(PROMPTS, TEXTS, found[:, 0], strict=True):
        ids = torch.tensor([tokens(prompt + text + "<eos>")["input_ids"]])
        with torch.no_grad():
            assert theirs(ids).logits.item() == pytest.approx(score.item(), abs=1e-4)
    assert found.std() > 1e-3


@pytest.mark.parametrize("kind", CHECKED)
@pytest.mark.parametrize("rank", [0, 2])
def test_a_reward_model_that_starts_from_it_is_written_as_its_own_classifier(
    kind: str, rank: int, tmp_path: Path
) -> None:
    start = family_folder(kind, tmp_path / "start")
    policy, tokenizer = load_policy(start, lora=OwnLoraConfig(rank))
    if rank:
        with torch.no_grad():
            for name, part in policy.named_parameters():
                part.add_(0.05) if ".lora_B." in name else None
    head = RewardHead(policy.spec.hidden_size, 3, seed=1)
    calibration = Calibration((0.5, 0.25, -1.0), 2.0)
    model = RewardModel(policy, tokenizer, head, calibration, make_scorer(policy, torch.float32))
    expected = model.rewards(PROMPTS, TEXTS)
    save_reward_model(policy, tokenizer, head, calibration, tmp_path / "reward")
    back = load_reward_model(tmp_path / "reward", torch.float32)
    assert back.calibration == calibration
    torch.testing.assert_close(back.rewards(PROMPTS, TEXTS), expected, atol=1e-4, rtol=1e-4)
    assert not (tmp_path / "reward" / "adapter").exists()
    sequences, _ = sequences_of(policy, tokenizer, PROMPTS, TEXTS)
    theirs = scored_by_transformers(tmp_path / "reward", sequences)
    mean = model.scores(PROMPTS, TEXTS)[0].mean(1, keepdim=True)
    torch.testing.assert_close(theirs, mean, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("adapter", [False, True])
def test_one_that_trl_trained_scores_here_as_there(adapter: bool, tmp_path: Path) -> None:
    """In full, and as an adapter with a head, of which TRL writes nothing but these two."""
    disable_progress_bars()
    start = family_folder("gpt2", tmp_path / "start", n_positions=128)
    arguments = trl.RewardConfig(
        output_dir=str(tmp_path / "scratch"), max_steps=3, learning_rate=1e-2, report_to=[], use_cpu=True,
        bf16=False, save_strategy="no", disable_tqdm=True, per_device_train_batch_size=4,
    )  # fmt: skip
    lora = LoraConfig(task_type="SEQ_CLS", r=2, modules_to_save=["score"]) if adapter else None
    trainer = trl.RewardTrainer(
        model=str(start),
        args=arguments,
        train_dataset=Dataset.from_list(rows_of("standard")),
        peft_config=lora,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(tmp_path / "model"))
    assert (tmp_path / "model" / "config.json").exists() != adapter
    model = load_reward_model(tmp_path / "model", torch.float32)
    sequences, _ = sequences_of(model.decoder, model.tokenizer, PROMPTS, TEXTS, model.reading)
    found, _ = model.scores(PROMPTS, TEXTS)
    trained = trainer.model.eval()
    with torch.no_grad():
        expected = torch.cat([trained(torch.tensor([ids])).logits for ids in sequences])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_what_is_no_reward_model_is_refused_in_one_line(tmp_path: Path) -> None:
    language = family_folder("gpt2", tmp_path / "language")
    two = reward_family_folder("gpt2", tmp_path / "two")
    config = json.loads((two / "config.json").read_text())
    model = AutoModelForSequenceClassification.from_pretrained(
        two, num_labels=2, ignore_mismatched_sizes=True
    )
    model.save_pretrained(two)
    headless = reward_family_folder("opt", tmp_path / "headless")
    stored = json.loads((headless / "config.json").read_text())
    AutoModelForCausalLM.from_pretrained(headless).save_pretrained(headless)
    (headless / "config.json").write_text(json.dumps(stored))
    assert config["architectures"] == ["GPT2ForSequenceClassification"]
    refused = {language: "sequence classifier", two: "has one label", headless: "weights do not fit"}
    for folder, said in refused.items():
        with pytest.raises(InputError) as caught:
            load_reward_model(folder, torch.float32)
        assert said in str(caught.value)
        assert str(folder) in str(caught.value)
    policy, tokenizer = load_policy(family_folder("mamba", tmp_path / "mamba"))
    with pytest.raises(InputError, match="no sequence classifier of the kind of MambaForCausalLM"):
        save_reward_model(
            policy,
            tokenizer,
            RewardHead(32, 1, 0),
            Calibration((0.0,)),
            tmp_path / "no",
        )
    assert not (tmp_path / "no").exists()
