"""The fuzzer of reward functions: faults of many kinds are named, sound rewards are not accused."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.audit.fuzz.anatomy import learned
from practicum.audit.fuzz.command import Config, Result, audit, run
from practicum.audit.fuzz.damage import damaged
from practicum.audit.fuzz.declared import declared
from practicum.audit.fuzz.findings import Finding
from practicum.audit.fuzz.merged import merged
from practicum.audit.fuzz.page import section
from practicum.audit.fuzz.patterns import examples
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.regression import written_tests
from practicum.audit.fuzz.rewritten import rewritten
from practicum.audit.fuzz.rows import FuzzRow
from practicum.audit.fuzz.values import differ, holds, number_of, wrong_values
from practicum.config import load
from practicum.errors import InputError
from practicum.reward.config import FunctionsConfig
from practicum.reward.constants import constants_of
from practicum.types import Prompt
from tests.audit import fuzz_rewards
from tests.audit.fuzz_rewards import CASES, ROWS

FILE = Path(fuzz_rewards.__file__)
SHOWN = Path(__file__).parents[2].parent / "shared" / "reward_bugs" / "shown"
SLOW = ("never_ends", "pattern_is_run")
QUICK = [name for name in CASES if CASES[name][0] != "programs" and name not in SLOW]


def rows_file(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def fuzzed(name: str, folder: Path, *flags: str, file: Path = FILE) -> Result:
    rows = rows_file(folder, ROWS[CASES[name][0]] if name in CASES else ROWS["sums"])
    return run(load(Config, None, [f"--reward={file}:{name}", f"--data={rows}", *flags]))


def answered(*flags: str) -> Result | str:
    """What an examination comes to, or the line that says why there is none."""
    try:
        return run(load(Config, None, list(flags)))
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("name", QUICK)
def test_faults_are_named_and_sound_rewards_are_not(name: str, tmp_path: Path) -> None:
    result = fuzzed(name, tmp_path, "--budget=1600", "--seconds=36000")
    kind = CASES[name][1]
    kinds = {one.kind for one in result.findings}
    assert kind in kinds if kind != "clean" else not kinds, [one.sentence for one in result.findings]
    assert result.calls <= 1600


@pytest.mark.parametrize("name", ["equal_by_object", "first_case"])
def test_programs_that_solve_nothing_are_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each program that hangs is waited for.
    monkeypatch.setattr("practicum.audit.fuzz.fuzz.MOST_SLOW", 1)
    result = fuzzed(name, tmp_path, "--budget=260", "--seconds=36000")
    assert "false_accept" in {one.kind for one in result.findings}


def test_the_json_and_the_exit_code_are_the_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_file(tmp_path, ROWS["sums"])
    values = audit(load(Config, None, [f"--reward={FILE}:last_number", f"--data={rows}", "--budget=900"]))
    assert values["exit_code"] == 3
    assert values["calls"] <= 900
    for one in values["findings"]:
        assert {"kind", "sentence", "prompt", "completion", "paid", "honest", "share"} <= set(one)
        assert one["kind"] in ("false_accept", "false_reject", "unstable")
        assert 0 < one["share"] <= 1
        assert one["sentence"].endswith(".")
    assert values["findings"][0]["sentence"] in capsys.readouterr().out
    sound = audit(load(Config, None, [f"--reward={FILE}:sound_sums", f"--data={rows}", "--budget=900"]))
    assert sound["findings"] == []
    assert "exit_code" not in sound


def test_the_same_seed_finds_the_same(tmp_path: Path) -> None:
    first, second = (fuzzed("anywhere", tmp_path, "--budget=900") for _ in range(2))
    assert [one.json() for one in first.findings] == [one.json() for one in second.findings]


def test_rows_without_honest_texts_are_answered_from_the_gold_answer(tmp_path: Path) -> None:
    bare = [{"prompt": row["prompt"], "answer": row["answer"]} for row in ROWS["sums"]]
    rows = rows_file(tmp_path, bare)
    for name, found in (("sound_sums", False), ("last_number", True)):
        flags = [f"--reward={FILE}:{name}", f"--data={rows}", "--budget=1200"]
        assert bool(run(load(Config, None, flags)).findings) is found


def test_rows_without_an_answer_leave_the_others_in_their_places(tmp_path: Path) -> None:
    """What was learned of a place before rows were left out is not another row's."""
    bare = [{"prompt": row["prompt"], "answer": row["answer"]} for row in ROWS["sums"]]
    rows = rows_file(tmp_path, [{"prompt": "What is left? End with 'Answer: N'.", "answer": " "}, *bare])
    result = run(load(Config, None, [f"--reward={FILE}:sound_sums", f"--data={rows}", "--budget=1200"]))
    assert result.fuzzed.levels.apart
    assert not result.findings


