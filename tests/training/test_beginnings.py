"""What a model with a beginning of sequence is taught is what it is asked: against transformers' own loss."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from practicum.model.checkpoint import load_model, save_model
from practicum.model.tokenizer import encode_prompts, load_tokenizer
from practicum.reward.model import sequences_of
from practicum.training.sft import imitate
from practicum.types import Demonstration, Prompt
from tests.tiny import tiny_decoder

TEMPLATES = {"begun": "<s> $A", "begun and ended": "<s> $A </s>", "bare": "$A"}


@pytest.fixture(params=TEMPLATES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    words = {word: index for index, word in enumerate(["<unk>", "<s>", "</s>", "a", "b", "c", "d", "e"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names = [(name, words[name]) for name in ("<s>", "</s>") if name in TEMPLATES[request.param]]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=TEMPLATES[request.param], pair=None, special_tokens=names
    )
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(tmp_path / "given")
    decoder = tiny_decoder(
        len(words), hidden_size=16, intermediate_size=16, max_position_embeddings=32, bos_token_id=1,
        eos_token_id=2,
    )  # fmt: skip
    with torch.no_grad():
        decoder.model.embed_tokens.weight.mul_(20)
    save_model(decoder, load_tokenizer(tmp_path / "given"), tmp_path / "model")
    return tmp_path / "model"


def test_the_loss_counts_completions_after_prompts_as_auto_tokenizer_begins_them(folder: Path) -> None:
    decoder, tokenizer = load_model(folder)
    theirs, words = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    pairs = [("a b", "c d"), ("e", "a a b")]
    passages = ["d c b a", "e e"]
    total, count = 0.0, 0
    for prompt, completion in pairs:
        asked = words(prompt)["input_ids"]
        answer = [*words(completion, add_special_tokens=False)["input_ids"], words.eos_token_id]
        total, count = total + surprise(theirs, asked, answer), count + len(answer)
    for passage in passages:
        ids = words(passage)["input_ids"]
        ids += [words.eos_token_id] if ids[-1] != words.eos_token_id else []
        total, count = total + surprise(theirs, ids[:1], ids[1:]), count + len(ids) - 1
    demonstrations = [Demonstration(Prompt(prompt), completion) for prompt, completion in pairs]
    found = imitate(decoder, tokenizer, demonstrations, 64, torch.float32, passages)["loss"]
    assert found == pytest.approx(total / count, abs=1e-5)


def surprise(model: torch.nn.Module, given: list[int], following: list[int]) -> float:
    """Summed negative log-probability of tokens after those that are given."""
    with torch.no_grad():
        logprobs = model(torch.tensor([[*given, *following]])).logits[0].log_softmax(-1)
    return -sum(float(logprobs[len(given) - 1 + at, token]) for at, token in enumerate(following))


def test_a_reward_model_reads_what_the_policy_was_asked(folder: Path) -> None:
    decoder, tokenizer = load_model(folder)
    words = AutoTokenizer.from_pretrained(folder)
    sequences, _ = sequences_of(decoder, tokenizer, ["a b", ""], ["c", "d"])
    for prompt, completion, ids in zip(["a b", ""], ["c", "d"], sequences, strict=True):
        asked, answer = words(prompt)["input_ids"], words(completion, add_special_tokens=False)["input_ids"]
        assert encode_prompts(tokenizer, [prompt]) == [asked]
        assert ids == [*asked, *answer, words.eos_token_id]
