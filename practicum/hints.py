"""What flags of other trainers (TRL, verl) are called here, for the error about a setting that is unknown."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

RUN = "--run"
"""Not a setting but an option of every command that fills a run's folder."""


@dataclass(frozen=True)
class Hint:
    """What another trainer's flag is called here.

    `names`: settings that do the same, the best first; those that a command lacks are passed over. `remark`:
    what differs, or, where there is no such setting anywhere, what Practicum does instead.
    """

    names: tuple[str, ...] = ()
    remark: str = ""


BATCH = (
    "prompts_per_step",
    "batch_demonstrations",
    "batch_rows",
    "batch_prompts",
    "practice.prompts_per_step",
)
NO_HUB = "it loads nothing from a hub and sends nothing to one, models are folders on this machine"
UNFINISHED = ("reward.unfinished", "practice.reward.unfinished")
CUT_IS_PAID = "what a cut completion is paid, with a reward model only; a function can pay it less"
NO_SERVER = "it samples by itself"
LOGGED = "every step is logged, in RUN/metrics.jsonl, and `practicum report RUN` draws it"
ROWS = "micro-batches are cut by tokens"
STEPS_NOT_EPOCHS = "training is counted in updates, not in epochs"

TRL = {
    "max_steps": Hint(("loop.steps", "practice.loop.steps", "epochs")),
    "num_train_epochs": Hint(("epochs", "loop.steps", "practice.loop.steps"), STEPS_NOT_EPOCHS),
    "per_device_train_batch_size": Hint(BATCH),
    "per_device_eval_batch_size": Hint((), "batches of an examination are chosen by themselves"),
    "gradient_accumulation_steps": Hint(
        ("update.micro_batch_tokens", "micro_batch_tokens", "micro_batch_rows"),
        "a batch is cut into micro-batches of that size by itself",
    ),
    "steps_per_generation": Hint(("update.minibatches",)),
    "num_iterations": Hint(("update.epochs",), "passes over one batch of completions"),
    "num_ppo_epochs": Hint(("update.epochs", "practice.update.epochs")),
    "num_mini_batches": Hint(("update.minibatches", "practice.update.minibatches")),
    "num_generations": Hint(("group_size", "practice.group_size", "responses", "sampled_count")),
    "max_completion_length": Hint(("sampling.max_new_tokens", "practice.sampling.max_new_tokens")),
    "max_new_tokens": Hint(("sampling.max_new_tokens", "practice.sampling.max_new_tokens")),
    "response_length": Hint(("sampling.max_new_tokens", "practice.sampling.max_new_tokens")),
    "max_prompt_length": Hint((), "prompts are never cut: the model's own length is the limit"),
    "max_length": Hint(("sequence_length",), "the model's own length is the limit"),
    "max_seq_length": Hint(("sequence_length",), "the length is limited by the model"),
    "packing": Hint((), "rows are always read without padding where there are kernels"),
    "use_peft": Hint(("lora.rank", "practice.lora.rank"), "above 0 there are adapters"),
    "lora_r": Hint(("lora.rank", "practice.lora.rank")),
    "lora_alpha": Hint(("lora.alpha", "practice.lora.alpha")),
    "lora_dropout": Hint((), "adapters have no dropout"),
    "lora_target_modules": Hint(("lora.targets", "practice.lora.targets")),
    "load_in_4bit": Hint(
        ("lora.rank", "practice.lora.rank"), "weights are held in float32, and adapters need the least memory"
    ),
    "load_in_8bit": Hint(
        ("lora.rank", "practice.lora.rank"), "weights are held in float32, and adapters need the least memory"
    ),
    "beta": Hint(("update.kl.weight", "practice.update.kl.weight")),
    "kl_coef": Hint(("update.kl.weight", "practice.update.kl.weight")),
    "ref_model": Hint(("reference",)),
    "ref_model_name_or_path": Hint(("reference",)),
    "output_dir": Hint((RUN,)),
    "overwrite_output_dir": Hint((RUN,), "a folder is never overwritten"),
    "run_name": Hint((RUN,), "a run is called by its folder"),
    "resume_from_checkpoint": Hint(("--resume",)),
    "do_train": Hint((), "every training command trains"),
    "do_eval": Hint((), "`practicum eval` examines a model"),
    "report_to": Hint((), LOGGED),
    "logging_dir": Hint((RUN,), "the log is in the run's folder"),
    "logging_steps": Hint((), LOGGED),
    "logging_strategy": Hint((), LOGGED),
    "log_completions": Hint(("samples_per_step",), "rows of RUN/samples.jsonl"),
    "num_completions_to_print": Hint(("samples_per_step",), "rows of RUN/samples.jsonl"),
    "learning_rate": Hint(("optimizer.learning_rate", "practice.optimizer.learning_rate")),
    "lr": Hint(("optimizer.learning_rate", "practice.optimizer.learning_rate")),
    "lr_scheduler_type": Hint(
        ("optimizer.final_share", "practice.optimizer.final_share"),
        "the rate falls along a cosine to this share of its peak; 1 keeps it constant",
    ),
    "warmup_ratio": Hint(
        ("optimizer.warmup_steps", "practice.optimizer.warmup_steps"), "counted in steps, not as a share"
    ),
    "warmup_steps": Hint(("optimizer.warmup_steps", "practice.optimizer.warmup_steps")),
    "weight_decay": Hint(("optimizer.weight_decay", "practice.optimizer.weight_decay")),
    "max_grad_norm": Hint(("optimizer.max_gradient_norm", "practice.optimizer.max_gradient_norm")),
    "adam_beta1": Hint(("optimizer.beta1", "practice.optimizer.beta1")),
    "adam_beta2": Hint(("optimizer.beta2", "practice.optimizer.beta2")),
    "optim": Hint(("optimizer.algorithm", "practice.optimizer.algorithm")),
    "dataset_name": Hint(
        ("data", "preferences", "task.name", "task"), "a file or folder on this machine, not a name on a hub"
    ),
    "dataset": Hint(("data", "preferences", "task"), "a file or folder on this machine"),
    "dataset_path": Hint(("data", "preferences", "task"), "a file or folder on this machine"),
    "train_file": Hint(("data", "preferences", "task")),
    "eval_dataset": Hint(("data.test", "held_out")),
    "dataset_config": Hint((), NO_HUB),
    "dataset_train_split": Hint(("data",), "give the split's file"),
    "dataset_test_split": Hint(("data.test", "held_out")),
    "dataset_num_proc": Hint((), "texts are made ready as they are needed"),
    "streaming": Hint((), "texts are made ready as they are needed"),
    "reward_funcs": Hint(("reward", "reward_model"), "as often as there are rewards"),
    "reward_weights": Hint(("reward.weights",)),
    "reward_model_path": Hint(("reward_model",)),
    "reward_model_name_or_path": Hint(("reward_model",)),
    "sft_model_path": Hint(("model",)),
    "value_model_name_or_path": Hint(("ppo.critic",)),
    "model_name_or_path": Hint(("model",)),
    "model_name": Hint(("model",)),
    "model_id": Hint(("model",)),
    "base_model": Hint(("model",)),
    "model_revision": Hint((), NO_HUB),
    "trust_remote_code": Hint((), "code that comes with a model is never run"),
    "attn_implementation": Hint((), "attention has one implementation"),
    "use_cpu": Hint(("device",)),
    "no_cuda": Hint(("device",)),
    "bf16": Hint(("dtype", "practice.dtype"), "bfloat16 or float32; auto chooses"),
    "fp16": Hint(("dtype", "practice.dtype"), "bfloat16 or float32; auto chooses"),
    "torch_dtype": Hint(("dtype", "practice.dtype")),
    "gradient_checkpointing": Hint(
        ("update.micro_batch_tokens", "micro_batch_tokens", "micro_batch_rows"),
        "a smaller micro-batch needs less memory",
    ),
    "save_steps": Hint(("loop.checkpoint_every", "checkpoint_every", "practice.loop.checkpoint_every")),
    "save_strategy": Hint(("loop.checkpoint_every", "checkpoint_every")),
    "save_total_limit": Hint(("loop.keep_checkpoints", "practice.loop.keep_checkpoints")),
    "eval_steps": Hint((), "`practicum eval` examines any checkpoint"),
    "eval_strategy": Hint((), "`practicum eval` examines any checkpoint"),
    "temperature": Hint(("sampling.temperature", "practice.sampling.temperature")),
    "top_p": Hint(("sampling.top_p", "practice.sampling.top_p")),
    "top_k": Hint(("sampling.top_k", "practice.sampling.top_k")),
    "loss_type": Hint(
        ("algorithm", "loss", "objective", "practice.algorithm"),
    ),
    "epsilon": Hint(("update.clip_low", "practice.update.clip_low"), "the upper bound is clip_high"),
    "epsilon_high": Hint(("update.clip_high", "practice.update.clip_high")),
    "cliprange": Hint(("update.clip_low", "practice.update.clip_low"), "the upper bound is clip_high"),
    "cliprange_value": Hint(("ppo.value_clip", "practice.ppo.value_clip")),
    "vf_coef": Hint(("ppo.value_weight", "practice.ppo.value_weight")),
    "gamma": Hint(("ppo.discount", "practice.ppo.discount")),
    "lam": Hint(("ppo.gae_lambda", "practice.ppo.gae_lambda")),
    "scale_rewards": Hint(("grpo.advantage", "reward.scale")),
    "importance_sampling_level": Hint(("algorithm",)),
    "mask_truncated_completions": Hint(UNFINISHED, CUT_IS_PAID),
    "missing_eos_penalty": Hint(UNFINISHED, CUT_IS_PAID),
    "desirable_weight": Hint(("desirable",)),
    "undesirable_weight": Hint(("undesirable",)),
    "precompute_ref_log_probs": Hint((), "the reference's log-probabilities are always computed once"),
    "use_vllm": Hint((), NO_SERVER),
    "vllm_mode": Hint((), NO_SERVER),
    "vllm_server_base_url": Hint((), NO_SERVER),
    "vllm_server_host": Hint((), NO_SERVER),
    "vllm_gpu_memory_utilization": Hint((), NO_SERVER),
    "vllm_tensor_parallel_size": Hint((), NO_SERVER),
    "deepspeed": Hint((), "one process trains on one device"),
    "push_to_hub": Hint((), NO_HUB),
    "hub_model_id": Hint((), NO_HUB),
    "chat_template_path": Hint((), "a model's own chat template is used"),
    "assistant_only_loss": Hint((), "a prompt never counts in the loss, what it answers always does"),
    "completion_only_loss": Hint((), "a prompt never counts in the loss, what it answers always does"),
    "center_rewards_coefficient": Hint((), "a reward model is centred when it is fitted"),
    "disable_dropout": Hint((), "there is no dropout"),
    "tools": Hint(("task",), "a task of your own can answer the model"),
    "data_seed": Hint(("seed",)),
    "batch_size": Hint(BATCH),
    "train_batch_size": Hint(BATCH),
    "epochs": Hint(("loop.steps", "practice.loop.steps"), STEPS_NOT_EPOCHS),
    "steps": Hint(("loop.steps", "practice.loop.steps", "epochs")),
}
"""Flags of TRL 1.x's scripts (GRPOConfig, SFTConfig, RewardConfig, PPOConfig, ModelConfig, ScriptArguments)
and of its user's habits, without dashes."""

