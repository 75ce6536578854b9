"""Our decoder against transformers' LlamaForCausalLM, folder for folder, and what damaged folders say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from practicum.errors import InputError
from practicum.model.checkpoint import load_model, model_folder, save_model, weight_count
from practicum.model.decoder import Decoder, parameter_count
from practicum.model.policy import load_policy
from practicum.model.tokenizer import encode_batch, train_tokenizer
from tests.tiny import tiny_decoder

TEXTS = ["x + 3 = 7: subtract 3 from both sides", "both sides of the equation: x = 4"] * 4

# The second has heads wider than hidden_size / heads, the third a long rotary base.
SHAPES: dict[str, dict[str, Any]] = {
    "multi_head_tied": {"num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16},
    "grouped_query_untied": {
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "tie_word_embeddings": False,
        "rope_theta": 500.0,
    },
    "multi_query_untied": {
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "tie_word_embeddings": False,
        "rope_theta": 100000.0,
        "rms_norm_eps": 1e-6,
        "num_hidden_layers": 3,
    },
}


def make_tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 160)


def make_decoder(shape: str, seed: int = 0) -> Decoder:
    own: dict[str, Any] = {
        "hidden_size": 96,
        "intermediate_size": 80,
        "max_position_embeddings": 96,
        **SHAPES[shape],
    }
    decoder = tiny_decoder(make_tokenizer(), seed, **own)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in decoder.parameters():
            # Norms that are all ones, or logits that are nearly flat, would hide a wrong formula.
            if parameter.dim() < 2:
                parameter.uniform_(0.5, 1.5, generator=generator)
            else:
                parameter.mul_(3.0)
    return decoder


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_model(make_decoder("grouped_query_untied"), make_tokenizer(), tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("shape", SHAPES)
def test_transformers_computes_the_same_logits_from_our_folder(shape: str, tmp_path: Path) -> None:
    ours = make_decoder(shape)
    save_model(ours, make_tokenizer(), tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert isinstance(theirs, LlamaForCausalLM)
    ids_BT = torch.randint(0, ours.config.vocab_size, (3, 50), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected, found = theirs(ids_BT).logits, ours(ids_BT)
    assert expected.std() > 0.1
    assert (expected - found).abs().max() < 1e-4
    assert parameter_count(ours) == sum(part.numel() for part in theirs.parameters())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_fused_attention_of_long_sequences_agrees_with_the_short_one(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = make_decoder(shape)
    ids_BT = torch.randint(0, ours.config.vocab_size, (2, 40), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        short = ours(ids_BT)
        monkeypatch.setattr("practicum.model.decoder.SHORT_SEQUENCE", 0)
        assert (ours(ids_BT) - short).abs().max() < 1e-4


@pytest.mark.parametrize("shape", SHAPES)
def test_weights_survive_the_way_through_transformers_and_back(shape: str, tmp_path: Path) -> None:
    ours = make_decoder(shape)
    save_model(ours, make_tokenizer(), tmp_path / "ours")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "ours", dtype=torch.float32)
    theirs.save_pretrained(tmp_path / "theirs")
    shutil.copy(tmp_path / "ours" / "tokenizer.json", tmp_path / "theirs")
    again, _ = load_model(tmp_path / "theirs")
    assert again.config == ours.config
    assert again.state_dict().keys() == ours.state_dict().keys()
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


@pytest.mark.parametrize("shape", SHAPES)
def test_we_compute_the_logits_of_a_model_transformers_made(shape: str, tmp_path: Path) -> None:
    known: dict[str, Any] = {
        "vocab_size": 300,
        "hidden_size": 96,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
    }
    values: dict[str, Any] = {"tie_word_embeddings": True, **known, **SHAPES[shape]}
    rope = {"rope_type": "default", "rope_theta": values.pop("rope_theta", 10000.0)}
    torch.manual_seed(3)
    theirs = LlamaForCausalLM(LlamaConfig(**values, rope_parameters=rope))
    theirs.save_pretrained(tmp_path)
    make_tokenizer().save(str(tmp_path / "tokenizer.json"))
    ours, _ = load_model(tmp_path)
    ids_BT = torch.arange(40).view(2, 20)
    with torch.no_grad():
        assert (theirs(ids_BT).logits - ours(ids_BT)).abs().max() < 1e-4


def test_transformers_writes_the_same_greedy_text(tmp_path: Path) -> None:
    from practicum.model.sampling import SamplingConfig
    from practicum.rollout.samplers import make_sampler

    ours, tokenizer = make_decoder("multi_query_untied"), make_tokenizer()
    save_model(ours, tokenizer, tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    their_tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    prompts = ["x + 3 = 7: ", "both sides", "9"]
    inputs = their_tokenizer(prompts, return_tensors="pt", padding=True)
    written = theirs.generate(
        input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], max_new_tokens=24
    )
    expected = their_tokenizer.batch_decode(
        written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
    )
    sampler = make_sampler(ours, SamplingConfig(temperature=0.0, max_new_tokens=24, dtype="float32"))
    groups = sampler.sample(encode_batch(tokenizer, prompts), 1, 0)
    found = tokenizer.decode_batch([group[0].ids for group in groups], skip_special_tokens=True)
    assert found == expected
    assert len(set(found)) > 1


def test_auto_tokenizer_reads_our_folder_the_same_way(saved: Path) -> None:
    theirs, ours = AutoTokenizer.from_pretrained(saved), make_tokenizer()
    texts = [
        *TEXTS[:2],
        "",
        " ",
        "  a b ,c . d",
        "Don't do 's",
        "3 - (3+y)/y = y",
        "line\nbreak <eos> x <pad>",
    ]
    for text, ids in zip(texts, encode_batch(ours, texts), strict=True):
        assert theirs(text, add_special_tokens=False)["input_ids"] == ids
        assert theirs(text)["input_ids"] == ids
        assert theirs.decode(ids) == ours.decode(ids, skip_special_tokens=False) == text
    assert (theirs.pad_token_id, theirs.eos_token_id) == (0, 1)
    assert theirs.padding_side == "left"


def test_sharded_folders_load(saved: Path, tmp_path: Path) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(saved, dtype=torch.float32)
    theirs.save_pretrained(tmp_path / "sharded", max_shard_size="60KB")
    shutil.copy(saved / "tokenizer.json", tmp_path / "sharded")
    assert len(list((tmp_path / "sharded").glob("model-*.safetensors"))) > 1
    again, _ = load_model(tmp_path / "sharded")
    for name, weight in load_model(saved)[0].state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def test_bfloat16_folders_load_as_float32_masters(saved: Path, tmp_path: Path) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(saved, dtype=torch.bfloat16)
    theirs.save_pretrained(tmp_path / "half")
    shutil.copy(saved / "tokenizer.json", tmp_path / "half")
    assert {part.dtype for part in load_file(tmp_path / "half/model.safetensors").values()} == {
        torch.bfloat16
    }
    again, _ = load_model(tmp_path / "half")
    for name, weight in load_model(saved)[0].state_dict().items():
        assert again.state_dict()[name].dtype == torch.float32
        assert torch.equal(weight.bfloat16().float(), again.state_dict()[name]), name
    assert all(part.requires_grad for part in again.parameters())


def edit_config(**changes: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        stored = json.loads((folder / "config.json").read_text())
        kept = {key: value for key, value in (stored | changes).items() if value != "absent"}
        (folder / "config.json").write_text(json.dumps(kept))

    return edit


def edit_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return edit


def write(name: str, content: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        (folder / name).write_text(content)

    return edit


def cut_short(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def shards(index: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(index)

    return edit


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "no folder": (shutil.rmtree, "config.json"),
    "config not JSON": (write("config.json", "{"), "config.json: not valid JSON"),
    "config a list": (write("config.json", "[]"), "a JSON object with a model_type"),
    "another model": (edit_config(model_type="gpt2"), "'gpt2'"),
    "biases": (edit_config(attention_bias=True), "k_proj.bias"),
    "another activation": (edit_config(hidden_act="relu"), "relu"),
    "rope scaling": (edit_config(rope_parameters={"rope_type": "llama3", "factor": 8.0}), "llama3"),
    "old rope scaling": (
        edit_config(rope_parameters="absent", rope_scaling={"type": "longrope", "factor": 2}),
        "longrope",
    ),
    "rope not a table": (edit_config(rope_parameters="yes"), "rope_parameters"),
    "missing width": (edit_config(hidden_size="absent", head_dim="absent"), "hidden_size"),
    "missing vocabulary": (edit_config(vocab_size="absent"), "vocab_size"),
    "a width that is text": (edit_config(hidden_size="wide"), "hidden_size"),
    "heads that do not divide": (edit_config(num_key_value_heads=4), "num_key_value_heads"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
    "weights cut short": (cut_short, "damaged safetensors"),
    "weights that are text": (write("model.safetensors", "no weights"), "damaged safetensors"),
    "a missing tensor": (edit_tensors(lambda tensors: tensors.pop("model.norm.weight")), "model.norm.weight"),
    "a surplus tensor": (edit_tensors(lambda tensors: tensors.update(more=torch.ones(1))), "more"),
    "a wrong shape": (
        edit_tensors(lambda tensors: tensors.update({"model.norm.weight": torch.ones(3)})),
        "model.norm.weight has shape [3], config.json asks for [96]",
    ),
    "another width": (edit_config(intermediate_size=100), "has shape"),
    "a damaged index": (shards("{"), "model.safetensors.index.json"),
    "an index without a map": (shards("{}"), "model.safetensors.index.json"),
    "a missing shard": (shards('{"weight_map": {"a": "model-1.safetensors"}}'), "model-1.safetensors"),
    "pickled weights": (pickled, "pytorch_model.bin: pickled weights are not read"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json"),
    "a damaged tokenizer": (write("tokenizer.json", '{"model": 3}'), "tokenizer.json"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_says_in_one_line_what_is_wrong(damage: str, saved: Path) -> None:
    spoil, words = DAMAGES[damage]
    spoil(saved)
    with pytest.raises(InputError) as caught:
        load_model(saved)
    assert words in str(caught.value)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


def as_it_is(tensors: dict[str, torch.Tensor]) -> None:
    """Head and embedding are both there, and differ."""


def head_equal(tensors: dict[str, torch.Tensor]) -> None:
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()


def head_alone(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["model.embed_tokens.weight"]


def without_prefix(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["lm_head.weight"]
    for name in list(tensors):
        tensors[name.removeprefix("model.")] = tensors.pop(name)


@pytest.mark.parametrize("change", [as_it_is, head_equal, head_alone, without_prefix])
@pytest.mark.parametrize("activation", ["silu", "relu"])
def test_a_head_that_the_config_ties_is_taken_as_transformers_takes_it(
    change: Callable[[dict[str, torch.Tensor]], None], activation: str, saved: Path, tmp_path: Path
) -> None:
    """By our decoder and, with an activation that it lacks, by transformers' model."""
    edit_tensors(change)(saved)
    edit_config(tie_word_embeddings=True, hidden_act=activation)(saved)
    ids = torch.arange(3, 43).view(2, 20)
    policy, tokenizer = load_policy(saved)
    assert isinstance(policy, Decoder) == (activation == "silu")
    save_model(policy, tokenizer, tmp_path / "again")
    with torch.no_grad():
        expected = AutoModelForCausalLM.from_pretrained(saved, dtype=torch.float32)(ids).logits
        found = policy.logits(policy.hidden(ids, torch.float32), torch.float32)
        again = AutoModelForCausalLM.from_pretrained(tmp_path / "again", dtype=torch.float32)(ids).logits
    assert (found - expected).abs().max() < 1e-4
    assert (again - expected).abs().max() < 1e-4
    if isinstance(policy, Decoder):
        assert policy.config.tie_word_embeddings == (change is not as_it_is)


