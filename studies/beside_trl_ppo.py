"""PPO side by side with the last TRL that had a PPOTrainer: `python -m studies.beside_trl_ppo`.

From one policy that some worked sums have taught, both sides practise the same sums by PPO, paid by one
reward model of pairs of a right and a wrong answer, with a critic that starts as a copy of it: the same
number of completions, rate and schedule, KL in the reward, clip of the ratio and of the value, GAE, epochs
and minibatches, one thread each, one after the other. The same examination reads both policies.

TRL 1.12.0 is the last release with a PPOTrainer; it needs an environment of its own:

    python3 -m venv .venv-ppo
    .venv-ppo/bin/pip install trl==1.12.0 torch==2.13.0 transformers==5.23.0
    python -m studies.beside_trl_ppo --trl_python .venv-ppo/bin/python --run runs/beside_trl_ppo

What the two do not share: the PPOTrainer never clips the gradient, so neither side does here, and computes in
float32 where ours has bfloat16 if the machine has it. It pays a finished answer one token behind its end,
reads an answer without an end as it stands and takes 5 off (ours pays -5), and keeps its rate over a batch,
where ours falls at every update. Our value loss is divided by the variance of the returns where that
exceeds 1.

```
RUN/base, RUN/taught                       the model that reads; the same after some worked sums
RUN/reward, RUN/judge                      a reward model; the same in units of its deviation, which pays
RUN/seed-0/{ours,trl}                      what each side made of it
RUN/seed-0/trl.jsonl                       the PPOTrainer's own metrics, a row a batch
RUN/seed-0/found.json                      accuracy, reward and seconds of training of both
RUN/results.json
```
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch

from practicum.bench.settings import PPO_HINT
from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.guard.controllers import KLConfig
from practicum.guard.counted import WatchConfig
from practicum.model.checkpoint import model_folder
from practicum.model.heads import RewardHead
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import encode_prompts
from practicum.ranges import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Ranged
from practicum.reward.model import Calibration, load_reward_model, save_reward_model
from practicum.reward.parts import RewardConfig
from practicum.rollout.samplers import make_sampler
from practicum.training import reward_model, rl
from practicum.training.algorithms.ppo import PpoConfig
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.update import UpdateConfig
from studies import beside_trl, trl_ppo_child
from studies.beside_trl import COUNTS, NEW_TOKENS, SIDES, Side, mean_of, rows_of, write_file
from studies.claim import PERCENT, POINTS, UNITS, over_seeds
from studies.common import finished, note_machine, read, record, say, study_main, write
from studies.judged import Claim
from studies.reading import ReadingSettings

CHILD = Path(trl_ppo_child.__file__)
CLIP, VALUE_CLIP, VALUE_WEIGHT = 0.2, 0.2, 0.1
DISCOUNT, GAE_LAMBDA = 1.0, 0.95
UNFINISHED = 5.0
"""What an answer that does not end costs, in deviations of the reward."""
DRAWS = 4
"""Answers that the examination draws to each held-out prompt."""


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
    reading: ReadingSettings = field(
        default_factory=lambda: ReadingSettings(loop=LoopConfig(steps=600, checkpoint_every=600, threads=1))
    )
    """How the small model reads."""
    lessons: PositiveInt = 50
    """Updates on worked sums before practice."""
    reward_epochs: PositiveInt = 4
    """Times that the reward model reads the pairs."""
    steps: PositiveInt = 60
    """Batches of practice."""
    batch: PositiveInt = 128
    """Prompts of a batch, one completion each."""
    epochs: PositiveInt = 2
    """Passes over a batch."""
    minibatches: PositiveInt = 2
    """Updates of a pass."""
    kl_weight: NonNegativeFloat = 0.05
    """Weight of the KL in the reward."""
    learning_rate: PositiveFloat = 1e-3
    """Highest rate of policy and critic; it falls to a tenth along a cosine."""
    warmup: NonNegativeInt = 10
    """Batches in which the rate rises to it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.trl_python.is_file():
            raise InputError(f"trl_python: {self.trl_python} is no file; {PPO_HINT}")
        if self.batch % self.minibatches or self.batch > COUNTS["train"]:
            raise InputError(
                f"batch is {self.batch}; the PPOTrainer needs a multiple of minibatches {self.minibatches}, "
                f"at most the {COUNTS['train']} prompts there are"
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
    def beginning(self) -> beside_trl.StudyConfig:
        """The settings of what both begin from."""
        return beside_trl.StudyConfig(
            self.run, reading=self.reading, steps=2 * self.lessons, epochs=self.reward_epochs
        )


def study(config: StudyConfig) -> dict[str, Any]:
    """Train all, write RUN/results.json and return it."""
    libraries = answer_of_trl(config.trl_python, {})
    note_machine(config.run, "beside_trl_ppo")
    beside_trl.begin(config.beginning)
    learn_judge(config)
    before = {
        **examined(config, config.run / "taught"),
        "pairs_right": beside_trl.pairs_right(config.beginning, config.run / "judge"),
    }
    found = {str(seed): compared(config, seed) for seed in config.seeds}
    return record(config, "beside_trl_ppo", {**libraries, "before": before, "seeds": found})


def learn_judge(config: StudyConfig) -> None:
    """The reward model of pairs on all sums but the held-out ones, where it is missing: RUN/judge."""
    run = config.run
    if (run / "judge" / "config.json").exists():
        return
    random = Random("pairs of all sums")
    rows = [row for name in ("texts", "lessons", "train") for row in rows_of(run / f"{name}.jsonl")]
    write_file(run / "all_pairs.jsonl", [beside_trl.pair_of(random, row) for row in rows])
    settings = beside_trl.rewarding(config.beginning, 100)
    settings = replace(settings, preferences=(str(run / "all_pairs.jsonl"),))
    finished(run / "reward", partial(reward_model.train, settings))
    write_judge(run)


def write_judge(run: Path) -> None:
    """The reward model with its scores in units of their deviation, so that both sides read them alike."""
    model = load_reward_model(run / "reward", torch.float32)
    scale = model.calibration.deviation
    head = RewardHead(model.decoder.spec.hidden_size, 1, seed=0)
    head.load_state_dict({"weight": model.head.weight / scale})
    mean = model.calibration.mean[0] / scale
    save_reward_model(model.decoder, model.tokenizer, head, Calibration((mean,)), run / "judge")


def compared(config: StudyConfig, seed: int) -> dict[str, Any]:
    """Both sides of a seed: `{side: {"accuracy", "reward", "seconds"}}`, kept in found.json."""
    folder = config.run / f"seed-{seed}"
    if not (folder / "found.json").exists():
        say(f"ours, seed {seed}")
        summary = finished(folder / "ours", partial(rl.train, ours(config, seed)))
        say(f"TRL's, seed {seed}")
        told = answer_of_trl(config.trl_python, order_of(config, folder / "trl", seed))
        write_file(folder / "trl.jsonl", told["metrics"])
        seconds = {"ours": summary["total_seconds"], "trl": told["seconds"]}
        write(
            folder / "found.json",
            {side: {**examined(config, folder / side), "seconds": seconds[side]} for side in SIDES},
        )
    return read(folder / "found.json")


# ------------------------------------------------------------------------------------------------ both sides


def ours(config: StudyConfig, seed: int) -> rl.RlConfig:
    """Our settings of practice. The guard is off, since TRL has none."""
    return rl.RlConfig(
        model=config.run / "taught",
        reward_model=(config.run / "judge",),
        data=DataConfig(file=config.run / "train.jsonl"),
        algorithm="ppo",
        prompts_per_step=config.batch,
        group_size=1,
        reward=RewardConfig(unfinished=-UNFINISHED),
        guard=WatchConfig(action="off"),
        sampling=SamplingConfig(max_new_tokens=NEW_TOKENS),
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
    """What TRL's side is told: the same settings, and the prompts as the token ids that ours reads."""
    policy = model_folder(config.run / "taught")
    prompts = [row["prompt"] for row in rows_of(config.run / "train.jsonl")]
    return {
        "policy": str(policy),
        "reward": str(config.run / "judge"),
        "output": str(output),
        "prompts": encode_prompts(load_policy(policy)[1], prompts),
        "new_tokens": NEW_TOKENS,
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


def examined(config: StudyConfig, folder: Path) -> dict[str, float]:
    """Held-out accuracy of greedy answers, and the mean reward of answers that are drawn."""
    return {
        "accuracy": beside_trl.judged(config.beginning, folder),
        "reward": mean_reward(config.run, folder),
    }


def mean_reward(run: Path, folder: Path) -> float:
    """Mean of what the reward model says of answers to held-out prompts, drawn at temperature 1."""
    policy, tokenizer = load_policy(folder)
    prompts = [row["prompt"] for row in rows_of(run / "test.jsonl")]
    sampler = make_sampler(policy, SamplingConfig(max_new_tokens=NEW_TOKENS))
    drawn = sampler.sample(encode_prompts(tokenizer, prompts), DRAWS, seed=1)
    ids = [completion.ids for group in drawn for completion in group]
    asked = [prompt for prompt in prompts for _ in range(DRAWS)]
    judge = load_reward_model(run / "judge", torch.float32)
    return float(judge.rewards(asked, tokenizer.decode_batch(ids, skip_special_tokens=True)).mean())


# ----------------------------------------------------------------------------------------------- the claims


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """By how much our results differ from TRL's, and how many times its time ours takes."""
    found = results["seeds"]

    def of(side: Side, what: str) -> dict[int, float]:
        return {int(seed): one[side][what] for seed, one in found.items()}

    def less(what: str) -> dict[int, float]:
        theirs = of("trl", what)
        return {seed: value - theirs[seed] for seed, value in of("ours", what).items()}

    seconds, start = of("trl", "seconds"), results["before"]
    means = {side: sum(of(side, "reward").values()) / len(found) for side in SIDES}
    return [
        over_seeds(
            "beside-trl-ppo-result",
            "ppo: our held-out accuracy less that of TRL 1.12.0 from the same policy, critic, reward model "
            f"and completions (before {100 * start['accuracy']:.1f}%, ours "
            f"{mean_of(of('ours', 'accuracy')):.1f}%, TRL's {mean_of(of('trl', 'accuracy')):.1f}%)",
            {seed: 100 * value for seed, value in less("accuracy").items()},
            "above -3",
            POINTS,
        ),
        over_seeds(
            "beside-trl-ppo-reward",
            "ppo: our mean held-out reward less TRL's, in deviations of the reward model on its pairs "
            f"(before {start['reward']:.2f}, ours {means['ours']:.2f}, TRL's {means['trl']:.2f})",
            less("reward"),
            "above -0.1",
            UNITS,
        ),
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
