"""Our PPO beside stable-baselines3's on three environments: `python -m studies.agent`.

```
RUN/CartPole-v1/seed-0/ours        the run folder of our agent
RUN/CartPole-v1/seed-0/ours.json   its return in fresh episodes, and the seconds of its training
RUN/CartPole-v1/seed-0/sb3.json    the same of stable-baselines3's
RUN/results.json                   all of them
```
Both have the settings that rl-baselines3-zoo publishes for stable-baselines3's PPO (hyperparams/ppo.yml), the
same number of environment steps, one thread, and the same networks. One setting is left out on both sides:
Pendulum's state-dependent exploration, which our agent has not. The two are trained in turn, so that a busy
machine is busy for both. What is made is skipped.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from practicum.applications.agent import AgentConfig, evaluate_agent, train_agent
from practicum.applications.agent.command import maker_of
from practicum.applications.agent.environments import seed_of
from studies.claim import noted, over_seeds
from studies.common import note_machine, read, record, say, study_main, write
from studies.judged import Claim

PLAIN = AgentConfig(decay="none", normalise_observations=False, learning_rate=3e-4)
SETTINGS: Mapping[str, AgentConfig] = {
    "CartPole-v1": replace(
        PLAIN,
        environments=8,
        horizon=32,
        iterations=390,
        epochs=20,
        minibatches=1,
        learning_rate=1e-3,
        decay="rate_and_clip",
        discount=0.98,
        gae_lambda=0.8,
    ),
    "Pendulum-v1": replace(
        PLAIN,
        environments=4,
        horizon=1024,
        iterations=25,
        epochs=10,
        minibatches=64,
        learning_rate=1e-3,
        discount=0.9,
        # The torque goes from -2 to 2, and stable-baselines3 begins with a deviation of 1.
        initial_deviation=0.5,
    ),
    "LunarLander-v3": replace(
        PLAIN,
        environments=16,
        horizon=1024,
        iterations=61,
        epochs=4,
        minibatches=256,
        discount=0.999,
        gae_lambda=0.98,
        entropy_weight=0.01,
    ),
}
MARGINS = {"CartPole-v1": 25, "Pendulum-v1": 80, "LunarLander-v3": 25}
"""What a return may fall short by: 5% of 500, of the 1600 a pendulum can lose, of the 500 a landing spans."""


@dataclass(frozen=True)
class StudyConfig:
    """Our agent beside stable-baselines3's PPO: return and seconds at the same settings and steps."""

    run: Path = Path("runs/agent")
    """Folder of the study."""
    environments: tuple[str, ...] = tuple(SETTINGS)
    """Which of CartPole-v1, Pendulum-v1 and LunarLander-v3."""
    seeds: int = 5
    """Agents of each kind."""
    episodes: int = 100
    """Fresh episodes that each agent plays, taking its likeliest actions."""
    share: float = 1.0
    """Part of the published steps, to try the study out."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Make what is missing, write RUN/results.json and return it."""
    note_machine(config.run, "agent")
    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {}
    for name in config.environments:
        shared = replace(SETTINGS[name], iterations=max(1, round(config.share * SETTINGS[name].iterations)))
        found[name] = {}
        for seed in range(config.seeds):
            folder = config.run / name / f"seed-{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            for side, measure in (("ours", ours), ("sb3", theirs)):
                if not (folder / f"{side}.json").exists():
                    write(folder / f"{side}.json", measure(name, shared, seed, config.episodes, folder))
            pair = {side: read(folder / f"{side}.json") for side in ("ours", "sb3")}
            found[name][str(seed)] = pair
            told = [f"{side} {one['return']:.1f} in {one['seconds']:.0f} s" for side, one in pair.items()]
            say(f"{name} seed {seed}: {', '.join(told)}")
    return record(config, "agent", {"agents": found})


def ours(name: str, shared: AgentConfig, seed: int, episodes: int, folder: Path) -> dict[str, float]:
    """Train and evaluate our agent; one that was killed is trained anew, so that all its seconds count."""
    make = maker_of(name)
    shutil.rmtree(folder / "ours", ignore_errors=True)
    started, cpu = time.perf_counter(), time.process_time()
    agent = train_agent(replace(shared, seed=seed), make, folder / "ours")
    spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
    returns = evaluate_agent(agent, make, episodes, seed_of(seed, "examination"))
    return {"return": float(returns.mean()), **spent}


def theirs(name: str, shared: AgentConfig, seed: int, episodes: int, folder: Path) -> dict[str, float]:
    """The same by stable-baselines3, whose value weight of 0.5 is of the whole squared error."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    steps = shared.environments * shared.horizon
    falls = shared.decay == "rate_and_clip"
    environment = make_vec_env(name, n_envs=shared.environments, seed=seed)
    learner = PPO(
        "MlpPolicy",
        environment,
        learning_rate=(lambda left: left * shared.learning_rate) if falls else shared.learning_rate,
        n_steps=shared.horizon,
        batch_size=steps // shared.minibatches,
        n_epochs=shared.epochs,
        gamma=shared.discount,
        gae_lambda=shared.gae_lambda,
        clip_range=(lambda left: left * shared.clip) if falls else shared.clip,
        ent_coef=shared.entropy_weight,
        vf_coef=0.5 * shared.value_weight,
        max_grad_norm=shared.max_gradient_norm,
        seed=seed,
        device="cpu",
    )
    started, cpu = time.perf_counter(), time.process_time()
    learner.learn(shared.iterations * steps)
    spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
    fresh = make_vec_env(name, n_envs=8, seed=seed_of(seed, "examination"))
    mean, _ = evaluate_policy(learner, fresh, episodes)
    return {"return": float(np.mean(mean)), **spent}


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Of each environment, by how much our return exceeds theirs, and how many times as fast we are."""
    made = []
    for name, seeds in results["agents"].items():
        word, margin = name.partition("-")[0], MARGINS[name]
        by_side = {
            side: {int(seed): one[side]["return"] for seed, one in seeds.items()} for side in ("ours", "sb3")
        }
        more = {seed: by_side["ours"][seed] - by_side["sb3"][seed] for seed in by_side["ours"]}
        told = f"Return in {name}, ours less stable-baselines3's, at equal settings and steps"
        means = {side: f"{fmean(values.values()):.1f}" for side, values in by_side.items()}
        made.append(
            noted(
                over_seeds(
                    f"agent-{word.lower()}-return", told, more, f"at least -{margin}", "points of return"
                ),
                f"Mean returns: ours {means['ours']}, stable-baselines3 {means['sb3']}.",
            )
        )
        times = {int(seed): one["sb3"]["seconds"] / one["ours"]["seconds"] for seed, one in seeds.items()}
        told = f"Training in {name}, stable-baselines3's seconds over ours, one thread each, in turn"
        seconds = {side: fmean(one[side]["seconds"] for one in seeds.values()) for side in ("ours", "sb3")}
        made.append(
            noted(
                over_seeds(f"agent-{word.lower()}-speed", told, times, "above 1", "times"),
                f"Mean seconds: ours {seconds['ours']:.1f}, stable-baselines3 {seconds['sb3']:.1f}.",
            )
        )
    return made


main = study_main(StudyConfig, "studies.agent", study)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
