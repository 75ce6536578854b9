"""An agent's training: act in all copies, give credit, update; in a run's folder, resumed bit for bit.

The mathematics is that of `practicum/training/objectives.py`, the loop that of `practicum/training/loop.py`:
a row of a batch is one copy's steps, where a language model's is one completion's tokens. Suffixes: B copies,
T steps, N observed numbers, S steps of all copies.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from practicum.applications.agent.agent import Agent
from practicum.applications.agent.config import AgentConfig
from practicum.applications.agent.environments import Array, Copies, Make, seed_of
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
SHOWN = ("episode_return", "entropy", "explained_variance")


def train_agent(
    config: AgentConfig,
    make: Make,
    folder: Path,
    *,
    resume: bool = False,
    observers: Sequence[Observer] = (),
) -> Agent:
    """Train an agent in a run's folder and return it; with `resume` continue what is there, if anything is.

    `make(seed)` builds an environment. Copies are reset with seeds of their own, so an environment that
    repeats itself under its seed is resumed bit for bit. Raises InputError for spaces that no agent can read
    or act in, and for observations or rewards that are not finite.
    """
    run = Run.open(folder, config, "agent", resume=resume and (folder / "config.toml").exists())
    learner = Learner(config, make)
    loop = LoopConfig(config.iterations, config.checkpoint_every)
    with one_thread(), contextlib.closing(learner.copies):
        stage = Stage(run, loop, learner, SHOWN, observers, allow_dead="checkpoint_every")
        summary = run_steps(stage, lambda index: learner.step(index, adjustments(observers, index + 1)))
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
        self.adam = torch.optim.Adam([network.vector], config.learning_rate, eps=1e-5, fused=True)
        self.returns = Normaliser(1)
        self.running = np.zeros(config.environments)

    def write(self, folder: Path) -> None:
        """Write the agent's folder."""
        self.agent.save(folder)

    def tensors(self) -> dict[str, Tensor]:
        """The optimizer's state, the statistics of rewards and where the copies stand."""
        moments = self.adam.state.get(self.agent.network.vector, {})
        returns = [self.returns.mean[0], self.returns.variance[0], self.returns.count]
        return {
            **{f"adam.{name}": value for name, value in moments.items()},
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
        moments = {name[5:]: value for name, value in tensors.items() if name.startswith("adam.")}
        self.adam.state.clear()
        if moments:
            self.adam.state[self.agent.network.vector] = moments
        mean, variance, self.returns.count = tensors["returns"].tolist()
        self.returns.mean, self.returns.variance = np.array([mean]), np.array([variance])
        self.running = tensors["running"].numpy().copy()
        if not self.copies.restore(tensors):
            print(
                f"practicum: {folder.parent.parent}: the environment does not repeat itself from the same "
                "seed and actions, so the run goes on from elsewhere than it stood",
                file=sys.stderr,
            )

    def step(self, index: int, adjusted: Adjustments) -> StepResult:
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
        return StepResult({"environment_steps": taken, **self._episodes(), **metrics})

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
                beyond_BT[tuple(torch.tensor(cut).T)] = network.values(rows)
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
            outputs = network.outputs(batch.rows)
            old_logprobs, _ = distribution.scores(outputs, network.free, batch.raw)
            old_values = network.values(batch.rows)
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
        self.adam.param_groups[0]["lr"] = rate
        clip = config.clip * (left if config.decay == "rate_and_clip" else 1.0)
        metrics = self._updates(
            whole, clip, torch.Generator().manual_seed(step_seed(config.seed, "update", index))
        )
        if config.normalise_observations:
            # Only now: these steps were chosen, and learned from, by the statistics before them.
            self.agent.normaliser.update(batch.seen)
        return {**metrics, "explained_variance": explained, "learning_rate": rate}

    def _updates(self, whole: Sequence[Tensor], clip: float, generator: torch.Generator) -> dict[str, float]:
        config = self.config
        reports: list[Tensor] = []
        for _ in range(config.epochs):
            order = torch.randperm(len(whole[0]), generator=generator)
            shuffled = [part[order] for part in whole]
            parts = zip(*(part.tensor_split(config.minibatches) for part in shuffled), strict=True)
            first = len(reports)
            reports += [self._update(part, clip) for part in parts]
            if config.kl_limit and torch.stack(reports[first:])[:, 3].mean() > config.kl_limit:
                break
        names = ("policy_loss", "value_loss", "entropy", "approximate_kl", "clip_fraction", "gradient_norm")
        found = dict(zip(names, torch.stack(reports).mean(0).tolist(), strict=True))
        if not math.isfinite(found["gradient_norm"]):
            raise InputError("the gradient is not finite; lower the learning rate (--agent.learning_rate)")
        return found

    def _update(self, part: Sequence[Tensor], clip: float) -> Tensor:
        """One weight update by one minibatch; its metrics."""
        rows, raw, old_logprobs, advantages, returns, old_values = part
        config, network = self.config, self.agent.network
        logprobs, entropy = self.agent.distribution.scores(network.outputs(rows), network.free, raw)
        policy, clipped = clipped_policy_loss(logprobs, old_logprobs, advantages, clip, clip)
        value = clipped_value_loss(network.values(rows), old_values, returns, config.value_clip or math.inf)
        policy_loss, value_loss, entropy_mean = policy.mean(), value.mean(), entropy.mean()
        loss = policy_loss + config.value_weight * value_loss
        if config.entropy_weight:
            loss = loss - config.entropy_weight * entropy_mean
        gradient = network.vector.grad
        assert gradient is not None
        gradient.zero_()
        torch.autograd.backward(loss)
        with torch.no_grad():
            norm = gradient.norm()
            gradient.mul_((config.max_gradient_norm / (norm + 1e-6)).clamp_max(1))
            self.adam.step()
            kl = kl_estimate(old_logprobs, logprobs, "k3").mean()
            return torch.stack([policy_loss, value_loss, entropy_mean, kl, clipped.mean(), norm]).detach()

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
