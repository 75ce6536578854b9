import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.tasks.equations.pen import Habits
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.tasks.explanations.gold import POPULATION, gold_utility, read_clarity
from practicum.tasks.explanations.phrases import REGISTERS, bare, explain, put, read_step
from practicum.tasks.explanations.task import EXAMPLE, ExplanationsConfig, ExplanationsTask
from practicum.tasks.registry import TaskConfig, load_task


@pytest.fixture(scope="module")
def task():
    return load_task(TaskConfig("explanations"))


@pytest.fixture(scope="module")
def solutions():
    return [worked.completion for worked in EquationsTask().demonstrations(1500, 7)]


def test_gold_explanations_score_one_in_every_split(task):
    for split in ("train", "validation", "test"):
        prompts = task.prompts(split, 150, 1)
        scores = task.score(prompts, [task.gold(prompt) for prompt in prompts])
        assert [score.value for score in scores] == pytest.approx([1.0] * 150)


def test_attacks_score_zero(task):
    pairs = task.attacks()
    assert len(pairs) > 15
    for prompt, text in pairs:
        (score,) = task.score([prompt], [text])
        assert score.value == 0, text


def test_neither_correctness_nor_style_can_be_bought_with_the_other(task):
    prompt = task.prompts("test", 1, 5)[0]
    friendly = task.gold(prompt)
    wrong = friendly.rpartition("answer: ")[0] + "answer: 98765"
    curt = prompt.data["worked"]
    right, false, terse = task.score([prompt] * 3, [friendly, wrong, curt])
    assert (right.parts["correct"], right.parts["style"]) == (1.0, 1.0)
    assert (false.parts["correct"], false.parts["style"], false.value) == (0.0, 1.0, 0.0)
    assert (terse.parts["correct"], terse.parts["style"], terse.value) == (1.0, 0.0, 0.0)
    # Beginners like the friendly one just as much when it is wrong: only the verifier tells them apart.
    assert right.parts["gold"] == false.parts["gold"] == pytest.approx(4.0)


def test_the_verifier_alone_can_pay():
    task = load_task(TaskConfig("explanations", explanations=ExplanationsConfig(reward="correct")))
    prompt = task.prompts("test", 1, 5)[0]
    friendly = task.gold(prompt)
    wrong = friendly.rpartition("answer: ")[0] + "answer: 98765"
    scores = task.score([prompt] * 3, [friendly, prompt.data["worked"], wrong])
    assert [score.value for score in scores] == [1.0, 1.0, 0.0]
    assert [score.parts["style"] for score in scores] == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("register", REGISTERS)
def test_every_step_of_every_solution_can_be_put_in_every_way_and_read_back(solutions, register):
    for solution in solutions:
        for line in solution.split("\n"):
            if line.startswith("answer: "):
                assert put(line, register) == line
                continue
            step = read_step(put(line, register))
            assert step is not None, put(line, register)
            assert step.register == register
        assert bare("\n".join(put(line, register) for line in solution.split("\n"))) == solution


def test_explaining_keeps_the_mathematics_and_the_verdict(task):
    worked = EquationsTask().demonstrations(300, 8)
    random = Random(0)
    told = [explain(one.completion, 0.5, random) for one in worked]
    equations = EquationsTask()
    prompts = [one.prompt for one in worked]
    before = equations.score(prompts, [one.completion for one in worked])
    assert [score.value for score in before] == [score.value for score in equations.score(prompts, told)]
    for prompt, one, text in zip(prompts, worked, told, strict=True):
        behaviours = task.behaviours(prompt, text)
        behaviours.pop("gives_reasons")
        assert behaviours == equations.behaviours(prompt, one.completion)


def test_friendlier_is_liked_better(task):
    prompt = task.prompts("test", 1, 2)[0]
    liked = [
        gold_utility(prompt, "\n".join(put(line, register) for line in prompt.data["worked"].split("\n")))
        for register in ("formal", "plain", "reason")
    ]
    assert liked == sorted(liked)
    assert liked[2] == pytest.approx(sum(POPULATION.values()) - POPULATION["soundness"])


