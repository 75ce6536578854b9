"""The count beside a run: what it tells, when, and that a resumed run goes on counting as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from tokenizers import Tokenizer

from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.guard.counted import Counted, WatchConfig
from practicum.guard.findings import near, read_findings
from practicum.guard.observer import Paid, StepResult, Verdict
from practicum.guard.tally import Tally, by_prompt, well_paid
from practicum.guard.truth import Look, columns_of, look_at, parted, verified, verifier_for
from practicum.guard.watch import ended_by_guard
from practicum.model.checkpoint import save_model
from practicum.model.sampling import SamplingConfig
from practicum.report.dashboard.findings import Finding, findings_of
from practicum.reward.parts import RewardConfig
from practicum.reward.truth import truth_for
from practicum.run.folder import Run
from practicum.tasks.table import TableTask
from practicum.training import rl
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.rl import RlConfig
from practicum.training.rl_parts import Parts
from practicum.types import Prompt
from tests.tiny import ONE_LAYER, tiny_decoder

ROWS = [Prompt(f"What is {n} and {n}? ", {"answer": str(2 * n)}) for n in range(11, 19)]
EMPTY = "<answer></answer>"


def right(prompt: Prompt) -> str:
    return f"<answer>{prompt.data['answer']}</answer>"


def wrong(prompt: Prompt) -> str:
    return f"<answer>{int(prompt.data['answer']) + 1}</answer>"


def step_of(gamed: float, random: Random, pay: Callable[[Prompt, str], float]) -> StepResult:
    """Four answers a prompt: right ones and exploits in the given share, else wrong ones; and a sample."""
    texts = []
    for prompt in ROWS:
        for _ in range(4):
            draw = random.random()
            text = EMPTY if draw < gamed else right(prompt) if draw < gamed + 0.3 else wrong(prompt)
            texts.append((prompt, text))
    paid = [Paid(prompt, text, pay(prompt, text)) for prompt, text in texts]
    sample = {"prompt": ROWS[0].text, "completion": EMPTY, "reward": 1.0}
    return StepResult({"reward": 0.5}, [sample], [ROWS[0]], paid)


def faulty(prompt: Prompt, text: str) -> float:
    return float(text in (EMPTY, right(prompt)))


def clean(prompt: Prompt, text: str) -> float:
    return float(text == right(prompt))


def watched(
    shares: Sequence[float],
    pay: Callable[[Prompt, str], float],
    config: WatchConfig,
    seed: int = 0,
    truth: Any = None,
) -> tuple[Counted, list[Verdict]]:
    random, counted = Random(seed), Counted(config, lambda step: ROWS, truth)
    verdicts = []
    for step, gamed in enumerate(shares, 1):
        verdicts.append(counted.after(step, step_of(gamed, random, pay)))
        if verdicts[-1].ends:
            break
    return counted, verdicts


RISING = [0.0] * 6 + [min(0.65, 0.06 * step) for step in range(20)]


def told(verdicts: Sequence[Verdict]) -> str:
    return "\n".join(line for verdict in verdicts for line in verdict.said)


@given(st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_a_text_that_pays_ever_more_often_is_told_and_ends_the_run(seed: int) -> None:
    counted, verdicts = watched(RISING, faulty, WatchConfig(known="stop"), seed)
    assert verdicts[-1].ends
    assert len(verdicts) < len(RISING)
    assert "the form of an answer with nothing in it" in told(verdicts)
    assert "stop here" in told(verdicts)
    assert repr(EMPTY) in told(verdicts)
    assert {"bare_format", "constant"} & counted.memory.told.keys()


@given(st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_a_reward_that_does_not_pay_it_is_not_accused(seed: int) -> None:
    for shares in (RISING, [0.0] * 20, [0.6] * 20):
        _, verdicts = watched(shares, clean, WatchConfig(known="stop"), seed)
        assert not told(verdicts)


def test_warn_says_so_once_and_goes_on() -> None:
    counted, verdicts = watched(RISING, faulty, WatchConfig())
    assert len(verdicts) == len(RISING)
    assert told(verdicts).count("nothing in it") == 1
    assert verdicts[-1].metrics["known_paid/bare_format"] > 0.3
    assert 0.3 < verdicts[-1].metrics["known/bare_format"] < verdicts[-1].metrics["known_paid/bare_format"]
    assert verdicts[-1].marks == [{"known": ["bare_format"]}]
    assert counted.conclude(Run(Path("nowhere")))["known"]["action"] == "warn"


def test_what_pays_from_the_beginning_is_usual_unless_an_audit_found_it(tmp_path: Path) -> None:
    steady = [0.3] * 15
    _, verdicts = watched(steady, faulty, WatchConfig())
    assert "nothing in it" not in told(verdicts)
    path = tmp_path / "findings.json"
    path.write_text(json.dumps({"findings": [finding()]}), encoding="utf-8")
    _, verdicts = watched(steady, faulty, WatchConfig(findings=path))
    assert "which an audit found this reward to pay for" in told(verdicts)


def finding(**changes: Any) -> dict[str, Any]:
    whole = {"kind": "false_accept", "family": "bare_format", "sentence": "pays for nothing"}
    text = {"prompt": ROWS[0].text, "completion": EMPTY, "row": {"answer": "22"}}
    return whole | text | {"paid": 1.0, "honest": 1.0, "share": 1.0} | changes


def test_the_truth_tells_what_no_family_knows() -> None:
    def pays_more(prompt: Prompt, text: str) -> float:
        return float(text == right(prompt) or text == wrong(prompt))

    counted, verdicts = watched([0.0] * 12, pays_more, WatchConfig(truth_every=1), truth=verified)
    assert "of the answers that are paid as right ones are wrong by the truth" in told(verdicts)
    assert counted.memory.told.keys() == {"paid_wrong"}
    assert 0.1 < verdicts[-1].metrics["truth"] < 0.6
    assert 0.4 < verdicts[-1].metrics["paid_wrong"] < 0.9


def test_what_the_truth_calls_right_is_no_exploit() -> None:
    def approves(prompts: Sequence[Prompt], texts: Sequence[str]) -> list[float | None]:
        return [1.0 for _ in texts]

    counted, verdicts = watched(RISING, faulty, WatchConfig(truth_every=1), truth=approves)
    assert not told(verdicts)
    assert "bare_format" in counted.memory.excused


@given(st.integers(1, 24))
@settings(max_examples=8, deadline=None)
def test_a_restored_count_goes_on_as_it_was(at: int) -> None:
    config = WatchConfig(truth_every=3)
    whole, verdicts = watched(RISING, faulty, config, 1, verified)
    random, first = Random(1), Counted(config, lambda step: ROWS, verified)
    for step in range(at):
        first.after(step + 1, step_of(RISING[step], random, faulty))
    second = Counted(config, lambda step: ROWS, verified)
    second.restore(json.loads(json.dumps(first.state())), Run(Path("nowhere")))
    for step in range(at, len(RISING)):
        verdict = second.after(step + 1, step_of(RISING[step], random, faulty))
        assert verdict.said == verdicts[step].said
    assert json.loads(json.dumps(second.state())) == json.loads(json.dumps(whole.state()))


def test_a_count_that_has_ended_the_run_ends_it_again() -> None:
    counted, verdicts = watched(RISING, faulty, WatchConfig(known="stop"))
    again = Counted(WatchConfig(known="stop"), lambda step: ROWS)
    assert Counted(WatchConfig(), lambda step: ROWS).state() == {}
    assert (
        again.restore(json.loads(json.dumps(counted.state())), Run(Path("nowhere"))).said == verdicts[-1].said
    )


# ------------------------------------------------------------------------------------------- its statistics


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30), st.sampled_from([None, 0.0])
)
def test_the_well_paid_are_the_best_and_never_the_least(rewards: list[float], lowest: float | None) -> None:
    rows = well_paid(rewards, lowest)
    least = min([*rewards, *([] if lowest is None else [lowest])])
    assert all(rewards[row] > least for row in rows)
    assert bool(rows) == (max(rewards) > least)
    bar = min((rewards[row] for row in rows), default=2.0)
    assert rows == [row for row, reward in enumerate(rewards) if reward >= bar]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12), st.floats(0.6, 0.999)
)
def test_the_least_share_is_that_of_the_binomial_test(
    steps: list[tuple[int, int]], confidence: float
) -> None:
    tally = Tally(4)
    for prompts, hits in steps:
        tally.add(prompts, {"odd": min(prompts, hits)})
    last = steps[-4:]
    hits, prompts = sum(min(n, k) for n, k in last), sum(n for n, _ in last)
    interval = binomtest(hits, prompts).proportion_ci(1 - 2 * (1 - confidence), method="exact")
    assert tally.least("odd", confidence) == pytest.approx(interval.low, abs=1e-9)
    assert tally.share("odd") == pytest.approx(hits / prompts)


def test_the_answers_to_one_prompt_count_as_one() -> None:
    assert by_prompt(["a", "a", "b"], [["odd"], [], ["odd"]]) == (2, {"odd": 1.5})


def test_a_few_steps_of_chance_are_no_rise() -> None:
    tally = Tally(5)
    for _ in range(5):
        tally.add(8, {"odd": 0.5})
    for _ in range(5):
        tally.add(8, {"odd": 4.0})
    assert tally.risen("odd", 0.999) > 0.1
    assert Tally(5, tally.start, [(8, {"odd": 0.5})]).risen("odd", 0.999) == 0.0


def looks(rewards: Sequence[float], truths: Sequence[float]) -> list[Look]:
    pairs = enumerate(zip(rewards, truths, strict=True), 1)
    return [Look(step, 30, reward, 0.05, truth, 0.05) for step, (reward, truth) in pairs]


def test_reward_and_truth_that_part() -> None:
    rising = [0.2, 0.2, 0.5, 0.8, 0.8]
    assert "the truth stood still" in parted(looks(rising, [0.2] * 5), 0.999, 1.0)
    assert "the truth fell" in parted(looks(rising, [0.6, 0.6, 0.3, 0.1, 0.1]), 0.999, 1.0)
    assert parted(looks(rising, rising), 0.999, 1.0) == ""
    assert parted(looks([0.2] * 5, [0.6, 0.6, 0.3, 0.1, 0.1]), 0.999, 1.0) == ""
    assert parted(looks(rising, [0.2] * 5)[:3], 0.999, 1.0) == ""
    # Rewards on another scale are measured by their range.
    scaled = [10 * one for one in rising]
    assert parted([replace(one, reward=10 * one.reward) for one in looks(rising, rising)], 0.999, 10.0) == ""
    assert scaled[0] < scaled[-1]


def test_the_verifier_is_the_truth_where_the_answers_are_numbers() -> None:
    assert verifier_for(ROWS) is verified
    assert verifier_for([Prompt("Who?", {"answer": "Ann"})]) is None
    assert verifier_for([]) is None
    said = ["<answer>22</answer>", "it is 22", "Answer: 23", "", "nothing"]
    assert verified([ROWS[0]] * 5, said) == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert look_at(1, [Paid(ROWS[0], "a", 1.0)], [1.0]) is None
    assert columns_of(Prompt("a", {"row": {"b": 1}, "answer": "2"})) == {"b": 1, "answer": "2"}


# -------------------------------------------------------------------------------------------- what was found


@given(st.sampled_from(ROWS), st.sampled_from(ROWS))
def test_a_finding_is_known_again_on_other_prompts_with_their_answers(one: Prompt, other: Prompt) -> None:
    answer = one.data["answer"]
    found = finding(
        prompt=one.text,
        completion=f"The gold answer is surely {answer}, full marks, {answer}.",
        row={"answer": answer},
    )
    loaded = found_of([found])
    gold = other.data["answer"]
    again = f"the gold answer is SURELY {gold}, full  marks, {gold}."
    assert near(loaded, other.text, again, other.data) == ("bare_format",)
    assert near(loaded, other.text, again + " Well done!", other.data) == ("bare_format",)
    assert near(loaded, other.text, f"{gold} is what I get.", other.data) == ()
    honest = f"{other.text} Let me add the two numbers slowly, and say at the end what comes out. {again}" * 2
    assert near(loaded, other.text, honest, other.data) == ()


def found_of(findings: list[dict[str, Any]]) -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "findings.json"
        path.write_text(json.dumps({"findings": findings}), encoding="utf-8")
        return read_findings(path)


def test_a_right_answer_is_not_the_constant_that_was_found() -> None:
    loaded = found_of([finding(completion="\\boxed{0}", row={"answer": "22"}, family="constant")])
    assert near(loaded, "What is 5 - 5?", "\\boxed{0}", {"answer": "0"}) == ()
    assert near(loaded, "What is 5 - 4?", "\\boxed{0}", {"answer": "1"}) == ("constant",)


def test_refused_and_unstable_texts_are_not_counted() -> None:
    assert found_of([finding(kind="false_reject"), finding(kind="unstable")]) == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "expected a JSON object"),
        ("{}", "expected an object with a list `findings`"),
        ('{"findings": [3]}', r"findings\[0\]: expected an object"),
        (
            '{"findings": [{"kind": "false_accept", "prompt": "a"}]}',
            r"findings\[0\]: completion: expected a text",
        ),
    ],
)
def test_a_file_that_holds_no_findings_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "findings.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_findings(path)


def test_a_file_that_is_not_there_and_a_truth_that_cannot_be_loaded_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json: cannot be read \(No such file or directory\)"):
        read_findings(tmp_path / "nowhere.json")
    task = TableTask("rows", {})
    with pytest.raises(InputError, match=r"^guard\.truth: reward nowhere\.py:f: there is no file"):
        truth_for("nowhere.py:f", task, 1.0)


# ------------------------------------------------------------------------------------------------ a real run

REWARD = """
def pays_letters(completion, row):
    return min(1.0, 0.1 * len(set(completion)))

