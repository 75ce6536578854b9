"""PPO side by side with the last TRL that had a PPOTrainer: `python -m studies.beside_trl_ppo`.

A small model reads and imitates jokes, simulated people rank its own, and a reward model learns from the
rankings. From that model both sides practise jokes by PPO, paid by that reward model, with a critic that
starts as a copy of it: the same prompts and number of completions, rate and schedule, KL in the reward, clip
of the ratio and of the value, GAE, epochs and minibatches, in float32, one thread each, one after the other.
The same examination reads both policies.

TRL 1.12.0 is the last release with a PPOTrainer; it needs an environment of its own:

    python3 -m venv .venv-ppo
    .venv-ppo/bin/pip install trl==1.12.0 torch==2.13.0 transformers==5.23.0
    python -m studies.beside_trl_ppo --trl_python .venv-ppo/bin/python --run runs/beside_trl_ppo

What the two do not share: the PPOTrainer never clips the gradient, so neither side does here. It pays the raw
score and ours the score less its mean, which the critics start from too. It pays a finished answer one token
behind its end, reads an answer without an end as it stands and takes 5 off (ours pays -5), and keeps its rate
over a batch, where ours falls at every update. Our value loss is divided by the variance of the returns where
that exceeds 1.

```
RUN/pretrain, RUN/sft                      the model that reads about jokes; the same after imitation
RUN/rankings.jsonl                         simulated people's rankings of its jokes
RUN/reward, RUN/judge                      a reward model; the same in units of its deviation, which pays
RUN/seed-0/{ours,trl}                      what each side made of it
RUN/seed-0/trl.jsonl                       the PPOTrainer's own metrics, a row a batch
RUN/seed-0/found.json                      reward, true utility, KL and seconds of training of both
RUN/results.json
```
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from practicum.audit import lab
from practicum.bench.settings import PPO_HINT
from practicum.errors import InputError
from practicum.guard.controllers import KLConfig
from practicum.guard.counted import WatchConfig
from practicum.model.checkpoint import model_folder
from practicum.model.heads import RewardHead
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import encode_prompts
from practicum.preferences import formats
from practicum.preferences.raters import PeopleConfig
from practicum.ranges import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Ranged
from practicum.reward.model import Calibration, load_reward_model, save_reward_model
from practicum.reward.parts import RewardConfig
from practicum.tasks.registry import load_task
from practicum.training import reward_model, rl, rlhf
from practicum.training.algorithms.ppo import PpoConfig
from practicum.training.loop import LoopConfig, set_threads
from practicum.training.optimizer import OptimizerConfig
from practicum.training.rl_parts import step_prompts
from practicum.training.update import UpdateConfig
from studies import trl_ppo_child
from studies.asked import ranked
from studies.beside_trl import SIDES, Side, write_file
from studies.claim import PERCENT, UNITS, noted, over_seeds
from studies.common import finished, note_machine, read, record, say, study_main, write
from studies.judged import Claim

CHILD = Path(trl_ppo_child.__file__)
CHOOSING_SEED = 100
"""Of the first model, the rankings and the reward model, and of the choice of settings."""
SAMPLING = SamplingConfig(max_new_tokens=64)
"""How jokes are told: to be ranked, in practice and in the examination. One has about twenty tokens."""
CLIP, VALUE_CLIP, VALUE_WEIGHT = 0.2, 0.2, 0.1
DISCOUNT, GAE_LAMBDA = 1.0, 0.95
UNFINISHED = 5.0
"""What an answer that does not end costs, in deviations of the reward."""
FIGURES = ("proxy", "gold", "kl", "finished")
"""Of an examination: reward, true utility, nats a completion from the first model, share that ends."""


@dataclass(frozen=True)
class StudyConfig(Ranged):
    """PPO, ours and that of the last TRL that had it, from the same policy, critic, reward and prompts."""

    run: Path
    """Folder of the study."""
    trl_python: Path
    """Python of an environment with trl 1.12.0: python3 -m venv .venv-ppo; .venv-ppo/bin/pip install
    trl==1.12.0 torch==2.13.0 transformers==5.23.0; then .venv-ppo/bin/python."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds of both sides."""
    model_steps: PositiveInt = 400
    """Updates of each of the two stages of the first model."""
    rankings: PositiveInt = 1000
    """Rankings of five jokes each."""
    contrast_steps: NonNegativeInt = 100
    """Updates of the reward model on spoiled jokes."""
    steps: PositiveInt = 40
    """Batches of practice."""
    batch: PositiveInt = 128
    """Prompts of a batch, one completion each."""
    epochs: PositiveInt = 2
    """Passes over a batch."""
    minibatches: PositiveInt = 2
    """Updates of a pass."""
    kl_weight: NonNegativeFloat = 0.1
    """Weight of the KL in the reward."""
    learning_rate: PositiveFloat = 5e-4
    """Highest rate of policy and critic; it falls to a tenth along a cosine."""
    warmup: NonNegativeInt = 5
    """Batches in which the rate rises to it."""
    examined: PositiveInt = 2048
    """Held-out prompts of an examination, one joke each."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch % self.minibatches:
            raise InputError(
                f"batch is {self.batch}; the PPOTrainer needs a multiple of minibatches {self.minibatches}"
            )

    @property
    def optimizer(self) -> OptimizerConfig:
        """AdamW without weight decay or clipping of gradients, which the PPOTrainer has not."""
        return OptimizerConfig(
            "adamw",
            self.learning_rate,
            # TRL counts batches, we count updates.
            warmup_steps=self.warmup * self.epochs * self.minibatches,
            final_share=0.1,
            weight_decay=0.0,
            beta2=0.95,
            max_gradient_norm=1e6,
        )

    @property
    def first(self) -> Path:
        """The model that both begin with."""
        return model_folder(self.run / "sft")


def study(config: StudyConfig) -> dict[str, Any]:
    """Train all, write RUN/results.json and return it."""
    libraries = answer_of_trl(config.trl_python, {})
    note_machine(config.run, "beside_trl_ppo")
    set_threads(1)
    begin(config)
    before = {
        **examined(config, config.first),
        "accuracy": read(config.run / "reward" / "summary.json")["accuracy"],
    }
    found = {str(seed): compared(config, seed) for seed in config.seeds}
    return record(config, "beside_trl_ppo", {**libraries, "before": before, "seeds": found})


def begin(config: StudyConfig) -> None:
    """What both begin with, where it is missing: RUN/sft and RUN/judge."""
    run, rankings = config.run, config.run / "rankings.jsonl"
    lab.first_model(run, config.model_steps, threads=1, seed=CHOOSING_SEED, device="cpu")
    if not rankings.exists():
        task, people = load_task(lab.TASK), PeopleConfig()
        said = ranked(task, config.first, config.rankings, 5, people, CHOOSING_SEED, SAMPLING)
        formats.write(rankings, said)
    finished(run / "reward", partial(reward_model.train, rewarding(config)))
    if not (run / "judge" / "config.json").exists():
        write_judge(run)


def rewarding(config: StudyConfig) -> reward_model.RewardModelConfig:
    """Our settings of the reward model."""
    plain = reward_model.RewardModelConfig(
        config.run / "pretrain", (str(config.run / "rankings.jsonl"),), device="cpu"
    )
    return replace(
        plain,
        epochs=3,
        contrast_steps=config.contrast_steps,
        optimizer=replace(plain.optimizer, weight_decay=0.1),
        threads=1,
        seed=CHOOSING_SEED,
    )


def write_judge(run: Path) -> None:
    """The reward model with its scores in units of their deviation, so that both sides read them alike."""
    model = load_reward_model(run / "reward", torch.float32)
    scale = model.calibration.deviation
    head = RewardHead(model.decoder.spec.hidden_size, 1, seed=0)
    head.load_state_dict({"weight": model.head.weight / scale})
    mean = model.calibration.mean[0] / scale
    save_reward_model(model.decoder, model.tokenizer, head, Calibration((mean,)), run / "judge")


def compared(config: StudyConfig, seed: int) -> dict[str, Any]:
    """Both sides of a seed: `{side: {"proxy", "gold", "kl", "finished", "seconds"}}`, kept in found.json."""
    folder = config.run / f"seed-{seed}"
    if not (folder / "found.json").exists():
        say(f"ours, seed {seed}")
        summary = finished(folder / "ours", partial(rl.train, ours(config, seed)))
        say(f"TRL's, seed {seed}")
        told = answer_of_trl(config.trl_python, order_of(config, folder / "trl", seed))
        write_file(folder / "trl.jsonl", told["metrics"])
        seconds = {"ours": summary["total_seconds"], "trl": told["seconds"]}
        figures = {side: examined(config, model_folder(folder / side)) for side in SIDES}
        write(folder / "found.json", {side: {**figures[side], "seconds": seconds[side]} for side in SIDES})
    return read(folder / "found.json")


# ------------------------------------------------------------------------------------------------ both sides


def ours(config: StudyConfig, seed: int) -> rl.RlConfig:
    """Our settings of practice. The guard is off, since TRL has none."""
    return rl.RlConfig(
        model=config.first,
        reward_model=(config.run / "judge",),
        task=lab.TASK,
        algorithm="ppo",
        prompts_per_step=config.batch,
        group_size=1,
        reward=RewardConfig(unfinished=-UNFINISHED),
        guard=WatchConfig(action="off"),
        sampling=SAMPLING,
        dtype="float32",
        device="cpu",
        update=UpdateConfig(
            epochs=config.epochs,
            minibatches=config.minibatches,
            clip_low=CLIP,
            clip_high=CLIP,
            kl=KLConfig(weight=config.kl_weight),
        ),
        ppo=PpoConfig(
            discount=DISCOUNT,
            gae_lambda=GAE_LAMBDA,
            value_weight=VALUE_WEIGHT,
            value_clip=VALUE_CLIP,
            critic="reward_model",
        ),
        optimizer=config.optimizer,
        loop=LoopConfig(steps=config.steps, checkpoint_every=1000, threads=1),
        seed=seed,
    )


def order_of(config: StudyConfig, output: Path, seed: int) -> dict[str, Any]:
    """What TRL's side is told: the same settings, and the prompts of all our batches as token ids."""
    policy, own, task = config.first, ours(config, seed), load_task(lab.TASK)
    prompts = [prompt for step in range(config.steps) for prompt in step_prompts(task, own, step)]
    return {
        "policy": str(policy),
        "reward": str(config.run / "judge"),
        "output": str(output),
        "prompts": encode_prompts(load_policy(policy)[1], prompts),
        "new_tokens": SAMPLING.max_new_tokens,
        "steps": config.steps,
        "batch": config.batch,
        "epochs": config.epochs,
        "minibatches": config.minibatches,
        "kl_weight": config.kl_weight,
        "clip": CLIP,
        "value_clip": VALUE_CLIP,
        "value_weight": VALUE_WEIGHT,
        "discount": DISCOUNT,
        "gae_lambda": GAE_LAMBDA,
        "unfinished": UNFINISHED,
        "learning_rate": config.optimizer.learning_rate,
        "warmup": config.warmup,
        "final_share": config.optimizer.final_share,
        "beta1": config.optimizer.beta1,
        "beta2": config.optimizer.beta2,
        "threads": 1,
        "seed": seed,
    }


