from __future__ import annotations

import itertools
import json
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.model.tokenizer import (
    UNKNOWN,
    _made_here,
    _read_files,
    chat_of,
    encode_batch,
    load_tokenizer,
    save_tokenizer,
    special_id,
    token_count,
    train_tokenizer,
)

WORDS = ["subtract", "both sides", "equation", "Check: ", "no real solution", "discriminant"]
TOKENIZER = train_tokenizer([f"{word} of the {word}, x = 12 or y = 345" for word in WORDS] * 20, 400)
PRINTABLE = string.printable[:95] + "\n"


def pieces(text: str) -> list[str]:
    return [str(TOKENIZER.id_to_token(index)) for index in encode_batch(TOKENIZER, [text])[0]]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=PRINTABLE, max_size=60))
def test_any_printable_text_comes_back_unchanged(text: str) -> None:
    ids = encode_batch(TOKENIZER, [text])[0]
    assert TOKENIZER.decode(ids, skip_special_tokens=False) == text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, "x", "(", ")", "12", " ", " + ", "^2", "solve: "]), max_size=12))
def test_task_like_text_comes_back_unchanged(parts: list[str]) -> None:
    text = "".join(parts)
    ids = encode_batch(TOKENIZER, [text])[0]
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == text


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=string.digits + "+-*/^()=., xy", min_size=1, max_size=30))
def test_digits_operators_and_single_letters_are_tokens_of_their_own(text: str) -> None:
    # Two letters in a row may merge as a word, everything else may not.
    if not any(a.isalpha() and b.isalpha() for a, b in itertools.pairwise(text)):
        assert pieces(text) == list(text)


def test_words_are_whole_with_the_space_before_or_the_colon_behind_them() -> None:
    assert pieces("subtract both sides: x=12") == [
        "subtract",
        " both",
        " sides",
        ":",
        " ",
        "x",
        "=",
        "1",
        "2",
    ]
    assert pieces("Check: x") == ["Check: ", "x"]


def test_a_word_never_swallows_a_digit_or_operator() -> None:
    learned = [token for token in TOKENIZER.get_vocab() if len(token) > 1 and not token.startswith("<")]
    assert learned
    assert all(set(token) <= set(string.ascii_letters + ": ") for token in learned)


def test_characters_outside_the_alphabet_fall_apart_into_bytes() -> None:
    assert pieces("√x²") == ["<0xE2>", "<0x88>", "<0x9A>", "x", "<0xC2>", "<0xB2>"]
    assert pieces("\t") == ["<0x09>"]
    assert pieces("<0x41>") == list("<0x41>"), "a byte's token is nothing that can be typed"


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_comes_back_unchanged_without_unknowns(text: str) -> None:
    ids = encode_batch(TOKENIZER, [text])[0]
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == text
    assert UNKNOWN not in pieces(text)


def test_every_character_has_its_token_or_the_bytes_of_its_code() -> None:
    for first in range(0, 0x110000, 0x800):
        text = "".join(chr(code) for code in range(first, first + 0x800) if not 0xD800 <= code < 0xE000)
        assert TOKENIZER.decode(encode_batch(TOKENIZER, [text])[0], skip_special_tokens=True) == text


def test_models_made_without_tokens_of_bytes_still_load(tmp_path: Path) -> None:
    before = json.loads(TOKENIZER.to_str())
    kept = {token: index for token, index in before["model"]["vocab"].items() if not token.startswith("<0x")}
    before["model"] |= {"vocab": kept, "byte_fallback": False}
    (tmp_path / "tokenizer.json").write_text(json.dumps(before), encoding="utf-8")
    found = load_tokenizer(tmp_path)
    assert token_count(found) == len(kept)
    assert encode_batch(found, ["x é"])[0] == encode_batch(TOKENIZER, ["x "])[0] + [
        special_id(found, UNKNOWN)
    ]


def test_training_is_repeatable_and_special_tokens_come_first() -> None:
    again = train_tokenizer([f"{word} of the {word}, x = 12 or y = 345" for word in WORDS] * 20, 400)
    assert again.to_str() == TOKENIZER.to_str()
    assert [TOKENIZER.id_to_token(index) for index in range(3)] == ["<pad>", "<eos>", "<unk>"]
    assert special_id(TOKENIZER, "<eos>") == 1
    with pytest.raises(InputError, match="<bos>"):
        special_id(TOKENIZER, "<bos>")


