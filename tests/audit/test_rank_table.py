from __future__ import annotations

from pathlib import Path

import pytest

from practicum.audit import rank_table
from practicum.errors import InputError
from practicum.preferences import formats
from practicum.types import Prompt, Ranking, Response
from tests.audit.rows import jsonl


def test_rank_table_from_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = (Response("a pun", "0"), Response("pelican pelican the the", "1"), Response("a tale", "2"))
    formats.write(tmp_path / "preferences.jsonl", [Ranking(Prompt("joke"), shown, (1, 3, 2), "ann", "p")])
    scores = jsonl(
        tmp_path / "scores.jsonl",
        [
            {"prompt": "p", "response": str(index), "score": value}
            for index, value in enumerate((0.1, 4.0, 0.0))
        ],
    )
    config = rank_table.Config(tmp_path / "preferences.jsonl", scores)
    result = rank_table.audit(config)
    assert result["flagged"] == 1
    assert result["rows"][0]["text"] == "pelican pelican the the"
    assert "What people and the model prefer" in capsys.readouterr().out
    with pytest.raises(InputError, match="give either --scores or --reward_model"):
        rank_table.audit(rank_table.Config(tmp_path / "preferences.jsonl"))
    jsonl(scores, [{"prompt": "p", "response": "0", "score": "high"}])
    with pytest.raises(InputError, match=r"scores\.jsonl:1: score: expected a finite number, got 'high'"):
        rank_table.audit(config)
