"""The checks of `scripts/gpu_check.sh`: what must hold on a device, and how fast it is there.

Every check computes in float32 where it compares with the CPU, and in the device's own dtype where it
measures speed. Models are made here from random weights, so that nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from practicum.errors import InputError
from practicum.files import atomic_write, read_rows, to_json
from practicum.guard.controllers import KLConfig
from practicum.guard.counted import WatchConfig
from practicum.model.checkpoint import load_tensors, model_folder, save_model
from practicum.model.decoder import Decoder, DecoderConfig, compute_dtype, initialise, parameter_count
from practicum.model.device import chosen_device, described
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.scorer import make_rows, make_scorer
from practicum.model.tokenizer import EOS, PAD, special_id, train_tokenizer
from practicum.rollout.samplers import make_sampler
from practicum.run.environment import environment
from practicum.training import reward_model, rl, sft
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.reward_model import RewardModelConfig
from practicum.training.rl import RlConfig
from practicum.training.sft import Lesson, SftConfig, teach
from practicum.training.update import UpdateConfig
from practicum.types import Demonstration, Prompt, Score

TOLERANCE = 1e-3
LETTERS = "abc"
STEADY = OptimizerConfig("adamw", 3e-3, warmup_steps=0, final_share=1.0)
CAREFUL = replace(STEADY, learning_rate=3e-4)


@dataclass(frozen=True)
class Size:
    """How much is computed: shapes of the model that learns and of the one that is timed, steps, rows."""

    hidden: int
    layers: int
    timed_hidden: int
    timed_layers: int
    steps: int
    rows: int
    new_tokens: int
    matrix: int
    vocabulary: int


QUICK = Size(64, 1, 64, 2, 6, 8, 16, 512, 512)
FULL = Size(192, 4, 576, 30, 30, 128, 256, 8192, 49152)


@dataclass(frozen=True)
class Place:
    """Where the checks compute and keep their files."""

    device: torch.device
    folder: Path
    size: Size

    @property
    def name(self) -> str:
        """The device as `--device` takes it."""
        return str(self.device)


@dataclass(frozen=True)
class Found:
    """What a check found: whether it holds, the figure in words, and figures by name."""

    passed: bool
    words: str
    figures: dict[str, float]


class Letters:
    """Say `a` first: prompts are numbers, demonstrations answer a, b or c, and only a is paid."""

    name = "letters"
    vocabulary_size = 400

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """Numbers of one to three digits."""
        generator = torch.Generator().manual_seed(seed)
        return [Prompt(f"{one}:") for one in torch.randint(0, 1000, (count,), generator=generator).tolist()]

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """1 for a text that begins with a."""
        return [Score(float(text.startswith("a")), text.startswith("a")) for text in texts]

    def exposition(self, count: int, seed: int) -> list[str]:
        """Nothing much to read."""
        return ["123: abc"] * count

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        """A letter to each prompt, all equally often."""
        prompts = self.prompts("train", count, seed)
        return [Demonstration(prompt, LETTERS[index % 3] * 2) for index, prompt in enumerate(prompts)]


# ------------------------------------------------------------------------------------------------- parity


def make_model(folder: Path, hidden: int, layers: int, vocabulary: int = 0) -> None:
    """Write a model of random weights with a tokenizer, which may have fewer tokens than the model."""
    tokenizer = train_tokenizer(["1 2 3 a b c"], 400)
    heads = hidden // 64
    config = DecoderConfig(
        vocab_size=vocabulary or tokenizer.get_vocab_size(),
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3 // 2 * 2,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=max(1, heads // 3),
        head_dim=64,
        max_position_embeddings=1024,
        eos_token_id=special_id(tokenizer, EOS),
        pad_token_id=special_id(tokenizer, PAD),
    )
    save_model(initialise(Decoder(config), 0), tokenizer, folder)


def parity(place: Place) -> Found:
    """Log-probabilities and gradients of the same rows, and those of sampled tokens, against the CPU's."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(4, 90, (place.size.rows,), generator=generator).tolist()
    sequences = [torch.randint(3, 240, (length,), generator=generator).tolist() for length in lengths]
    rows = make_rows(sequences, [2] * len(sequences))
    scores, gradients = [], []
    folder = place.folder / "start"
    for device in (torch.device("cpu"), place.device):
        policy, _ = load_policy(folder, device)
        scorer = make_scorer(policy, torch.float32)
        logprobs, _ = scorer.logprobs(scorer.hidden(rows), rows, SamplingConfig())
        torch.autograd.backward(-logprobs.mean())
        scores.append(logprobs.detach())
        gradients.append([part.grad.cpu() for _, part in policy.named_parameters() if part.grad is not None])
    difference = float((scores[0] - scores[1]).abs().max())
    off = math.sqrt(sum(float((one - other).square().sum()) for one, other in zip(*gradients, strict=True)))
    norm = math.sqrt(sum(float(one.square().sum()) for one in gradients[0]))
    sampled = _sampled_difference(place, folder)
    figures = {"logprob": difference, "gradient": off / norm, "sampled": sampled}
    words = (
        f"log-probabilities differ by {difference:.1e}, gradients by {off / norm:.1e} of their norm, "
        f"sampler and the CPU's scorer by {sampled:.1e}"
    )
    return Found(max(figures.values()) < TOLERANCE, words, figures)