def test_of_one_file_and_an_index_the_one_file_is_read(saved: Path) -> None:
    tensors = load_file(saved / "model.safetensors")
    save_file({name: part + 1 for name, part in tensors.items()}, saved / "model-1.safetensors")
    index = {"weight_map": dict.fromkeys(tensors, "model-1.safetensors")}
    (saved / "model.safetensors.index.json").write_text(json.dumps(index))
    ids = torch.arange(40).view(2, 20)
    with torch.no_grad():
        expected = AutoModelForCausalLM.from_pretrained(saved, dtype=torch.float32)(ids).logits
        assert (load_model(saved)[0](ids) - expected).abs().max() < 1e-4
    assert weight_count(saved) == sum(part.numel() for part in tensors.values())


def test_a_value_that_transformers_refuses_is_put_down_to_config_json(saved: Path) -> None:
    AutoTokenizer.from_pretrained(saved).save_pretrained(saved)
    edit_config(rms_norm_eps="small")(saved)
    with pytest.raises(InputError, match=r"model/config\.json: .*rms_norm_eps"):
        load_policy(saved)


def test_model_folder_finds_the_newest_checkpoint_of_a_run(saved: Path, tmp_path: Path) -> None:
    assert model_folder(saved) == saved
    for step in (50, 100):
        shutil.copytree(saved, tmp_path / f"run/checkpoints/step-{step:06d}")
    assert model_folder(tmp_path / "run").name == "step-000100"
    with pytest.raises(InputError, match="no model here"):
        model_folder(tmp_path / "nothing")
