"""Practicum from Python: `import practicum as pr`, then `pr.train`, `pr.Policy`, `pr.verify` and so on.

The same stages, settings and errors as on the command line; PyTorch is imported when something needs it.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from practicum.errors import InputError
from practicum.exact.verifier import Verdict, verify
from practicum.types import Prompt, Score

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from practicum.audit.exploit_report import ExploitReport
    from practicum.model.policy import Policy as Weights

__all__ = ["Policy", "Verdict", "find_exploits", "train", "verify"]

Stage: TypeAlias = Literal["pretrain", "sft", "rl", "dpo", "reward-model", "rlhf"]
RewardFunction: TypeAlias = Callable[..., Any]
"""(prompt, completion, row) -> a number, or `completion` with any columns by name; all at once as in TRL,
(prompts, completions, **columns) -> numbers; or as in verl. `row` holds what is known of the prompt."""

Asked: TypeAlias = str | Prompt | Sequence[Mapping[str, Any]]
"""A prompt: a text, or a chat as a list of messages with "role" and "content"."""

STAGES: dict[str, tuple[str, str]] = {
    "pretrain": ("practicum.training.pretrain", "PretrainConfig"),
    "sft": ("practicum.training.sft", "SftConfig"),
    "rl": ("practicum.training.rl", "RlConfig"),
    "dpo": ("practicum.training.dpo", "DpoConfig"),
    "reward-model": ("practicum.training.reward_model", "RewardModelConfig"),
    "rlhf": ("practicum.training.rlhf", "RlhfConfig"),
}


def train(
    stage: Stage,
    *,
    run: Path | str | None = None,
    resume: bool = False,
    branch: str = "",
    dry_run: bool = False,
    config: Path | str | None = None,
    log: str | Sequence[str] | None = None,
    reward: RewardFunction | Mapping[str, Any] | Sequence[Path | str] | Path | str | None = None,
    task: Any = None,
    **settings: Any,
) -> dict[str, Any]:
    """Run one stage of training and return its summary, with the run's folder under `run`.

    `settings` are those of `practicum STAGE --help all`: `model="runs/sft"`, a section as a dict
    (`loop={"steps": 50}`), any of them by its dotted name (`**{"loop.steps": 50}`). `config` is a TOML file
    under them. `branch` is RUN@STEP, a checkpoint at which the new run begins. `log` names loggers:
    tensorboard, trackio, wandb, mlflow. `reward` (rl only) is a function of your own, one or several
    `FILE.py:function`, or the section of that name as a dict; a function of your own is called in this
    process, and must be given again to resume. `task` is a task's name or the section of that name as a dict,
    or (rl and sft) a task of your own, any object with the methods that the stage uses. `dry_run` makes a few
    steps and returns what they show. Raises InputError as the command does.

    >>> import practicum as pr
    >>> pr.train("rl", model="nowhere")
    Traceback (most recent call last):
    practicum.errors.InputError: nowhere: no model here; ...
    """
    if stage not in STAGES:
        raise InputError(f"stage is {stage!r}: expected one of {', '.join(STAGES)}")
    module = importlib.import_module(STAGES[stage][0])
    folder = Path(run) if run is not None else Path("runs") / f"{stage}-{datetime.now():%Y%m%d-%H%M%S}"
    if dry_run and (resume or branch):
        raise InputError(f"dry_run begins a run and leaves none: drop {'resume' if resume else 'branch'}")
    if branch and (resume or config is not None):
        other = "resume" if resume else "config"
        raise InputError(f"branch begins a new run with the settings of another: drop {other}")
    if isinstance(task, (str, Path, Mapping)):
        settings["task"], task = task, None
    data = settings.get("data")
    if isinstance(data, (list, tuple)) and any(isinstance(one, Mapping) for one in data):
        raise InputError("data is a list of rows: write them to a .jsonl file and give its path")
    if reward is not None and not callable(reward):
        settings["reward"], reward = _named_rewards(reward), None
    _check_own(stage, task, reward)
    from practicum.config import load
    from practicum.run.branch import branched, find_origin
    from practicum.run.loggers import chosen_loggers, logging_to, remembered_loggers

    loggers = None if log is None else chosen_loggers([log] if isinstance(log, str) else log)
    if resume and loggers is None:
        loggers = tuple(remembered_loggers(folder))
    origin = find_origin(branch, stage) if branch else None
    source = folder / "config.toml" if resume and config is None else config
    source = origin.config if origin else source
    flags = list(_flags(settings))
    own = None if reward is None else CallableReward(reward)
    if own is not None:
        print(own.told, file=sys.stderr)
    config_class = getattr(module, STAGES[stage][1] if own is None else "OwnRewardConfig")
    resolved = load(config_class, None if source is None else Path(source), flags)

    def call(config: Any, path: Path, *, resume: bool = False) -> dict[str, Any]:
        if stage == "rl":
            parts = module.build(config, task=task, reward=own)
            return dict(module.train(config, path, resume=resume, parts=parts))
        given = {"task": task} if task is not None else {}
        return dict(module.train(config, path, resume=resume, **given))

    if dry_run:
        doctor = importlib.import_module("practicum.training.doctor")
        return dict(doctor.dry_run(stage, call, resolved, folder))
    begun = branched(origin, folder, resolved, stage) if origin else nullcontext("")
    with begun, logging_to(loggers):
        return {"run": str(folder), **call(resolved, folder, resume=resume or origin is not None)}


def _named_rewards(reward: Any) -> Any:
    """Functions that are named, or a section, as settings. Raises InputError for anything else."""
    if isinstance(reward, (str, Path, Mapping)):
        return reward
    if isinstance(reward, (list, tuple)) and reward and all(isinstance(one, (str, Path)) for one in reward):
        return reward
    raise InputError(
        f"reward is {reward!r:.80}; expected one function, FILE.py:function (or a list of such names), or a "
        "dict of the settings of reward"
    )


def _check_own(stage: str, task: Any, reward: Any) -> None:
    """Raise InputError where a stage takes no task or reward of one's own, or not this object."""
    if reward is not None and stage != "rl":
        raise InputError(f"reward: {stage} is paid by no function, only rl is")
    if task is None:
        return
    if stage in ("reward-model", "dpo"):
        raise InputError(f"task: {stage} has none, it reads preferences or data")
    if stage not in ("rl", "sft"):
        raise InputError(f"task: {stage} takes the name of a task, as task='jokes'")
    needed = ("prompts", "score") if stage == "rl" else ("demonstrations", "exposition")
    if isinstance(task, type):
        raise InputError(f"task is the class {task.__name__}: give an object, as {task.__name__}()")
    for name in needed:
        if not callable(getattr(task, name, None)):
            raise InputError(f"task is {task!r:.80}; {stage} needs an object with {' and '.join(needed)}")


