"""Models of transformers behind `Policy`: the same logits and gradients, saved and read back exactly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel
from safetensors.torch import load_file
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    BertConfig,
    BertForMaskedLM,
    T5Config,
    T5ForConditionalGeneration,
)

from practicum.errors import InputError
from practicum.model.checkpoint import save_model
from practicum.model.families import FAMILIES as OWN_FAMILIES
from practicum.model.huggingface import HuggingFacePolicy, load_huggingface
from practicum.model.lora import LoraConfig
from practicum.model.policy import Policy, load_policy
from practicum.model.sampling import SamplingConfig, filter_logits
from practicum.model.scorer import make_rows, make_scorer
from practicum.model.tokenizer import chat_of
from practicum.training.optimizer import Optimizer, OptimizerConfig
from tests.families import CHECKED, DENSE, FAMILIES, SMALL, family_folder, words

VOCABULARY = 99
ROWS = st.lists(
    st.tuples(
        st.lists(st.integers(2, VOCABULARY - 1), min_size=1, max_size=9),
        st.lists(st.integers(2, VOCABULARY - 1), min_size=1, max_size=9),
    ),
    min_size=1,
    max_size=4,
)

# The models of these tests run in PyTorch with and without kernels.
pytestmark = pytest.mark.one_way
QUICK = settings(max_examples=5, deadline=None)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("families")
    return {kind: family_folder(kind, place / kind) for kind in FAMILIES}


def theirs(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def ids_of(rows: int = 3, length: int = 20) -> torch.Tensor:
    return torch.randint(2, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def logits(policy: Policy, ids: torch.Tensor) -> torch.Tensor:
    return policy.logits(policy.hidden(ids, torch.float32), torch.float32)


@pytest.mark.parametrize("kind", FAMILIES)
def test_logits_are_those_of_transformers(kind: str, folders: dict[str, Path]) -> None:
    policy, tokenizer = load_huggingface(folders[kind])
    assert isinstance(load_policy(folders[kind])[0], HuggingFacePolicy) == (kind not in OWN_FAMILIES)
    assert not policy.training
    model, ids = theirs(folders[kind]), ids_of()
    with torch.no_grad():
        expected = model(ids).logits
    assert expected.std() > 0.1, "weights that make all logits alike would show nothing"
    torch.testing.assert_close(logits(policy, ids), expected, atol=1e-5, rtol=1e-5)
    assert policy.spec.vocab_size == expected.shape[-1] == tokenizer.get_vocab_size()
    assert (policy.spec.eos_ids, policy.spec.pad_id, policy.spec.bos_id) == ((1,), 0, 1)
    assert policy.spec.max_positions == (1_048_576 if kind in ("bloom", "mamba") else 64)
    names = [name for name, _ in policy.named_parameters()]
    assert len(names) == len(list(model.named_parameters())), "each tied weight once"


@pytest.mark.parametrize("kind", FAMILIES)
@given(pairs=ROWS)
@QUICK
def test_padded_scores_and_their_gradients_are_those_of_each_row_alone(
    kind: str, pairs: list[tuple[list[int], list[int]]], folders: dict[str, Path]
) -> None:
    # Gradients of this one are so steep that float32 rounds them by a hundredth.
    dtype = torch.float64 if kind == "mamba" else torch.float32
    policy, _ = load_policy(folders[kind])
    for _, part in policy.named_parameters():
        part.data = part.data.to(dtype)
    sampling = SamplingConfig(temperature=0.7, top_k=30)
    whole = [prompt + completion for prompt, completion in pairs]
    rows = make_rows(whole, [len(prompt) for prompt, _ in pairs])
    scorer = make_scorer(policy, torch.float32)
    found = scorer.logprobs(scorer.hidden(rows), rows, sampling).logprobs
    model, values = theirs(folders[kind]).to(dtype), []
    for prompt, completion in pairs:
        ids = torch.tensor(prompt + completion)
        scores = filter_logits(model(ids[None]).logits[0, :-1], sampling, keep=ids[1:])
        values.append(scores.gather(1, ids[1:, None])[len(prompt) - 1 :, 0])
    expected = torch.cat(values)
    torch.testing.assert_close(found, expected.float(), atol=1e-4, rtol=1e-4)
    found.sum().backward()
    expected.sum().backward()
    gradients = {name: part.grad for name, part in model.named_parameters()}
    for name, part in policy.named_parameters():
        other = gradients[name.removeprefix("model.") if name not in gradients else name]
        if other is not None:
            assert part.grad is not None, name
            torch.testing.assert_close(part.grad, other, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("kind", FAMILIES)
def test_saved_and_read_back_every_weight_is_the_same(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    policy, tokenizer = load_policy(folders[kind])
    with torch.no_grad():
        for _, part in policy.named_parameters():
            part.mul_(1.01)
    save_model(policy, tokenizer, tmp_path / "saved")
    again, _ = load_policy(tmp_path / "saved")
    other, _ = load_policy(folders[kind])
    other.restore(tmp_path / "saved")
    with torch.no_grad():
        expected = theirs(tmp_path / "saved")(ids_of()).logits
    for one in (again, other):
        assert one.spec == policy.spec
        for (name, part), (same, value) in zip(
            policy.named_parameters(), one.named_parameters(), strict=True
        ):
            assert name == same
            assert torch.equal(part, value), name
        torch.testing.assert_close(logits(one, ids_of()), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", CHECKED)
@pytest.mark.parametrize("targets", ["default", "one"])
def test_adapters_learn_alone_and_are_saved_merged_and_in_peft_s_format(
    kind: str, targets: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    one = {"gpt2": "c_attn", "opt": "v_proj", "qwen3_moe": "q_proj"}.get(kind, "query_key_value")
    config = LoraConfig(rank=2, alpha=8.0) if targets == "default" else LoraConfig(2, 8.0, (one,))
    policy, tokenizer = load_policy(folders[kind], lora=config, seed=3)
    same, _ = load_policy(folders[kind], lora=config, seed=3)
    torch.testing.assert_close(logits(policy, ids_of()), logits(load_policy(folders[kind])[0], ids_of()))
    learning = {name for name, part in policy.named_parameters() if part.requires_grad}
    assert learning
    assert all(".lora_" in name for name in learning)
    optimizer = Optimizer(policy, OptimizerConfig("adamw", 1e-2, warmup_steps=0), 4)
    for step in range(3):
        hidden = policy.hidden(ids_of(), torch.float32)
        values = policy.logits(hidden, torch.float32)[:, :-1]
        functional.cross_entropy(values.flatten(0, 1), ids_of()[:, 1:].flatten()).backward()
        optimizer.step(step)
    after = logits(policy, ids_of())
    assert not torch.allclose(after, logits(same, ids_of()), atol=1e-3)

    save_model(policy, tokenizer, tmp_path / "saved")
    plain, _ = load_policy(tmp_path / "saved")
    torch.testing.assert_close(logits(plain, ids_of()), after, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        merged = theirs(tmp_path / "saved")(ids_of()).logits
        beside = PeftModel.from_pretrained(theirs(folders[kind]), tmp_path / "saved" / "adapter")(ids_of())
    torch.testing.assert_close(merged, after, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(beside.logits, after, atol=1e-4, rtol=1e-4)
    named = json.loads((tmp_path / "saved" / "adapter" / "adapter_config.json").read_text())
    assert Path(named["base_model_name_or_path"]) == folders[kind].resolve()
    alone, _ = load_policy(tmp_path / "saved" / "adapter")
    torch.testing.assert_close(logits(alone, ids_of()), after, atol=1e-4, rtol=1e-4)

    same.restore(tmp_path / "saved")
    for (name, part), (_, value) in zip(policy.named_parameters(), same.named_parameters(), strict=True):
        assert torch.equal(part, value), name


def test_a_target_that_a_model_does_not_have_is_refused_with_those_it_has(folders: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="no map named q_proj; it has c_attn, c_fc, c_proj"):
        load_policy(folders["gpt2"], lora=LoraConfig(2, targets=("q_proj", "c_attn")))


STATE = {**SMALL, "state_size": 4}
# Models that have maps without an effect of adapters there, and which maps of theirs get some.
PARTLY: dict[str, tuple[dict[str, Any], set[str], str]] = {
    "jamba": (
        {
            **DENSE, "num_key_value_heads": 2, "num_experts": 2, "mamba_d_state": 4, "attn_layer_period": 2,
            "attn_layer_offset": 1, "use_mamba_kernels": False,
        },
        {"q_proj", "in_proj", "x_proj", "out_proj"},
        "dt_proj",
    ),
    "mamba": (STATE, {"in_proj", "x_proj"}, "out_proj"),
    "mamba2": (
        {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "num_heads": 8, "head_dim": 8,
         "n_groups": 2, "chunk_size": 8},
        {"in_proj"},
        "out_proj",
    ),
    "deepseek_v3": (
        {
            **DENSE, "num_key_value_heads": 4, "q_lora_rank": 16, "kv_lora_rank": 8, "qk_rope_head_dim": 4,
            "qk_nope_head_dim": 8, "v_head_dim": 8, "n_routed_experts": 4, "num_experts_per_tok": 2,
            "n_group": 1, "topk_group": 1, "moe_intermediate_size": 24, "first_k_dense_replace": 1,
        },
        {"q_a_proj", "q_b_proj", "kv_b_proj", "o_proj"},
        "gate_proj",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", PARTLY)
def test_maps_in_which_an_adapter_would_not_act_get_none(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shape, some, without = PARTLY[kind]
    monkeypatch.setitem(FAMILIES, kind, shape)
    folder = family_folder(kind, tmp_path / "model", scale=1.5)
    policy, tokenizer = load_policy(folder, lora=LoraConfig(2, 8.0), seed=1)
    (said,) = (line for line in capsys.readouterr().err.splitlines() if "get no adapters" in line)
    assert without in said
    adapted = {name.split(".lora_")[0].rpartition(".")[2] for name, part in policy.named_parameters()
               if part.requires_grad}  # fmt: skip
    assert adapted >= some
    assert without not in adapted
    with torch.no_grad():
        for name, part in policy.named_parameters():
            if ".lora_B" in name:
                part.normal_(0, 0.2)
    found = logits(policy, ids_of())
    assert (found - logits(load_policy(folder)[0], ids_of())).abs().max() > 1e-3
    save_model(policy, tokenizer, tmp_path / "saved")
    with torch.no_grad():
        merged = theirs(tmp_path / "saved")(ids_of(), use_cache=False).logits
        beside = PeftModel.from_pretrained(theirs(folder), tmp_path / "saved" / "adapter")
        both = beside(ids_of(), use_cache=False).logits
    torch.testing.assert_close(merged, found, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(both, found, atol=1e-3, rtol=1e-3)
    with pytest.raises(InputError, match=rf"lora\.targets: .*{without}"):
        load_policy(folder, lora=LoraConfig(2, 8.0, (without,)))


@pytest.mark.parametrize("kind", ["pissa", "olora"])
def test_an_adapter_that_changed_its_base_is_refused(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    policy, tokenizer = load_policy(folders["gpt_neox"], lora=LoraConfig(2))
    save_model(policy, tokenizer, tmp_path)
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"init_lora_weights": kind}))
    with pytest.raises(InputError, match=f"init_lora_weights is '{kind}'"):
        load_policy(tmp_path / "adapter")


def test_an_adapter_s_own_tokenizer_goes_before_that_of_its_base(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    policy, tokenizer = load_policy(folders["gpt2"], lora=LoraConfig(2))
    save_model(policy, tokenizer, tmp_path)
    assert chat_of(load_policy(tmp_path / "adapter")[1]) is None
    own = words()
    own.chat_template = "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
    own.save_pretrained(tmp_path / "adapter")
    assert chat_of(load_policy(tmp_path / "adapter")[1]) is not None


def test_longrope_has_the_positions_of_its_short_factors(tmp_path: Path) -> None:
    """One row past them would turn all rows of a batch by other angles."""
    rope = {
        "rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0, 1.1, 1.2, 1.3],
        "long_factor": [1.0, 2.0, 4.0, 6.0],
    }  # fmt: skip
    FAMILIES["phi3"] = {**DENSE, "num_key_value_heads": 2, "original_max_position_embeddings": 32}
    try:
        folder = family_folder("phi3", tmp_path, rope_parameters=rope)
    finally:
        del FAMILIES["phi3"]
    policy, _ = load_policy(folder)
    assert isinstance(policy, HuggingFacePolicy)
    assert policy.spec.max_positions == 32
    long, short = ids_of(2, 33).tolist()
    scorer = make_scorer(policy, torch.float32)
    values = []
    for sequences in ([short[:20]], [short[:20], long]):
        rows = make_rows(sequences, [5] * len(sequences))
        values.append(scorer.logprobs(scorer.hidden(rows), rows, SamplingConfig()).logprobs[:15])
    torch.testing.assert_close(values[0], values[1], atol=1e-4, rtol=1e-4)


def test_a_mixture_of_experts_learns_by_the_loss_alone(folders: dict[str, Path]) -> None:
    """Its routers' auxiliary loss is in the model's own loss, and not in ours."""
    policy, _ = load_policy(folders["qwen3_moe"])
    rows = make_rows(ids_of().tolist(), [1, 1, 1])
    scorer = make_scorer(policy, torch.float32)
    loss = -scorer.logprobs(scorer.hidden(rows), rows, SamplingConfig()).logprobs.mean()
    model = theirs(folders["qwen3_moe"])
    plain = model(ids_of(), labels=ids_of()).loss
    balanced = model(ids_of(), labels=ids_of(), output_router_logits=True).loss
    assert loss.item() == pytest.approx(plain.item(), abs=1e-5)
    assert balanced.item() > plain.item()


def test_several_ends_of_sequence_come_from_both_files_and_go_back_to_both(tmp_path: Path) -> None:
    folder = family_folder("gpt2", tmp_path / "model")
    generation = {"eos_token_id": [1, 7], "repetition_penalty": 9.0, "do_sample": True, "top_k": 5}
    (folder / "generation_config.json").write_text(json.dumps(generation))
    policy, tokenizer = load_policy(folder)
    assert policy.spec.eos_ids == (1, 7)
    save_model(policy, tokenizer, tmp_path / "again")
    for name in ("config.json", "generation_config.json"):
        assert json.loads((tmp_path / "again" / name).read_text())["eos_token_id"] == [1, 7]
    kept = json.loads((tmp_path / "again" / "generation_config.json").read_text())
    assert kept.items() >= generation.items(), "what its makers recommend is kept"
    assert load_policy(tmp_path / "again")[0].spec == policy.spec


def test_a_llama_that_the_decoder_does_not_cover_runs_by_transformers(tmp_path: Path) -> None:
    shape = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "hidden_size": 16}
    FAMILIES["llama"] = {**shape, "attention_bias": True, "mlp_bias": True}
    try:
        folder = family_folder("llama", tmp_path, hidden_act="gelu")
    finally:
        del FAMILIES["llama"]
    policy, _ = load_policy(folder)
    with torch.no_grad():
        expected = theirs(folder)(ids_of()).logits
    torch.testing.assert_close(logits(policy, ids_of()), expected, atol=1e-5, rtol=1e-5)


def spoilt(folder: Path, place: Path, **changes: Any) -> Path:
    shutil.copytree(folder, place)
    stored = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**stored, **changes}))
    return place


def test_what_cannot_run_is_refused_in_one_line(folders: dict[str, Path], tmp_path: Path) -> None:
    narrow = {"vocab_size": VOCABULARY, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    small = {"vocab_size": VOCABULARY, "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16}
    BertForMaskedLM(BertConfig(**small, intermediate_size=16, eos_token_id=1)).save_pretrained(
        tmp_path / "bert"
    )
    T5ForConditionalGeneration(T5Config(**narrow)).save_pretrained(tmp_path / "t5")
    for kind in ("bert", "t5"):
        words().save_pretrained(tmp_path / kind)
    code = {"auto_map": {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}}
    remote = spoilt(folders["gpt2"], tmp_path / "remote", model_type="mine", **code)
    (remote / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    cut = spoilt(folders["gpt2"], tmp_path / "cut")
    data = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(data[: len(data) // 2])
    bare = spoilt(folders["gpt2"], tmp_path / "bare")
    (bare / "model.safetensors").unlink()
    uneven = {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4, "partial_rotary_factor": 0.5}
    llama = {**SMALL, "intermediate_size": 32, "rope_parameters": uneven}
    AutoModelForCausalLM.from_config(
        AutoConfig.for_model("llama", vocab_size=len(words()), eos_token_id=1, **llama)
    ).save_pretrained(tmp_path / "uneven")
    words().save_pretrained(tmp_path / "uneven")
    refused = {
        tmp_path / "uneven": "gives no final hidden states",
        remote: "knows no such model without running code",
        spoilt(folders["gpt2"], tmp_path / "strange", model_type="strange"): "knows no such model",
        spoilt(folders["gpt2"], tmp_path / "wide", n_embd=64): "cannot load",
        spoilt(folders["gpt2"], tmp_path / "odd", n_embd="wide"): "config.json",
        spoilt(folders["gpt2"], tmp_path / "deep", n_layer=3): "weights do not fit config.json",
        spoilt(folders["gpt2"], tmp_path / "small", vocab_size=50): "",
        tmp_path / "bert": "to their right",
        tmp_path / "t5": "cannot load",
        cut: "cannot load",
        bare: "cannot load",
    }
    for folder, said in refused.items():
        with pytest.raises(InputError) as caught:
            load_policy(folder)
        assert said in str(caught.value), folder
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists(), "no code of a folder is run"


def test_a_checkpoint_of_float32_is_exact_on_disk(folders: dict[str, Path], tmp_path: Path) -> None:
    policy, tokenizer = load_policy(folders["qwen3_moe"])
    save_model(policy, tokenizer, tmp_path)
    stored, first = (
        load_file(tmp_path / "model.safetensors"),
        load_file(folders["qwen3_moe"] / "model.safetensors"),
    )
    assert stored.keys() == first.keys()
    assert all(torch.equal(value, first[name]) for name, value in stored.items())
