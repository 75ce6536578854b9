"""The audit reads reward models of any architecture as transformers does, and follows their gradients."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from practicum.audit.classifier import Classifier
from practicum.audit.gradient import Gradient, ModelWeights, Weights
from practicum.audit.judge import gradient_of, members_in, paid_by
from practicum.errors import InputError
from practicum.model.tokenizer import train_tokenizer
from practicum.reward.model import RewardModel
from practicum.types import Prompt
from tests.families import reward_family_folder

PROMPTS = [Prompt(text) for text in ("what is 1 + 1?", "name a pet.", "say b")]
TEXTS = ["2", " a cat, of course.", "bb"]
ENCODER: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 80,
    "pad_token_id": 0,
}
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": ENCODER,
    "roberta": ENCODER,
    "electra": {**ENCODER, "embedding_size": 16},
    "deberta-v2": {**ENCODER, "type_vocab_size": 0, "relative_attention": True, "pooler_hidden_size": 32},
    "distilbert": {
        "dim": 32,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 48,
        "max_position_embeddings": 80,
        "pad_token_id": 0,
    },
}


def encoder_folder(kind: str, folder: Path, pairs: bool = True, labels: int = 1) -> Path:
    """An encoder of random weights that classifies, with a tokenizer of its own."""
    own = train_tokenizer(["what is a cat, name a pet, of course"] * 3, 300)
    own.add_special_tokens(["[CLS]", "[SEP]", "[PAD]"])
    marks = [(name, own.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    if pairs:
        own.post_processor = TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", marks)
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "eos_token": "[SEP]"}
    inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if kind in ("bert", "electra") else [])]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=own, model_max_length=64, model_input_names=inputs, **names
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), num_labels=labels, **ENCODERS[kind])
    if labels > 1:
        config.id2label = dict(enumerate(("bad", "fair", "good")[:labels]))
        config.label2id = {name: place for place, name in config.id2label.items()}
    model = AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4.0)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ENCODERS)
def test_an_encoder_pays_here_what_it_pays_in_transformers(kind: str, tmp_path: Path) -> None:
    folder = encoder_folder(kind, tmp_path)
    found = paid_by(members_in([folder]))(PROMPTS, TEXTS)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    for prompt, text, paid in zip(PROMPTS, TEXTS, found, strict=True):
        with torch.no_grad():
            logit = model(**tokenizer(prompt.text, text, return_tensors="pt")).logits.item()
        assert paid == pytest.approx(logit, abs=1e-4)
    assert np.ptp(found) > 1e-3


def test_one_label_of_several_pays_its_log_odds(tmp_path: Path) -> None:
    folder = encoder_folder("bert", tmp_path, labels=3)
    good = Classifier(folder, "good", "auto", "cpu").rewards(PROMPTS, TEXTS)[:, 0]
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    with torch.no_grad():
        share = model(**tokenizer("name a pet.", TEXTS[1], return_tensors="pt")).logits.softmax(1)[0, 2]
    assert good[1].item() == pytest.approx(torch.logit(share).item(), abs=1e-4)
    with pytest.raises(InputError, match="--label names the one that pays; it has bad, fair, good"):
        members_in([folder])
    with pytest.raises(InputError, match="--label is 'best'"):
        members_in([folder], label="best")


def test_what_is_no_classifier_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["BertModel"], "model_type": "bert"}')
    with pytest.raises(InputError, match="architectures is"):
        members_in([tmp_path])
    folder = encoder_folder("bert", tmp_path / "bert")
    with pytest.raises(InputError, match="no chat template"):
        members_in([folder], "chat")


def gradients(tmp_path: Path) -> list[Gradient]:
    """Of a decoder of ours, of transformers' decoders, and of an encoder."""
    folders = [reward_family_folder(kind, tmp_path / kind) for kind in ("gpt2", "opt", "gpt_neox")]
    folders.append(encoder_folder("bert", tmp_path / "bert"))
    return [found for folder in folders if (found := gradient_of(members_in([folder])))]


def test_a_gradient_says_what_small_steps_of_an_embedding_gain(tmp_path: Path) -> None:
    for gradient in gradients(tmp_path):
        weights = gradient.weights
        (ids,) = weights.sequences(PROMPTS[1:2], ["a cat"])
        slope_TD = gradient._gradient(ids)
        assert slope_TD.shape[0] == len(ids)
        for place in (0, len(ids) // 2, len(ids) - 1):
            step_D = 1e-3 * slope_TD[place] / slope_TD[place].norm()
            changes = [moved(weights, ids, place, sign * step_D) for sign in (1.0, -1.0)]
            found = (changes[0] - changes[1]) / 2e-3
            assert found == pytest.approx(float(slope_TD[place].norm()), rel=0.05, abs=1e-2)


def moved(weights: Weights, ids: list[int], place: int, step_D: torch.Tensor) -> float:
    """The score of ids with the embedding of one of them moved."""

    def move(_: Any, __: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        output[0, place] += step_D
        return output

    hook = weights.embedding.register_forward_hook(move)
    with torch.no_grad():
        score = float(weights.score(ids))
    hook.remove()
    return score


def test_gibberish_that_follows_the_gradient_beats_random_words(tmp_path: Path) -> None:
    for gradient in gradients(tmp_path):
        member = gradient.weights.model if isinstance(gradient.weights, ModelWeights) else gradient.weights
        assert isinstance(member, (RewardModel, Classifier))
        reward = paid_by([member])
        asked = 0

        def counted(prompts: Any, texts: Any, reward: Any = reward) -> Any:
            nonlocal asked
            asked += len(texts)
            return reward(prompts, texts)

        text = gradient.gibberish(PROMPTS[:2], counted, 300, Random(1))
        assert text
        assert 0 < asked <= 300
        words, random = list(gradient._words.values()), Random(2)
        by_chance = [" ".join(random.choices(words, k=10)) for _ in range(60)]
        asked_of = [prompt for _ in by_chance for prompt in PROMPTS[:2]]
        paid = reward(asked_of, [one for one in by_chance for _ in range(2)]).reshape(60, 2).mean(1)
        assert reward(PROMPTS[:2], [text] * 2).mean() > np.quantile(paid, 0.95)
        assert gradient.gibberish(PROMPTS[:2], counted, 30, Random(1)) == ""


def test_suggested_swaps_name_places_and_words(tmp_path: Path) -> None:
    for gradient in gradients(tmp_path):
        words = ["a", "cat", "is", "a", "pet"]
        for place, word in gradient.swaps(PROMPTS[0], words):
            assert 0 <= place < len(words)
            assert word
            assert " " not in word
