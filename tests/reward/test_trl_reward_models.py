"""A reward model that TRL has trained scores here as it scores there, whatever data it was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import trl
from datasets import Dataset, disable_progress_bars
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModelForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
    PrinterCallback,
)

from practicum.errors import InputError
from practicum.model.heads import RewardHead
from practicum.model.scorer import make_scorer
from practicum.model.tokenizer import load_tokenizer, train_tokenizer
from practicum.reward.model import (
    Calibration,
    Reading,
    RewardModel,
    load_reward_model,
    save_reward_model,
    sequences_of,
)
from practicum.types import RewardFormat
from tests.tiny import tiny_decoder

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ENDS_AT_EOS = (
    "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}] {{ message['content'] | trim }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %}\n{% endif %}{% endfor %}"
)
PROMPTS = ["what is 1 + 1?", "name a pet.", "say b"] * 4
CHOSEN = ["2", " a cat, of course.", "bb"] * 4
REJECTED = ["it is 3.", " no", ""] * 4


def tokenizer_folder(folder: Path, template: str = "", bos: bool = False, pad: str = "<pad>") -> Path:
    """A folder with a tokenizer of characters, as transformers writes it."""
    own = train_tokenizer(["what is a cat"], 130)
    own.add_special_tokens(["<|im_start|>", "<|im_end|>", "<bos>"])
    if bos:
        start = [("<bos>", own.token_to_id("<bos>"))]
        own.post_processor = TemplateProcessing("<bos> $A", "<bos> $A $B", start)
    names = {"eos_token": "<eos>", "unk_token": "<unk>", "bos_token": "<bos>" if bos else None}
    words = PreTrainedTokenizerFast(tokenizer_object=own, pad_token=pad or None, **names)
    words.chat_template = template or None
    words.save_pretrained(folder)
    return folder


def trained_by_trl(folder: Path, rows: list[dict[str, Any]], template: str, **words: Any) -> list[list[int]]:
    """Train a tiny model on the rows, save it in `folder`, and return the token ids TRL made of `chosen`."""
    disable_progress_bars()
    start = tokenizer_folder(folder / "start", template, **words)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(start)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        num_labels=1,
        num_key_value_heads=1,
        max_position_embeddings=128,
        eos_token_id=tokenizer.eos_token_id,
        **shape,
    )
    arguments = trl.RewardConfig(
        output_dir=str(folder / "scratch"),
        max_steps=3,
        learning_rate=1e-2,
        per_device_train_batch_size=4,
        report_to=[],
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        disable_tqdm=True,
        logging_steps=100,
    )
    trainer = trl.RewardTrainer(
        model=LlamaForSequenceClassification(config),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(folder / "model"))
    return [list(ids) for ids in trainer.train_dataset["chosen_ids"]]


def scored_by_transformers(folder: Path, sequences: list[list[int]]) -> torch.Tensor:
    """What the saved model gives, in one right-padded batch, as TRL asks it."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    longest, pad = max(map(len, sequences)), model.config.pad_token_id
    ids = torch.tensor([[*one, *[pad] * (longest - len(one))] for one in sequences])
    real = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in sequences])
    with torch.no_grad():
        scores: torch.Tensor = model(input_ids=ids, attention_mask=real).logits
    return scores


def rows_of(kind: str) -> list[dict[str, Any]]:
    """The same pairs in each of the formats of TRL's preference data."""

    def message(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text}]

    rows: list[dict[str, Any]] = []
    for prompt, chosen, rejected in zip(PROMPTS, CHOSEN, REJECTED, strict=True):
        asked, good, bad = (
            message("user", prompt),
            message("assistant", chosen),
            message("assistant", rejected),
        )
        kinds: dict[str, dict[str, Any]] = {
            "standard": {"prompt": prompt, "chosen": chosen, "rejected": rejected},
            "standard, implicit prompt": {"chosen": prompt + chosen, "rejected": prompt + rejected},
            "conversational": {"prompt": asked, "chosen": good, "rejected": bad},
            "conversational, implicit prompt": {"chosen": asked + good, "rejected": asked + bad},
        }
        rows.append(kinds[kind])
    return rows


