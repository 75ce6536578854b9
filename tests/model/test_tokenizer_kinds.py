"""Token ids against `AutoTokenizer`, over kinds of tokenizers of transformers, before and after a save."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from practicum.errors import InputError
from practicum.model.checkpoint import load_model, save_model
from practicum.model.tokenizer import (
    Chat,
    chat_of,
    encode_batch,
    encode_prompts,
    encode_texts,
    end_token_id,
    load_tokenizer,
    set_chat,
    token_count,
    train_tokenizer,
)
from tests.tiny import tiny_decoder

TEXTS = [
    "Solve the equation: x + 12 = 345, both sides.",
    "The cat sat on the mat; the Dog did not.",
    "Größe, naïve café, 日本語, emoji 😀!",
    "  two  spaces\nand a line\t.",
]
ENDS = ["<unk>", "<s>", "</s>", "<pad>"]
CHAT = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] | trim }}"
    "{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def byte_level(prefix: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learn(tokenizer, trainers.BpeTrainer(vocab_size=320, special_tokens=ENDS, initial_alphabet=alphabet))
    return tokenizer


def learn(tokenizer: Tokenizer, trainer: Any) -> Tokenizer:
    trainer.show_progress = False
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    return tokenizer


def with_ends(tokenizer: Tokenizer, template: str) -> Tokenizer:
    ids = [(name, tokenizer.token_to_id(name)) for name in ("<s>", "</s>") if name in template]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template, pair=f"{template} $B:1", special_tokens=ids
    )
    return tokenizer


def metaspace() -> Tokenizer:
    """As Llama 2's: pieces of words with byte fallback, a prefix for the first word, BOS in front."""
    tokens = [
        *ENDS,
        *(f"<0x{code:02X}>" for code in range(256)),
        "▁",
        *"abcdefghijklmnopqrstuvwxyz0123456789",
    ]
    merges = [("▁", "x"), ("▁", "t"), ("t", "h"), ("th", "e"), ("▁", "the"), ("1", "2")]
    tokens += ["".join(pair) for pair in merges]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return with_ends(tokenizer, "<s> $A")


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    learn(tokenizer, trainers.WordPieceTrainer(vocab_size=200, special_tokens=ENDS))
    return with_ends(tokenizer, "<s> $A </s>")


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    learn(tokenizer, trainers.UnigramTrainer(vocab_size=120, special_tokens=ENDS, unk_token="<unk>"))
    return with_ends(tokenizer, "$A </s>")


def word_level() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return learn(tokenizer, trainers.WordLevelTrainer(special_tokens=ENDS))


def lowered() -> Tokenizer:
    tokenizer = byte_level()
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()]
    )
    return with_ends(tokenizer, "<s> $A")


def shortened() -> Tokenizer:
    """As saved after a call with padding and truncation."""
    tokenizer = with_ends(byte_level(), "<s> $A")
    tokenizer.enable_truncation(7)
    tokenizer.enable_padding(length=9, pad_id=3, pad_token="<pad>")
    return tokenizer


def with_tokens() -> Tokenizer:
    tokenizer = byte_level()
    tokenizer.add_special_tokens([AddedToken("<|user|>", rstrip=True), AddedToken("<|end|>", lstrip=True)])
    tokenizer.add_tokens([AddedToken("Dog", single_word=True), AddedToken("cAt", normalized=False)])
    return tokenizer


def folder_of(tokenizer: Tokenizer, path: Path, changes: dict[str, Any]) -> Path:
    """A model folder's tokenizer as transformers writes it, with further keys in tokenizer_config.json."""
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(path)
    stored = json.loads((path / "tokenizer_config.json").read_text()) | changes
    kept = {key: value for key, value in stored.items() if value is not None}
    (path / "tokenizer_config.json").write_text(json.dumps(kept))
    (path / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 400}))
    return path


def plain_folder(tokenizer: Tokenizer, path: Path) -> Path:
    """A folder with tokenizer.json and nothing else of the tokenizer."""
    path.mkdir(parents=True)
    tokenizer.save(str(path / "tokenizer.json"))
    (path / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 400}))
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    "bytes": lambda path: folder_of(byte_level(), path, {}),
    "bytes with a prefix space": lambda path: folder_of(byte_level(True), path, {"add_prefix_space": True}),
    "bytes with BOS": lambda path: folder_of(with_ends(byte_level(), "<s> $A"), path, {}),
    "bytes with BOS and EOS": lambda path: folder_of(with_ends(byte_level(), "<s> $A </s>"), path, {}),
    "BOS by its setting": lambda path: folder_of(byte_level(), path, {"add_bos_token": True}),
    "no BOS by its setting": lambda path: folder_of(
        with_ends(byte_level(), "<s> $A"), path, {"add_bos_token": False, "add_eos_token": True}
    ),
    "metaspace": lambda path: folder_of(metaspace(), path, {}),
    "Llama's own class": lambda path: folder_of(
        metaspace(), path, {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": False}
    ),
    "word pieces": lambda path: folder_of(word_piece(), path, {}),
    "unigram": lambda path: folder_of(unigram(), path, {}),
    "words": lambda path: folder_of(word_level(), path, {}),
    "normalised": lambda path: folder_of(lowered(), path, {}),
    "truncation and padding": lambda path: folder_of(shortened(), path, {}),
    "added tokens": lambda path: folder_of(with_tokens(), path, {}),
    "special tokens as text": lambda path: folder_of(with_tokens(), path, {"split_special_tokens": True}),
    "a token of the settings": lambda path: folder_of(byte_level(), path, {"mask_token": "<mask>"}),
    "chat template": lambda path: folder_of(
        with_ends(with_tokens(), "<s> $A"), path, {"chat_template": CHAT}
    ),
    "tokenizer.json alone": lambda path: plain_folder(metaspace(), path),
    "our own": lambda path: plain_folder(train_tokenizer(TEXTS * 4, 150), path),
}
PIECES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from([*TEXTS, *ENDS, "<|user|>", " <|end|> ", "Dog", "cAt", "the", " ", "  ", "12", "<mask>"]),
)
ANY_TEXT = st.lists(PIECES, max_size=5).map("".join)


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = KINDS[request.param](tmp_path_factory.mktemp("kind") / "made")
    return made