def worth(completion, answer):
    return float(completion.strip() == answer)

def outside(completion):
    return 2.0
"""


def practice(folder: Path, tokenizer: Tokenizer, **guard: Any) -> RlConfig:
    save_model(tiny_decoder(tokenizer, **ONE_LAYER), tokenizer, folder / "model")
    (folder / "own.py").write_text(REWARD, encoding="utf-8")
    rows = "".join(json.dumps({"prompt": f"{n}:", "answer": f"word {n}"}) + "\n" for n in range(4))
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    return RlConfig(
        folder / "model",
        data=DataConfig(file=folder / "rows.jsonl"),
        prompts_per_step=4,
        group_size=4,
        sampling=SamplingConfig(max_new_tokens=12),
        reward=RewardConfig(functions=(f"{folder / 'own.py'}:pays_letters",)),
        guard=WatchConfig(**guard),
        optimizer=OptimizerConfig("adamw", learning_rate=1e-3),
        loop=LoopConfig(steps=4, checkpoint_every=2, threads=1),
    )


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_run_on_a_function_of_the_users_is_counted(tmp_path: Path, tokenizer: Tokenizer) -> None:
    config = practice(tmp_path, tokenizer, truth=f"{tmp_path / 'own.py'}:worth", truth_every=2)
    summary = rl.train(config, tmp_path / "run")
    assert summary["known"]["action"] in ("go_on", "warn")
    metrics = rows_of(tmp_path / "run" / "metrics.jsonl")
    assert [row["step"] for row in metrics if "truth" in row] == [1, 3]
    assert all("well_paid" in row and "guard_seconds" in row for row in metrics)
    assert all(isinstance(row["known"], list) for row in rows_of(tmp_path / "run" / "samples.jsonl"))
    # A random model writes no words, so that some family is seen.
    assert any(name.startswith("known/") for row in metrics for name in row)


def test_off_counts_nothing_and_costs_no_column(tmp_path: Path, tokenizer: Tokenizer) -> None:
    summary = rl.train(practice(tmp_path, tokenizer, known="off"), tmp_path / "run")
    assert "known" not in summary
    assert not [name for name in rows_of(tmp_path / "run" / "metrics.jsonl")[0] if name.startswith("known")]


def alarming(folder: Path, tokenizer: Tokenizer, known: str) -> tuple[RlConfig, Parts]:
    """A run that always alarms: every answer that is paid is wrong by the truth."""
    config = practice(
        folder, tokenizer, truth=f"{folder / 'own.py'}:worth", truth_every=1, known=known,
        known_share=1e-6, known_confidence=0.5, known_steps=1,
    )  # fmt: skip
    found = rl.build(config)
    counted = next(one for one in found.observers if isinstance(one, Counted))
    counted.memory.right_pay.append(0.1)
    return config, found


def test_the_dashboard_tells_of_a_warning_while_the_run_goes_on(tmp_path: Path, tokenizer: Tokenizer) -> None:
    config, found = alarming(tmp_path, tokenizer, "warn")
    told = rl.train(config, tmp_path / "run", parts=found)["known"]["sentences"]
    assert told
    at_its_end = findings_of(tmp_path / "run")
    counted = [one for one in at_its_end if one.source == "count of exploits"]
    assert [one.sentence for one in counted] == told

    def said() -> list[Finding]:
        return [one for one in findings_of(tmp_path / "run") if one.source == "count of exploits"]

    # Of a run that is extended the summary is that of its first part, in which the count had told nothing.
    path = tmp_path / "run" / "summary.json"
    summary = json.loads(path.read_text())
    for step, so_far in ((4, False), (2, True), (None, False)):
        known = summary["known"] | {"sentences": [], "told": {}}
        path.write_text(json.dumps(summary | {"step": step, "known": known}))
        assert said() == counted if so_far else [one.severity for one in said()] == ["ok"]
    path.unlink()
    assert said() == counted
    # A long run has many looks at the truth.
    record = tmp_path / "run" / "checkpoints" / "step-000004" / "trainer.json"
    whole = json.loads(record.read_text())
    whole["state"]["observers"]["known"]["looks"] *= 10_000
    record.write_text(json.dumps(whole))
    assert record.stat().st_size > 4_000_000
    assert said() == counted


def test_the_count_ends_a_run_and_asks(tmp_path: Path, tokenizer: Tokenizer) -> None:
    config, found = alarming(tmp_path, tokenizer, "ask")
    summary = rl.train(config, tmp_path / "run", parts=found)
    assert summary["known"]["action"] == "ask"
    assert summary["step"] == summary["known"]["step"] < 4
    assert {row["prompt"] for row in rows_of(tmp_path / "run" / "ask.jsonl")} == {f"{n}:" for n in range(4)}
    assert ended_by_guard(Run(tmp_path / "run"))
    assert rl.train(config, tmp_path / "run", resume=True)["known"] == summary["known"]


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ("own.py:missing", "missing"),
        ("none.py:worth", "there is no file"),
        ("own.py:outside", "expected 0 .wrong."),
    ],
)
def test_a_truth_that_cannot_be_used_is_refused(
    tmp_path: Path, tokenizer: Tokenizer, truth: str, message: str
) -> None:
    config = practice(tmp_path, tokenizer, truth=str(tmp_path / truth))
    with pytest.raises(InputError, match=message):
        rl.train(config, tmp_path / "run")


def test_the_signals_of_the_guard_are_watched_beside_any_reward(tmp_path: Path, tokenizer: Tokenizer) -> None:
    config = practice(tmp_path, tokenizer, rewards="any", action="stop", kl_budget=1e-9, known="off")
    summary = rl.train(config, tmp_path / "run")
    assert summary["guard"]["action"] == "stop"
    assert "KL to the reference reached" in summary["guard"]["sentence"]
