"""Worked problems: the model imitates solutions, the loss counting the solution's tokens only.

A few textbook passages are read along with every update: what exposition taught would fade otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from practicum.model.checkpoint import load_model, model_folder
from practicum.model.decoder import Decoder, compute_dtype
from practicum.model.lora import LoraConfig, add_adapters
from practicum.model.tokenizer import encode_batch, encode_prompts, encode_texts
from practicum.ranges import Count, CountOrNone, PositiveInt, Ranged, Seed
from practicum.rollout.sampler import SamplingConfig
from practicum.run import Run
from practicum.tasks.task import TaskConfig, load_task
from practicum.training.batch import learner, make_rows
from practicum.training.loop import (
    LoopConfig,
    StepResult,
    Trainee,
    run_steps,
    set_threads,
    step_seed,
)
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.parallel import add_gradients
from practicum.types import Demonstration


@dataclass(frozen=True)
class SftConfig(Ranged):
    """Worked problems: supervised fine-tuning on a task's demonstrations."""

    model: Path
    """Folder of the model to start from (a model folder, or a run's folder)."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task whose worked problems are imitated."""
    batch_demonstrations: Count = 64
    """Worked problems of one update."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    """Adapters that learn in place of all weights; AdamW suits them, Muon does not."""
    textbook_passages: CountOrNone = 12
    """Textbook passages read along with every update, so that imitation forgets no arithmetic; 0 for none.

    A pretraining mix as in Ouyang et al. 2022 (2203.02155, section 3.4), one stage earlier.
    """
    micro_batch_tokens: PositiveInt = 2048
    """Tokens of one forward pass, padding included; changes memory and speed, not the result."""
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(learning_rate=5e-3, final_share=0.05)
    )
    """The optimizer."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=850, checkpoint_every=200))
    """Length and checkpoints."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Matrix products; master weights are always float32."""
    seed: Seed = 0
    """Fixes the demonstrations drawn."""


def train(config: SftConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """Fine-tune and return the summary; the model is the run's newest checkpoint."""
    decoder, tokenizer = load_model(model_folder(config.model))
    add_adapters(decoder, config.lora, config.seed)
    task = load_task(config.task)
    run = Run.open(run_path, config, "sft", resume=resume, keep=config.loop.keep_checkpoints)
    set_threads(config.loop.threads)
    optimizer = Optimizer(decoder, config.optimizer, config.loop.steps)
    trainee = Trainee(decoder, tokenizer, nn.ModuleDict(), optimizer)
    dtype = compute_dtype(config.dtype)

    def step(index: int) -> StepResult:
        seed = step_seed(config.seed, "demonstrations", index)
        demonstrations = task.demonstrations(config.batch_demonstrations, seed)
        passages = task.exposition(config.textbook_passages, step_seed(config.seed, "textbook", index))
        metrics = imitate(decoder, tokenizer, demonstrations, config.micro_batch_tokens, dtype, passages)
        samples = [
            {"step": index + 1, "prompt": demonstration.prompt.text, "completion": demonstration.completion}
            for demonstration in demonstrations[:2]
        ]
        return StepResult(metrics | optimizer.step(index), samples)

    last = run_steps(run, config.loop, trainee, step, ("loss",))
    summary = {"stage": "sft", **last}
    run.finish(summary)
    return summary


def imitate(
    decoder: Decoder,
    tokenizer: Tokenizer,
    demonstrations: Sequence[Demonstration],
    micro_batch_tokens: int,
    dtype: torch.dtype,
    passages: Sequence[str] = (),
) -> dict[str, float]:
    """Add the gradient of the mean next-token loss over all completion tokens, and return metrics.

    Passages are read whole: every token counts but the first, which nothing predicts. The mean is over the
    whole batch, so how it is cut into micro-batches changes nothing but rounding.
    """
    asked = [demonstration.prompt.text for demonstration in demonstrations]
    prompts = [*encode_prompts(tokenizer, asked), *([] for _ in passages)]
    written = [demonstration.completion for demonstration in demonstrations]
    limit = decoder.config.max_position_embeddings
    eos = decoder.config.eos_token_id
    # A tokenizer may end a whole text by itself; one end of sequence is enough.
    read = [ids[:-1] if ids[-1:] == [eos] else ids for ids in encode_texts(tokenizer, passages)]
    completions = [*encode_batch(tokenizer, written), *read]
    sequences = [
        [*prompt, *completion, eos][:limit] for prompt, completion in zip(prompts, completions, strict=True)
    ]
    lengths = [len(sequence) for sequence in sequences]
    prompt_lengths = [len(prompt) for prompt in prompts]
    targets = sum(length - max(1, prompt) for length, prompt in zip(lengths, prompt_lengths, strict=True))
    student = learner(decoder, dtype)
    batches, padding = student.cut(lengths, micro_batch_tokens)
    measured = [0.0] * len(batches)

    def micro_batch_loss(index: int) -> Tensor:
        batch = batches[index]
        rows = make_rows([sequences[row] for row in batch], [prompt_lengths[row] for row in batch])
        logprobs, _ = student.logprobs(student.hidden(rows), rows, SamplingConfig())
        loss = -logprobs.sum() / targets
        measured[index] = loss.item()
        return loss

    parameters = [parameter for parameter in decoder.parameters() if parameter.requires_grad]
    add_gradients(parameters, [partial(micro_batch_loss, index) for index in range(len(batches))])
    return {"loss": sum(measured), "tokens": sum(lengths), "padding_share": padding}
