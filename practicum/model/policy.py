"""The model as everyone else sees it: weights that can be read, trained and saved, of any architecture.

Whatever has these few methods is sampled from, scored and trained by the same code. Our own is `Decoder`
(`decoder.py`), for which there are kernels; every other causal language model of transformers is a
`HuggingFacePolicy` (`huggingface.py`).
Suffixes: B rows, T positions, D hidden width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from practicum.errors import InputError
from practicum.run.progress import doing

if TYPE_CHECKING:
    from practicum.model.lora import LoraConfig


class NotCoveredError(InputError):
    """A model that our decoder does not cover; transformers may (`huggingface.py`)."""


@dataclass(frozen=True)
class ModelSpec:
    """What code that knows no architecture may ask about a model.

    `max_positions` is the longest sequence, prompt and completion together. Every one of `eos_ids` ends a
    sequence that is sampled; training appends the first. `bos_id` is None where sequences have no beginning.
    """

    vocab_size: int
    hidden_size: int
    max_positions: int
    eos_ids: tuple[int, ...]
    pad_id: int
    bos_id: int | None = None

    @property
    def eos_id(self) -> int:
        """The end of sequence that training appends."""
        return self.eos_ids[0]


class Policy(Protocol):
    """Weights that can be read, trained and saved; knows no task."""

    @property
    def spec(self) -> ModelSpec:
        """Sizes and special tokens."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the weights are; the ids given to `hidden` must be there too."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All weights by name, each tied weight once; those to train have `requires_grad`."""
        ...

    def hidden(self, ids_BT: Tensor, dtype: torch.dtype) -> Tensor:
        """Final hidden states float32 [B, T, D] of right-padded ids; matrix products run in `dtype`."""
        ...

    def logits(self, hidden: Tensor, dtype: torch.dtype) -> Tensor:
        """Hidden states [..., D] -> float32 logits [..., V]."""
        ...

    def save(self, folder: Path) -> None:
        """Write config.json, generation_config.json and the weights as `transformers` reads them."""
        ...

    def restore(self, folder: Path) -> None:
        """Take the weights that `save` wrote into `folder`, in place."""
        ...


def load_policy(
    path: Path, device: torch.device | str = "cpu", lora: LoraConfig | None = None, seed: int = 0
) -> tuple[Policy, Tokenizer]:
    """The model that `path` means (`checkpoint.model_folder`) on `device`, and its tokenizer.

    `lora` freezes the weights and adds adapters, which `seed` draws. Raises InputError naming the file for
    whatever cannot be read.
    """
    # An architecture's code is imported when a model asks for it; each of them imports this module.
    from practicum.model.checkpoint import load_model, model_folder
    from practicum.model.lora import add_adapters

    folder = model_folder(path)
    with doing(f"loading {path}"):
        try:
            decoder, tokenizer = load_model(folder)
        except NotCoveredError:
            from practicum.model.huggingface import load_huggingface

            policy, tokenizer = load_huggingface(folder, lora, seed)
            return policy.to(device), tokenizer
        decoder = decoder.to(device)
        decoder.base = str(folder.resolve())
    return (add_adapters(decoder, lora, seed) if lora else decoder), tokenizer
