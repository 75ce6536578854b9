"""The pelican table, `practicum audit rank-table`: each response with people's rank and a model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from practicum.audit.instruments import Instrument
from practicum.audit.judge import judge_in
from practicum.errors import InputError
from practicum.files import read_jsonl
from practicum.preferences import formats
from practicum.preferences.comparisons import names
from practicum.preferences.rank_table import Row, rank_table, render
from practicum.reward.plain import PlainReward, checked
from practicum.types import Prompt, Ranking, RewardFormat

if TYPE_CHECKING:
    from rich.table import Table

Scores = dict[tuple[str, str], float]
"""By (prompt, response), each by its id or its text."""


@dataclass(frozen=True)
class Config:
    """Each response with people's rank and a model's, flagged where its favourite is what people put last."""

    preferences: Path
    """Rankings."""
    scores: Path | None = None
    """JSONL: prompt, response (each by id, or by text), score; higher is better."""
    reward_model: tuple[Path, ...] = ()
    """Instead of --scores: folders of reward models (or their runs), all heads averaged."""
    reward_format: RewardFormat = "auto"
    """How reward models of other trainers read: chat (messages through the chat template), text (prompt and
    completion as one text), auto (chat where the tokenizer has a template)."""
    device: str = "auto"
    """Where the reward models are: auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else
    Apple's mps, else the CPU."""


def run(config: Config) -> list[Row]:
    """Rank the responses by what the file or the reward models say of them."""
    rankings = formats.read(config.preferences)
    if (config.scores is None) == (not config.reward_model):
        raise InputError("rank-table: give either --scores or --reward_model")
    if config.scores is not None:
        return rank_table(rankings, read_scores(config.scores))
    return rank_table(
        rankings, _paid(rankings, judge_in(config.reward_model, config.reward_format, config.device))
    )


def _paid(rankings: Sequence[Ranking], reward: PlainReward) -> Scores:
    known: dict[tuple[str, str], tuple[Prompt, str]] = {}
    for ranking in rankings:
        prompt, responses = names(ranking)
        for name, response in zip(responses, ranking.responses, strict=True):
            known[prompt, name] = ranking.prompt, response.text
    values = checked(reward, [one for one, _ in known.values()], [text for _, text in known.values()])
    return dict(zip(known, values.tolist(), strict=True))


def read_scores(path: Path) -> Scores:
    """Scores by (prompt, response) from JSONL rows. Raises InputError naming line and field."""
    scores = {}
    for number, row in read_jsonl(path):
        prompt, response, score = (row.get(name) for name in ("prompt", "response", "score"))
        if not isinstance(prompt, str) or not isinstance(response, str):
            raise InputError(f"{path}:{number}: expected texts under 'prompt' and 'response'")
        if not isinstance(score, (int, float)) or isinstance(score, bool) or not np.isfinite(score):
            raise InputError(f"{path}:{number}: score: expected a finite number, got {score!r:.40}")
        scores[prompt, response] = float(score)
    return scores


def lines(rows: Sequence[Row]) -> list[str | Table]:
    """The table."""
    return [render(rows)]


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """The rows, and how many are flagged."""
    return {"rows": [asdict(row) for row in rows], "flagged": sum(bool(row.flag) for row in rows)}


audit = Instrument(run, lines, as_json)
