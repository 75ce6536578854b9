"""A flag of TRL or verl leads to what it is called here, and never to a setting that the command lacks."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.config import load
from practicum.errors import InputError
from practicum.hints import TRL, VERL, hint
from practicum.training.dpo import DpoConfig
from practicum.training.evaluate import EvalConfig
from practicum.training.pretrain import PretrainConfig
from practicum.training.reward_model import RewardModelConfig
from practicum.training.rl import RlConfig
from practicum.training.rlhf import RlhfConfig
from practicum.training.sft import SftConfig

CONFIGS: tuple[type[Any], ...] = (
    *(PretrainConfig, SftConfig, RlConfig, DpoConfig, RewardModelConfig, RlhfConfig),
)
OPTIONS = ("--run", "--resume")
# What people write who know these trainers from scripts and other libraries of the kind.
HABITS = {
    "lr", "batch_size", "train_batch_size", "epochs", "steps", "max_new_tokens", "ref_model", "dataset",
    "dataset_path", "train_file", "eval_dataset", "reward_weights", "model_name", "model_id", "base_model",
    "load_in_4bit", "load_in_8bit", "lora_dropout", "max_seq_length", "overwrite_output_dir", "no_cuda",
    "torch_dtype", "evaluation_strategy", "deepspeed", "tools", "vllm_server_host", "ref_model_name_or_path",
    "value_model_name_or_path", "reward_model_name_or_path", "logging_dir", "max_prompt_length",
}  # fmt: skip

# Of TRL's PPO trainer, which has left the main package, and of earlier versions.
EARLIER = {
    "cliprange", "cliprange_value", "gamma", "kl_coef", "lam", "missing_eos_penalty", "num_mini_batches",
    "num_ppo_epochs", "response_length", "reward_model_path", "sft_model_path", "streaming", "vf_coef",
    "warmup_ratio",
}  # fmt: skip


def told(config: type[Any], name: str) -> str:
    with pytest.raises(InputError) as caught:
        load(config, None, [f"--{name}", "3"])
    return str(caught.value)


def is_known(config: type[Any], flag: str) -> bool:
    try:
        load(config, None, [flag, "nonsense"])
    except InputError as error:
        return not str(error).startswith("unknown setting")
    return True


@given(st.sampled_from(CONFIGS), st.sampled_from(sorted({*TRL, *VERL})), st.booleans())
def test_what_an_error_names_exists_for_the_command(config: type[Any], name: str, dashed: bool) -> None:
    written = name.replace("_", "-") if dashed else name
    if is_known(config, f"--{name}"):
        return
    message = told(config, written)
    assert "\n" not in message
    for flag in re.findall(r"--[a-z][\w.]*\w", message.partition(";")[2]):
        assert flag in OPTIONS or is_known(config, flag), message


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("max_steps", "--loop.steps"),
        ("per_device_train_batch_size", "--prompts_per_step"),
        ("num_generations", "--group_size"),
        ("max_completion_length", "--sampling.max_new_tokens"),
        ("use_peft", "--lora.rank"),
        ("beta", "--update.kl.weight"),
        ("output_dir", "--run"),
        ("resume_from_checkpoint", "--resume"),
        ("learning_rate", "--optimizer.learning_rate"),
        ("model_name_or_path", "--model"),
        ("bf16", "--dtype"),
        ("gradient_checkpointing", "--update.micro_batch_tokens"),
        ("save_steps", "--loop.checkpoint_every"),
        ("lr_scheduler_type", "--optimizer.final_share"),
        ("warmup_ratio", "--optimizer.warmup_steps"),
        ("num_train_epochs", "--loop.steps"),
        ("scale_rewards", "--grpo.advantage"),
        ("epsilon", "--update.clip_low"),
        ("actor_rollout_ref.rollout.n", "--group_size"),
        ("trainer.total_training_steps", "--loop.steps"),
    ],
)
def test_a_flag_of_another_trainer_leads_to_ours(name: str, ours: str) -> None:
    assert f"; did you mean {ours}?" in told(RlConfig, name)


def test_a_flag_without_a_counterpart_says_what_happens_instead() -> None:
    assert "Practicum has none: it loads nothing from a hub" in told(RlConfig, "push_to_hub")
    assert "every step is logged" in told(SftConfig, "logging_steps")
    assert "this command has nothing like TRL's num_generations" in told(PretrainConfig, "num_generations")
    # One step is a batch of rankings there, and its number follows from the epochs.
    assert "; did you mean --epochs? " in told(RewardModelConfig, "max_steps")


def test_every_setting_that_a_hint_names_exists_somewhere() -> None:
    named = {name for table in (TRL, VERL) for found in table.values() for name in found.names}
    flags = {name if name.startswith("--") else f"--{name}" for name in named} - set(OPTIONS)
    commands = (*CONFIGS, EvalConfig)
    assert [flag for flag in sorted(flags) if not any(is_known(one, flag) for one in commands)] == []


@given(st.sampled_from(CONFIGS), st.sampled_from(sorted({*TRL, *VERL})))
def test_only_what_no_command_has_is_told_as_what_happens_instead(config: type[Any], name: str) -> None:
    """A remark about a setting says nothing to a command that lacks it."""
    if is_known(config, f"--{name}"):
        return
    found = TRL.get(name) or VERL[name]
    message = told(config, name)
    assert ("Practicum has none: " in message) == (not found.names)
    assert ("this command has nothing like" in message) or not found.names or "did you mean" in message


def test_a_name_of_nobody_has_no_hint() -> None:
    assert hint("sead", ["seed"]) == ""
    assert "did you mean --seed?" in told(RlConfig, "sead")


def test_the_names_are_those_of_trl() -> None:
    trl = pytest.importorskip("trl")
    configs = (trl.GRPOConfig, trl.SFTConfig, trl.RewardConfig, trl.DPOConfig, trl.RLOOConfig, trl.KTOConfig)
    others = (trl.ModelConfig, trl.ScriptArguments)
    names = {field.name for config in (*configs, *others) for field in dataclasses.fields(config)}
    from trl.scripts.grpo import GRPOScriptArguments

    names |= {field.name for field in dataclasses.fields(GRPOScriptArguments)}
    assert TRL.keys() - names - HABITS - EARLIER == set()
