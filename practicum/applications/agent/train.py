"""An agent's training: act in all copies, give credit, update; in a run's folder, resumed bit for bit.

The mathematics is that of `practicum/training/objectives.py`, the loop that of `practicum/training/loop.py`:
a row of a batch is one copy's steps, where a language model's is one completion's tokens. Suffixes: B copies,
T steps, N observed numbers, S steps of all copies.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from practicum.applications.agent.agent import Agent
from practicum.applications.agent.config import AgentConfig
from practicum.applications.agent.environments import Array, Copies, Make, seed_of
from practicum.applications.agent.network import Adam
from practicum.applications.agent.normaliser import FARTHEST, Normaliser
from practicum.errors import InputError
from practicum.guard.observer import Adjustments, Observer, StepResult, adjustments
from practicum.run.folder import EARLIER, Run
from practicum.threads import one_thread
from practicum.training.loop import LoopConfig, Stage, run_steps, step_seed
from practicum.training.objectives import (
    clipped_policy_loss,
    clipped_value_loss,
    explained_variance,
    generalised_advantages,
    kl_estimate,
    whiten,
)
from practicum.training.optimizer import Optimizer

FIRST_LOOK = 1000
"""Steps of random actions whose observations the first statistics come from."""
MEASURED = ("policy_loss", "value_loss", "approximate_kl", "clip_fraction")
"""Metrics of an update that are means over its steps."""
Measure = Callable[[Agent], Mapping[str, float]]
SHOWN = ("episode_return", "entropy", "explained_variance")


def train_agent(
    config: AgentConfig,
    make: Make,
    folder: Path,
    *,
    resume: bool = False,
    observers: Sequence[Observer] = (),
    measure: Measure | None = None,
) -> Agent:
    """Train an agent in a run's folder and return it; with `resume` continue what is there, if anything is.

    `make(seed)` builds an environment. Copies are reset with seeds of their own, so an environment that
    repeats itself under its seed is resumed bit for bit. `measure` adds columns to each iteration's row, of
    the agent after it; observers see them. Raises InputError for spaces that no agent can read
    or act in, and for observations or rewards that are not finite.
    """
    run = Run.open(folder, config, "agent", resume=resume and (folder / "config.toml").exists())
    learner = Learner(config, make)
    loop = LoopConfig(config.iterations, config.checkpoint_every)
    with one_thread(), contextlib.closing(learner.copies):
        stage = Stage(run, loop, learner, SHOWN, observers, allow_dead="checkpoint_every")
        summary = run_steps(
            stage, lambda index: learner.step(index, adjustments(observers, index + 1), measure)
        )
    for observer in observers:
        summary |= observer.conclude(run)
    run.finish(summary)
    return learner.agent


@dataclass(frozen=True)
class Batch:
    """One iteration's experience.

    seen: what was observed, float64 [S, N]; rows: the same as the networks read it, float32; raw: actions [S,
    A]; ends, beyond: where episodes end, and the value of what would have followed.
    """

    seen: Array
    rows: Tensor
    raw: Tensor
    rewards_BT: Tensor
    ends_BT: Tensor
    beyond_BT: Tensor


class Learner:
    """The agent with its optimizer, its copies of the environment and running statistics."""

    optimizer: Optimizer | None = None
    device = torch.device("cpu")

    def __init__(self, config: AgentConfig, make: Make) -> None:
        self.config = config
        self.copies = Copies(make, config.environments, config.seed)
        self.agent = Agent(
            self.copies.observation,
            self.copies.action,
            config.hidden,
            normalise=config.normalise_observations,
            deviation=config.initial_deviation,
            seed=step_seed(config.seed, "weights"),
        )
        network = self.agent.network
        self.adam = Adam(network.vector, network.gradient, config.max_gradient_norm)
        self.returns = Normaliser(1)
        self.running = np.zeros(config.environments)

    def write(self, folder: Path) -> None:
        """Write the agent's folder."""
        self.agent.save(folder)

    def tensors(self) -> dict[str, Tensor]:
        """The optimizer's state, the statistics of rewards and where the copies stand."""
        returns = [self.returns.mean[0], self.returns.variance[0], self.returns.count]
        return {
            **self.adam.tensors(),
            "returns": torch.tensor(returns, dtype=torch.float64),
            "running": torch.from_numpy(self.running.copy()),
            **self.copies.tensors(),
        }

    def masters(self) -> dict[str, Tensor]:
        """Nothing: the agent's weights are saved in float32."""
        return {}

    def restore(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `write` and `tensors` gave."""
        missing = self.tensors().keys() - tensors.keys()
        if missing:
            raise InputError(f"{folder / 'trainer.safetensors'}: has no {min(missing)}; {EARLIER}")
        self.agent.take(folder)
        self.adam.restore(tensors)
        mean, variance, self.returns.count = tensors["returns"].tolist()
        self.returns.mean, self.returns.variance = np.array([mean]), np.array([variance])
        self.running = tensors["running"].numpy().copy()
        if not self.copies.restore(tensors):
            print(
                f"practicum: {folder.parent.parent}: the environment does not repeat itself from the same "
                "seed and actions, so the run goes on from elsewhere than it stood",
                file=sys.stderr,
            )

    def step(self, index: int, adjusted: Adjustments, measure: Measure | None = None) -> StepResult:
        """Act for `horizon` steps in every copy, then learn from them."""
        if adjusted != Adjustments():
            raise InputError(
                f"an agent of an environment cannot be adjusted, but an observer asks: {adjusted}"
            )
        if index == 0:
            self._first_look()
        batch = self._practise(np.random.default_rng(step_seed(self.config.seed, "act", index)))
        metrics = self._learn(batch, index)
        taken = (index + 1) * self.config.environments * self.config.horizon
        measured = measure(self.agent) if measure else {}
        return StepResult({"environment_steps": taken, **self._episodes(), **metrics, **measured})

    def _first_look(self) -> None:
        """Statistics of what random actions lead to, then the copies' first episodes."""
        self.copies.reset()
        seen = [self.copies.now.copy()]
        spaces = [one.action_space for one in self.copies.environments]
        for copy, space in enumerate(spaces):
            space.seed(seed_of(self.config.seed, "look", copy))
        for _ in range(-(-FIRST_LOOK // len(spaces)) if self.config.normalise_observations else 0):
            self.copies.step([space.sample() for space in spaces])  # type: ignore[arg-type]
            seen.append(self.copies.now.copy())
        self.agent.normaliser.update(np.concatenate(seen))
        self.copies.reset()

    def _practise(self, generator: np.random.Generator) -> Batch:
        """Act and keep what happened."""
        agent, copies = self.agent, self.copies
        steps, count = self.config.horizon, self.config.environments
        seen_TBN = np.empty((steps, count, agent.observation.size))
        rewards_TB = np.empty((steps, count))
        ends_TB = np.zeros((steps, count), bool)
        raws: list[Array] = []
        cut: list[tuple[int, int]] = []
        beyond: list[Array] = []
        network, distribution = agent.network, agent.distribution
        for step in range(steps):
            seen_TBN[step] = copies.now
            outputs = network.act(agent.reads(copies.now))
            raw = distribution.sample(outputs, network.free_numpy, generator)
            outcome = copies.step(distribution.actions(raw))
            raws.append(raw)
            rewards_TB[step] = outcome.rewards
            for copy, last in outcome.final.items():
                ends_TB[step, copy] = True
                if not outcome.terminated[copy]:
                    cut.append((copy, step))
                    beyond.append(last)
        for copy in np.flatnonzero(~ends_TB[-1]).tolist():
            cut.append((copy, steps - 1))
            beyond.append(copies.now[copy].copy())
        if not (np.isfinite(seen_TBN).all() and np.isfinite(rewards_TB).all()):
            step, copy = np.argwhere(~np.isfinite(seen_TBN).all(2) | ~np.isfinite(rewards_TB))[0]
            raise InputError(
                f"the environment gave an observation or reward that is not finite (copy {copy}, step {step} "
                "of the iteration)"
            )
        rewards_BT = self._scaled(rewards_TB, ends_TB) if self.config.scale_rewards else rewards_TB.T
        ends_TB[-1] = True
        beyond_BT = torch.zeros(count, steps)
        if cut:
            rows = torch.from_numpy(agent.reads(np.stack(beyond)))
            with torch.no_grad():
                beyond_BT[tuple(torch.tensor(cut).T)] = network(rows)[1]
        seen_SN = seen_TBN.swapaxes(0, 1).reshape(count * steps, -1)
        return Batch(
            seen_SN,
            torch.from_numpy(agent.reads(seen_SN)),
            torch.from_numpy(np.stack(raws, 1).reshape(count * steps, -1)),
            torch.from_numpy(np.ascontiguousarray(rewards_BT, dtype=np.float32)),
            torch.from_numpy(np.ascontiguousarray(ends_TB.T)),
            beyond_BT,
        )

    def _scaled(self, rewards_TB: Array, ends_TB: Array) -> Array:
        """Rewards [B, T] over the deviation of returns so far (Engstrom et al. 2020, 2005.12729)."""
        found = np.empty_like(rewards_TB)
        for step, rewards in enumerate(rewards_TB):
            self.running = self.running * self.config.discount + rewards
            found[step] = self.running
            self.running = np.where(ends_TB[step], 0.0, self.running)
        self.returns.update(found.reshape(-1, 1))
        scaled = rewards_TB / math.sqrt(float(self.returns.variance[0]) + 1e-8)
        clipped: Array = np.clip(scaled, -FARTHEST, FARTHEST).T
        return clipped

    def _learn(self, batch: Batch, index: int) -> dict[str, float]:
        """Give credit, then make the updates of one iteration; their mean metrics."""
        config, network, distribution = self.config, self.agent.network, self.agent.distribution
        shape = batch.rewards_BT.shape
        everywhere = torch.ones(shape, dtype=torch.bool)
        with torch.no_grad():
            outputs, old_values = network(batch.rows)
            old_logprobs = distribution.logprobs(outputs, network.free, batch.raw)
            entropy = float(distribution.entropies(outputs, network.free).mean())
        advantages_BT, returns_BT = generalised_advantages(
            batch.rewards_BT,
            old_values.view(shape),
            everywhere,
            config.discount,
            config.gae_lambda,
            (batch.ends_BT, batch.beyond_BT),
        )
        explained = float(explained_variance(old_values.view(shape), returns_BT, everywhere))
        if config.normalise_advantages:
            advantages_BT = whiten(advantages_BT, everywhere)
        whole = (
            batch.rows,
            batch.raw,
            old_logprobs,
            advantages_BT.reshape(-1),
            returns_BT.reshape(-1),
            old_values,
        )
        left = 1 - index / config.iterations
        rate = config.learning_rate * (1.0 if config.decay == "none" else left)
        clip = config.clip * (left if config.decay == "rate_and_clip" else 1.0)
        metrics = self._updates(
            whole, rate, clip, torch.Generator().manual_seed(step_seed(config.seed, "update", index))
        )
        if config.normalise_observations:
            # Only now: these steps were chosen, and learned from, by the statistics before them.
            self.agent.normaliser.update(batch.seen)
        return {**metrics, "entropy": entropy, "explained_variance": explained, "learning_rate": rate}

    def _updates(
        self, whole: Sequence[Tensor], rate: float, clip: float, generator: torch.Generator
    ) -> dict[str, float]:
        """All passes over the steps of an iteration; mean metrics of the updates."""
        config = self.config
        reports: list[Tensor] = []
        norms: list[float] = []
        for _ in range(config.epochs):
            order = torch.randperm(len(whole[0]), generator=generator)
            shuffled = (part[order].tensor_split(config.minibatches) for part in whole)
            first = len(reports)
            for part in zip(*shuffled, strict=True):
                reports.append(self._gradient(part, clip))
                norms.append(self.adam.step(rate))
            if config.kl_limit and torch.stack(reports[first:])[:, 2].mean() > config.kl_limit:
                break
        means = torch.stack(reports).mean(0).tolist()
        norm = sum(norms) / len(norms)
        if not math.isfinite(norm):
            raise InputError("the gradient is not finite: lower the learning rate (--agent.learning_rate)")
        return {**dict(zip(MEASURED, means, strict=True)), "gradient_norm": norm}

    def _gradient(self, part: Sequence[Tensor], clip: float) -> Tensor:
        """Leave the gradient of one minibatch's loss in the network; its MEASURED metrics."""
        rows, raw, old_logprobs, advantages, returns, old_values = part
        config, network = self.config, self.agent.network
        outputs, values = network(rows)
        logprobs = self.agent.distribution.logprobs(outputs, network.free, raw)
        policy, clipped = clipped_policy_loss(logprobs, old_logprobs, advantages, clip, clip)
        value = clipped_value_loss(values, old_values, returns, config.value_clip or math.inf)
        loss = policy + config.value_weight * value
        if config.entropy_weight:
            loss = loss - config.entropy_weight * self.agent.distribution.entropies(outputs, network.free)
        network.gradient.zero_()
        torch.autograd.backward(loss, torch.full_like(loss, 1 / len(loss)))
        with torch.no_grad():
            kl = kl_estimate(old_logprobs, logprobs, "k3")
            return torch.stack([policy, value, kl, clipped]).mean(1)

    def _episodes(self) -> dict[str, float]:
        """Mean return and length of the episodes that ended."""
        ended = self.copies.finished()
        if not ended:
            return {"episodes": 0}
        return {
            "episodes": len(ended),
            "episode_return": sum(total for _, total, _ in ended) / len(ended),
            "episode_length": sum(length for *_, length in ended) / len(ended),
        }