def answer_of_trl(python: Path, order: Mapping[str, Any]) -> dict[str, Any]:
    """What the child tells of an order, or of its libraries where the order is empty.

    What it prints is on stderr. Raises InputError when that Python has no PPOTrainer or the process fails.
    """
    # Isolated: the modules beside the script, and ours, are not its own.
    command = [str(python), "-I", str(CHILD)]
    try:
        done = subprocess.run(
            command, input=json.dumps(order), stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True
        )
        told: dict[str, Any] = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        raise InputError(f"trl_python: {python} ended with {error.returncode}; {PPO_HINT}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"trl_python: {python} is no Python that answers ({error}); {PPO_HINT}") from error
    return told


# --------------------------------------------------------------------------------------------- examinations


def examined(config: StudyConfig, policy: Path) -> dict[str, float]:
    """`FIGURES` of a policy's answers to held-out prompts, drawn at temperature 1."""
    practice = replace(rlhf.RlhfSettings().practice, sampling=SAMPLING, dtype="float32")
    asked = rlhf.RlhfConfig(config.first, examined=config.examined, practice=practice, device="cpu")
    found = rlhf.examination(asked, policy, config.first, [config.run / "judge"])
    return {name: found[name] for name in FIGURES}


# ----------------------------------------------------------------------------------------------- the claims


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """By how much our results differ from TRL's, and how many times its time ours takes."""
    found, before = results["seeds"], results["before"]

    def of(side: Side, what: str) -> dict[int, float]:
        return {int(seed): one[side][what] for seed, one in found.items()}

    def less(name: str, what: str, title: str) -> Claim:
        means = {side: fmean(of(side, what).values()) for side in SIDES}
        theirs = of("trl", what)
        return over_seeds(
            f"beside-trl-ppo-{name}",
            f"ppo: {title} less TRL 1.12.0's, from one policy, critic and reward model "
            f"(before {before[what]:.2f}, ours {means['ours']:.2f}, TRL's {means['trl']:.2f})",
            {seed: value - theirs[seed] for seed, value in of("ours", what).items()},
            "above -0.1",
            UNITS,
        )

    kl = {side: fmean(of(side, "kl").values()) for side in SIDES}
    seconds = of("trl", "seconds")
    return [
        noted(
            less("reward", "proxy", "our held-out reward, in deviations of the ranked jokes,"),
            f"KL from the first model: ours {kl['ours']:.1f} nats a joke, TRL's {kl['trl']:.1f}.",
        ),
        less("utility", "gold", "people's true utility of our held-out jokes"),
        over_seeds(
            "beside-trl-ppo-time",
            "ppo: our training time as a share of TRL's, one thread each",
            {seed: 100 * value / seconds[seed] for seed, value in of("ours", "seconds").items()},
            "below 100",
            PERCENT,
        ),
    ]


main: Callable[..., int] = study_main(StudyConfig, "studies.beside_trl_ppo", study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
