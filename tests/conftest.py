from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from tokenizers import Tokenizer

from practicum import demo
from practicum.demo import DemoConfig
from practicum.model.checkpoint import save_model
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import train_tokenizer
from practicum.training import pretrain, rl, sft
from practicum.training.loop import LoopConfig, Trainee
from tests.tiny import ONE_LAYER, LetterTask, tiny_decoder, tiny_trainee, without_bytes

# What a test says must not hang on a clock: a busy machine takes seconds for what is told in milliseconds.
settings.register_profile("practicum", deadline=None)
settings.load_profile("practicum")

TESTS = Path(__file__).parent
SHAPE: dict[str, Any] = {
    "layers": 1,
    "hidden_size": 32,
    "intermediate_size": 32,
    "heads": 2,
    "key_value_heads": 1,
    "head_dim": 16,
}


# Products of tiny matrices lose more by waking a second thread than they gain.
IN_ONE_THREAD = ("guard", "loggers", "model", "reward", "rollout", "run", "training")


@pytest.fixture(autouse=True, scope="module")
def one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """PyTorch in one thread for the tests of tiny models, each folder of them."""
    before = torch.get_num_threads()
    if request.path.relative_to(TESTS).parts[0] in IN_ONE_THREAD:
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def letter_task() -> LetterTask:
    """A bandit with one arm that pays."""
    return LetterTask()


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """Characters only."""
    return without_bytes(train_tokenizer(["1 2"], 110))


@pytest.fixture
def make_trainee(tokenizer: Tokenizer) -> Callable[..., Trainee]:
    """`tiny_trainee` of characters."""
    return partial(tiny_trainee, tokenizer)


@pytest.fixture(scope="session")
def small_stages() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """A context in which the stages of a demo are real but so small that a demo takes a few seconds."""

    @contextlib.contextmanager
    def small() -> Iterator[None]:
        loop = LoopConfig(steps=2, threads=1)
        stages = (
            (pretrain, "PretrainConfig", {"model": pretrain.ModelShape(**SHAPE), "batch_rows": 2}),
            (sft, "SftConfig", {"batch_demonstrations": 4}),
            (
                rl,
                "RlConfig",
                {"prompts_per_step": 4, "group_size": 2, "sampling": SamplingConfig(max_new_tokens=8)},
            ),
        )
        threads = torch.get_num_threads()
        with pytest.MonkeyPatch.context() as patch:
            for module, name, changes in stages:
                patch.setattr(module, name, partial(getattr(module, name), **changes, loop=loop))
            patch.setattr(demo, "CONTRAST_STEPS", 4)
            yield
        torch.set_num_threads(threads)

    return small


@pytest.fixture(scope="session")
def small_demo() -> DemoConfig:
    """Settings of a demo of two steps a stage."""
    return replace(
        DemoConfig(),
        pretrain_steps=2,
        sft_steps=2,
        rl_steps=2,
        human_feedback=False,
        examination_count=24,
        sampled_count=2,
        samples=2,
    )


@pytest.fixture(scope="session")
def save_untrained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Tokenizer, int], Path]:
    """(tokenizer, longest sequence) -> the folder of a tiny model of random weights."""

    def save(tokenizer: Tokenizer, positions: int) -> Path:
        decoder = tiny_decoder(
            tokenizer, intermediate_size=32, max_position_embeddings=positions, **ONE_LAYER
        )
        folder = tmp_path_factory.mktemp("untrained")
        save_model(decoder, tokenizer, folder)
        return folder

    return save


@pytest.fixture(scope="session")
def untrained_model(save_untrained: Callable[[Tokenizer, int], Path]) -> Path:
    """The folder of a model that knows nothing."""
    return save_untrained(train_tokenizer(["solve answer domain"], 120), 512)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless; closed after the module: its event loop keeps others from running."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()
