"""A reward model in use: scores of texts, and the Hugging Face folder it lives in.

A reward model reads prompt, completion and end-of-sequence token, and scores the hidden state of that last
token. Its folder is one that `AutoModelForSequenceClassification` loads (LlamaForSequenceClassification, or
another architecture's, with one label), and gives the same scores. What the architecture has no place for
stands in config.json under `practicum`: how texts are read, the mean on the reference set, which makes
rewards centred, the deviation there, and what length was found to be worth. Several heads are kept in
heads.safetensors; `score.weight` is then their mean. A model of another trainer is read as TRL's
RewardTrainer reads, see `Reading`; one whose architecture our decoder does not cover runs in transformers.
Suffixes: B texts, K heads, D hidden width.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from practicum.errors import InputError
from practicum.files import atomic_write, to_json
from practicum.model import checkpoint
from practicum.model.decoder import Decoder
from practicum.model.families import classifier_of
from practicum.model.heads import RewardHead
from practicum.model.huggingface import (
    HuggingFacePolicy,
    check_classifier,
    load_classifier,
    save_classifier,
)
from practicum.model.policy import NotCoveredError, Policy
from practicum.model.scorer import Scorer, make_rows, make_scorer
from practicum.model.tokenizer import (
    chat_of,
    encode_batch,
    encode_prompts,
    encode_texts,
    origin_of,
)
from practicum.threads import side_by_side
from practicum.types import Prompt, RewardFormat

KIND = "ForSequenceClassification"
ARCHITECTURE = f"Llama{KIND}"
MICRO_BATCH_TOKENS = 4096
TRAINER_FILE = "training_args.bin"
"""What transformers' Trainer, and so TRL, leaves beside a model that it has trained."""
Format: TypeAlias = Literal["completion", "chat", "text"]


@dataclass(frozen=True)
class Reading:
    """How prompt and completion become tokens, and at which of them the score is read.

    `format` completion: the prompt as a policy is asked it, the completion, the end-of-sequence token: what
    Practicum trains, the tokens that a policy draws. The others are what TRL's RewardTrainer builds. chat: a
    user's and an assistant's message through the chat template (TRL's conversational pairs). text: prompt
    and completion as one text with the tokenizer's special tokens, and the end-of-sequence token `end`
    unless the text ends with it (TRL's standard pairs).
    The score is read at the last token that is not `pad_id`, as transformers reads it; None: at the last.
    """

    format: Format = "completion"
    end: str = ""
    pad_id: int | None = None


OWN_READING = Reading()


@dataclass(frozen=True)
class Calibration:
    """What turns scores into rewards: reward = score - mean - length_slope (tokens - length_mean).

    `mean` has one value a head, `deviation` is that of the heads' mean reward on the reference set, and
    `length_slope` is 0 unless length was regressed out. `tokens` counts the completion's.
    """

    mean: tuple[float, ...]
    deviation: float = 1.0
    length_slope: float = 0.0
    length_mean: float = 0.0


@dataclass(frozen=True)
class RewardModel:
    """A decoder with a reward head, ready to score; make a new `scorer` after every change of weights."""

    decoder: Policy
    tokenizer: Tokenizer
    head: RewardHead
    calibration: Calibration
    scorer: Scorer
    reading: Reading = OWN_READING

    def scores(self, prompts: Sequence[str | Prompt], completions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Raw scores float32 [B, K] and the completions' lengths in tokens, float32 [B]. No gradient."""
        sequences, lengths = sequences_of(self.decoder, self.tokenizer, prompts, completions, self.reading)
        scores_BK = torch.zeros(len(sequences), self.head.weight.shape[0])
        batches = self.scorer.cut([len(sequence) for sequence in sequences], MICRO_BATCH_TOKENS)

        @torch.no_grad()
        def score(batch: Sequence[int]) -> None:
            hidden_BD = last_hidden(self.scorer, [sequences[row] for row in batch])
            scores_BK[torch.tensor(batch)] = self.head(hidden_BD).cpu()

        side_by_side([partial(score, batch) for batch in batches], self.decoder.device)
        return scores_BK, torch.tensor(lengths, dtype=torch.float32)

    def rewards(self, prompts: Sequence[str | Prompt], completions: Sequence[str]) -> Tensor:
        """Centred rewards float32 [B, K]; one unit is one logit of a rater's preference."""
        return centred(*self.scores(prompts, completions), self.calibration)


def centred(scores_BK: Tensor, lengths_B: Tensor, calibration: Calibration) -> Tensor:
    """Rewards float32 [B, K] of raw scores and lengths in tokens; see `Calibration`."""
    length_part_B = calibration.length_slope * (lengths_B - calibration.length_mean)
    return scores_BK - torch.tensor(calibration.mean) - length_part_B[:, None]


def sequences_of(
    policy: Policy,
    tokenizer: Tokenizer,
    prompts: Sequence[str | Prompt],
    completions: Sequence[str],
    reading: Reading = OWN_READING,
) -> tuple[list[list[int]], list[int]]:
    """Token ids up to the one whose state is scored, and the number of completion tokens of each.

    A sequence longer than the model's positions loses what stands before its last token. Raises InputError
    where `reading` asks for a chat template that the tokenizer lacks, or that refuses the messages.
    """
    limit = policy.spec.max_positions
    whole, lengths = whole_sequences(policy, tokenizer, prompts, completions, reading)
    sequences = [
        _up_to_the_score(ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]], reading.pad_id)
        for ids in whole
    ]
    return sequences, lengths


