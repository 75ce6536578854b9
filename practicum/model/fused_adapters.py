"""Adapters of maps that a family stores as one, such as Phi-3's queries, keys and values, as peft has them.

Here each part has an adapter of its own. Side by side they are one adapter of the fused map, exactly: its A
has the parts' A one above the other, its B their B on the diagonal, its rank is the sum of theirs, and its
alpha grows likewise, so that alpha / rank stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from practicum.errors import InputError
from practicum.model.decoder import DecoderConfig
from practicum.model.families import FAMILIES, rows_of

Pair = tuple[Tensor, Tensor]
"""A [rank, in] and B [out, rank]."""


def fused_maps(config: DecoderConfig) -> Mapping[str, tuple[str, ...]]:
    """The maps that the family stores as one, by the last part of its name, and the names of their parts."""
    return {fused.rpartition(".")[2]: parts for fused, parts in FAMILIES[config.model_type].fused.items()}


def fused(config: DecoderConfig, pairs: Mapping[str, Pair]) -> tuple[dict[str, Pair], dict[str, int]]:
    """Adapters by the family's names of maps, and how many stand side by side in each kind of fused map."""
    found, counts = dict(pairs), {}
    sizes = rows_of(config)
    for name, parts in FAMILIES[config.model_type].fused.items():
        starts = dict.fromkeys(
            key.removesuffix(part) for key in pairs for part in parts if key.endswith(part)
        )
        for start in starts:
            own = [found.pop(f"{start}{part}", None) for part in parts]
            found[f"{start}{name}"] = side_by_side(own, [sizes[part] for part in parts])
            counts[name.rpartition(".")[2]] = sum(pair is not None for pair in own)
    return found, counts


def side_by_side(pairs: Sequence[Pair | None], rows: Sequence[int]) -> Pair:
    """One adapter of maps that stand one above the other, of `rows` outputs each; None has no adapter."""
    there = [pair for pair in pairs if pair is not None]
    above = torch.cat([first for first, _ in there])
    diagonal = above.new_zeros(sum(rows), len(above))
    row = column = 0
    for pair, size in zip(pairs, rows, strict=True):
        if pair is not None:
            second = pair[1]
            diagonal[row : row + size, column : column + second.shape[1]] = second
            column += second.shape[1]
        row += size
    return above, diagonal


def parted(
    config: DecoderConfig, pairs: Mapping[str, Pair], ranks: Mapping[str, int]
) -> tuple[dict[str, Pair], dict[str, str]]:
    """Adapters by the decoder's names, and which of them come from which kind of fused map.

    `ranks` are those of the decoder's adapters by map, where it has some: then the blocks of the diagonal are
    theirs. Without, every part has the whole A and its rows of B, whoever wrote them. Raises InputError where
    the ranks do not fit.
    """
    found, origin = dict(pairs), {}
    sizes = rows_of(config)
    for name, parts in FAMILIES[config.model_type].fused.items():
        for key in [key for key in pairs if key.endswith(name)]:
            above, diagonal = found.pop(key)
            start = key.removesuffix(name)
            rows = [sizes[part] for part in parts]
            if len(diagonal) != sum(rows):
                raise InputError(f"{key}: lora_B has {len(diagonal)} rows, the model asks for {sum(rows)}")
            pieces = dict(zip((f"{start}{part}" for part in parts), torch.split(diagonal, rows), strict=True))
            widths = [ranks.get(part, 0) for part in pieces]
            if ranks and sum(widths) != len(above):
                raise InputError(f"{key}: lora_A has rank {len(above)}, the model asks for {sum(widths)}")
            column = 0
            for (part, piece), width in zip(pieces.items(), widths, strict=True):
                if not ranks:
                    found[part], origin[part] = (above, piece), name.rpartition(".")[2]
                elif width:
                    block = slice(column, column + width)
                    found[part] = above[block], piece[:, block]
                    column += width
    return found, origin
