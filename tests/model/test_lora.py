"""Adapters: what they learn, what they leave alone, and peft's format in and out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig as PeftConfig
from peft import get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, Phi3Config

from practicum.errors import InputError
from practicum.model.checkpoint import load_model, model_folder, save_model
from practicum.model.decoder import Decoder
from practicum.model.lora import (
    TARGETS,
    LoraConfig,
    LoraLinear,
    adapters,
    add_adapters,
    load_adapters,
    merge_adapters,
    merged_weights,
    save_adapters,
)
from practicum.model.native import load
from practicum.model.native.scorer import packed_hidden, packed_logprobs
from practicum.model.sampling import SamplingConfig
from practicum.model.scorer import KernelScorer, PaddedScorer, Scorer, make_rows, make_scorer
from practicum.model.tokenizer import (
    OWN_ROLES,
    OWN_SETTINGS,
    Chat,
    chat_of,
    save_tokenizer,
    set_chat,
    train_tokenizer,
)
from practicum.rollout.samplers import make_sampler
from practicum.training.optimizer import Optimizer, OptimizerConfig
from tests.tiny import tiny_decoder

needs_kernels = pytest.mark.skipif(load("train") is None, reason="no compiler, or kernels are off")
TOKENIZER = train_tokenizer(["both sides of the equation: x = 4"] * 8, 140)
SEQUENCES = [[5, 9, 12, 40, 41, 7], [8, 8, 30, 2], [17, 50, 51, 52, 53, 54, 55, 56, 57]]


def small(seed: int = 0, *, tied: bool = True) -> Decoder:
    decoder = tiny_decoder(
        TOKENIZER, seed, hidden_size=64, intermediate_size=96, head_dim=16, tie_word_embeddings=tied
    )
    with torch.no_grad():
        for parameter in decoder.parameters():
            if parameter.dim() == 2:
                parameter.mul_(3)
    return decoder


def adapted(config: LoraConfig | None = None, seed: int = 0) -> Decoder:
    """A decoder whose adapters have learnt something: B is not 0."""
    decoder = add_adapters(small(seed), config or LoraConfig(rank=4, alpha=8.0), seed=1)
    generator = torch.Generator().manual_seed(2)
    for adapter in adapters(decoder).values():
        adapter.lora_B.data.normal_(0, 0.05, generator=generator)
    return decoder


def logits(decoder: Decoder) -> torch.Tensor:
    with torch.no_grad():
        values: torch.Tensor = decoder(torch.tensor([[5, 9, 12, 40, 41, 7, 60]]))
    return values


def gradients(decoder: Decoder, scorer: Scorer) -> dict[str, torch.Tensor | None]:
    rows = make_rows(SEQUENCES, [2, 1, 3])
    logprobs, _ = scorer.logprobs(scorer.hidden(rows), rows, SamplingConfig())
    decoder.zero_grad()
    (logprobs * torch.linspace(0.5, 1.5, len(logprobs))).sum().backward()
    return {name: part.grad for name, part in decoder.named_parameters()}


def test_new_adapters_change_nothing_and_are_all_that_learns() -> None:
    decoder = small()
    before = logits(decoder)
    add_adapters(decoder, LoraConfig(rank=4), seed=0)
    assert torch.equal(before, logits(decoder))
    learning = {name for name, part in decoder.named_parameters() if part.requires_grad}
    assert len(learning) == 2 * 7 * 2
    assert all(name.endswith((".lora_A", ".lora_B")) for name in learning)
    assert Optimizer(decoder, OptimizerConfig(algorithm="adamw"), 5).named.keys() == learning
    assert add_adapters(small(), LoraConfig(), seed=0).state_dict().keys() == small().state_dict().keys()


@needs_kernels
@pytest.mark.parametrize("targets", [LoraConfig().targets, ("q_proj", "v_proj"), ("k_proj", "gate_proj")])
def test_the_scorer_finds_the_gradients_that_the_modules_have(targets: tuple[str, ...]) -> None:
    decoder = adapted(LoraConfig(4, 8.0, targets))
    fast = make_scorer(decoder, torch.float32)
    assert fast.packed
    found = gradients(decoder, fast)
    expected = gradients(decoder, PaddedScorer(decoder, torch.float32))
    assert {name for name, part in found.items() if part is not None} == {
        name for name in found if ".lora_" in name
    }
    for name, part in expected.items():
        other = found[name]
        assert (part is None) == (other is None), name
        if part is not None and other is not None:
            assert part.abs().max() > 1e-4, name
            assert (part - other).abs().max() < 1e-4 * part.abs().max() + 1e-6, name


def test_frozen_weights_get_no_gradient_where_others_learn() -> None:
    decoder = small(tied=False)
    for name, weight in decoder.named_parameters():
        weight.requires_grad_("v_proj" in name or "norm" in name)
    found = gradients(decoder, make_scorer(decoder, torch.float32))
    expected = gradients(decoder, PaddedScorer(decoder, torch.float32))
    for name, part in expected.items():
        other = found[name]
        assert (part is None) == (other is None) == (not ("v_proj" in name or "norm" in name)), name
        if part is not None and other is not None:
            assert (part - other).abs().max() < 1e-4 * part.abs().max() + 1e-6, name


def test_an_update_moves_adapters_only_and_bfloat16_learns_too() -> None:
    decoder = adapted()
    before = {name: part.clone() for name, part in decoder.state_dict().items()}
    optimizer = Optimizer(decoder, OptimizerConfig(algorithm="adamw", warmup_steps=0), 4)
    rows = make_rows(SEQUENCES, [2, 1, 3])
    losses = []
    for step in range(4):
        scorer = make_scorer(decoder, torch.bfloat16)
        logprobs, _ = scorer.logprobs(scorer.hidden(rows), rows, SamplingConfig())
        losses.append(-logprobs.mean().item())
        (-logprobs.mean()).backward()
        optimizer.step(step)
    assert losses[-1] < losses[0]
    for name, part in decoder.state_dict().items():
        assert torch.equal(part, before[name]) == (".lora_" not in name), name


@needs_kernels
def test_sampler_scorer_and_saved_folder_use_the_same_merged_weights(tmp_path: Path) -> None:
    decoder = adapted()
    save_model(decoder, TOKENIZER, tmp_path)
    plain, _ = load_model(tmp_path)
    assert not adapters(plain)
    for name, weight in merged_weights(decoder).items():
        assert torch.equal(weight, plain.state_dict()[name]), name
    drawn = [
        make_sampler(one, SamplingConfig(temperature=0.0, max_new_tokens=12, dtype="float32")).sample(
            [[5, 9, 12]], 1, 0
        )[0][0]
        for one in (decoder, plain)
    ]
    assert drawn[0] == drawn[1]
    sequence = [5, 9, 12, *drawn[0].ids]
    scorer = make_scorer(decoder, torch.float32)
    assert isinstance(scorer, KernelScorer)
    rows = make_rows([sequence], [3])
    ids, starts = torch.tensor(sequence[:-1]), torch.tensor([0, len(sequence) - 1])
    hidden = packed_hidden(scorer.weights, ids, starts, torch.arange(2, len(sequence) - 1))
    logprobs, _ = packed_logprobs(scorer.weights, hidden, rows.target_ids)
    assert torch.allclose(logprobs, torch.tensor(drawn[0].logprobs), atol=1e-4)


def test_peft_computes_the_same_from_our_adapter(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    save_model(small(), TOKENIZER, tmp_path / "base")
    decoder = adapted()
    save_adapters(decoder, tmp_path / "adapter")
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    theirs = peft.PeftModel.from_pretrained(base, str(tmp_path / "adapter"))
    with torch.no_grad():
        expected = theirs(torch.tensor([[5, 9, 12, 40, 41, 7, 60]])).logits
    assert (logits(small()) - expected).abs().max() > 0.01
    assert (logits(decoder) - expected).abs().max() < 1e-4


@pytest.mark.parametrize("rslora", [False, True])
def test_we_compute_the_same_from_peft_s_adapter(tmp_path: Path, rslora: bool) -> None:
    peft = pytest.importorskip("peft")
    save_model(small(), TOKENIZER, tmp_path / "base")
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    asked: dict[str, Any] = {"r": 4, "lora_alpha": 6, "target_modules": ["q_proj", "down_proj"]}
    asked |= {"use_rslora": rslora, "init_lora_weights": False, "task_type": "CAUSAL_LM"}
    theirs = peft.get_peft_model(base, peft.LoraConfig(**asked))
    with torch.no_grad():
        expected = theirs(torch.tensor([[5, 9, 12, 40, 41, 7, 60]])).logits
    theirs.save_pretrained(str(tmp_path / "adapter"))
    assert (logits(load_adapters(small(), tmp_path / "adapter")) - expected).abs().max() < 1e-4
    # The folder names its base, so it is a model by itself, its weights merged and all free to learn.
    alone, _ = load_model(model_folder(tmp_path / "adapter"))
    assert (logits(alone) - expected).abs().max() < 1e-4
    assert all(part.requires_grad for part in alone.parameters())
    assert not adapters(alone)


TARGET_SETS = st.sets(st.sampled_from(TARGETS), min_size=1)


def phi3(folder: Path) -> Path:
    """A tiny Phi-3 of transformers' making, whose maps of one input are one matrix."""
    ends = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0, "max_position_embeddings": 64}
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    size = TOKENIZER.get_vocab_size()
    config = Phi3Config(vocab_size=size, num_key_value_heads=2, **shape, **ends)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for part in model.parameters():
            part.mul_(4.0)
    model.save_pretrained(folder)
    save_tokenizer(TOKENIZER, folder, {})
    return folder


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(targets=TARGET_SETS, rank=st.integers(1, 5), alpha=st.floats(0.5, 20))
def test_adapters_of_fused_maps_are_what_peft_loads_and_what_we_go_on_from(
    tmp_path: Path, targets: set[str], rank: int, alpha: float
) -> None:
    peft = pytest.importorskip("peft")
    base = tmp_path / "base"
    if not base.exists():
        phi3(base)
    decoder = add_adapters(load_model(base)[0], LoraConfig(rank, alpha, tuple(sorted(targets))), seed=1)
    with torch.no_grad():
        for adapter in adapters(decoder).values():
            adapter.lora_B.normal_(generator=torch.Generator().manual_seed(rank))
    shutil.rmtree(tmp_path / "adapter", ignore_errors=True)
    save_adapters(decoder, tmp_path / "adapter")
    whole = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    theirs = peft.PeftModel.from_pretrained(whole, str(tmp_path / "adapter"))
    with torch.no_grad():
        expected = theirs(torch.tensor([[5, 9, 12, 40, 41, 7, 60]])).logits
    assert (logits(decoder) - expected).abs().max() < 1e-3 * expected.abs().max()
    # A run goes on from the very same numbers, and the folder alone gives the same model.
    fresh = add_adapters(load_model(base)[0], LoraConfig(rank, alpha, tuple(sorted(targets))), seed=2)
    load_adapters(fresh, tmp_path / "adapter")
    for name, part in decoder.state_dict().items():
        assert torch.equal(part, fresh.state_dict()[name]), name
    alone = load_adapters(load_model(base)[0], tmp_path / "adapter")
    assert (logits(alone) - expected).abs().max() < 1e-3 * expected.abs().max()