def whole_sequences(
    policy: Policy,
    tokenizer: Tokenizer,
    prompts: Sequence[str | Prompt],
    completions: Sequence[str],
    reading: Reading = OWN_READING,
) -> tuple[list[list[int]], list[int]]:
    """As `sequences_of`, however long, with what the tokenizer puts behind the token that is scored."""
    completion_ids = encode_batch(tokenizer, completions)
    if reading.format == "completion":
        eos = policy.spec.eos_id
        whole = [
            [*prompt, *completion, eos]
            for prompt, completion in zip(encode_prompts(tokenizer, prompts), completion_ids, strict=True)
        ]
    elif reading.format == "chat":
        whole = encode_batch(tokenizer, _conversations(tokenizer, prompts, completions))
    else:
        asked = [prompt if isinstance(prompt, str) else prompt.text for prompt in prompts]
        texts = [prompt + completion for prompt, completion in zip(asked, completions, strict=True)]
        texts = [text if text.endswith(reading.end) else text + reading.end for text in texts]
        whole = encode_texts(tokenizer, texts)
    return whole, [len(ids) for ids in completion_ids]


def _conversations(
    tokenizer: Tokenizer, prompts: Sequence[str | Prompt], completions: Sequence[str]
) -> list[str]:
    chat = chat_of(tokenizer)
    if chat is None:
        raise InputError(
            "the reward model is to read chat messages, but its tokenizer has no chat template: "
            "use --reward_format text"
        )
    return [
        chat.render(
            [*_messages(prompt), {"role": "assistant", "content": completion}],
            add_generation_prompt=False,
            tools=prompt.data.get("tools") if isinstance(prompt, Prompt) else None,
        )
        for prompt, completion in zip(prompts, completions, strict=True)
    ]


def _messages(prompt: str | Prompt) -> Sequence[Mapping[str, Any]]:
    """A prompt as the messages that it holds, or as one user's."""
    if isinstance(prompt, Prompt) and prompt.messages:
        return prompt.messages
    return [{"role": "user", "content": prompt if isinstance(prompt, str) else prompt.text}]


def _up_to_the_score(ids: list[int], pad_id: int | None) -> list[int]:
    """The ids without padding behind them; all padding: the first, as transformers has it."""
    end = len(ids)
    while end > 1 and ids[end - 1] == pad_id:
        end -= 1
    return ids[:end]


def last_hidden(scorer: Scorer, sequences: Sequence[Sequence[int]]) -> Tensor:
    """Hidden state of each sequence's last token, float32 [B, D], on the policy's device."""
    # Scorer.hidden gives the states that predict targets; a target behind the last token, which is never
    # read itself, asks for that token's state.
    rows = make_rows([[*sequence, 0] for sequence in sequences], [len(sequence) for sequence in sequences])
    return scorer.hidden(rows)


def save_reward_model(
    policy: Policy,
    tokenizer: Tokenizer,
    head: RewardHead,
    calibration: Calibration,
    folder: Path,
    reading: Reading = OWN_READING,
) -> None:
    """Write a folder that `AutoModelForSequenceClassification` and `load_reward_model` load.

    Raises InputError for a policy of which there are no sequence classifiers, before anything is written.
    """
    check_reward_policy(policy)
    spec = policy.spec
    pad_id: int | None = spec.pad_id
    if reading.format != "completion":
        pad_id = reading.pad_id
    elif pad_id == spec.eos_id:
        # Hugging Face scores the last token that is no padding, and that is the end of sequence here.
        pad_id = 0 if spec.eos_id else 1
    weight_KD = head.weight.detach().cpu()
    architecture = _write_weights(policy, tokenizer, weight_KD.mean(0, keepdim=True), folder)
    stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    stored |= {
        "architectures": [architecture],
        "pad_token_id": pad_id,
        "id2label": {"0": "reward"},
        "label2id": {"reward": 0},
        "problem_type": "regression",
        "practicum": {"format": reading.format, "end": reading.end, **asdict(calibration)},
    }
    if len(weight_KD) > 1:
        save_file({"weight": weight_KD.contiguous()}, str(folder / "heads.safetensors"))
    (folder / "generation_config.json").unlink(missing_ok=True)
    # An adapter without the head it was trained with is no reward model.
    shutil.rmtree(folder / checkpoint.ADAPTER_FOLDER, ignore_errors=True)
    atomic_write(folder / "config.json", to_json(stored, indent=2) + "\n")