def _flags(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Settings as the command line writes them."""
    for name, value in settings.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flags(value, f"{key}.")
        elif isinstance(value, (list, tuple)):
            yield f"--{key}"
            yield from (_word(item) for item in value)
        else:
            yield f"--{key}={_word(value)}"


def _word(value: Any) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


class CallableReward:
    """A function of the user's own as a Reward, called in this process; its parameters are read as on the
    command line.
    """

    def __init__(self, function: RewardFunction) -> None:
        from practicum.reward.bad import BadFunction
        from practicum.reward.function import Progress
        from practicum.reward.worker import SIGNATURES, understood

        name = getattr(function, "__name__", type(function).__name__)
        self.name = name
        try:
            self.function = understood(function)
        except BadFunction as error:
            raise InputError(f"reward {name}: {error}") from None
        self.progress = Progress()
        self.told = f"practicum: reward {name}: {SIGNATURES[self.function.kind]}"

    def check(self, prompt: Prompt) -> None:
        """Raise InputError where the function needs what a prompt like this one does not have."""
        from practicum.reward.function import check_parameters, row_of

        one = self.function
        check_parameters(self.name, one.kind, one.needs, one.places, row_of(prompt, "", None))

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """As `score_tokens`, where the tokens are not known."""
        return self.score_tokens(prompts, texts, [None] * len(texts))

    def score_tokens(
        self, prompts: Sequence[Prompt], texts: Sequence[str], ids: Sequence[Sequence[int] | None]
    ) -> list[Score]:
        """One score per completion. Raises InputError where the function returns too few, or no numbers."""
        from practicum.reward.bad import BadReward
        from practicum.reward.function import row_of

        if not texts:
            return []
        self.check(prompts[0])
        rows = [row_of(*one) for one in zip(prompts, texts, ids, strict=True)]
        request = {"rows": rows, "state": asdict(self.progress), "limit": None}
        try:
            found = self._called(request)
        except BadReward as error:
            raise InputError(f"reward {self.name}: {error}") from None
        return [self._score(one) for one in found]

    def _called(self, request: Mapping[str, Any]) -> list[Any]:
        """What the function says; on a thread of its own where an event loop runs, as in a notebook."""
        from practicum.reward.worker import answer

        def call() -> list[Any]:
            loop = asyncio.new_event_loop()
            try:
                return answer(self.function, request, loop.run_until_complete)
            finally:
                loop.close()

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return call()
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(call).result()

    def _score(self, judged: Mapping[str, Any]) -> Score:
        """What a function said of one sample as a score; nothing, as TRL's None, is 0 without a part."""
        if judged.get("error") == "KeyboardInterrupt":
            raise KeyboardInterrupt
        if "error" in judged:
            raise InputError(f"reward {self.name}: {judged['words']}")
        parts = judged.get("parts")
        value = sum(parts.values()) if parts is not None else judged["value"]
        return Score(
            0.0 if value is None else value,
            solved=judged.get("solved"),
            readable=judged.get("readable"),
            outcome=judged.get("outcome") or "",
            reason=judged.get("reason") or "",
            parts=dict(parts if parts is not None else judged.get("info", {})),
        )


class Policy:
    """A language model with its tokenizer: read it, sample from it, score texts, save it.

    >>> import tempfile, practicum as pr
    >>> folder = tempfile.mkdtemp()
    >>> summary = pr.train(
    ...     "pretrain", run=folder + "/run", batch_rows=4, loop={"steps": 2},
    ...     model={"hidden_size": 32, "intermediate_size": 32, "layers": 1, "heads": 2, "key_value_heads": 1},
    ... )
    >>> policy = pr.Policy.load(summary["run"])
    >>> texts = policy.sample(["1 + 1 =", "2 + 2 ="], count=3, max_new_tokens=4)
    >>> [len(group) for group in texts]
    [3, 3]
    >>> scores = policy.logprobs(["1 + 1 ="], ["2"])
    >>> len(scores[0]) == len("2") + 1 and all(value < 0 for value in scores[0])
    True
    >>> policy.save(folder + "/model")
    """

    def __init__(self, weights: Weights, tokenizer: Tokenizer) -> None:
        self.weights, self.tokenizer = weights, tokenizer

    @classmethod
    def load(cls, path: Path | str, *, device: str = "cpu") -> Policy:
        """A model folder, a run's folder (its newest checkpoint), a .gguf file, or `smollm2`.

        `device`: auto, cpu, cuda, cuda:N or mps. Raises InputError naming the file that cannot be read, and
        for a device that is not there.
        """
        from practicum.model.device import chosen_device
        from practicum.model.policy import load_policy

        return cls(*load_policy(Path(path), chosen_device(device)))

    def sample(
        self, prompts: str | Sequence[Asked], count: int = 1, *, seed: int = 0, **sampling: Any
    ) -> list[list[str]]:
        """`count` completions of each prompt, in the order of the prompts.

        A prompt is a text or a chat (a list of messages), and goes through the model's chat template where it
        has one. `sampling`: temperature, top_p, top_k, max_new_tokens. Equal weights, prompts and seed give
        equal texts. Raises InputError for a prompt that leaves no room in the model's positions, a setting
        that sampling has not, and a count below 1.
        """
        from dataclasses import fields

        from practicum.config import nearest
        from practicum.model.sampling import SamplingConfig
        from practicum.model.tokenizer import encode_prompts
        from practicum.rollout.sampler import scattered
        from practicum.rollout.samplers import make_sampler

        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InputError(f"count is {count!r}; expected a whole number, 1 or more")
        known = [field.name for field in fields(SamplingConfig)]
        for name in sampling:
            if name not in known:
                raise InputError(
                    f"unknown setting of sampling {name!r}{nearest(name, known)}; there are "
                    f"{', '.join(known)}"
                )
        ids = encode_prompts(self.tokenizer, _asked([prompts] if isinstance(prompts, str) else prompts))
        sampler = make_sampler(self.weights, SamplingConfig(**sampling))
        groups = sampler.sample(ids, count, scattered(seed))
        return [
            self.tokenizer.decode_batch([one.ids for one in group], skip_special_tokens=True)
            for group in groups
        ]

    def logprobs(
        self, prompts: Sequence[Asked], completions: Sequence[str], *, ended: bool = True
    ) -> list[list[float]]:
        """Log-probability, in nats, of each token of each completion after its prompt.

        With `ended` the end of sequence is the last token. Prompts go through the chat template, as in
        `sample`. Raises InputError for lists of different lengths and for a text that is too long.
        """
        import torch

        from practicum.model.sampling import SamplingConfig
        from practicum.model.scorer import make_rows, make_scorer
        from practicum.model.tokenizer import encode_batch, encode_prompts

        if len(prompts) != len(completions):
            raise InputError(
                f"{len(prompts)} prompts but {len(completions)} completions: give as many of both"
            )
        spec = self.weights.spec
        asked = encode_prompts(self.tokenizer, _asked(prompts))
        end = [spec.eos_id] if ended else []
        written = [[*ids, *end] for ids in encode_batch(self.tokenizer, list(completions))]
        for number, (prompt, answer) in enumerate(zip(asked, written, strict=True)):
            if not prompt or len(prompt) + len(answer) > spec.max_positions:
                raise InputError(
                    f"text {number} has {len(prompt)} + {len(answer)} tokens; the model takes a prompt of 1 "
                    f"or more and {spec.max_positions} in all"
                )
        scorer = make_scorer(self.weights, torch.float32)
        found: list[list[float]] = []
        with torch.no_grad():
            for prompt, answer in zip(asked, written, strict=True):
                if not answer:
                    found.append([])
                    continue
                rows = make_rows([[*prompt, *answer]], [len(prompt)])
                scores = scorer.logprobs(scorer.hidden(rows), rows, SamplingConfig())
                found.append([float(value) for value in scores.logprobs])
        return found

    def save(self, folder: Path | str) -> None:
        """Write a model folder as `transformers` reads it. Raises InputError where something is there."""
        from practicum.files import writing
        from practicum.model.checkpoint import save_model

        target = Path(folder)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(f"{target} is not empty: choose another folder")
        with writing(target):
            target.mkdir(parents=True, exist_ok=True)
            save_model(self.weights, self.tokenizer, target)


def _asked(prompts: Sequence[Asked]) -> list[str | Prompt]:
    """Prompts of any form. Raises InputError that names the first that is none."""
    from practicum.data.chats import is_chat, messages_of, prompt_of

    found: list[str | Prompt] = []
    for number, prompt in enumerate(prompts, start=1):
        if isinstance(prompt, (str, Prompt)):
            found.append(prompt)
        elif is_chat(prompt):
            name = f"prompt {number}"
            found.append(prompt_of(messages_of(prompt, name), {}, name, keeps_chat=True))
        else:
            raise InputError(f"prompt {number} is {prompt!r:.60}: expected a text or a list of messages")
    return found


def find_exploits(
    reward: RewardFunction,
    prompts: Sequence[str | Prompt],
    answers: Sequence[str | Sequence[str]],
    *,
    budget: int = 2000,
    seed: int = 0,
) -> ExploitReport:
    """Search for worthless texts that `reward` pays like honest answers, or more.

    `answers` are honest right answers, one or several to each of at least 12 different prompts; a prompt may
    be a `Prompt` whose `data` a function of (prompt, completion, row) reads. `budget`: most completions that
    are put to the reward. Raises InputError for a reward that returns no finite numbers.

    >>> import practicum as pr
    >>> prompts = [f"What is {number} + {number}?" for number in range(20)]
    >>> answers = [f"The sum is {2 * number}." for number in range(20)]
    >>> report = pr.find_exploits(lambda prompt, completion: len(completion), prompts, answers)
    >>> len(report.findings) > 0
    True
    """
    import numpy as np

    from practicum.audit.exploits import Search
    from practicum.audit.exploits import find_exploits as search

    paid = CallableReward(reward)
    asked = [prompt if isinstance(prompt, Prompt) else Prompt(prompt) for prompt in prompts]
    honest = [[group] if isinstance(group, str) else list(group) for group in answers]

    def plain(prompts: Sequence[Prompt], texts: Sequence[str]) -> Any:
        return np.asarray([score.value for score in paid.score(prompts, texts)])

    return search(plain, asked, honest, Search(queries=budget, seed=seed))
