"""What exposition reads."""

from __future__ import annotations

from typing import Any

import pytest

from practicum.errors import InputError
from practicum.training.pretrain import PretrainConfig, packed_rows


@pytest.mark.parametrize("passages", [[], ["", ""]])
def test_an_empty_textbook_is_refused_instead_of_read_for_ever(tokenizer: Any, passages: list[str]) -> None:
    class Empty:
        name = "empty"
        vocabulary_size = 110

        def exposition(self, count: int, seed: int) -> list[str]:
            return passages

    with pytest.raises(InputError, match="task empty: its textbook is empty, so there is nothing to read"):
        packed_rows(Empty(), tokenizer, PretrainConfig(), 0)  # type: ignore[arg-type]
