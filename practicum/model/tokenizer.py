"""Tokenizers: those of a model folder, as transformers loads them, and our own, learned from a textbook.

A folder's tokenizer gives the very ids that `AutoTokenizer` gives: special tokens, normalisation and chat
template included. Our own keeps digits, operators, brackets and single letters as tokens, so that arithmetic
is seen digit by digit; runs of two or more letters are merged by byte-pair encoding, and characters that the
vocabulary lacks are spelled as the bytes of their UTF-8.
"""

from __future__ import annotations

import json
import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from jinja2 import TemplateError
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from practicum.errors import InputError
from practicum.types import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
PIECES = Regex(r"[A-Za-z]{2,}: | ?[A-Za-z]{2,}|[\s\S]")
CHARACTERS = string.printable[:95] + "\n"
# The bytes that UTF-8 text can hold besides CHARACTERS: control characters, then what longer codes begin and
# go on with. C0, C1 and F5 to FF stand in no valid text.
BYTES = [code for code in (*range(0x20), *range(0x7F, 0xC0), *range(0xC2, 0xF5)) if code != ord("\n")]
# What transformers reads of a tokenizer in a model folder; only the first must be there.
FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)
FOLDERS = ("chat_templates", "additional_chat_templates")
# What the files of a tokenizer that was trained here say, besides its vocabulary, its length and a template.
OWN_ROLES = {"pad_token": PAD, "eos_token": EOS, "unk_token": UNKNOWN}
OWN_SETTINGS = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "clean_up_tokenization_spaces": False,
    "padding_side": "left",
}
_WHOLE = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
_FIRST, _SECOND = ({"Sequence": {"id": name, "type_id": index}} for index, name in enumerate("AB"))
OWN_PARTS = {
    "truncation": None,
    "padding": None,
    "added_tokens": [{"id": n, "content": name, **_WHOLE} for n, name in enumerate((PAD, EOS, UNKNOWN))],
    "normalizer": None,
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [_FIRST],
        "pair": [_FIRST, _SECOND],
        "special_tokens": {},
    },
    "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
}
# How a chat template fails that asks too much of the machine, or for what the sandbox does not have.
RESOURCES = (RecursionError, MemoryError, AttributeError)


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Learn a tokenizer: every printable ASCII character, then the commonest words of `texts`.

    A word is a run of two or more letters with the space before it or the `: ` behind it. On top of
    `vocabulary_size` come the tokens of BYTES, into which any other character falls apart, so that every text
    comes back unchanged.
    """
    learned = Tokenizer(models.BPE(unk_token=UNKNOWN))
    learned.pre_tokenizer = pre_tokenizers.Split(PIECES, "isolated")
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[PAD, EOS, UNKNOWN],
        initial_alphabet=sorted(CHARACTERS),
        show_progress=False,
        min_frequency=2,
    )
    learned.train_from_iterator(texts, trainer)
    # Byte tokens are no special tokens, which a person's text could spell, so the trainer cannot add them.
    model = json.loads(learned.to_str())["model"]
    names = [f"<0x{code:02X}>" for code in BYTES]
    vocabulary = model["vocab"] | {name: len(model["vocab"]) + index for index, name in enumerate(names)}
    merges = [tuple(merge) for merge in model["merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token=UNKNOWN, byte_fallback=True))
    tokenizer.add_special_tokens([PAD, EOS, UNKNOWN])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(PIECES, "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    # It adds nothing; transformers sets it too, so a tokenizer is the same before it is saved and after.
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B:1", special_tokens=[])
    return tokenizer


# --------------------------------------------------------------------------------------- folders, in and out


@dataclass(frozen=True)
class Origin:
    """What a tokenizer's folder says beyond what the `tokenizers` library holds.

    `files` are the folder's files of the tokenizer, by their paths in it, as they were; `eos_token` is the
    token that ends a sequence, empty where the folder names none.
    """

    files: Mapping[str, bytes]
    eos_token: str = ""


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer that `AutoTokenizer` makes of a model folder, which keeps its chat template and files.

    Truncation and padding stored in tokenizer.json are off, as they are whenever transformers is called
    without them. Code in the folder is never run. Raises InputError when a file is missing or malformed.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; a model folder holds config.json, tokenizer.json and weights"
        )
    files = _read_files(folder)
    try:
        found = _made_here(files) or _by_transformers(folder)
    # The Rust side raises plain Exception for a malformed file, there is nothing narrower to catch.
    except Exception as error:
        from huggingface_hub.errors import StrictDataclassError

        said = " ".join(str(error).split())
        if isinstance(error, StrictDataclassError):
            # transformers reads the model's config too, to know which tokenizer it has.
            raise InputError(f"{folder / 'config.json'}: {said:.300}") from error
        raise InputError(f"{path}: not a tokenizer of the `tokenizers` library ({said:.200})") from error
    if found is None:
        raise InputError(f"{path}: transformers makes no tokenizer of the `tokenizers` library of it")
    tokenizer, names, template = found
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if isinstance(template, dict):
        template = template.get("default")
    set_chat(tokenizer, Chat(template, names) if template else None)
    tokenizer.origin = Origin(files, names.get("eos_token", ""))  # type: ignore[attr-defined]
    return tokenizer


Found: TypeAlias = tuple[Tokenizer, dict[str, str], Any]
"""A tokenizer, its special tokens by their roles, and its chat template, if any."""


def _by_transformers(folder: Path) -> Found | None:
    """What `AutoTokenizer` makes of a folder; None where that is none of the `tokenizers` library."""
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not loaded.is_fast:
        return None
    names = {name: str(token) for name, token in loaded.special_tokens_map.items()}
    return loaded.backend_tokenizer, names, loaded.chat_template


def _made_here(files: Mapping[str, bytes]) -> Found | None:
    """The tokenizer of files that `save_tokenizer` wrote of one that `train_tokenizer` made; None for others.

    transformers adds nothing to such files, and takes seconds to import. A file that differs in anything that
    could matter to it counts as another's.
    """
    if files.keys() != {"tokenizer.json", "tokenizer_config.json"}:
        return None
    stored, settings = (json.loads(files[name]) for name in ("tokenizer.json", "tokenizer_config.json"))
    names = {role: settings.get(role) for role in OWN_ROLES}
    model = stored.get("model")
    if (
        settings.keys() - {*OWN_SETTINGS, *OWN_ROLES, "model_max_length", "chat_template"}
        or {key: settings.get(key) for key in OWN_SETTINGS} != OWN_SETTINGS
        or names != OWN_ROLES
        or not isinstance(settings.get("chat_template", ""), str)
        or {key: stored.get(key) for key in OWN_PARTS} != OWN_PARTS
        or not isinstance(model, dict)
        or (model.get("type"), model.get("unk_token"), model.get("byte_fallback")) != ("BPE", UNKNOWN, True)
    ):
        return None
    return Tokenizer.from_buffer(files["tokenizer.json"]), names, settings.get("chat_template")


def save_tokenizer(tokenizer: Tokenizer, folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the files that `AutoTokenizer` reads: those that came with the tokenizer, as they were.

    A tokenizer that came from no folder gets tokenizer_config.json of the given settings and its chat
    template.
    """
    origin = origin_of(tokenizer)
    if origin is None:
        chat = chat_of(tokenizer)
        template = {} if chat is None else {"chat_template": chat.template}
        tokenizer.save(str(folder / "tokenizer.json"))
        written = json.dumps({**settings, **template}, indent=2) + "\n"
        (folder / "tokenizer_config.json").write_text(written, encoding="utf-8")
        return
    for name, content in origin.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def origin_of(tokenizer: Tokenizer) -> Origin | None:
    """Where a tokenizer came from; None for one that was made here."""
    origin: Origin | None = getattr(tokenizer, "origin", None)
    return origin