@pytest.fixture(scope="module")
def saved(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What we save of a model with that tokenizer."""
    path = tmp_path_factory.mktemp("kind") / "saved"
    save_model(tiny_decoder(400), load_tokenizer(folder), path)
    return path


def same_ids(tokenizer: Tokenizer, theirs: Any, texts: list[str]) -> None:
    for text, whole, bare in zip(
        texts, encode_texts(tokenizer, texts), encode_batch(tokenizer, texts), strict=True
    ):
        assert whole == theirs(text)["input_ids"]
        assert bare == theirs(text, add_special_tokens=False)["input_ids"]
    prompts = encode_prompts(tokenizer, texts)
    for text, ids in zip(texts, prompts, strict=True):
        if theirs.chat_template and text:
            messages = [{"role": "user", "content": text}]
            assert ids == theirs.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
        else:
            assert ids == theirs(text)["input_ids"]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=3))
def test_ids_are_those_of_auto_tokenizer_before_and_after_we_save(
    folder: Path, saved: Path, texts: list[str]
) -> None:
    ours, again = loaded(folder), loaded(saved)
    same_ids(ours[0], ours[1], texts)
    same_ids(again[0], ours[1], texts)
    same_ids(ours[0], again[1], texts)


LOADED: dict[Path, tuple[Tokenizer, Any]] = {}


def loaded(folder: Path) -> tuple[Tokenizer, Any]:
    """Our tokenizer and theirs of a folder, read once."""
    if folder not in LOADED:
        LOADED[folder] = load_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    return LOADED[folder]


def test_settings_and_special_tokens_survive_a_save(folder: Path, saved: Path) -> None:
    before, after = loaded(folder)[1], loaded(saved)[1]
    # Where tokenizer.json stands alone its folder names no special tokens, and neither does ours.
    assert after.special_tokens_map == before.special_tokens_map
    assert (after.padding_side, after.chat_template) == (before.padding_side, before.chat_template)
    assert after.get_added_vocab() == before.get_added_vocab()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (folder / name).exists() == (saved / name).exists()
        assert not (folder / name).exists() or (folder / name).read_bytes() == (saved / name).read_bytes()


def test_the_end_token_is_the_folders_own(folder: Path) -> None:
    ours, theirs = loaded(folder)
    assert end_token_id(ours) == theirs.eos_token_id
    assert token_count(ours) == len(theirs)


def test_a_template_may_stand_in_files_of_its_own(tmp_path: Path) -> None:
    for place in ("chat_template.jinja", "additional_chat_templates/tools.jinja"):
        folder = folder_of(byte_level(), tmp_path / place.replace("/", "-"), {})
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text(CHAT)
        if place.startswith("additional"):
            (folder / "chat_template.jinja").write_text(CHAT.replace("assistant", "helper"))
        theirs = AutoTokenizer.from_pretrained(folder)
        expected = theirs.apply_chat_template([{"role": "user", "content": "hi"}], add_generation_prompt=True)
        ours = load_tokenizer(folder)
        assert encode_prompts(ours, ["hi"]) == [expected["input_ids"]]
        save_model(tiny_decoder(400), ours, tmp_path / "copy" / folder.name)
        assert (tmp_path / "copy" / folder.name / place).read_text() == CHAT


def test_another_template_is_what_gets_saved(tmp_path: Path) -> None:
    folder = folder_of(byte_level(), tmp_path / "made", {"chat_template": CHAT})
    tokenizer = load_tokenizer(folder)
    for template in (None, "{{ messages[0]['content'] }}!"):
        set_chat(tokenizer, Chat(template) if template else None)
        save_model(tiny_decoder(400), tokenizer, tmp_path / f"saved {template is None}")
        found = chat_of(load_tokenizer(tmp_path / f"saved {template is None}"))
        assert (found.template if found else None) == template


@pytest.mark.parametrize("rows", [1, 0])
def test_a_tokenizer_larger_than_its_model_is_refused_and_a_smaller_one_is_not(
    rows: int, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(folder_of(with_tokens(), tmp_path / "made", {}))
    count = token_count(tokenizer)
    save_model(tiny_decoder(count - rows), tokenizer, tmp_path / "saved")
    if not rows:
        load_model(tmp_path / "saved")
        return
    with pytest.raises(
        InputError, match=rf"token '.*' with id {count - 1}, but config.json's vocab_size is {count - 1}"
    ):
        load_model(tmp_path / "saved")


def test_a_token_added_far_beyond_the_model_is_refused(tmp_path: Path) -> None:
    folder = folder_of(byte_level(), tmp_path / "made", {"mask_token": "<mask>"})
    tokenizer = load_tokenizer(folder)
    save_model(tiny_decoder(token_count(tokenizer) - 1), tokenizer, tmp_path / "saved")
    with pytest.raises(InputError, match="<mask>"):
        load_model(tmp_path / "saved")
