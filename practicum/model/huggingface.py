"""Any causal language model of transformers as a `Policy`: GPT-2, OPT, Bloom, GPT-NeoX, Qwen3-MoE and so on.

The model's own layers give hidden states; what it does from there to logits (a head with a bias, a scale, a
soft cap) is its own code too, which is given the hidden states in place of its layers. Whether both together
are the model is checked when it is loaded. LoRA adapters are peft's. A mixture of experts learns by the loss
alone: the auxiliary loss that balances its routers is not added.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor, nn

from practicum.errors import InputError
from practicum.model.checkpoint import (
    ADAPTER_FOLDER,
    adapter_only,
    adapter_tokenizer,
    check_weights,
    ends_named,
    fitting_ends,
    model_folder,
)
from practicum.model.lora import LoraConfig, base_folder
from practicum.model.peft_adapters import (
    adapter_parts,
    add_peft_adapters,
    merge_peft_adapter,
    merged_model_weights,
    restore_peft_adapters,
    save_peft_adapters,
)
from practicum.model.policy import ModelSpec
from practicum.model.tokenizer import load_tokenizer
from practicum.run.folder import checked_files

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LOCAL = {"local_files_only": True, "trust_remote_code": False}
# How a model of transformers fails that its config or its code does not let run.
CANNOT_RUN = (TypeError, AttributeError, ValueError, RuntimeError, LookupError, ArithmeticError)
UNLIMITED = 1_048_576
"""Positions of a model that has no limit, as those with ALiBi or a state."""
TOLERANCE = 1e-4
"""Largest difference, relative to the largest logit, that float32 rounding explains."""


class HuggingFacePolicy(nn.Module):
    """A model of transformers, float32, without dropout, behind the methods of `Policy`.

    `model` is a causal language model, or a sequence classifier whose layers alone are used: that has no
    `logits`. `base` is the folder that adapters name as theirs.
    """

    def __init__(self, model: PreTrainedModel, spec: ModelSpec, base: str = "") -> None:
        super().__init__()
        self.model = model
        self.eval()
        self.spec, self.base = spec, base
        self.generation = getattr(model, "generation_config", None)
        if self.generation is not None:
            # Nothing but what a sampler is told decides how completions are drawn.
            model.generation_config = type(self.generation)()
        self.__dict__["head"] = _head(model)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = next(self.model.parameters()).device
        return device

    @property
    def adapted(self) -> bool:
        """Whether adapters learn in place of the weights."""
        return any(True for _ in adapter_parts(self.model))

    def hidden(self, ids_BT: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Final hidden states float32 [B, T, D] of right-padded ids; matrix products run in `dtype`.

        Padding needs no mask, since no token looks to its right.
        """
        with products_in(dtype, ids_BT.device):
            outputs = self.model.base_model(
                input_ids=ids_BT, attention_mask=torch.ones_like(ids_BT), use_cache=False
            )
        states: Tensor = outputs.last_hidden_state.float()
        return states

    def logits(self, hidden: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Hidden states [..., D] -> float32 logits [..., V], always by products in float32."""
        flat = hidden.float().reshape(1, -1, hidden.shape[-1])
        logits: Tensor = self.__dict__["head"](inputs_embeds=flat).logits
        return logits.float().reshape(*hidden.shape[:-1], -1)

    def save(self, folder: Path) -> None:
        """Write config.json, generation_config.json, float32 weights, and adapters if there are any.

        Adapters are added to the weights that are stored, and kept by themselves in the subfolder `adapter`.
        """
        self.write(self.model, folder)
        if self.adapted:
            save_peft_adapters(self.model, folder / ADAPTER_FOLDER, self.base)

    def write(self, model: PreTrainedModel, folder: Path) -> None:
        """Write `model`, whose weights are this policy's, with this policy's ends of sequence."""
        ends = list(self.spec.eos_ids)
        config = model.config.get_text_config()
        config.eos_token_id = ends if len(ends) > 1 else ends[0]
        folder.mkdir(parents=True, exist_ok=True)
        with quiet():
            model.save_pretrained(folder, state_dict=merged_model_weights(model))
        if self.generation is not None:
            generation = {**self.generation.to_diff_dict(), "eos_token_id": config.eos_token_id}
            written = json.dumps(generation, indent=2, sort_keys=True) + "\n"
            (folder / "generation_config.json").write_text(written, encoding="utf-8")

    def restore(self, folder: Path) -> None:
        """Take a saved folder's weights in place: its adapters where there are any, else all weights."""
        if self.adapted:
            restore_peft_adapters(self.model, folder / ADAPTER_FOLDER)
        else:
            fresh = _read(type(self.model), folder, _config(folder))
            self.model.load_state_dict(fresh.state_dict())


def products_in(dtype: torch.dtype, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Matrix products in `dtype`, whose sums and all else stay float32."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=dtype)


# ---------------------------------------------------------------------------------- hidden states to logits


class _States:
    """What a model's layers return, with the final states only; whatever else is asked for is None."""

    def __init__(self, states: Tensor) -> None:
        self.last_hidden_state = states

    def __getitem__(self, index: int) -> Tensor | None:
        return self.last_hidden_state if index == 0 else None

    def __getattr__(self, name: str) -> None:
        return None


class _Given(nn.Module):
    """Stands where a model's layers stand: it returns as final states the embeddings it is given."""

    def __init__(self) -> None:
        super().__init__()
        # OPT asks its `decoder` inside of the model.
        self.__dict__["decoder"] = self

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> _States:
        return _States(inputs_embeds)


def _head(model: PreTrainedModel) -> PreTrainedModel:
    """The same model, sharing all weights, with `_Given` in place of its layers: hidden states to logits."""
    head = copy.copy(model)
    head._modules = {**model._modules, model.base_model_prefix: _Given()}
    return head


@torch.no_grad()
def check_split(policy: HuggingFacePolicy, folder: Path) -> None:
    """Raise InputError unless `hidden` and `logits` are the model, which looks to no token's right."""
    vocabulary = policy.spec.vocab_size
    length = min(8, policy.spec.max_positions)
    ids = (torch.arange(length, device=policy.device) * 7919 + 11) % vocabulary
    shorter, padded = ids[: length // 2 + 1], ids.clone()
    padded[len(shorter) :] = 0
    try:
        found = policy.logits(policy.hidden(torch.stack([ids, padded]), torch.float32), torch.float32)
        whole, short = (
            policy.model(
                input_ids=part[None], attention_mask=torch.ones_like(part)[None], use_cache=False
            ).logits[0]
            for part in (ids, shorter)
        )
    except CANNOT_RUN as error:
        raise InputError(
            f"{folder}: {_kind(policy)} cannot be read token by token ({_said(error)})"
        ) from error
    room = TOLERANCE * max(1.0, float(whole.abs().max()))
    if found.shape[1:] != whole.shape or float((found[0] - whole).abs().max()) > room:
        raise InputError(
            f"{folder}: {_kind(policy)} makes logits of more than its final hidden states; it cannot be "
            "trained here"
        )
    if float((found[1, : len(shorter)] - short).abs().max()) > room:
        raise InputError(
            f"{folder}: in {_kind(policy)} tokens look at those to their right: give a causal language model"
        )


def _kind(policy: HuggingFacePolicy) -> str:
    return type(policy.model).__name__


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


# ---------------------------------------------------------------------------------------------------- folders


def load_huggingface(
    folder: Path, lora: LoraConfig | None = None, seed: int = 0
) -> tuple[HuggingFacePolicy, Tokenizer]:
    """Read any causal language model that transformers has code for; code in the folder is never run.

    In peft's adapter folder, which names its base model, the adapter is added to the base model's weights.
    `lora` freezes the weights and adds adapters, which `seed` draws. Raises InputError naming the file.
    """
    from transformers import AutoModelForCausalLM

    adapter = folder if adapter_only(folder) else None
    base = model_folder(base_folder(folder)) if adapter else folder
    checked_files(base, unused=["trainer.safetensors"])
    config = _config(base)
    check_weights(base)
    tokenizer = adapter_tokenizer(folder) if adapter else None
    tokenizer = tokenizer or load_tokenizer(base)
    model = _read(AutoModelForCausalLM, base, config)
    if adapter:
        model = merge_peft_adapter(model, adapter)
    policy = HuggingFacePolicy(model, spec_of(model, base, tokenizer), str(folder.resolve()))
    check_split(policy, base)
    if lora is not None and lora.rank > 0:
        add_peft_adapters(policy.model, lora, seed)
    return policy, tokenizer


def _config(folder: Path) -> Any:
    """The config of a model that transformers has code for."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, **LOCAL)
    except (*CANNOT_RUN, OSError, StrictDataclassError) as error:
        raise InputError(
            f"{folder / 'config.json'}: transformers knows no such model without running code of the folder, "
            f"which is never done ({_said(error)})"
        ) from error


def _read(kind: Any, folder: Path, config: Any, apart: tuple[str, ...] = ()) -> PreTrainedModel:
    """The model in a folder by `kind.from_pretrained`, float32, all weights there but those of `apart`."""
    try:
        with quiet():
            model, report = kind.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                **LOCAL,
            )
    except (*CANNOT_RUN, OSError, ImportError, SafetensorError) as error:
        raise InputError(f"{folder}: transformers cannot load it ({_said(error)})") from error
    missing, surplus = (
        sorted(name for name in report[f"{kind}_keys"] if not name.startswith(apart or "."))
        for kind in ("missing", "unexpected")
    )
    if missing or surplus:
        raise InputError(
            f"{folder}: weights do not fit config.json (missing {missing[:3]}, not expected {surplus[:3]})"
        )
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    loaded: PreTrainedModel = model
    return loaded


def spec_of(model: PreTrainedModel, folder: Path, tokenizer: Tokenizer) -> ModelSpec:
    """Sizes and special tokens of a model; InputError where its tokenizer does not fit it."""
    config = model.config.get_text_config()
    generation = getattr(model, "generation_config", None)
    ids = torch.ones((1, 1), dtype=torch.int64, device=model.device)
    try:
        with torch.no_grad(), quiet():
            outputs = model.base_model(input_ids=ids, attention_mask=ids, use_cache=False)
            width = int(outputs.last_hidden_state.shape[-1])
    except CANNOT_RUN as error:
        kind = type(model).__name__
        raise InputError(f"{folder}: {kind} gives no final hidden states ({_said(error)})") from error
    embedding = model.get_output_embeddings() or model.get_input_embeddings()
    vocabulary = int(embedding.weight.shape[0])
    ends = fitting_ends(
        folder, tokenizer, vocabulary, ends_named(folder, {"eos_token_id": config.eos_token_id})
    )
    pads = (config.pad_token_id, getattr(generation, "pad_token_id", None), ends[0])
    return ModelSpec(
        vocab_size=vocabulary,
        hidden_size=width,
        max_positions=_positions(model),
        eos_ids=ends,
        pad_id=next(int(pad) for pad in pads if pad is not None and 0 <= pad < vocabulary),
        # Many files say by -1 that there is none.
        bos_id=config.bos_token_id if 0 <= (config.bos_token_id or 0) < vocabulary else None,
    )


def _positions(model: PreTrainedModel) -> int:
    """The longest sequence: what the config says, and no more than tables of positions have rows for."""
    config = model.config.get_text_config()
    named = (getattr(config, name, None) for name in ("max_position_embeddings", "max_seq_len"))
    limits = [limit for limit in named if isinstance(limit, int) and limit > 0]
    limits += _lengths_of_short_factors(config)
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(module, nn.Embedding) and ("position" in last or last in ("wpe", "embed_pos")):
            # Rows that no position takes: OPT's offset, those up to the padding in RoBERTa and its kin.
            spare = getattr(module, "offset", 0) or (module.padding_idx or -1) + 1
            limits.append(module.num_embeddings - spare)
    return min(limits, default=UNLIMITED)


def _lengths_of_short_factors(config: Any) -> list[int]:
    """Up to where rotary scaling of the kind longrope has one set of frequencies; nothing of other kinds.

    One row past it gives all rows of a batch the other set, and a cache keeps keys turned by the first, so
    that a token's probability would depend on its neighbours.
    """
    rope = getattr(config, "rope_parameters", None) or {}
    scalings = [rope, *(part for part in rope.values() if isinstance(part, dict))]
    return [
        scaling["original_max_position_embeddings"]
        for scaling in scalings
        if scaling.get("rope_type") == "longrope"
    ]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No bars and no advice of transformers; errors are raised all the same."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


# ----------------------------------------------------------------------------------- sequence classifiers


def load_classifier(folder: Path) -> tuple[HuggingFacePolicy, Tokenizer, Tensor]:
    """The layers of a sequence classifier with one label, its tokenizer, and its head's weight [1, D].

    In peft's adapter folder the adapter and the head it was trained with are added to the base model it
    names. Raises InputError for a head that is more than a linear map of the last token's state.
    """
    from transformers import AutoModelForSequenceClassification

    if adapter_only(folder):
        base = model_folder(base_folder(folder))
        config = _config(base)
        config.num_labels = 1
        tokenizer = adapter_tokenizer(folder) or load_tokenizer(base)
        bare = _read(AutoModelForSequenceClassification, base, config, ("score.", "lm_head.", "embed_out."))
        model = merge_peft_adapter(bare, folder)
    else:
        checked_files(folder, unused=["trainer.safetensors"])
        config = _config(folder)
        tokenizer = load_tokenizer(folder)
        model = _read(AutoModelForSequenceClassification, folder, config)
    head = getattr(model, "score", None)
    shape = list(head.weight.shape) if isinstance(head, nn.Linear) else "missing"
    if not isinstance(head, nn.Linear) or len(head.weight) != 1 or head.bias is not None:
        raise InputError(
            f"{folder}: score.weight is {shape}; a reward model has one label and a head without a bias"
        )
    policy = HuggingFacePolicy(model, spec_of(model, folder, tokenizer), str(folder.resolve()))
    _check_score(policy, head, folder)
    return policy, tokenizer, head.weight.detach()


@torch.no_grad()
def _check_score(policy: HuggingFacePolicy, head: nn.Linear, folder: Path) -> None:
    """Raise InputError unless the model's score is its head's of the last token's state."""
    pad = policy.model.config.get_text_config().pad_token_id
    ids = torch.tensor([token for token in range(2, 9) if token != pad and token < policy.spec.vocab_size])
    ids = ids[None, : policy.spec.max_positions]
    score = policy.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
    found = head(policy.hidden(ids)[0, -1])
    if float((score - found).abs().max()) > TOLERANCE * max(1.0, float(score.abs().max())):
        raise InputError(f"{folder}: {_kind(policy)} scores more than the last token's final state")


def check_classifier(policy: HuggingFacePolicy) -> None:
    """Raise InputError where transformers has no sequence classifier of the policy's architecture."""
    _classifier(policy)


def _classifier(policy: HuggingFacePolicy) -> Any:
    """The class of the architecture's sequence classifiers."""
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    kind = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING.get(type(policy.model.config), None)
    if kind is None:
        raise InputError(
            f"transformers has no sequence classifier of the kind of {_kind(policy)} for a reward model: "
            "start from a model of another architecture"
        )
    return kind


@torch.no_grad()
def save_classifier(policy: HuggingFacePolicy, weight_1D: Tensor, folder: Path) -> None:
    """Write the policy's layers, adapters merged in, and a head as a sequence classifier of one label."""
    config = copy.deepcopy(policy.model.config)
    config.num_labels = 1
    model = _classifier(policy)(config)
    prefix = f"{policy.model.base_model_prefix}."
    layers = {
        name.removeprefix(prefix): part
        for name, part in merged_model_weights(policy.model).items()
        if name.startswith(prefix)
    }
    model.base_model.load_state_dict(layers)
    model.score.weight.copy_(weight_1D)
    policy.write(model, folder)