def end_token_id(tokenizer: Tokenizer) -> int | None:
    """Id of the token that the tokenizer's own folder names as the end of a sequence."""
    origin = origin_of(tokenizer)
    return tokenizer.token_to_id(origin.eos_token) if origin is not None and origin.eos_token else None


def token_count(tokenizer: Tokenizer) -> int:
    """One more than the largest id a tokenizer can give: the rows that a model's embedding must have."""
    return 1 + max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """Id of a special token. Raises InputError when the vocabulary lacks it."""
    index = tokenizer.token_to_id(token)
    if index is None:
        raise InputError(f"the tokenizer has no token {token}; train one, or name the model's own")
    return int(index)


def _read_files(folder: Path) -> dict[str, bytes]:
    """The tokenizer's files in a folder; InputError names one that is not what its name says."""
    paths = [folder / name for name in FILES]
    paths += [path for name in FOLDERS for path in sorted((folder / name).glob("*.jinja"))]
    files = {}
    for path in paths:
        if not path.is_file():
            continue
        try:
            content = path.read_bytes()
            if path.suffix in (".json", ".jinja", ".txt"):
                text = content.decode("utf-8")
            if path.suffix == ".json" and not isinstance(json.loads(text), dict):
                raise InputError(f"{path}: expected a JSON object")
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            kind = "JSON" if path.suffix == ".json" else "UTF-8 text"
            raise InputError(f"{path}: not valid {kind} ({error})") from error
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        files[path.relative_to(folder).as_posix()] = content
    return files