def check_reward_policy(policy: Policy) -> None:
    """Raise InputError for a policy that cannot be written as a reward model."""
    if isinstance(policy, HuggingFacePolicy):
        check_classifier(policy)
    elif isinstance(policy, Decoder):
        classifier_of(policy.config.model_type)
    else:
        raise InputError(
            f"a reward model is written as a sequence classifier of transformers, which "
            f"{type(policy).__name__} is not"
        )


def _write_weights(policy: Policy, tokenizer: Tokenizer, weight_1D: Tensor, folder: Path) -> str:
    """Write layers and head, adapters merged in, and the tokenizer; returns the architecture's name."""
    checkpoint.save_model(policy, tokenizer, folder)
    if isinstance(policy, HuggingFacePolicy):
        save_classifier(policy, weight_1D, folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return str(config["architectures"][0]).removesuffix("ForCausalLM").removesuffix(KIND) + KIND
    assert isinstance(policy, Decoder)
    written = load_file(str(folder / "model.safetensors"))
    tensors = {name: value for name, value in written.items() if name.startswith("model.")}
    tensors["score.weight"] = weight_1D.contiguous()
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    return classifier_of(policy.config.model_type)


def load_reward_model(
    path: Path,
    dtype: torch.dtype,
    reward_format: RewardFormat = "auto",
    device: torch.device | str = "cpu",
) -> RewardModel:
    """Read a reward model's folder, ours or another's sequence classifier with one label.

    `path` may also be the folder of a `practicum reward-model` run. Another's model has mean 0 and is read
    as `reward_format` says; which format that is, is printed on stderr.
    Raises InputError naming the file when there is none, or it is something else.
    """
    folder = reward_folder(path)
    stored = _read_config(folder)
    if (folder / TRAINER_FILE).is_file():
        # Another trainer has trained it on since: what we recorded about it holds no more.
        stored.pop("practicum", None)
    decoder: Decoder | HuggingFacePolicy
    try:
        decoder, tokenizer, weight_KD = _own_weights(folder)
    except NotCoveredError:
        decoder, tokenizer, weight_KD = load_classifier(folder)
        # What the file leaves out has the architecture's default.
        config = decoder.model.config.get_text_config()
        stored |= {"pad_token_id": config.pad_token_id, "eos_token_id": list(decoder.spec.eos_ids)}
    width = decoder.spec.hidden_size
    if (folder / "heads.safetensors").is_file():
        weight_KD = _heads(folder / "heads.safetensors", width)
    head = RewardHead(width, len(weight_KD), 0)
    head.load_state_dict({"weight": weight_KD.float()})
    decoder, head = decoder.to(device), head.to(device)
    calibration = _calibration(stored, len(weight_KD), folder)
    reading = _reading(stored, tokenizer, folder, reward_format)
    return RewardModel(decoder, tokenizer, head, calibration, make_scorer(decoder, dtype), reading)


def _own_weights(folder: Path) -> tuple[Decoder, Tokenizer, Tensor]:
    """A decoder, its tokenizer and the head's weight [1, D]; NotCoveredError where it is not ours to read."""
    if checkpoint.adapter_only(folder):
        raise NotCoveredError(f"{folder}: an adapter with a head of its own")
    # A language-model head, which a reward model has not, is avoided by tying it to the embedding.
    config, tokenizer = checkpoint.load_config_and_tokenizer(folder)
    config = replace(config, tie_word_embeddings=True)
    tensors = checkpoint.own_weights(folder, config)
    weight_KD = tensors.pop("score.weight", None)
    if weight_KD is None or weight_KD.shape != (1, config.hidden_size):
        found = "missing" if weight_KD is None else f"of shape {list(weight_KD.shape)}"
        raise InputError(
            f"{folder}: score.weight is {found}; a reward model has one label, [1, {config.hidden_size}]"
        )
    with torch.device("meta"):
        decoder = Decoder(config)
    names = decoder.state_dict().keys()
    missing = sorted(names - tensors.keys())
    if missing:
        raise InputError(f"{folder}: model.safetensors lacks {missing[0]}")
    decoder.load_state_dict({name: tensors[name].float() for name in names}, assign=True)
    return decoder, tokenizer, weight_KD


def _heads(path: Path, hidden_size: int) -> Tensor:
    """Weights [K, D] of several heads. Raises InputError naming the file when it is damaged."""
    try:
        weight_KD: Tensor | None = load_file(str(path)).get("weight")
    except SafetensorError as error:
        raise InputError(f"{path}: damaged safetensors file ({error})") from error
    if weight_KD is None or weight_KD.dim() != 2 or weight_KD.shape[1] != hidden_size:
        raise InputError(f"{path}: expected one tensor, weight, of shape [heads, {hidden_size}]")
    return weight_KD


def reward_folder(path: Path) -> Path:
    """The folder meant by `path`: itself, or `model` inside a run; InputError for neither."""
    for folder in (path, path / "model"):
        if (folder / "config.json").is_file() or checkpoint.adapter_only(folder):
            return folder
    raise InputError(f"{path}: no reward model here; expected its folder or a `practicum reward-model` run")


def _read_config(folder: Path) -> dict[str, Any]:
    """config.json of a sequence classifier; nothing in an adapter's folder, whose base model has it."""
    if checkpoint.adapter_only(folder):
        return {}
    path = folder / "config.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from error
    found = stored.get("architectures") if isinstance(stored, dict) else None
    names = found if isinstance(found, list) else []
    if not isinstance(stored, dict) or [str(name).endswith(KIND) for name in names] != [True]:
        raise InputError(
            f"{path}: architectures is {found}; a reward model's is that of a sequence classifier, such as "
            f"{ARCHITECTURE}: train one with `practicum reward-model`"
        )
    return stored


def _calibration(stored: dict[str, Any], heads: int, folder: Path) -> Calibration:
    given = stored.get("practicum")
    if given is None:
        return Calibration((0.0,) * heads)
    try:
        values = {name: value for name, value in given.items() if name not in ("format", "end")}
        found = Calibration(**{**values, "mean": tuple(float(value) for value in given["mean"])})
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise InputError(f"{folder}/config.json: practicum: {error}") from error
    if len(found.mean) != heads:
        raise InputError(f"{folder}/config.json: practicum.mean has {len(found.mean)} values, heads {heads}")
    return found


def _reading(
    stored: dict[str, Any], tokenizer: Tokenizer, folder: Path, reward_format: RewardFormat
) -> Reading:
    """How the model reads: as its folder records, else as `reward_format` says, which is told."""
    recorded = stored.get("practicum")
    if recorded is not None:
        kind = recorded.get("format", "completion")
        if kind not in get_args(Format):
            raise InputError(
                f"{folder}/config.json: practicum.format is {kind!r}; expected {', '.join(get_args(Format))}"
            )
        if reward_format not in ("auto", kind):
            print(
                f"practicum: {folder}: records that it reads as {kind}, so reward_format {reward_format} "
                "changes nothing",
                file=sys.stderr,
            )
        if kind == "completion":
            return OWN_READING
        return Reading(kind, str(recorded.get("end", "")), stored.get("pad_token_id"))
    chat = chat_of(tokenizer) is not None
    if reward_format == "chat" and not chat:
        raise InputError(
            f"{folder}: its tokenizer has no chat template, so it cannot read chat messages: "
            "use --reward_format text"
        )
    taken: Format = ("chat" if chat else "text") if reward_format == "auto" else reward_format
    how = {"chat": "chat messages through its template", "text": "prompt and completion as one text"}[taken]
    other = {"chat": "; where it was trained on plain text: --reward_format text", "text": ""}[taken]
    print(f"practicum: {folder}: a reward model of another trainer, read as {how}{other}", file=sys.stderr)
    return Reading(taken, _end_token(stored, tokenizer), stored.get("pad_token_id"))


def _end_token(stored: dict[str, Any], tokenizer: Tokenizer) -> str:
    """The text of the tokenizer's end-of-sequence token, else of the first that config.json names."""
    origin = origin_of(tokenizer)
    if origin is not None and origin.eos_token:
        return origin.eos_token
    eos = stored.get("eos_token_id")
    eos = eos[0] if isinstance(eos, list) and eos else eos
    return (tokenizer.id_to_token(eos) or "") if isinstance(eos, int) else ""
