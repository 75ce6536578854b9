from __future__ import annotations

import pytest
import torch

from practicum.errors import InputError
from practicum.model.cache import KeyValueCache, PackedDecoder
from practicum.model.decoder import Decoder, compute_dtype, initialise
from tests.tiny import tiny_config, tiny_decoder


@torch.inference_mode()
def test_reading_in_pieces_gives_the_logits_of_reading_at_once() -> None:
    decoder = tiny_decoder(40)
    ids_BT = torch.randint(0, 40, (3, 20), generator=torch.Generator().manual_seed(1))
    packed = PackedDecoder(decoder, torch.float32)
    cache = KeyValueCache(decoder.config, slots=3, length=20, dtype=torch.float32)
    expected = decoder(ids_BT)
    done = 0
    for piece in (7, 1, 1, 5, 6):
        lengths_B = torch.full((3,), piece)
        logits_BV = packed.forward(ids_BT[:, done : done + piece], lengths_B, cache, None)
        done += piece
        assert (logits_BV - expected[:, done - 1]).abs().max() < 1e-5
    assert cache.filled_S.tolist() == [20, 20, 20]


@torch.inference_mode()
def test_rows_stand_at_their_own_positions_and_move_with_their_past() -> None:
    decoder = tiny_decoder(40)
    packed = PackedDecoder(decoder, torch.float32)
    rows = [[5, 6, 7, 8, 9, 10], [11, 12], [13, 14, 15]]
    cache = KeyValueCache(decoder.config, slots=5, length=12, dtype=torch.float32)
    cache.storage.fill_(1e4)  # leftovers of earlier rows must not be seen
    padded = torch.zeros((3, 6), dtype=torch.int64)
    for row, ids in enumerate(rows):
        padded[row, : len(ids)] = torch.tensor(ids)
    lengths_S = torch.tensor([len(ids) for ids in rows])
    first = packed.forward(padded, lengths_S, cache, torch.tensor([4, 0, 2]))
    cache.move(torch.tensor([4]), torch.tensor([1]))
    second = packed.forward(torch.tensor([[3], [3], [3]]), torch.ones(3, dtype=torch.int64), cache, None)
    for row, ids in enumerate(rows):
        assert (first[row] - decoder(torch.tensor([ids]))[0, -1]).abs().max() < 1e-5
    for row, ids in enumerate([rows[1], rows[0], rows[2]]):
        assert (second[row] - decoder(torch.tensor([[*ids, 3]]))[0, -1]).abs().max() < 1e-5


def test_decoding_in_bfloat16_gives_float32_logits_and_leaves_the_master_weights_alone() -> None:
    decoder = tiny_decoder(40)
    before = {name: value.clone() for name, value in decoder.state_dict().items()}
    packed = PackedDecoder(decoder, torch.bfloat16)
    cache = KeyValueCache(decoder.config, slots=1, length=8, dtype=torch.bfloat16)
    with torch.inference_mode():
        logits = packed.forward(torch.tensor([[1, 2, 3]]), torch.tensor([3]), cache, None)
    assert logits.dtype == torch.float32
    assert all(torch.equal(value, before[name]) for name, value in decoder.state_dict().items())


@pytest.mark.parametrize(
    "changes",
    [
        {"num_attention_heads": 3},
        {"num_attention_heads": 0},
        {"num_key_value_heads": 3},
        {"head_dim": 7},
    ],
)
def test_heads_that_do_not_divide_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(changes))):
        tiny_config(40, **changes)


def test_initialisation_is_seeded_and_starts_near_the_uniform_distribution() -> None:
    decoder, again, other = (initialise(Decoder(tiny_config(40)), seed) for seed in (0, 0, 1))
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(decoder.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(decoder.state_dict()[name], other.state_dict()[name])
    entropy = torch.distributions.Categorical(logits=decoder(torch.arange(40)[None])).entropy()
    assert entropy.min() > 0.95 * torch.log(torch.tensor(40.0))


def test_compute_dtype_reads_names() -> None:
    assert compute_dtype("float32") == torch.float32
    assert compute_dtype("bfloat16") == torch.bfloat16
    assert compute_dtype("auto") in (torch.float32, torch.bfloat16)


def test_bfloat16_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRACTICUM_BFLOAT16", "0")
    assert compute_dtype("auto") == torch.float32
    assert compute_dtype("bfloat16") == torch.bfloat16