# --------------------------------------------------------------------------------------------- texts to ids


def encode_batch(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, no special tokens added, same order: what a completion consists of."""
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of whole texts, `AutoTokenizer(text)`: with the special tokens that the tokenizer adds."""
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=True)]


def encode_prompts(tokenizer: Tokenizer, prompts: Sequence[str | Prompt]) -> list[list[int]]:
    """Token ids of prompts, as one user's message each where the model has a chat template, else as texts.

    A prompt that is a chat has its messages rendered, and its tools. The template adds what the model was
    taught to expect: its system message, whose turn it is, what opens the answer. It writes the special
    tokens itself, so none are added to it; a text has those that `encode_texts` gives it, as the beginning of
    a sequence. An empty prompt is no message but an empty text.
    Raises InputError when the template refuses a message, or tools are given to a model without a template.
    """
    chat = chat_of(tokenizer)
    asked = [Prompt(prompt) if isinstance(prompt, str) else prompt for prompt in prompts]
    if chat is None:
        for prompt in asked:
            if prompt.data.get("tools"):
                said = "the prompt has tools, and the model has no chat template that could show them"
                raise InputError(_at(prompt, said))
        return encode_texts(tokenizer, [prompt.text for prompt in asked])
    rendered = encode_batch(tokenizer, [_asked(chat, prompt) if prompt.text else "" for prompt in asked])
    empty = encode_texts(tokenizer, [""])[0]
    return [ids if prompt.text else list(empty) for prompt, ids in zip(asked, rendered, strict=True)]


def encode_reply(
    tokenizer: Tokenizer, prompt: Prompt, message: Mapping[str, Any], eos_ids: Collection[int]
) -> list[int]:
    """Token ids of an assistant's message as the chat template writes it behind the prompt, without its end.

    Raises InputError without a template, and for one that writes the prompt otherwise before such a message.
    """
    chat = chat_of(tokenizer)
    if chat is None:
        said = "a reply with tool calls or reasoning needs a model with a chat template to write it"
        raise InputError(_at(prompt, said))
    before = _asked(chat, prompt)
    whole = _rendered(chat, prompt, [message], add_generation_prompt=False)
    if not whole.startswith(before):
        said = (
            "the model's chat template writes the prompt otherwise before a reply with tool calls or "
            f"reasoning, so it cannot be learned: {prompt.text!r:.60}"
        )
        raise InputError(_at(prompt, said))
    ids = encode_batch(tokenizer, [whole[len(before) :]])[0]
    return ids[: next((place for place, token in enumerate(ids) if token in eos_ids), len(ids))]