@pytest.mark.parametrize("rslora", [False, True])
def test_an_adapter_that_peft_trained_on_fused_maps_is_read(tmp_path: Path, rslora: bool) -> None:
    peft = pytest.importorskip("peft")
    phi3(tmp_path / "base")
    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    asked: dict[str, Any] = {
        "r": 4,
        "lora_alpha": 6,
        "target_modules": ["qkv_proj", "o_proj", "gate_up_proj"],
    }
    asked |= {"use_rslora": rslora, "init_lora_weights": False, "task_type": "CAUSAL_LM"}
    theirs = peft.get_peft_model(whole, peft.LoraConfig(**asked))
    with torch.no_grad():
        expected = theirs(torch.tensor([[5, 9, 12, 40, 41, 7, 60]])).logits
    theirs.save_pretrained(str(tmp_path / "adapter"))
    alone, _ = load_model(model_folder(tmp_path / "adapter"))
    assert (logits(alone) - expected).abs().max() < 1e-3 * expected.abs().max()


def test_a_checkpoint_restores_adapters_exactly(tmp_path: Path) -> None:
    decoder = adapted()
    save_model(decoder, TOKENIZER, tmp_path / "lora")
    fresh = add_adapters(small(), LoraConfig(rank=4, alpha=8.0), seed=7)
    fresh.restore(tmp_path / "lora")
    for name, part in decoder.state_dict().items():
        assert torch.equal(part, fresh.state_dict()[name]), name
    save_model(small(3), TOKENIZER, tmp_path / "plain")
    restored = small()
    restored.restore(tmp_path / "plain")
    assert torch.equal(logits(restored), logits(small(3)))


