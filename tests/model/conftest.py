from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Products of tiny matrices lose more by waking a second thread than they gain."""
    torch.set_num_threads(1)