def _sampled_difference(place: Place, folder: Path) -> float:
    """Largest difference of a sampled token's log-probability between the device's sampler and the CPU."""
    policy, _ = load_policy(folder, place.device)
    settings = SamplingConfig(max_new_tokens=place.size.new_tokens, dtype="float32")
    prompts = [[5, 6, 7], [8, 9], [10, 11, 12, 13]]
    groups = make_sampler(policy, settings).sample(prompts, 4, 1)
    pairs = [(prompt, one) for prompt, group in zip(prompts, groups, strict=True) for one in group]
    rows = make_rows([[*prompt, *one.ids] for prompt, one in pairs], [len(prompt) for prompt, _ in pairs])
    scorer = make_scorer(load_policy(folder)[0], torch.float32)
    with torch.no_grad():
        known, _ = scorer.logprobs(scorer.hidden(rows), rows, settings)
    drawn = torch.tensor([logprob for _, one in pairs for logprob in one.logprobs])
    return float((known - drawn).abs().max())


# ----------------------------------------------------------------------------------------------- training


def loop_of(place: Place, steps: int) -> LoopConfig:
    """A loop with a checkpoint in its middle."""
    return LoopConfig(steps=steps, checkpoint_every=max(1, steps // 2), keep_checkpoints=9)


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run."""
    return read_rows(folder / "metrics.jsonl")


def imitation(place: Place) -> Found:
    """SFT on the device and on the CPU: the same losses, step by step, and the loss falls."""
    config = SftConfig(
        place.folder / "start",
        batch_demonstrations=24,
        textbook_passages=2,
        optimizer=STEADY,
        loop=loop_of(place, place.size.steps),
        dtype="float32",
        device=place.name,
    )
    sft.train(config, place.folder / "sft", task=Letters())
    few = replace(config, device="cpu", loop=replace(config.loop, steps=3))
    sft.train(few, place.folder / "sft-cpu", task=Letters())
    found = [row["loss"] for row in metrics_of(place.folder / "sft")]
    known = [row["loss"] for row in metrics_of(place.folder / "sft-cpu")]
    difference = max(abs(one - other) for one, other in zip(found, known, strict=False))
    words = f"loss {found[0]:.3f} -> {found[-1]:.3f}; the first {len(known)} differ by {difference:.1e}"
    passed = difference < TOLERANCE and found[-1] < found[0]
    return Found(passed, words, {"loss": found[-1], "difference": difference})


def practice_config(place: Place, **changes: Any) -> RlConfig:
    """Practice on letters, with a pull to the model it starts from."""
    return RlConfig(
        place.folder / "sft",
        prompts_per_step=12,
        group_size=8,
        sampling=SamplingConfig(max_new_tokens=4, dtype="float32"),
        update=UpdateConfig(kl=KLConfig(weight=0.05), minibatches=2),
        guard=WatchConfig(action="off"),
        optimizer=CAREFUL,
        loop=loop_of(place, place.size.steps),
        dtype="float32",
        device=place.name,
        **changes,
    )


def practised(place: Place, config: RlConfig, name: str) -> Found:
    """Practise and check that sampler and scorer agree, that all is finite, and that a full run learns."""
    rl.train(config, place.folder / name, parts=rl.build(config, task=Letters()))
    rows = metrics_of(place.folder / name)
    measured = ("reward", "policy_loss", "gradient_norm", "kl_completion", "ratio_error")
    finite = all(row[key] is not None and math.isfinite(row[key]) for row in rows for key in measured)
    error = max(row["ratio_error"] for row in rows)
    third = max(1, len(rows) // 3)
    before, after = (sum(row["reward"] for row in part) / third for part in (rows[:third], rows[-third:]))
    words = f"reward {before:.2f} -> {after:.2f}, largest ratio error {error:.1e}"
    figures = {"reward_before": before, "reward_after": after, "ratio_error": error}
    learned = after > before or len(rows) < FULL.steps
    return Found(finite and error < TOLERANCE and learned, words, figures)


def grpo(place: Place) -> Found:
    """GRPO against a task, with a KL to the reference."""
    return practised(place, practice_config(place), "grpo")


def ppo(place: Place) -> Found:
    """A reward model learns that a is best; PPO practises against it, with a critic that starts from it."""
    path = place.folder / "rankings.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for number in range(60):
            row = {"prompt": f"{number}:", "ranks": [1, 2, 2], "rater": "one"}
            stream.write(
                json.dumps({**row, "responses": [{"text": letter * 2} for letter in LETTERS]}) + "\n"
            )
    fit = RewardModelConfig(
        place.folder / "sft",
        (str(path),),
        dtype="float32",
        held_out=0.2,
        optimizer=STEADY,
        epochs=4,
        device=place.name,
    )
    accuracy = reward_model.train(fit, place.folder / "reward")["accuracy"]
    config = practice_config(place, algorithm="ppo", reward_model=(place.folder / "reward",))
    config = replace(config, ppo=replace(config.ppo, critic="reward_model"))
    found = practised(place, config, "ppo")
    words = f"reward model right on {accuracy:.0%} of held-out pairs; {found.words}"
    return Found(found.passed and accuracy > 0.9, words, {**found.figures, "accuracy": accuracy})


def resume(place: Place) -> Found:
    """A run that lost its last checkpoint goes on to the same weights as the unbroken one."""
    whole, broken = place.folder / "grpo", place.folder / "resumed"
    shutil.copytree(whole, broken)
    shutil.rmtree(model_folder(broken))
    (broken / "summary.json").unlink()
    config = practice_config(place)
    rl.train(config, broken, resume=True, parts=rl.build(config, task=Letters()))
    one, other = load_tensors(model_folder(whole)), load_tensors(model_folder(broken))
    difference = max(float((one[name] - other[name]).abs().max()) for name in one)
    words = "bit for bit" if difference == 0 else f"weights differ by {difference:.1e}"
    return Found(difference < TOLERANCE, words, {"difference": difference})


# ---------------------------------------------------------------------------------------- speed and memory


def seconds_of(place: Place, work: Callable[[], object], repeats: int = 3) -> float:
    """Median seconds of a piece of work on the device, after one that warms it up."""
    taken = []
    for _ in range(repeats + 1):
        synchronise(place.device)
        started = time.perf_counter()
        work()
        synchronise(place.device)
        taken.append(time.perf_counter() - started)
    return sorted(taken[1:])[repeats // 2]


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def peak(place: Place) -> float:
    """Measured floating-point operations a second of one large product in the device's dtype."""
    width, dtype = place.size.matrix, compute_dtype("auto", place.device)
    matrix = torch.ones(width, width, dtype=dtype, device=place.device)
    return 2 * width**3 / seconds_of(place, lambda: matrix @ matrix)


def sampling_speed(place: Place) -> Found:
    """Tokens a second of the sampler and of transformers' generate: the same weights, prompts and lengths."""
    from transformers import AutoModelForCausalLM

    folder, size = place.folder / "timed", place.size
    dtype = compute_dtype("auto", place.device)
    policy, _ = load_policy(folder, place.device)
    prompts = [[5 + row % 50, 6, 7, 8] for row in range(size.rows)]
    sampler = make_sampler(policy, SamplingConfig(max_new_tokens=size.new_tokens))
    drawn = sum(len(one.ids) for group in sampler.sample(prompts, 1, 0) for one in group)
    ours = drawn / seconds_of(place, lambda: sampler.sample(prompts, 1, 0))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(place.device)
    ids = torch.tensor(prompts, device=place.device)
    settings = {"do_sample": True, "top_k": 0, "max_new_tokens": size.new_tokens, "eos_token_id": None}

    def theirs() -> object:
        return model.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=0, **settings)

    rival = size.rows * size.new_tokens / seconds_of(place, theirs)
    words = f"{ours:,.0f} tokens/s, transformers {rival:,.0f} ({ours / rival:.2f} times as many), {dtype}"
    return Found(ours > 0, words, {"tokens_per_second": ours, "transformers": rival})


def training_speed(place: Place) -> Found:
    """Tokens a second of an update, those of the same update with transformers, and the share of the peak."""
    from transformers import AutoModelForCausalLM

    folder, size = place.folder / "timed", place.size
    dtype = compute_dtype("auto", place.device)
    policy, _ = load_policy(folder, place.device)
    length = min(512, 8 * size.new_tokens)
    rows = max(4, size.rows // 4)
    lesson = Lesson([[5 + row % 50] * length for row in range(rows)], [1] * rows, 0, 0, {})
    optimizer = Optimizer(policy, STEADY, 100)

    def update() -> None:
        teach(policy, lesson, 16 * length, dtype)
        optimizer.step(0)

    ours = rows * length / seconds_of(place, update)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(place.device)
    their_optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids = torch.tensor(lesson.sequences, device=place.device)

    def their_update() -> None:
        for part in torch.split(ids, 16):
            with torch.autocast(place.device.type, dtype, enabled=dtype != torch.float32):
                loss = model(input_ids=part, labels=part).loss * len(part) / rows
            torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        their_optimizer.step()
        their_optimizer.zero_grad()

    rival = rows * length / seconds_of(place, their_update)
    share = 6 * parameter_count(model) * ours / peak(place)
    words = (
        f"{ours:,.0f} tokens/s, transformers {rival:,.0f} ({ours / rival:.2f} times as many), "
        f"{share:.0%} of the measured peak of a product, {dtype}"
    )
    return Found(ours > 0, words, {"tokens_per_second": ours, "transformers": rival, "share_of_peak": share})


def memory(place: Place) -> Found:
    """Memory of training, and that more steps take no more of it."""
    if place.device.type != "cuda":
        return Found(True, f"not measured on {place.device.type}", {})
    policy, _ = load_policy(place.folder / "timed", place.device)
    optimizer = Optimizer(policy, STEADY, 100)
    lesson = Lesson([[7] * 256 for _ in range(32)], [1] * 32, 0, 0, {})
    torch.cuda.reset_peak_memory_stats(place.device)
    held = []
    for index in range(12):
        teach(policy, lesson, 8 * 256, compute_dtype("auto", place.device))
        optimizer.step(index)
        held.append(torch.cuda.memory_allocated(place.device))
    most = torch.cuda.max_memory_allocated(place.device) / 2**30
    count = sum(part.numel() for _, part in policy.named_parameters())
    words = f"{most:.2f} GiB at most for {count / 1e6:.0f}M parameters; steps 3 and 12 hold the same"
    return Found(held[2] == held[-1], words, {"peak_gib": most, "grown_bytes": float(held[-1] - held[2])})


CHECKS: dict[str, Callable[[Place], Found]] = {
    "parity": parity,
    "sft": imitation,
    "grpo": grpo,
    "ppo": ppo,
    "resume": resume,
    "sampling speed": sampling_speed,
    "training speed": training_speed,
    "memory": memory,
}
"""In this order: later ones go on from earlier ones."""


def run_checks(place: Place) -> list[dict[str, Any]]:
    """Every check with its figures and seconds, told as it ends."""
    size = place.size
    make_model(place.folder / "start", size.hidden, size.layers)
    make_model(place.folder / "timed", size.timed_hidden, size.timed_layers, size.vocabulary)
    results = []
    for name, check in CHECKS.items():
        started = time.perf_counter()
        try:
            found = check(place)
        except (RuntimeError, TypeError, ValueError, LookupError, OSError, ImportError, InputError) as error:
            # A check that cannot run has failed, and the others still tell something.
            found = Found(False, f"{type(error).__name__}: {str(error).splitlines()[0]}", {})
        seconds = time.perf_counter() - started
        print(f"{'pass' if found.passed else 'FAIL'}  {name:<15}{found.words}  ({seconds:.1f} s)", flush=True)
        figures = {"passed": found.passed, "found": found.words, **found.figures, "seconds": seconds}
        results.append({"name": name, **figures})
    return results


def main(arguments: Sequence[str]) -> int:
    """Run the checks; 1 where one fails."""
    parser = argparse.ArgumentParser(prog="scripts/gpu_check.sh", description=__doc__)
    parser.add_argument("--device", default="cuda", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--quick", action="store_true", help="small models and few steps")
    parser.add_argument("--out", type=Path, default=Path("gpu_check.json"), help="where figures go")
    options = parser.parse_args(arguments)
    try:
        device = chosen_device(options.device)
    except InputError as error:
        print(f"gpu_check: error: {error}", file=sys.stderr)
        return 2
    print(f"device: {described(device)}, PyTorch {torch.__version__}", flush=True)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="gpu_check-") as folder:
        results = run_checks(Place(device, Path(folder), QUICK if options.quick else FULL))
    record = {
        "device": described(device),
        "quick": options.quick,
        "date": datetime.now(timezone.utc).date().isoformat(),
        **{name: environment("gpu_check", 0)[name] for name in ("commit", "torch", "python", "machine")},
        "passed": all(one["passed"] for one in results),
        "seconds": time.perf_counter() - started,
        "checks": results,
    }
    atomic_write(options.out, to_json(record, 2) + "\n")
    print(f"{sum(one['passed'] for one in results)} of {len(results)} checks pass; figures: {options.out}")
    return 0 if record["passed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