def test_merging_keeps_the_function_and_frees_the_weights() -> None:
    decoder = adapted()
    before = logits(decoder)
    merge_adapters(decoder)
    assert not adapters(decoder)
    assert not any(isinstance(module, LoraLinear) for module in decoder.modules())
    assert (logits(decoder) - before).abs().max() < 1e-5
    assert all(part.requires_grad for part in decoder.parameters())


CHANGING = ("pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga", "a new one")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"peft_type": "IA3"}, "peft_type"),
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"r": 0}, "rank 1"),
        ({"r": "four"}, "numbers r and lora_alpha"),
        ({"r": 2}, "model asks for"),
        *(({"init_lora_weights": kind}, f"{kind}.*changed") for kind in CHANGING),
        ({"alora_invocation_tokens": [5, 6]}, "alora_invocation_tokens"),
        ({"layer_replication": [[0, 1]]}, "layer_replication"),
        ({"use_something_new": True}, "use_something_new.*not known"),
    ],
)
def test_adapters_of_another_kind_are_refused(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    save_adapters(adapted(), tmp_path)
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=named) as raised:
        load_adapters(small(), tmp_path)
    assert "\n" not in str(raised.value)


def test_damaged_and_foreign_adapters_are_refused(tmp_path: Path) -> None:
    save_adapters(adapted(), tmp_path / "good")
    weights = load_file(str(tmp_path / "good" / "adapter_model.safetensors"))
    first = next(iter(weights))

    def folder(name: str, tensors: dict[str, torch.Tensor] | None) -> Path:
        shutil.copytree(tmp_path / "good", tmp_path / name)
        path = tmp_path / name / "adapter_model.safetensors"
        path.unlink()
        if tensors is not None:
            save_file(tensors, str(path))
        return tmp_path / name

    missing = {name: part for name, part in weights.items() if name != first}
    strange = weights | {"base_model.model.lm_head.weight": torch.zeros(2)}
    for name, tensors, said in (
        ("none", None, "no such file"),
        ("missing", missing, "lora_A is None"),
        ("strange", strange, "not part of a LoRA"),
    ):
        with pytest.raises(InputError, match=said):
            load_adapters(small(), folder(name, tensors))
    (tmp_path / "good" / "adapter_model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="damaged"):
        load_adapters(small(), tmp_path / "good")
    with pytest.raises(InputError, match="base_model_name_or_path"):
        load_model(tmp_path / "good")
    with pytest.raises(InputError, match="merge them"):
        add_adapters(adapted(), LoraConfig(rank=2), seed=0)


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["q_proj", "down_proj"]},
        {"target_modules": ["q_proj"], "layers_to_transform": [1]},
        {"target_modules": r".*layers\.[1]\.mlp\.(up|down)_proj"},
        {"target_modules": "all-linear", "exclude_modules": ["k_proj"]},
        {"target_modules": ["v_proj"], "init_lora_weights": "gaussian", "use_rslora": True},
        {"target_modules": ["v_proj"], "init_lora_weights": "orthogonal"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["llama", "phi3"])
