"""Tokenizers in the `tokenizers` format: one token per character of mathematics, short words whole.

Digits, operators, brackets and single letters are always tokens of their own, so that arithmetic is seen
digit by digit; runs of two or more letters are merged by byte-pair encoding learned from the textbook.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from practicum.errors import InputError

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
PIECES = Regex(r"[A-Za-z]{2,}: | ?[A-Za-z]{2,}|[\s\S]")


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Learn a tokenizer: every printable ASCII character, then the commonest words of `texts`.

    A word is a run of two or more letters with the space before it or the `: ` behind it.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(PIECES, "isolated")
    tokenizer.decoder = decoders.Fuse()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[PAD, EOS, UNKNOWN],
        initial_alphabet=sorted(string.printable[:95] + "\n"),
        show_progress=False,
        min_frequency=2,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read `tokenizer.json` of a model folder, and its chat template where there is one.

    Raises InputError when a file is missing or malformed.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; a model folder holds config.json, tokenizer.json and weights"
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    # The Rust side raises plain Exception for a malformed file, there is nothing narrower to catch.
    except Exception as error:
        raise InputError(f"{path}: not a tokenizer of the `tokenizers` library ({error})") from error
    set_chat(tokenizer, _read_chat(folder))
    return tokenizer


def encode_batch(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, no special tokens added, same order."""
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def encode_prompts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of prompts, as one user's message each where the model has a chat template, else as they are.

    The template adds what the model was taught to expect: its system message, whose turn it is, what opens
    the answer. An empty prompt stays empty. Raises InputError when the template refuses a message.
    """
    chat = chat_of(tokenizer)
    asked = [chat.ask(text) if chat is not None and text else text for text in texts]
    return encode_batch(tokenizer, asked)


@dataclass(frozen=True)
class Chat:
    """A model's chat template (Jinja, as in Hugging Face's tokenizer_config.json), and what it may name."""

    template: str
    bos_token: str = ""
    eos_token: str = ""

    def ask(self, text: str) -> str:
        """One user's message, up to where the model's answer begins."""
        return self.render([{"role": "user", "content": text}], add_generation_prompt=True)

    def render(self, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool) -> str:
        """Messages (role, content) as the model was taught to see them; InputError when it refuses them."""
        try:
            return _compiled(self.template).render(
                messages=list(messages),
                add_generation_prompt=add_generation_prompt,
                bos_token=self.bos_token,
                eos_token=self.eos_token,
            )
        except TemplateError as error:
            said = "a user's message" if len(messages) == 1 else f"{len(messages)} messages"
            raise InputError(f"the model's chat template fails on {said}: {error}") from error


def chat_of(tokenizer: Tokenizer) -> Chat | None:
    """The chat template that came with a tokenizer."""
    chat: Chat | None = getattr(tokenizer, "chat", None)
    return chat


def set_chat(tokenizer: Tokenizer, chat: Chat | None) -> None:
    """Give a tokenizer a chat template; None takes it away, and prompts are then encoded as they are."""
    # A tokenizer of the `tokenizers` library has no field for it and cannot be subclassed.
    tokenizer.chat = chat  # type: ignore[attr-defined]


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """Id of a special token. Raises InputError when the vocabulary lacks it."""
    index = tokenizer.token_to_id(token)
    if index is None:
        raise InputError(f"the tokenizer has no token {token}; train one, or name the model's own")
    return int(index)


@lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    """A template under the settings that Hugging Face gives it, able to reach its arguments only."""

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = refuse
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    return environment.from_string(template)


def _read_chat(folder: Path) -> Chat | None:
    """The template in chat_template.jinja, or in tokenizer_config.json; of several the one named default."""
    path, own_file = folder / "tokenizer_config.json", folder / "chat_template.jinja"
    stored: Any = {}
    if path.is_file():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(stored, dict):
        raise InputError(f"{path}: expected a JSON object")
    template = stored.get("chat_template")
    if isinstance(template, list):
        template = {part.get("name"): part.get("template") for part in template}.get("default")
    if own_file.is_file():
        template = own_file.read_text(encoding="utf-8")
    if not isinstance(template, str):
        return None
    return Chat(template, _token(stored, "bos_token"), _token(stored, "eos_token"))


def _token(stored: Mapping[str, Any], role: str) -> str:
    """A special token's text, which is stored by itself or with its flags."""
    value = stored.get(role) or ""
    return str(value["content"] if isinstance(value, dict) else value)