VERL = {
    "data.train_files": TRL["dataset_name"],
    "data.val_files": TRL["eval_dataset"],
    "data.train_batch_size": TRL["batch_size"],
    "data.max_response_length": TRL["max_completion_length"],
    "data.max_prompt_length": TRL["max_prompt_length"],
    "actor_rollout_ref.model.path": TRL["model_name_or_path"],
    "actor_rollout_ref.model.lora_rank": TRL["use_peft"],
    "actor_rollout_ref.actor.optim.lr": TRL["learning_rate"],
    "actor_rollout_ref.actor.kl_loss_coef": TRL["beta"],
    "actor_rollout_ref.actor.use_kl_loss": TRL["beta"],
    "actor_rollout_ref.actor.clip_ratio": TRL["epsilon"],
    "actor_rollout_ref.actor.clip_ratio_low": TRL["epsilon"],
    "actor_rollout_ref.actor.clip_ratio_high": TRL["epsilon_high"],
    "actor_rollout_ref.actor.entropy_coeff": Hint(("update.entropy_weight",)),
    "actor_rollout_ref.actor.ppo_epochs": TRL["num_iterations"],
    "actor_rollout_ref.actor.ppo_mini_batch_size": Hint(
        ("update.minibatches",), "their number, not their size"
    ),
    "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": Hint(("update.micro_batch_tokens",), ROWS),
    "actor_rollout_ref.actor.ppo_max_token_len_per_gpu": Hint(("update.micro_batch_tokens",)),
    "actor_rollout_ref.actor.loss_agg_mode": Hint(("update.aggregation",)),
    "actor_rollout_ref.rollout.n": TRL["num_generations"],
    "actor_rollout_ref.rollout.temperature": TRL["temperature"],
    "actor_rollout_ref.rollout.top_p": TRL["top_p"],
    "actor_rollout_ref.rollout.name": TRL["use_vllm"],
    "algorithm.adv_estimator": Hint(("algorithm",)),
    "algorithm.kl_ctrl.kl_coef": TRL["beta"],
    "algorithm.use_kl_in_reward": Hint(("update.kl.placement",)),
    "algorithm.gamma": TRL["gamma"],
    "algorithm.lam": TRL["lam"],
    "custom_reward_function.path": TRL["reward_funcs"],
    "custom_reward_function.name": TRL["reward_funcs"],
    "reward_model.model.path": TRL["reward_model_path"],
    "critic.optim.lr": TRL["learning_rate"],
    "trainer.total_training_steps": TRL["max_steps"],
    "trainer.total_epochs": TRL["num_train_epochs"],
    "trainer.save_freq": TRL["save_steps"],
    "trainer.test_freq": TRL["eval_steps"],
    "trainer.logger": TRL["report_to"],
    "trainer.project_name": TRL["run_name"],
    "trainer.experiment_name": TRL["run_name"],
    "trainer.default_local_dir": TRL["output_dir"],
    "trainer.n_gpus_per_node": Hint((), "one process trains on one device"),
    "trainer.nnodes": Hint((), "one process trains on one device"),
}
"""The settings of verl that its examples use most."""


def hint(name: str, known: Collection[str], *, flags: bool = True) -> str:
    """`; did you mean --loop.steps? TRL calls it max_steps`, or an empty string for an unknown name.

    `known` are the names that the command takes: no other setting is named.
    """
    for trainer, table in (("TRL", TRL), ("verl", VERL)):
        if name in table:
            return f"; {_said(trainer, name, table[name], known, '--' if flags else '')}"
    return ""


def _said(trainer: str, name: str, found: Hint, known: Collection[str], dashes: str) -> str:
    fills_a_run = any(key.endswith("checkpoint_every") for key in known)
    for ours in found.names:
        is_option = ours.startswith("--")
        if ours in known or (is_option and fills_a_run):
            meant = ours if is_option else f"{dashes}{ours}"
            remark = f" ({found.remark})" if found.remark else ""
            theirs = "" if ours.rpartition(".")[2] == name else f" {trainer} calls it {name}"
            return f"did you mean {meant}?{theirs}{remark}"
    if found.remark and not found.names:
        return f"Practicum has none: {found.remark}"
    return f"this command has nothing like {trainer}'s {name}"