def test_adapters_of_peft_on_some_maps_or_layers_are_what_peft_computes(
    settings: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    if kind == "phi3":
        targets = settings["target_modules"]
        named = targets if isinstance(targets, str) else ["qkv_proj", "down_proj"]
        settings = {**settings, "target_modules": named.replace("(up|down)", "(gate_up|down)")
                    if isinstance(named, str) else named}  # fmt: skip
        model: Any = AutoModelForCausalLM.from_config(
            Phi3Config(
                vocab_size=TOKENIZER.get_vocab_size(), hidden_size=64, intermediate_size=96,
                num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, pad_token_id=0,
                eos_token_id=1,
            )
        )  # fmt: skip
        model.save_pretrained(tmp_path / "base")
        TOKENIZER.save(str(tmp_path / "base" / "tokenizer.json"))
    else:
        save_model(small(), TOKENIZER, tmp_path / "base")
    base: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    library = get_peft_model(base, PeftConfig(r=4, task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for name, part in library.named_parameters():
            if "lora_" in name:
                part.add_(torch.randn(part.shape, generator=torch.Generator().manual_seed(3)) * 0.1)
        library.peft_config["default"].base_model_name_or_path = str(tmp_path / "base")
        library.save_pretrained(tmp_path / "adapter")
        expected = library.eval()(torch.tensor([[5, 9, 12, 40, 41, 7, 60]])).logits
    decoder, _ = load_model(tmp_path / "adapter")
    assert (logits(decoder) - expected).abs().max() < 1e-4
    assert (logits(decoder) - logits(load_model(tmp_path / "base")[0])).abs().max() > 1e-3


def test_an_adapter_s_own_tokenizer_goes_before_that_of_its_base(tmp_path: Path) -> None:
    decoder = adapted()
    save_model(small(), TOKENIZER, tmp_path / "base")
    decoder.base = str(tmp_path / "base")
    save_adapters(decoder, tmp_path / "adapter")
    assert chat_of(load_model(tmp_path / "adapter")[1]) is None
    own = train_tokenizer(["both sides of the equation: x = 4"] * 8, 140)
    set_chat(own, Chat("{% for m in messages %}[{{ m['content'] }}]{% endfor %}", {}))
    save_tokenizer(own, tmp_path / "adapter", OWN_SETTINGS | OWN_ROLES)
    chat = chat_of(load_model(tmp_path / "adapter")[1])
    assert chat is not None
    assert "[{{" in chat.template


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"rank": -1}, "rank"), ({"alpha": 0.0}, "alpha"), ({"targets": ()}, "none given")],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        LoraConfig(**settings)


@pytest.mark.parametrize("rank", [0, 4])
def test_a_target_that_the_decoder_does_not_have_is_refused_with_adapters_and_without(rank: int) -> None:
    with pytest.raises(InputError, match=r"lora\.targets: \['qq'\]; choose from q_proj"):
        add_adapters(small(), LoraConfig(rank, targets=("q_proj", "qq")), seed=0)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_model_without_a_map_for_an_adapter_is_refused_and_left_as_it_was(seed: int) -> None:
    """As any model that is not our decoder: its layers are of another type."""
    foreign: Any = torch.nn.ModuleDict({"q_proj": torch.nn.Linear(4, 4), "norm": torch.nn.LayerNorm(4)})
    with pytest.raises(
        InputError, match=r"no map named q_proj.* nothing would be trained; use --lora\.rank 0"
    ):
        add_adapters(foreign, LoraConfig(rank=4), seed)
    assert all(parameter.requires_grad for parameter in foreign.parameters())
    assert type(foreign["q_proj"]) is torch.nn.Linear
    assert add_adapters(foreign, LoraConfig(), seed) is foreign