def _asked(chat: Chat, prompt: Prompt) -> str:
    return _rendered(chat, prompt, [], add_generation_prompt=True)


def _rendered(
    chat: Chat, prompt: Prompt, replies: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool
) -> str:
    """A prompt and replies to it. Raises InputError that names where the prompt stands."""
    messages = prompt.messages or ({"role": "user", "content": prompt.text},)
    tools = prompt.data.get("tools")
    try:
        return chat.render([*messages, *replies], add_generation_prompt=add_generation_prompt, tools=tools)
    except InputError as error:
        raise InputError(_at(prompt, str(error))) from error


def _at(prompt: Prompt, said: str) -> str:
    return f"{prompt.origin}: {said}" if prompt.origin else said


@dataclass(frozen=True)
class Chat:
    """A model's chat template (Jinja), and the special tokens it may name, by role, as `eos_token`."""

    template: str
    tokens: Mapping[str, str] = field(default_factory=dict)

    def ask(self, text: str) -> str:
        """One user's message, up to where the model's answer begins."""
        return self.render([{"role": "user", "content": text}])

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> str:
        """The text of messages as transformers renders it, up to where the answer begins unless told not to.

        Raises InputError when the template refuses the messages.
        """

        def written(messages: Sequence[Mapping[str, Any]]) -> str:
            return str(
                _renderer().apply_chat_template(
                    [dict(message) for message in messages],
                    tools=None if tools is None else [dict(tool) for tool in tools],
                    chat_template=self.template,
                    tokenize=False,
                    add_generation_prompt=add_generation_prompt,
                    **self.tokens,
                )
            )

        def written_either_way() -> str:
            try:
                return written(messages)
            except TypeError:
                # Templates that join a call's arguments to text, as DeepSeek's, want them as JSON text.
                return written([_with_arguments_as_text(message) for message in messages])

        try:
            return written_either_way()
        # A template is a program of the model's makers: it fails in its own words, or as any program does.
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, *RESOURCES) as error:
            asked = "a user's message" if len(messages) == 1 else f"{len(messages)} messages"
            said = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"the model's chat template fails on {asked}: {said:.300}") from error


def _with_arguments_as_text(value: Any) -> Any:
    """A message with the arguments of its tool calls as JSON text."""
    if isinstance(value, Mapping):
        return {
            key: json.dumps(item, ensure_ascii=False)
            if key == "arguments" and isinstance(item, Mapping)
            else _with_arguments_as_text(item)
            for key, item in value.items()
        }
    return [_with_arguments_as_text(item) for item in value] if isinstance(value, list) else value


@cache
def _renderer() -> PreTrainedTokenizerFast:
    """A tokenizer of transformers that renders any chat template; a text needs no vocabulary."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))


def chat_of(tokenizer: Tokenizer) -> Chat | None:
    """The chat template that came with a tokenizer."""
    chat: Chat | None = getattr(tokenizer, "chat", None)
    return chat


def set_chat(tokenizer: Tokenizer, chat: Chat | None) -> None:
    """Give a tokenizer a chat template; None takes it away, and prompts are then encoded as they are."""
    # A tokenizer of the `tokenizers` library has no field for it and cannot be subclassed.
    tokenizer.chat = chat  # type: ignore[attr-defined]
    origin = origin_of(tokenizer)
    if origin is not None:
        tokenizer.origin = replace(origin, files=_with_chat(origin.files, chat))  # type: ignore[attr-defined]


def _with_chat(files: Mapping[str, bytes], chat: Chat | None) -> dict[str, bytes]:
    """A folder's files with another chat template, in tokenizer_config.json and nowhere else."""
    kept = {name: content for name, content in files.items() if not name.endswith(".jinja")}
    settings = json.loads(kept.get("tokenizer_config.json", b"{}"))
    settings.pop("chat_template", None)
    if chat is not None:
        settings["chat_template"] = chat.template
    return kept | {"tokenizer_config.json": (json.dumps(settings, indent=2) + "\n").encode("utf-8")}
