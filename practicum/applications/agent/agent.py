"""A trained agent: acts, is saved to a folder and loaded from it, and is evaluated on fresh episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from practicum.applications.agent.distributions import Categorical, distribution_of, first_free
from practicum.applications.agent.environments import Copies, Make
from practicum.applications.agent.network import Network
from practicum.applications.agent.normaliser import Normaliser
from practicum.applications.agent.spaces import ActionSpec, ObservationSpec
from practicum.errors import InputError
from practicum.files import read_json, to_json, writing
from practicum.training.objectives import kl_estimate

Array = NDArray[Any]
DESCRIPTION, WEIGHTS = "agent.json", "model.safetensors"
ADVICE = "give the folder of a trained agent, or its run's"


class Agent:
    """A policy with its value network, and the statistics by which it normalises what it observes."""

    def __init__(
        self,
        observation: ObservationSpec,
        action: ActionSpec,
        hidden: tuple[int, ...] = (64, 64),
        *,
        normalise: bool = True,
        deviation: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.observation, self.action, self.hidden, self.normalise = observation, action, hidden, normalise
        self.deviation = deviation
        self.distribution = distribution_of(action, deviation)
        self.network = Network(
            observation.size,
            self.distribution.outputs,
            hidden,
            first_free(action),
            torch.Generator().manual_seed(seed),
        )
        self.normaliser = Normaliser(observation.size)
        self.generator = np.random.default_rng(seed)

    def reads(self, rows_BN: Array) -> NDArray[np.float32]:
        """Rows of observed numbers as the networks read them."""
        return self.normaliser(rows_BN) if self.normalise else rows_BN.astype(np.float32)

    def act(
        self, observations: Array, *, greedy: bool = True, generator: np.random.Generator | None = None
    ) -> Array:
        """Actions for observations [B, *observation], as the environment takes them, one a row.

        Greedy ones are the likeliest, or the means of continuous ones; others are drawn with `generator`, or
        with the agent's own. Raises InputError for observations of another shape.
        """
        outputs_BO = self.network.act(self.reads(self.observation.rows(observations)))
        distribution, free = self.distribution, self.network.free_numpy
        if greedy:
            return distribution.actions(distribution.best(outputs_BO, free))
        return distribution.actions(distribution.sample(outputs_BO, free, generator or self.generator))

    def probabilities(self, observations: Array) -> Array:
        """The probability of each action, float64 [B, actions]; InputError unless actions are Discrete."""
        if not isinstance(self.distribution, Categorical) or not self.distribution.single:
            raise InputError(f"only discrete actions have probabilities: these are {self.action.kind}")
        outputs_BO = self.network.act(self.reads(self.observation.rows(observations)))
        return self.distribution.probabilities(outputs_BO)

    def distance(self, observations: Array, generator: np.random.Generator) -> float:
        """KL to the policy that knows nothing, whose networks give 0, in nats an action; of drawn actions."""
        rows = self.reads(self.observation.rows(observations))
        outputs = torch.from_numpy(self.network.act(rows))
        distribution, free = self.distribution, self.network.free.detach()
        raw = torch.from_numpy(distribution.sample(outputs.numpy(), free.numpy(), generator))
        own = distribution.logprobs(outputs, free, raw)
        first = torch.tensor(first_free(self.action))
        reference = distribution.logprobs(torch.zeros_like(outputs), first, raw)
        return float(kl_estimate(own, reference, "k1").mean())

    def values(self, observations: Array) -> Array:
        """What the agent expects from here on, discounted (scaled where rewards are), float32 [B]."""
        rows = torch.from_numpy(self.reads(self.observation.rows(observations)))
        with torch.no_grad():
            found: Array = self.network(rows)[1].numpy()
        return found

    def save(self, folder: Path) -> None:
        """Write agent.json and model.safetensors; InputError when writing fails."""
        described = {
            "observation": vars(self.observation),
            "action": self.action.json(),
            "hidden": self.hidden,
            "normalise": self.normalise,
            "deviation": self.deviation,
        }
        tensors = {name: part.detach().clone() for name, part in self.network.named_parameters()}
        tensors["normaliser.mean"] = torch.from_numpy(self.normaliser.mean)
        tensors["normaliser.variance"] = torch.from_numpy(self.normaliser.variance)
        tensors["normaliser.count"] = torch.tensor(self.normaliser.count, dtype=torch.float64)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, folder / WEIGHTS)
            (folder / DESCRIPTION).write_text(to_json(described, indent=2) + "\n", encoding="utf-8")

    def take(self, folder: Path) -> None:
        """Take weights and statistics of an agent of the same make from its folder, in place."""
        path = folder / WEIGHTS
        try:
            tensors = load_file(path)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: cannot be read ({error}); {ADVICE}") from error
        self.network.load(tensors, str(path))
        self.normaliser.mean = tensors["normaliser.mean"].numpy().copy()
        self.normaliser.variance = tensors["normaliser.variance"].numpy().copy()
        self.normaliser.count = float(tensors["normaliser.count"])

    @staticmethod
    def load(folder: Path) -> Agent:
        """The agent of a folder, or of a run's newest checkpoint. Raises InputError without one."""
        place = newest(folder)
        found = read_json(place / DESCRIPTION, ADVICE)
        shape = {**found["observation"], "shape": tuple(found["observation"]["shape"])}
        agent = Agent(
            ObservationSpec(**shape),
            ActionSpec.from_json(found["action"]),
            tuple(found["hidden"]),
            normalise=found["normalise"],
            deviation=found["deviation"],
        )
        agent.take(place)
        return agent


def newest(folder: Path) -> Path:
    """The folder itself where it holds an agent, else the newest checkpoint of the run in it."""
    if (folder / DESCRIPTION).is_file():
        return folder
    found = sorted((folder / "checkpoints").glob(f"step-*/{DESCRIPTION}"))
    return found[-1].parent if found else folder


def evaluate_agent(
    agent: Agent, make: Make, episodes: int, seed: int, *, greedy: bool = True, copies: int = 8
) -> NDArray[np.float64]:
    """The returns (undiscounted, as the environment pays them) of fresh episodes, float64 [episodes].

    Each copy plays its share to the end, so that long episodes are not under-represented.
    """
    count = min(copies, episodes)
    fleet = Copies(make, count, seed)
    wanted = np.array([len(range(copy, episodes, count)) for copy in range(count)])
    generator = np.random.default_rng(seed)
    found: list[list[float]] = [[] for _ in range(count)]
    fleet.reset()
    while any(len(returns) < most for returns, most in zip(found, wanted, strict=True)):
        outputs_BO = agent.network.act(agent.reads(fleet.now))
        distribution, free = agent.distribution, agent.network.free_numpy
        raw = (
            distribution.best(outputs_BO, free)
            if greedy
            else distribution.sample(outputs_BO, free, generator)
        )
        fleet.step(distribution.actions(raw))
        for copy, total, _ in fleet.finished():
            found[copy].append(total)
    fleet.close()
    return np.array([one for returns, most in zip(found, wanted, strict=True) for one in returns[:most]])
