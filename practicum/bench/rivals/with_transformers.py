"""transformers as a rival: sampling with `generate`, and a plain training loop, in bfloat16."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

from practicum.bench.measure import Work, timed


def load(folder: Path) -> Any:
    """The model in bfloat16, attention as transformers chooses it."""
    disable_progress_bar()
    model = LlamaForCausalLM.from_pretrained(str(folder), dtype=torch.bfloat16)
    model.generation_config.eos_token_id = model.config.eos_token_id
    return model


def sampling_choices(rows: int) -> list[tuple[int, str | None]]:
    """Ways to sample `rows` requests: rows at a time, and the cache (None is the growing DynamicCache)."""
    small = min(rows, 128)
    return [(small, None), (small, "static"), *([(rows, None)] if rows > small else [])]


def sampling_work(
    folder: Path,
    prompts: Sequence[Sequence[int]],
    new_tokens: int,
    rows_at_a_time: int,
    cache: str | None,
    seed: int = 0,
) -> Work:
    """`generate` at temperature 1 without truncation; counts tokens up to each row's end of sequence."""
    model = load(folder).eval()
    ids = torch.tensor(prompts)
    torch.manual_seed(seed)

    @torch.inference_mode()
    def work() -> float:
        useful = 0
        for part in torch.split(ids, rows_at_a_time):
            written = model.generate(
                part,
                attention_mask=torch.ones_like(part),
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                max_new_tokens=new_tokens,
                cache_implementation=cache,
                disable_compile=True,
            )[:, ids.shape[1] :]
            ended = (written == model.config.eos_token_id).cumsum(1)
            useful += int((ended - (written == model.config.eos_token_id).long() == 0).sum())
        return float(useful)

    return work


def best_sampling(
    folder: Path, prompts: Sequence[Sequence[int]], new_tokens: int
) -> tuple[tuple[int, str | None], Work]:
    """The fastest of `sampling_choices` on this machine now, by half as many new tokens, timed once each."""
    rated = []
    for choice in sampling_choices(len(prompts)):
        probe = sampling_work(folder, prompts, max(1, new_tokens // 2), *choice)
        rated.append((timed(probe).rate, choice))
    _, choice = max(rated, key=lambda one: one[0])
    return choice, sampling_work(folder, prompts, new_tokens, *choice)


def training_work(folder: Path, rows: int, length: int) -> Work:
    """One update on random rows in bfloat16: mean next-token loss, backward, clipping, fused AdamW."""
    model = load(folder).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids = torch.randint(
        2, model.config.vocab_size, (rows, length), generator=torch.Generator().manual_seed(0)
    )

    def work() -> float:
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(ids.numel())

    return work
