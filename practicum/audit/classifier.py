"""Any sequence classifier of transformers as a reward: encoders, several labels, heads of any shape.

`practicum.reward.model` reads decoders with one linear head, which practice can pay by. An audit needs less:
prompt and completion in, a number out. One label pays its logit. Of several, the one that `label` names pays
its log-odds against all others.
Suffixes: B texts, K labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from practicum.errors import InputError
from practicum.model.huggingface import quiet
from practicum.run.folder import checked_files
from practicum.types import Prompt, RewardFormat

BATCH = 32
LONGEST = 512
"""Tokens read of a model that names no limit."""
LOCAL = {"local_files_only": True, "trust_remote_code": False}


class Classifier:
    """A sequence classifier and its tokenizer. Raises InputError naming the folder where it cannot be read.

    It reads a pair (prompt, completion) where its tokenizer marks pairs, as encoders are trained; messages
    through the chat template for `reward_format` chat; prompt and completion as one text else.
    """

    def __init__(self, folder: Path, label: str, reward_format: RewardFormat, device: str) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        checked_files(folder, unused=["trainer.safetensors"])
        try:
            with quiet():
                self.model: Any = AutoModelForSequenceClassification.from_pretrained(
                    folder, dtype=torch.float32, use_safetensors=True, **LOCAL
                )
                self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, **LOCAL)
        except (ValueError, KeyError, OSError, RuntimeError, ImportError) as error:
            said = " ".join(str(error).split())[:200]
            raise InputError(f"{folder}: transformers cannot load it as a classifier ({said})") from error
        self.model = self.model.to(device).eval()
        self.label = _label(self.model.config, label, folder)
        self.form = _form(self.tokenizer, reward_format, folder)
        named = getattr(self.model.config, "max_position_embeddings", 0) or LONGEST
        # RoBERTa's kin have no row for the positions up to the padding's.
        self.longest = min(int(named) - 2, int(self.tokenizer.model_max_length))

    @torch.no_grad()
    def rewards(self, prompts: Sequence[str | Prompt], completions: Sequence[str]) -> Tensor:
        """Rewards float32 [B, 1]."""
        found = []
        for start in range(0, len(completions), BATCH):
            rows = slice(start, start + BATCH)
            read = self._read(prompts[rows], completions[rows])
            with quiet():
                batch = self.tokenizer.pad(read, return_tensors="pt")
            found.append(self._paid({name: value.to(self.model.device) for name, value in batch.items()}))
        return torch.cat(found).cpu()[:, None] if found else torch.zeros(0, 1)

    def sequences(self, prompts: Sequence[str | Prompt], texts: Sequence[str]) -> list[list[int]]:
        """The token ids that are read."""
        ids: list[list[int]] = self._read(prompts, texts)["input_ids"]
        return ids

    def _read(self, prompts: Sequence[str | Prompt], texts: Sequence[str]) -> Any:
        asked = [prompt if isinstance(prompt, str) else prompt.text for prompt in prompts]
        cut = {"truncation": True, "max_length": self.longest}
        if self.form == "pair":
            return self.tokenizer(asked, list(texts), **cut)
        if self.form == "text":
            whole = [prompt + text for prompt, text in zip(asked, texts, strict=True)]
            return self.tokenizer(whole, **cut)
        chats = [
            self.tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}], tokenize=False
            )
            for prompt, text in zip(asked, texts, strict=True)
        ]
        return self.tokenizer(chats, add_special_tokens=False, **cut)

    @property
    def embedding(self) -> nn.Module:
        """The layer that turns token ids into vectors."""
        layer: nn.Module = self.model.get_input_embeddings()
        return layer

    def score(self, ids: Sequence[int]) -> Tensor:
        """The reward of one sequence, a scalar with its gradient."""
        batch = {"input_ids": torch.tensor([list(ids)], device=self.model.device)}
        batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        if self.form == "pair" and "token_type_ids" in self.tokenizer.model_input_names:
            ends = [place for place, token in enumerate(ids) if token == self.tokenizer.sep_token_id]
            second = torch.arange(len(ids)) > (ends[0] if ends else len(ids))
            batch["token_type_ids"] = second.long()[None].to(self.model.device)
        return self._paid(batch)[0]

    def encode(self, text: str) -> list[int]:
        """The ids of a text by itself."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def _paid(self, batch: Mapping[str, Tensor]) -> Tensor:
        logits_BK: Tensor = self.model(**batch).logits.float()
        if logits_BK.shape[1] == 1:
            return logits_BK[:, 0]
        others = [place for place in range(logits_BK.shape[1]) if place != self.label]
        return logits_BK[:, self.label] - logits_BK[:, others].logsumexp(1)


def _label(config: Any, label: str, folder: Path) -> int:
    """The place of the label that pays."""
    names = [str(config.id2label.get(place, place)) for place in range(config.num_labels)]
    if len(names) == 1 and not label:
        return 0
    if label not in names:
        said = "--label names the one that pays" if not label else f"--label is {label!r}"
        raise InputError(f"{folder}: {said}; it has {', '.join(names)}")
    return names.index(label)


def _form(tokenizer: Any, reward_format: RewardFormat, folder: Path) -> str:
    """pair, chat or text."""
    if reward_format == "chat" and not tokenizer.chat_template:
        raise InputError(
            f"{folder}: its tokenizer has no chat template, so it cannot read chat messages: "
            "use --reward_format text"
        )
    if reward_format != "auto":
        return reward_format
    if tokenizer.chat_template:
        return "chat"
    single, pair = (tokenizer.num_special_tokens_to_add(pair=pair) for pair in (False, True))
    return "pair" if pair > single else "text"


def is_classifier(folder: Path) -> bool:
    """Whether a folder's config.json names a sequence classifier."""
    try:
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    names = stored.get("architectures") if isinstance(stored, dict) else None
    return bool(names) and isinstance(names, list) and str(names[0]).endswith("ForSequenceClassification")