def test_a_policy_answers_rows_that_have_no_answer(untrained_model: Path, tmp_path: Path) -> None:
    rows = rows_file(tmp_path, [{"prompt": f"Name {what}."} for what in ("a bird", "a tree", "a stone")])
    file = tmp_path / "even.py"
    file.write_text(
        "def reward(completions, **columns):\n    return [1 - len(one) % 2 for one in completions]\n"
    )
    flags = [f"--reward={file}:reward", f"--data={rows}", f"--policy={untrained_model}", "--budget=300"]
    result = run(load(Config, None, flags))
    examined = result.fuzzed.anatomy.rows
    assert examined
    for row in examined:
        assert {len(text) % 2 for text in row.good} == {0}
        assert {len(text) % 2 for text in row.bad} == {1}
    assert not any("was not sampled" in one for one in result.fuzzed.notes)


def test_a_policy_that_is_not_needed_is_told(untrained_model: Path, tmp_path: Path) -> None:
    result = fuzzed("sound_sums", tmp_path, "--budget=400", f"--policy={untrained_model}")
    assert any("was not sampled" in one for one in result.fuzzed.notes)


def test_a_reward_that_fails_on_everything_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(
        "def reward(completions, **columns):\n    return [len(text) / 0 for text in completions]\n"
    )
    with pytest.raises(InputError, match="fails on every honest text: ZeroDivisionError"):
        fuzzed("reward", tmp_path, file=file)
    file.write_text("import nothing_of_that_name\n")
    with pytest.raises(InputError, match="nothing_of_that_name"):
        fuzzed("reward", tmp_path, file=file)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"prompt": "a", "answer": "b", "good": "c"}], "rows.jsonl:1: good: expected a list of texts"),
        ([{"prompt": "a", "answer": "b", "bad": [1]}], "rows.jsonl:1: bad: expected a list of texts"),
        ([{"prompt": "a"}], "no right reply is known, since fewer than two rows have an answer"),
        ([{"prompt": "a", "answer": "b"}, {"prompt": "c", "answer": "d"}], "in none of 14 usual forms"),
    ],
)
def test_bad_rows_are_told_in_one_line(rows: list[dict[str, Any]], said: str, tmp_path: Path) -> None:
    file = tmp_path / "reward.py"
    file.write_text("def reward(completions, **columns):\n    return [0.0 for text in completions]\n")
    with pytest.raises(InputError, match=said):
        run(load(Config, None, [f"--reward={file}:reward", f"--data={rows_file(tmp_path, rows)}"]))


