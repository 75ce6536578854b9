"""Rotary positions, and the ways in which models stretch them to longer texts.

Two values of a head, half of its rotated part apart, turn by an angle that grows with the position (Su et al.
2021, RoPE, arXiv 2104.09864). A scaling changes the frequencies, as `transformers` computes it: `linear`
divides them all (Chen et al. 2023, 2306.15595), `llama3` the slow ones (Llama 3.1), `yarn` those in between
by degrees, with a factor on the turned values (Peng et al. 2023, 2309.00071), `dynamic` raises the base where
a text is longer than `max_position_embeddings` and does nothing up to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from practicum.errors import InputError
from practicum.model.policy import NotCoveredError

SCALINGS = ("linear", "dynamic", "yarn", "llama3")


@dataclass(frozen=True)
class RopeScaling:
    """A scaling of rotary frequencies; the field names are those of `rope_parameters` in config.json.

    Raises InputError for a kind that is not known and for numbers that a kind cannot do without.
    """

    rope_type: str
    factor: float
    original_max_position_embeddings: int = 0
    low_freq_factor: float | None = None
    high_freq_factor: float | None = None
    attention_factor: float | None = None
    beta_fast: float | None = None
    beta_slow: float | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool = True

    def __post_init__(self) -> None:
        if self.rope_type not in SCALINGS:
            raise NotCoveredError(
                f"rotary scaling {self.rope_type!r} is not supported (known: {', '.join(SCALINGS)}); "
                "use a model with one of these, or without scaling"
            )
        if self.factor < 1:
            raise NotCoveredError(
                f"rotary scaling {self.rope_type!r}: factor is {self.factor}; in the decoder it is at least 1"
            )
        if self.rope_type in ("llama3", "yarn") and self.original_max_position_embeddings < 1:
            raise InputError(
                f"rotary scaling {self.rope_type!r}: original_max_position_embeddings must be at least 1"
            )
        low, high = self.low_freq_factor, self.high_freq_factor
        if self.rope_type == "llama3" and (low is None or high is None or not 0 < low < high):
            raise InputError(
                "rotary scaling 'llama3': low_freq_factor must be above 0 and below high_freq_factor, "
                f"not {low} and {high}"
            )


def rotary_table(
    positions: Tensor,
    width: int,
    theta: float,
    scaling: RopeScaling | None = None,
    limit: int = 0,
) -> tuple[Tensor, Tensor]:
    """Cosines and sines, float32 [..., width], of the rotary angles at int64 `positions` [...].

    `width` is the rotated part of a head. `limit`, the model's max_position_embeddings, matters to `dynamic`
    only: the frequencies of all positions follow from the last one, where it is past the limit.
    """
    factor = 1.0
    if scaling is None:
        frequencies = _frequencies(width, theta)
    else:
        length = int(positions.max()) + 1 if positions.numel() else 0
        frequencies, factor = _scaled(width, theta, scaling, limit, length)
    angles = positions.float().unsqueeze(-1) * frequencies.to(positions.device)
    angles = torch.cat([angles, angles], dim=-1)
    if factor == 1.0:
        return angles.cos(), angles.sin()
    return angles.cos() * factor, angles.sin() * factor


def rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn the first values of each head [..., E], as many as the tables have, in Hugging Face's layout.

    The tables broadcast to [..., width]; values past `width` stay as they are.
    """
    width = cosine.shape[-1]
    part = heads if width == heads.shape[-1] else heads[..., :width]
    first, second = part.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    turned = part * cosine.to(heads.dtype) + turned * sine.to(heads.dtype)
    return turned if part is heads else torch.cat([turned, heads[..., width:]], dim=-1)


def _frequencies(width: int, theta: float) -> Tensor:
    """Angle of one position for each pair of a head's values, float32 [width / 2]."""
    # theta ** -x rounds otherwise, which thousands of positions make visible.
    return 1.0 / theta ** (torch.arange(0, width, 2, dtype=torch.float32) / width)


def _scaled(width: int, theta: float, scaling: RopeScaling, limit: int, length: int) -> tuple[Tensor, float]:
    """Frequencies float32 [width / 2] and the factor on cosines and sines."""
    if scaling.rope_type == "dynamic" and length > limit:
        stretch = scaling.factor * length / limit - (scaling.factor - 1)
        theta *= stretch ** (width / (width - 2))
    frequencies = _frequencies(width, theta)
    if scaling.rope_type == "linear":
        return frequencies / scaling.factor, 1.0
    if scaling.rope_type == "llama3":
        return _llama3(frequencies, scaling), 1.0
    if scaling.rope_type == "yarn":
        return _yarn(frequencies, theta, scaling), _yarn_factor(scaling)
    return frequencies, 1.0


def _llama3(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Waves longer than the original context are slowed by `factor`, short ones are kept."""
    assert scaling.low_freq_factor is not None
    assert scaling.high_freq_factor is not None
    turns = scaling.original_max_position_embeddings * frequencies / (2 * math.pi)
    kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    kept = kept.clamp(0, 1)
    return (1 - kept) * frequencies / scaling.factor + kept * frequencies


def _yarn(frequencies: Tensor, theta: float, scaling: RopeScaling) -> Tensor:
    """A ramp from kept to slowed frequencies, between those that turn beta_fast and beta_slow times."""
    count = len(frequencies)

    def dimension(turns: float) -> float:
        waves = scaling.original_max_position_embeddings / (turns * 2 * math.pi)
        return 2 * count * math.log(waves) / (2 * math.log(theta))

    low, high = dimension(scaling.beta_fast or 32), dimension(scaling.beta_slow or 1)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, 2 * count - 1)
    span = high - low if high != low else 0.001
    slowed = ((torch.arange(count, dtype=torch.float32) - low) / span).clamp(0, 1)
    return frequencies / scaling.factor * slowed + frequencies * (1 - slowed)


def _yarn_factor(scaling: RopeScaling) -> float:
    def scale(weight: float) -> float:
        return 0.1 * weight * math.log(scaling.factor) + 1.0

    if scaling.attention_factor is not None:
        return scaling.attention_factor
    if scaling.mscale and scaling.mscale_all_dim:
        return scale(scaling.mscale) / scale(scaling.mscale_all_dim)
    return scale(1.0)
