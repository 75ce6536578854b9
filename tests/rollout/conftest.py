from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from practicum.model.decoder import Decoder
from tests.tiny import tiny_decoder

MakeDecoder = Callable[..., Decoder]


@pytest.fixture(scope="session")
def make_decoder() -> MakeDecoder:
    """A decoder of random weights whose next-token distribution is far from uniform."""

    def make(vocabulary: int = 24, seed: int = 0, scale: float = 6.0, positions: int = 64) -> Decoder:
        decoder = tiny_decoder(vocabulary, seed, max_position_embeddings=positions, tie_word_embeddings=False)
        with torch.no_grad():
            decoder.lm_head.weight.mul_(scale / 0.1)
            decoder.lm_head.weight[decoder.config.eos_token_id].mul_(2)  # so that rows end at different times
            decoder.model.embed_tokens.weight.mul_(4)
        return decoder

    return make
