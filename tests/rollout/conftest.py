from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from practicum.model.decoder import Decoder, DecoderConfig, initialise

MakeDecoder = Callable[..., Decoder]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Products of tiny matrices lose more by waking a second thread than they gain."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make_decoder() -> MakeDecoder:
    """A decoder of random weights whose next-token distribution is far from uniform."""

    def make(vocabulary: int = 24, seed: int = 0, scale: float = 6.0, positions: int = 64) -> Decoder:
        config = DecoderConfig(
            vocab_size=vocabulary,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            max_position_embeddings=positions,
            tie_word_embeddings=False,
        )
        decoder = initialise(Decoder(config), seed)
        with torch.no_grad():
            decoder.lm_head.weight.mul_(scale / 0.1)
            decoder.lm_head.weight[config.eos_token_id].mul_(2)  # so that rows end at different times
            decoder.model.embed_tokens.weight.mul_(4)
        return decoder

    return make
