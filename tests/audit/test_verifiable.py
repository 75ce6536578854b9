from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from practicum.audit import verifiable
from practicum.audit.verifiable import audit_verifier, lenient_verifier, poisoned_key, true_verifier
from practicum.config import load
from practicum.errors import InputError
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.types import Prompt

PROMPTS = EquationsTask().prompts("test", 30, 0)


def test_the_exact_verifier_passes() -> None:
    found = audit_verifier(true_verifier, PROMPTS)
    assert (found.flagged, found.wrong_paid.value, found.right_refused.value, found.cases) == ("", 0, 0, ())
    assert found.right_refused.n == 30


def test_the_poisoned_key_is_caught() -> None:
    found = audit_verifier(poisoned_key(0.8), PROMPTS)
    assert "disagrees with substitution" in found.flagged
    assert "roots of the sign-flipped equation" in found.flagged
    assert "refuses" in found.flagged
    assert found.by_manner["roots of the sign-flipped equation"].low > 0.2
    assert all((case.paid > 0.5) != case.right for case in found.cases)


def test_a_key_wrong_on_one_problem_in_five_is_still_caught() -> None:
    found = audit_verifier(poisoned_key(0.2), EquationsTask().prompts("test", 60, 1))
    assert found.flagged


def test_the_lenient_verifier_is_caught_by_a_spray() -> None:
    found = audit_verifier(lenient_verifier, PROMPTS)
    assert "pays" in found.flagged
    assert "refuses" not in found.flagged
    assert found.by_manner["a spray of numbers"].value > 0.3
    assert found.by_manner["the right numbers and one more"].value > 0.9
    assert found.by_manner["nothing"].value < 0.5


def test_a_reward_that_refuses_what_is_right_is_caught() -> None:
    found = audit_verifier(lambda prompts, texts: np.zeros(len(texts)), PROMPTS)
    assert "refuses 100.0% of right answers" in found.flagged
    assert "pays" not in found.flagged


def test_samples_count_as_well() -> None:
    def only_samples(prompts: Sequence[Prompt], texts: Sequence[str]) -> np.ndarray:
        return np.maximum(true_verifier(prompts, texts), [float("magic" in text) for text in texts])

    samples = [(prompt, "magic\nanswer: 997") for prompt in PROMPTS]
    assert audit_verifier(only_samples, PROMPTS).flagged == ""
    assert "'sample' 100.0%" in audit_verifier(only_samples, PROMPTS, samples).flagged


def test_sums_and_parameters_are_handled() -> None:
    config = EquationsConfig(ask_sum=0.5, parametric=0.3)
    assert audit_verifier(true_verifier, EquationsTask(config).prompts("test", 30, 2)).flagged == ""


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="its data hold no equation"):
        audit_verifier(true_verifier, [Prompt("solve: x=1")])
    with pytest.raises(InputError, match="give 5 prompts or more"):
        audit_verifier(true_verifier, PROMPTS[:1])
    with pytest.raises(InputError, match=r"returned shape \(\)"):
        audit_verifier(lambda prompts, texts: np.array(1.0), PROMPTS)


@pytest.mark.parametrize(("key", "flagged"), [("true", False), ("poisoned", True), ("lenient", True)])
def test_verifiers(key: str, flagged: bool) -> None:
    config = load(verifiable.Config, None, ["--key", key, "--prompts", "30"])
    assert bool(verifiable.audit(config)["flagged"]) == flagged