@pytest.mark.parametrize(
    ("kind", "template", "words", "reward_format"),
    [
        ("standard", "", {}, "auto"),
        ("standard", "", {"bos": True}, "auto"),
        ("standard", "", {"pad": ""}, "auto"),
        ("standard", CHATML, {}, "text"),
        ("standard, implicit prompt", "", {"bos": True, "pad": ""}, "auto"),
        ("standard, implicit prompt", CHATML, {"pad": "<eos>"}, "text"),
        ("conversational", CHATML, {}, "auto"),
        ("conversational", CHATML, {"bos": True}, "chat"),
        ("conversational", ENDS_AT_EOS, {"bos": True, "pad": ""}, "auto"),
        ("conversational, implicit prompt", CHATML, {"pad": ""}, "auto"),
        ("conversational, implicit prompt", ENDS_AT_EOS, {"bos": True}, "auto"),
    ],
)
def test_a_reward_model_of_trl_scores_here_as_it_does_there(
    kind: str, template: str, words: dict[str, Any], reward_format: RewardFormat, tmp_path: Path
) -> None:
    sequences = trained_by_trl(tmp_path, rows_of(kind), template, **words)
    expected = scored_by_transformers(tmp_path / "model", sequences)
    assert expected.std() > 1e-3
    model = load_reward_model(tmp_path / "model", torch.float32, reward_format)
    found, _ = model.scores(PROMPTS, CHOSEN)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    implicit, _ = model.scores([""] * 3, [a + b for a, b in zip(PROMPTS[:3], CHOSEN[:3], strict=True)])
    if model.reading.format == "text":
        torch.testing.assert_close(implicit, expected[:3], atol=1e-4, rtol=0)

    # Written by us, it is read in the same way again and needs no setting; transformers still agrees.
    again = tmp_path / "again"
    save_reward_model(model.decoder, model.tokenizer, model.head, model.calibration, again, model.reading)
    back = load_reward_model(again, torch.float32)
    assert back.reading == model.reading
    torch.testing.assert_close(back.scores(PROMPTS, CHOSEN)[0], expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(scored_by_transformers(again, sequences), expected, atol=1e-4, rtol=0)


TEXTS = st.text(st.sampled_from("ab 1\n?"), max_size=12)


@given(pairs=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), bos=st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_tokens_are_those_that_trl_builds(
    pairs: list[tuple[str, str]], bos: bool, tmp_path_factory: Any
) -> None:
    """On any text: `chat` as apply_chat_template has it, `text` as the tokenizer reads the joined text."""
    folder = tokenizer_folder(tmp_path_factory.mktemp("words"), CHATML, bos)
    theirs, ours = PreTrainedTokenizerFast.from_pretrained(folder), load_tokenizer(folder)
    model = tiny(ours)
    prompts, texts = [prompt for prompt, _ in pairs], [text for _, text in pairs]
    chat, _ = sequences_of(model.decoder, ours, prompts, texts, Reading("chat", "<eos>"))
    joined, _ = sequences_of(model.decoder, ours, prompts, texts, Reading("text", "<eos>"))
    for number, (prompt, text) in enumerate(pairs):
        messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}]
        assert (
            chat[number] == theirs.apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"]
        )
        assert joined[number] == theirs(text=prompt + text + "<eos>")["input_ids"]


def tiny(tokenizer: Tokenizer) -> RewardModel:
    """A reward model of random weights."""
    decoder = tiny_decoder(tokenizer, hidden_size=16, max_position_embeddings=256)
    scorer = make_scorer(decoder, torch.float32)
    return RewardModel(decoder, tokenizer, RewardHead(16, 1, 0), Calibration((0.25,)), scorer)


def test_which_way_a_model_of_another_trainer_is_read_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tokenizer_folder(tmp_path / "words", CHATML)
    model = tiny(load_tokenizer(folder))
    save_reward_model(model.decoder, model.tokenizer, model.head, model.calibration, tmp_path / "ours")
    assert load_reward_model(tmp_path / "ours", torch.float32, "chat").reading.format == "completion"
    assert "records that it reads as completion, so reward_format chat" in capsys.readouterr().err
    assert load_reward_model(tmp_path / "ours", torch.float32).reading.format == "completion"
    assert capsys.readouterr().err == "", "a model of ours says itself how it reads"
    config = tmp_path / "ours" / "config.json"
    stored = json.loads(config.read_text())
    assert stored["practicum"]["format"] == "completion"
    config.write_text(json.dumps({**stored, "practicum": {**stored["practicum"], "format": "verse"}}))
    with pytest.raises(InputError, match=r"practicum\.format is 'verse'; expected completion, chat, text"):
        load_reward_model(tmp_path / "ours", torch.float32)
    config.write_text(json.dumps({name: value for name, value in stored.items() if name != "practicum"}))
    assert load_reward_model(tmp_path / "ours", torch.float32).reading.format == "chat"
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "another trainer, read as chat messages through its template" in said
    assert "--reward_format text" in said
    plain = tokenizer_folder(tmp_path / "plain")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "ours" / name).write_text((plain / name).read_text())
    (tmp_path / "ours" / "chat_template.jinja").unlink(missing_ok=True)
    assert load_reward_model(tmp_path / "ours", torch.float32).reading.format == "text"
    with pytest.raises(InputError, match="has no chat template"):
        load_reward_model(tmp_path / "ours", torch.float32, "chat")


def test_trl_trains_one_of_ours_on_and_gives_it_back(tmp_path: Path) -> None:
    """What we recorded about a model holds no more once another trainer has changed it."""
    folder = tokenizer_folder(tmp_path / "words", CHATML)
    model = tiny(load_tokenizer(folder))
    save_reward_model(model.decoder, model.tokenizer, model.head, model.calibration, tmp_path / "ours")
    arguments = trl.RewardConfig(
        output_dir=str(tmp_path / "scratch"), max_steps=1, report_to=[], use_cpu=True, bf16=False,
        save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    rows = Dataset.from_list(rows_of("conversational"))
    trainer = trl.RewardTrainer(model=str(tmp_path / "ours"), args=arguments, train_dataset=rows)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(tmp_path / "back"))
    sequences = [list(ids) for ids in trainer.train_dataset["chosen_ids"]]
    back = load_reward_model(tmp_path / "back", torch.float32)
    expected = scored_by_transformers(tmp_path / "back", sequences)
    torch.testing.assert_close(back.rewards(PROMPTS, CHOSEN), expected, atol=1e-4, rtol=0)
    assert not torch.equal(back.head.weight, model.head.weight)