def test_chats_are_judged_as_chats(tmp_path: Path) -> None:
    rows = [{**row, "prompt": [{"role": "user", "content": row["prompt"]}]} for row in ROWS["sums"]]
    file = tmp_path / "chat.py"
    file.write_text(
        "import re\n"
        "def reward(prompts, completions, answer, **columns):\n"
        "    texts = [one[0]['content'] for one in completions]\n"
        "    return [float(re.findall(r'\\d+', text)[-1:] == [gold]) for text, gold in zip(texts, answer)]\n"
    )
    result = run(
        load(Config, None, [f"--reward={file}:reward", f"--data={rows_file(tmp_path, rows)}", "--budget=900"])
    )
    assert {one.kind for one in result.findings} == {"false_accept"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--data.test_share=0.5"], "--data.test_share has no effect: all rows are examined"),
        (["--data.test=rows.jsonl"], "--data.test has no effect"),
        (["--data.turns=all"], "--data.turns has no effect"),
        (["--reward.weights.last_number=2"], "--reward.weights.last_number has no effect"),
        (["--reward.on_error=none"], "--reward.on_error has no effect"),
        (["--reward.time_limit=20"], "--reward.time_limit has no effect: a call of a function has 10 s"),
        (["--policy=nowhere"], "nowhere: no model here"),
    ],
)
def test_settings_that_an_examination_does_not_read_are_refused(
    flags: list[str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        fuzzed("last_number", tmp_path, *flags)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(budget=st.integers(1, 300), name=st.sampled_from(["last_number", "sound_sums"]), bare=st.booleans())
def test_any_budget_gives_an_answer_or_one_line(budget: int, name: str, bare: bool, tmp_path: Path) -> None:
    rows = [{"prompt": row["prompt"], "answer": row["answer"]} if bare else row for row in ROWS["sums"]]
    flags = [f"--reward={FILE}:{name}", f"--data={rows_file(tmp_path, rows)}", f"--budget={budget}"]
    found = answered(*flags)
    if isinstance(found, str):
        assert found.endswith("before it was known what it pays honest replies: give more --budget")
    else:
        assert found.calls <= budget


@pytest.mark.parametrize("seconds", [0.02, 0.2, 0.6])
def test_a_slow_reward_is_no_crash_and_what_the_end_cuts_off_is_no_hang(
    seconds: float, tmp_path: Path
) -> None:
    file = tmp_path / "slow.py"
    file.write_text(
        "import time\n"
        "def reward(completions, answer, **columns):\n"
        "    time.sleep(0.01 * len(completions))\n"
        "    return [float(text.split()[-1:] == [gold]) for text, gold in zip(completions, answer)]\n"
    )
    rows = rows_file(tmp_path, ROWS["sums"])
    found = answered(f"--reward={file}:reward", f"--data={rows}", f"--seconds={seconds}")
    if isinstance(found, str):
        assert found.endswith("give more --seconds")
    else:
        assert "hang" not in {one.family for one in found.findings}


def test_the_page_shows_prompt_and_honest_reply_beside_each_finding_and_how_many_there_are() -> None:
    finding = Finding("false_accept", "empty", "An empty reply is paid.", "2 + 2?", "", 1.0, 1.0, 1.0, 0.0)
    whole = replace(finding, completion="5", against="4")
    shown = section([whole, *[finding] * 11], {"calls": 9}, ["a note"])
    assert [one["text"] for one in shown.texts[:2]] == [
        "Prompt: 2 + 2?\n\nThis reply: 5\n\nAn honest right reply: 4",
        "Prompt: 2 + 2?\n\nThis reply: (nothing)",
    ]
    assert "The first 10 of 12 findings; audit.json has all." in shown.notes
    assert section([], {"calls": 9}, ["a note"]).notes == ("A note.",)


def test_one_fault_is_one_finding(tmp_path: Path) -> None:
    """The gold number anywhere in the reply is paid, which a dozen kinds of text show."""
    found = fuzzed("anywhere", tmp_path, "--budget=1600", "--seconds=36000").findings
    assert [one.kind for one in found] == ["false_accept"]
    assert len(found[0].evidence) >= 4


def test_families_are_reported_once(tmp_path: Path) -> None:
    def paid(family: str, rows: str, what: str = "") -> list[Probe]:
        return [Probe(int(row), f"{family} {row}", family, "refused", what) for row in rows]

    hits = {
        "contradiction": paid("contradiction", "01"),
        "zero": paid("zero", "012", "whose answer is wrong (zero)"),
        "digits": paid("digits", "01", "whose answer is wrong (digits)"),
        "hedge": paid("hedge", "0123"),
        "empty": paid("empty", "3"),
        "instruction_unchecked": paid("instruction_unchecked", "0"),
    }
    assert merged(hits) == {
        "hedge": ["empty"],
        "zero": ["digits", "contradiction"],
        "instruction_unchecked": [],
    }


# ------------------------------------------------------------------------------------- the dictionary


def test_the_dictionary_holds_what_the_code_reaches_and_nothing_else() -> None:
    reached = constants_of(fuzz_rewards.own_state)
    assert {"cannot be settled", "unjudged", -999, "^Answer:(.*)$"} <= set(reached)
    assert "lighthouse" not in reached, "a constant of a function that it does not call"
    assert constants_of(functools.partial(fuzz_rewards.own_pattern)) == constants_of(fuzz_rewards.own_pattern)
    assert not any(str(one).startswith("An open task") for one in constants_of(fuzz_rewards.own_word))
    assert constants_of(re.sub) == constants_of(len) == []


def test_the_dictionary_of_an_object_is_that_of_its_call() -> None:
    class Judge:
        def __init__(self) -> None:
            self.passes = {"a pass": 7}

        def __call__(self, completions: list[str], **columns: Any) -> list[float]:
            return [float(one in self.passes or one == "a word") for one in completions]

        def unused(self) -> str:
            return "never"

    assert set(constants_of(Judge())) == {"a word", "a pass", 7}


@given(
    st.recursive(
        st.sampled_from(["a", "Pass", "\\d", "\\s*", "[a-c]", "x?", "(?:ab)", "7+", "\\[", "b{2,3}", ": "]),
        lambda inner: (
            st.builds(lambda *parts: f"({'|'.join(parts)})", inner, inner)
            | st.builds(lambda *parts: "".join(parts), inner, inner)
        ),
        max_leaves=8,
    )
)
def test_examples_of_a_pattern_match_it(pattern: str) -> None:
    found = examples(pattern)
    assert found
    for text in found:
        assert re.fullmatch(pattern, text), text


@given(st.text(max_size=30))
def test_any_text_may_be_taken_for_a_pattern(pattern: str) -> None:
    assert len(examples(pattern)) <= 8


# ------------------------------------------------------------------------------------- damage, rewriting


WORDS = st.lists(
    st.sampled_from(["oak", "elm", "ash", "fir", "yew", "pine", "palm"]), min_size=3, max_size=5, unique=True
)


@given(st.lists(WORDS, min_size=2, max_size=3, unique_by=tuple), st.sampled_from(["\n", " -> ", "; "]))
def test_what_is_left_out_is_missed(golds: list[list[str]], mark: str) -> None:
    """Each damaged reply lacks a word that its gold answer has, and is no honest right reply."""
    rows = [
        FuzzRow(Prompt("Name the trees.", data={"answer": mark.join(gold)}), (mark.join(gold),), ("none",))
        for gold in golds
    ]
    anatomy = learned(rows)
    for row, gold in enumerate(golds):
        for one in damaged(anatomy, row):
            if one.family in ("left_out", "cut_off"):
                assert set(gold) - set(re.findall(r"\w+", one.text)), one
            assert one.text not in rows[row].good


@given(st.integers(1000, 10**7), st.sampled_from(["%s", "Answer: %s", "\\boxed{%s}"]))
def test_rewritings_of_numbers_keep_their_value(gold: int, form: str) -> None:
    rows = [
        FuzzRow(Prompt("How many?", data={"answer": str(one)}), (form % one,), (form % (one + 7),))
        for one in (gold, gold + 1)
    ]
    anatomy = learned(rows)
    before, _, after = form.partition("%s")
    for one in rewritten(anatomy, 0):
        value = one.text.removeprefix(before).removesuffix(after).strip('*`"$() ')
        assert number_of(re.sub("[\u2009\u202f_]", "", value)) == gold, one


@given(
    st.recursive(
        st.integers() | st.text(st.characters(codec="utf-8"), max_size=5) | st.booleans() | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    )
)
def test_json_is_rewritten_as_the_same_json(value: Any) -> None:
    text = json.dumps(value)
    row = FuzzRow(Prompt("Say it as JSON.", data={"answer": text}), (text,), ("{}",))
    for one in rewritten(learned([row]), 0):
        if one.family == "json_layout":
            assert json.loads(one.text) == value


@pytest.mark.parametrize(
    ("prompt", "gold", "ignored"),
    [
        ("Give the key. Case matters.", "aQz", {"aqz", "AQZ", "AqZ", "AQz"}),
        ("Give the key. It is case-sensitive.", "aQz", {"aqz", "AQZ", "AqZ", "AQz"}),
        ("Give the key. Case does not matter.", "aQz", set()),
        ("Give the key; ignore case.", "aQz", set()),
        ("List them. The order matters.", "a, b, c", {"c, b, a"}),
        ("List them in any order.", "a, b, c", set()),
        ("List them in order to compare.", "a, b, c", set()),
        ("Give the code with its leading zeros.", "007", {"7"}),
        ("How long is it? Units matter.", "12 km", {"12"}),
        ("How long is it? Units are optional.", "12 km", set()),
        ("Write the word with its accents.", "caf\u00e9", {"cafe"}),
    ],
)
def test_what_a_prompt_declares_is_tried(prompt: str, gold: str, ignored: set[str]) -> None:
    rows = [FuzzRow(Prompt(prompt, data={"answer": one}), (one,), ("zz",)) for one in (gold, "other")]
    found = {one.text for one in declared(learned(rows), 0)}
    assert found == ignored


# ------------------------------------------------------------------------------------- the written tests


def test_tests_are_written_over_no_other_work(tmp_path: Path) -> None:
    tests = tmp_path / "test_reward.py"
    tests.write_text("def test_mine(): ...\n")
    with pytest.raises(InputError, match="exists, and no audit wrote it"):
        fuzzed("last_number", tmp_path, f"--write_tests={tests}")
    assert tests.read_text() == "def test_mine(): ...\n"
    with pytest.raises(InputError, match="is a folder"):
        fuzzed("last_number", tmp_path, f"--write_tests={tmp_path}")


def test_tests_of_an_earlier_audit_stay_when_nothing_is_found(tmp_path: Path) -> None:
    rows, tests = rows_file(tmp_path, ROWS["sums"]), tmp_path / "test_reward.py"
    flags = [f"--data={rows}", "--budget=900", f"--write_tests={tests}"]
    audit(load(Config, None, [f"--reward={FILE}:last_number", *flags]))
    written = tests.read_text()
    assert "def test_" in written
    audit(load(Config, None, [f"--reward={FILE}:sound_sums", *flags]))
    assert tests.read_text() == written


@pytest.mark.parametrize("faulty", ["sign_lost", "not_a_number"])
def test_written_tests_fail_until_the_fault_is_mended(faulty: str, tmp_path: Path) -> None:
    found = fuzzed(faulty, tmp_path, "--budget=1200").findings[:2]
    assert found
    for name, passes in ((faulty, False), ("sound_sums", True)):
        path = tmp_path / f"test_{name}.py"
        path.write_text(written_tests(found, f"{FILE}:{name}", tmp_path))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
        assert done.returncode == (0 if passes else 1), done.stdout
        assert f"{len(found)} {'passed' if passes else 'failed'}" in done.stdout


# ------------------------------------------------------------------------------------------- properties


FORMS = ("Answer: %s", "\\boxed{%s}", "#### %s", "<answer>%s</answer>", "<<%s>>", "Result = %s")


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(FORMS),
    st.lists(st.integers(-999, 9999), min_size=4, max_size=5, unique=True),
    st.booleans(),
)
def test_exact_match_in_any_form_is_not_accused(
    tmp_path: Path, form: str, golds: list[int], reasons: bool
) -> None:
    """Exact match of the whole of what stands in the form, all of which must agree."""
    lead = "I count them one by one.\n" if reasons else ""
    rows = [
        {
            "prompt": f"How many are there, in case {place}? Give the number as {form % 'N'} in the end.",
            "answer": str(gold),
            "good": [lead + form % gold, form % gold],
            "bad": [lead + form % (gold + 11), form % (gold - 7)],
        }
        for place, gold in enumerate(golds)
    ]
    head, _, tail = form.partition("%s")
    end = repr(tail) if tail else "'(?=\\\\n|$)'"
    file = tmp_path / f"exact_{abs(hash((form, *golds)))}.py"
    file.write_text(
        "import re\n"
        f"PATTERN = re.compile(re.escape({head!r}) + '(.*?)' + {'re.escape(' + end + ')' if tail else end})\n"
        "def reward(prompts, completions, answer, **columns):\n"
        "    said = [{one.strip() for one in PATTERN.findall(text)} for text in completions]\n"
        "    return [float(one == {gold}) for one, gold in zip(said, answer)]\n"
    )
    flags = [
        f"--reward={file}:reward",
        f"--data={rows_file(tmp_path, rows)}",
        "--budget=1200",
        "--seconds=36000",
    ]
    found = run(load(Config, None, flags)).findings
    assert not found, [(one.sentence, one.completion) for one in found]


@given(st.one_of(st.integers(-(10**6), 10**6).map(str), st.decimals(-1000, 1000, places=2).map(str)))
def test_wrong_numbers_differ_from_the_gold_number(gold: str) -> None:
    for how, value in wrong_values(gold, ["7"], [], exact=True):
        number, right = number_of(value), number_of(gold)
        assert number is None or number != right, (how, value)


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_values_are_read_without_failing(text: str) -> None:
    assert not differ(text, text)
    holds(text, text)
    wrong_values(text, ["a", "1"], ["b"], exact=True)


# -------------------------------------------------------------------------------- the shown collection


@pytest.mark.skipif(not SHOWN.is_dir(), reason="the collection of faults is not beside this clone")
def test_the_shown_faults_are_named_and_no_clean_reward_is_accused(tmp_path: Path) -> None:
    """Every third file; `python -m studies.fuzz` takes them all."""
    index = json.loads((SHOWN / "index.json").read_text())
    named, faulty, accused = 0, 0, []
    for entry in index[::3]:
        if "unit_tests" in entry["file"] or entry["kind"] == "hang":
            continue
        path = SHOWN / entry["file"]
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        data = rows_file(tmp_path, getattr(module, "EXAMPLES"))  # noqa: B009 - a module of no known type
        config = Config(reward=FunctionsConfig(functions=(f"{path}:reward",)))
        found = run(load(Config, None, [f"--reward={path}:reward", f"--data={data}"])).findings
        assert config.budget == 2000
        if entry["type"] == "clean":
            accused += [entry["file"]] if found else []
        else:
            faulty += 1
            named += entry["type"] in {one.kind for one in found}
    assert not accused
    assert named >= 0.9 * faulty


def test_chance_that_decides_on_a_few_lengths_alone_is_named(tmp_path: Path) -> None:
    """Of some 700 texts that are tried, half a dozen are of the length that a coin decides on."""
    file = tmp_path / "coin.py"
    file.write_text(
        "import random\n"
        "def reward(completions, least, **columns):\n"
        "    sizes = [len(text.split()) for text in completions]\n"
        "    return [float(size >= least[0] and (size < 20 or random.random() < 0.5)) for size in sizes]\n"
    )
    rows = [
        {
            "prompt": f"Describe {what} in at least 5 words.",
            "least": 5,
            "good": ["It stands by the old grey wall.", "Nobody has seen it since last summer."],
            "bad": ["Grey.", "It is old."],
        }
        for what in ("a chair", "a river", "the wind", "a dog")
    ]
    result = answered(f"--reward={file}:reward", f"--data={rows_file(tmp_path, rows)}")
    assert isinstance(result, Result)
    assert "random" in {one.family for one in result.findings if one.kind == "unstable"}