def test_what_is_missing_counts_against_an_explanation(task):
    prompt = task.prompts("test", 1, 2)[0]
    *steps, answer = task.gold(prompt).split("\n")
    whole = read_clarity(prompt, "\n".join([*steps, answer]))
    jumpy = read_clarity(prompt, "\n".join([steps[0], answer]))
    endless = read_clarity(prompt, "\n".join(steps))
    chatty = read_clarity(prompt, "\n".join([*steps, "you are doing great", answer]))
    padded = read_clarity(prompt, "\n".join([*steps, steps[0], steps[0], answer]))
    assert (whole.soundness, whole.complete, whole.short, whole.reasons) == (1, 1, 1, 1)
    assert jumpy.complete < 1
    assert endless.soundness == 0.5
    assert chatty.soundness < 1
    assert padded.soundness < 1
    for worse in (jumpy, endless, chatty, padded):
        assert worse.friendliness < whole.friendliness


def test_words_without_mathematics_are_no_step():
    phrase = put("multiply: 1=1", "reason").partition(":")[0]
    for text in (phrase, f"{phrase}: ", f"{phrase}: it is easy", f"{phrase}: x", "hello: 1=1", "again: 1=1"):
        assert read_step(text) is None, text
    assert read_step(f"{phrase}: 6y-4-y=y^2") is not None


def test_prompts_are_plain_disjoint_and_repeatable(task):
    prompts = task.prompts("test", 200, 3)
    assert prompts == task.prompts("test", 200, 3)
    assert json.loads(json.dumps(prompts[0].data)) == prompts[0].data
    assert all(prompt.text == f"explain: {prompt.data['equation']}\n" for prompt in prompts)
    studied = {one.prompt.data["canonical"] for one in task.demonstrations(1000, 3)}
    assert not studied & {prompt.data["canonical"] for prompt in prompts}
    with pytest.raises(InputError, match="exam"):
        task.prompts("exam", 1, 0)


def test_demonstrations_differ_in_friendliness_and_correctness():
    friendly, mixed = (
        ExplanationsTask(ExplanationsConfig(share), EquationsConfig(habits=Habits.perfect()))
        for share in (1.0, 1 / 3)
    )
    shown = friendly.demonstrations(300, 1)
    scores = friendly.score([one.prompt for one in shown], [one.completion for one in shown])
    assert all(score.parts["correct"] == 1 for score in scores)
    assert sum(score.parts["reasons"] for score in scores) / 300 == pytest.approx(0.9, abs=0.03)
    other = mixed.demonstrations(300, 1)
    scores = mixed.score([one.prompt for one in other], [one.completion for one in other])
    assert sum(score.parts["reasons"] for score in scores) / 300 == pytest.approx(0.5, abs=0.06)
    with pytest.raises(InputError, match="friendliness"):
        ExplanationsConfig(1.5)


def test_exposition_teaches_both_without_posing_the_task(task):
    passages = task.exposition(100, 1)
    assert passages == task.exposition(100, 1)
    assert not any("explain: " in passage for passage in passages)
    assert any("so that" in passage for passage in passages)


def test_own_equations_are_read(task):
    prompt = task.read("explain: 6 - (4+y)/y = y")
    assert prompt.text == f"explain: {EXAMPLE}\n" == task.read(EXAMPLE).text
    with pytest.raises(InputError):
        task.read("a pelican")


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.text(max_size=400), st.text(alphabet="answer: 0123456789+=()\nycheckmultiply", max_size=300))
)
def test_no_text_breaks_the_reader(text):
    prompt = ExplanationsTask().read(EXAMPLE)
    found = read_clarity(prompt, text)
    for name in ("soundness", "reasons", "plain", "complete", "short", "friendliness"):
        assert 0 <= getattr(found, name) <= 1
    bare(text)
