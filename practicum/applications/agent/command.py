"""`practicum apply agent`: train and evaluate an agent in any Gymnasium environment, also one of your own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from practicum.applications.agent.agent import evaluate_agent
from practicum.applications.agent.config import AgentConfig, AgentSettings
from practicum.applications.agent.environments import Array, Make, seed_of
from practicum.applications.agent.train import train_agent
from practicum.applications.results import Figure, Outcome, Panel, Table, published
from practicum.config import completed
from practicum.errors import InputError
from practicum.files import read_rows
from practicum.ranges import Common, Count, Ranged, Seed
from practicum.stats import student_mean
from practicum.tasks.python import calling, found_in, imported


@dataclass(frozen=True)
class Config(Ranged):
    """An agent learns in a Gymnasium environment by PPO, and is compared with random actions.

    practicum apply agent --environment CartPole-v1
    practicum apply agent --environment shop.py:Shop --seeds 5
    """

    environment: Common[str]
    """A registered id, as CartPole-v1, or FILE.py:Name of a class or function that makes one."""
    seeds: Common[Count] = 1
    """Agents to train, each from a seed of its own; from two on the return has an interval over them."""
    episodes: Common[Count] = 100
    """Fresh episodes that each agent plays to be evaluated."""
    seed: Common[Seed] = 0
    """Seed of the first agent; the next ones count on."""
    agent: AgentSettings = field(default_factory=AgentSettings)
    """How each agent learns."""


def apply(config: Config, folder: Path) -> Outcome:
    """Train the agents, play fresh episodes, and say what they reach beside random actions."""
    make = maker_of(config.environment)
    returns: list[Array] = []
    for place in range(config.seeds):
        chosen = completed(AgentConfig, config.agent, seed=config.seed + place)
        trained = train_agent(chosen, make, folder / f"seed-{chosen.seed}", resume=True)
        returns.append(evaluate_agent(trained, make, config.episodes, seed_of(chosen.seed, "evaluation")))
    random = random_returns(make, config.episodes, seed_of(config.seed, "random"))
    means = [float(one.mean()) for one in returns]
    low, high = mean_interval(means if len(means) > 1 else returns[0])
    over = f"{config.seeds} seeds" if config.seeds > 1 else f"{config.episodes} episodes of one seed"
    headline = (
        f"The agent's return in {config.environment} is {np.mean(means):.4g} (95% t interval {low:.4g} to "
        f"{high:.4g} over {over}); random actions reach {random.mean():.4g}."
    )
    rows: list[list[str | float | int | None]] = [
        [f"agent, seed {config.seed + place}", one.mean(), one.std(), one.min(), one.max()]
        for place, one in enumerate(returns)
    ]
    rows.append(["random actions", random.mean(), random.std(), random.min(), random.max()])
    data = {
        "environment": config.environment,
        "return": {"mean": float(np.mean(means)), "ci95": [low, high], "over": over, "seeds": means},
        "random": {"mean": float(random.mean()), "ci95": list(mean_interval(random))},
        "episodes": config.episodes,
    }
    columns = ("policy", "mean return", "deviation", "lowest", "highest")
    figures = [learning_curve(folder, [config.seed + place for place in range(config.seeds)])]
    return Outcome(headline, Table(columns, rows), data, [one for one in figures if one.x])


def mean_interval(values: Any) -> tuple[float, float]:
    """95% interval of a mean by Student's t; the mean itself twice for fewer than two values."""
    found = student_mean(values)
    return (found.low, found.high) if found.n > 1 else (found.value, found.value)


def random_returns(make: Make, episodes: int, seed: int) -> Array:
    """Returns of episodes whose actions are drawn from the action space, float64 [episodes]."""
    environment = make(seed)
    environment.action_space.seed(seed)
    totals = np.zeros(episodes)
    for episode in range(episodes):
        environment.reset(seed=seed_of(seed, episode))
        over = False
        while not over:
            _, reward, terminated, truncated, _ = environment.step(environment.action_space.sample())
            totals[episode] += float(reward)
            over = terminated or truncated
    environment.close()
    return totals


def learning_curve(folder: Path, seeds: list[int]) -> Figure:
    """The mean return of the episodes of each iteration, a line for each seed."""
    rows = {seed: read_rows(folder / f"seed-{seed}" / "metrics.jsonl") for seed in seeds}
    steps = [row["environment_steps"] for row in rows[seeds[0]]]
    lines = {f"seed {seed}": [row.get("episode_return") for row in rows[seed]] for seed in seeds}
    return Figure(
        "How the return rose",
        "Mean return of the episodes that ended in an iteration, actions drawn as the policy draws them.",
        steps,
        [Panel("return of an episode", lines)],
        "environment steps",
    )


def maker_of(environment: str) -> Make:
    """What makes an environment by its id, or by FILE.py:Name. Raises InputError for anything else."""
    if environment.rpartition(":")[0].endswith(".py"):
        return _from_file(environment)
    try:
        spec = gymnasium.spec(environment)
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        first = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"--environment {environment}: {first}; give a registered id, as CartPole-v1, or FILE.py:Name"
        ) from error
    # Its spaces and shapes are checked here, so the checker of each step would only cost time.
    return lambda seed: gymnasium.make(spec, disable_env_checker=True)


def _from_file(environment: str) -> Make:
    module, name = imported(environment)
    build = found_in(module, name)
    if build is None:
        raise InputError(f"{environment}: the file has no {name}")
    if not callable(build):
        raise InputError(f"{environment}: {name} is {type(build).__name__}, no class or function")
    made = calling(environment, build)
    if not isinstance(made, gymnasium.Env):
        raise InputError(f"{environment}: {name} makes {type(made).__name__}, not a gymnasium.Env")
    made.close()
    return lambda seed: build()


run = published("agent", apply)