def test_batches_keep_their_order(tmp_path: Path) -> None:
    texts = ["x", "", "both sides", "7"]
    assert encode_batch(TOKENIZER, texts) == [encode_batch(TOKENIZER, [text])[0] for text in texts]
    TOKENIZER.save(str(tmp_path / "tokenizer.json"))
    assert encode_batch(load_tokenizer(tmp_path), texts) == encode_batch(TOKENIZER, texts)


SETTINGS: dict[str, Any] = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": 512,
    "clean_up_tokenization_spaces": False,
    "padding_side": "left",
    "pad_token": "<pad>",
    "eos_token": "<eos>",
    "unk_token": "<unk>",
}
CHAT = "{% for message in messages %}{{ message.content }} = {% endfor %}"


def as_transformers_has_it(folder: Path) -> tuple[str, dict[str, str], str | None]:
    """The whole tokenizer as text, its special tokens and its template."""
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(folder)
    backend = loaded.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return (
        backend.to_str(),
        {name: str(one) for name, one in loaded.special_tokens_map.items()},
        loaded.chat_template,
    )


@pytest.mark.parametrize("size", [340, 400, 700])
@pytest.mark.parametrize("chat", [None, CHAT])
def test_own_tokenizers_are_transformers_without_transformers(
    size: int, chat: str | None, tmp_path: Path
) -> None:
    made = train_tokenizer([f"{word} of the {word}, x = 12 or y = 345" for word in WORDS] * 20, size)
    save_tokenizer(made, tmp_path, SETTINGS | ({"chat_template": chat} if chat else {}))
    found = _made_here(_read_files(tmp_path))
    assert found is not None
    text, names, template = as_transformers_has_it(tmp_path)
    assert (found[0].to_str(), found[1], found[2]) == (text, names, template)
    loaded = load_tokenizer(tmp_path)
    assert loaded.to_str() == text
    assert (chat_of(loaded) is None) == (chat is None)


CHANGES: dict[str, tuple[str, Any]] = {
    "a bos token": ("tokenizer_config.json", {"bos_token": "<eos>"}),
    "another end": ("tokenizer_config.json", {"eos_token": "<pad>"}),
    "a new token": ("tokenizer_config.json", {"additional_special_tokens": ["<new>"]}),
    "another class": ("tokenizer_config.json", {"tokenizer_class": "LlamaTokenizerFast"}),
    "a prefix": ("tokenizer_config.json", {"add_prefix_space": True}),
    "templates by name": (
        "tokenizer_config.json",
        {"chat_template": [{"name": "default", "template": CHAT}]},
    ),
    "truncation": (
        "tokenizer.json",
        {"truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}},
    ),
    "a normalizer": ("tokenizer.json", {"normalizer": {"type": "Lowercase"}}),
    "no post-processor": ("tokenizer.json", {"post_processor": None}),
    "a template file": ("chat_template.jinja", CHAT),
    "added tokens": ("special_tokens_map.json", {"bos_token": "<eos>"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_folder_that_was_changed_is_read_by_transformers(name: str, tmp_path: Path) -> None:
    save_tokenizer(TOKENIZER, tmp_path, SETTINGS)
    place, change = CHANGES[name]
    path = tmp_path / place
    if isinstance(change, str):
        path.write_text(change, encoding="utf-8")
    else:
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps(before | change), encoding="utf-8")
    assert _made_here(_read_files(tmp_path)) is None
    assert load_tokenizer(tmp_path).to_str() == as_transformers_has_it(tmp_path)[0]


def test_a_run_on_an_own_model_loads_neither_transformers_nor_a_compiler(
    untrained_model: Path, tmp_path: Path
) -> None:
    words = (
        f"rl --model {untrained_model} --run {tmp_path / 'run'} --prompts_per_step 4 --group_size 2 "
        "--algorithm ppo --sampling.max_new_tokens 8 --loop.steps 1 --loop.threads 1 --loop.allow_dead --json"
    )
    code = (
        "import sys; from practicum import cli\n"
        f"assert cli.main({words.split()!r}) == 0\n"
        "print({'transformers', 'torch._dynamo', 'scipy.stats'} & sys.modules.keys(), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "set()"
