"""Preferences as people publish them: pairs of every form, several ranked answers, labels."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.data.columns import find_columns
from practicum.data.config import DataConfig
from practicum.data.preferences import NoPreferenceError, label_of, ranking_of
from practicum.data.rows import Row
from practicum.errors import InputError
from practicum.preferences import formats
from practicum.preferences.store import Store
from practicum.types import Ranking


def read(values: dict[str, Any], **settings: Any) -> Ranking:
    row = Row("f.jsonl:7", values)
    return ranking_of(row, find_columns([row], DataConfig(Path("f.jsonl"), **settings)))


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


words = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
turns = st.lists(st.tuples(words, words), max_size=2)


@st.composite
def chats(draw: st.DrawFn) -> tuple[list[dict[str, str]], str, str]:
    """A prompt of any number of turns, and two different replies."""
    start = [said("system", draw(words))] if draw(st.booleans()) else []
    for question, answer in draw(turns):
        start += [said("user", question), said("assistant", answer)]
    chosen, rejected = draw(st.lists(words, min_size=2, max_size=2, unique=True))
    return [*start, said("user", draw(words))], chosen, rejected


@settings(max_examples=50, deadline=None)
@given(chat=chats())
def test_one_chat_is_read_alike_in_all_forms(chat: tuple[list[dict[str, str]], str, str]) -> None:
    prompt, chosen, rejected = chat
    replies = {"chosen": [said("assistant", chosen)], "rejected": [said("assistant", rejected)]}
    whole = {name: [*prompt, *reply] for name, reply in replies.items()}
    named = {"human": "user", "gpt": "assistant"}
    back = {role: name for name, role in named.items()}
    sharegpt = {
        name: [{"from": back.get(one["role"], one["role"]), "value": one["content"]} for one in chat]
        for name, chat in whole.items()
    }
    forms: list[dict[str, Any]] = [
        {"prompt": prompt, **replies},
        {"prompt": prompt, **whole},
        whole,
        {"prompt": prompt[-1]["content"], **whole},
        sharegpt,
        {"prompt": json.dumps(prompt), **{name: json.dumps(reply) for name, reply in replies.items()}},
        {"prompt": prompt, **{name: reply[0] for name, reply in replies.items()}},
        {"messages": prompt, "chosen": chosen, "rejected": rejected},
        {"conversations": prompt, **replies},
        {"messages": whole["chosen"], **replies},
    ]
    found = [read(form) for form in forms]
    for ranking in found:
        assert [one.text for one in ranking.responses] == [chosen, rejected]
        assert ranking.ranks == (1, 2)
        assert ranking.prompt == found[0].prompt
        kept = [dict(one) for one in ranking.prompt.messages]
        assert kept == ([] if len(prompt) == 1 else prompt)
    if prompt[0]["role"] == "system":
        system, bare = prompt[0]["content"], {name: chat[1:] for name, chat in whole.items()}
        for apart in (
            {"prompt": prompt[1:], **replies},
            {"prompt": prompt[-1]["content"], **bare},
            {"prompt": prompt[1:], **bare},
            {"messages": prompt[1:], "chosen": chosen, "rejected": rejected},
            bare,
        ):
            assert read({"system": system, **apart}).prompt == found[0].prompt


@settings(max_examples=50, deadline=None)
@given(chat=chats())
def test_implicit_prompts_are_those_of_trl(chat: tuple[list[dict[str, str]], str, str]) -> None:
    trl = pytest.importorskip("trl.data_utils", reason="trl is not installed")
    prompt, chosen, rejected = chat
    pair = {
        "chosen": [*prompt, said("assistant", chosen)],
        "rejected": [*prompt, said("assistant", rejected)],
    }
    theirs, ours = trl.extract_prompt(pair), read(pair)
    asked = [dict(one) for one in ours.prompt.messages] or [said("user", ours.prompt.text)]
    assert asked == theirs["prompt"]
    assert [[said("assistant", one.text)] for one in ours.responses] == [theirs["chosen"], theirs["rejected"]]


@settings(max_examples=100, deadline=None)
@given(start=st.text("ab c", max_size=8), first=st.text("ab ", max_size=6), second=st.text("cd ", max_size=6))
def test_implicit_prompts_of_texts_are_those_of_trl(start: str, first: str, second: str) -> None:
    trl = pytest.importorskip("trl.data_utils", reason="trl is not installed")
    # Within a word TRL's prompt ends there, ours before the word.
    chosen, rejected = f"x{start}:{first}e", f"x{start}:{second}f"
    theirs, ours = trl.extract_prompt({"chosen": chosen, "rejected": rejected}), None
    ours = read({"chosen": chosen, "rejected": rejected})
    assert ours.prompt.text == theirs["prompt"]
    assert [one.text for one in ours.responses] == [theirs["chosen"], theirs["rejected"]]


def test_hh_rlhf_is_read_as_chats() -> None:
    start = "\n\nHuman: What is 2+2?\n\nAssistant: 4\n\nHuman: Sure?\nReally?\n\nAssistant:"
    ranking = read({"chosen": f"{start} Yes.", "rejected": f"{start} Yes, maybe.\n\nOr no."})
    assert [dict(one) for one in ranking.prompt.messages] == [
        said("user", "What is 2+2?"),
        said("assistant", "4"),
        said("user", "Sure?\nReally?"),
    ]
    assert [one.text for one in ranking.responses] == ["Yes.", "Yes, maybe.\n\nOr no."]
    single = read({"chosen": "\n\nHuman: hi\n\nAssistant: a", "rejected": "\n\nHuman: hi\n\nAssistant: b"})
    assert (single.prompt.text, single.prompt.messages) == ("hi", ())


def test_prompts_of_hh_rlhf_in_a_column_of_their_own_are_chats() -> None:
    row = {"prompt": "\n\nHuman: hey\n\nAssistant: yes?\n\nHuman: q\n\nAssistant:"}
    asked = [said("user", "hey"), said("assistant", "yes?"), said("user", "q")]
    pair = read(row | {"chosen": " ok", "rejected": " no"})
    ranked = read(row | {"answers": [{"answer": "ok", "rank": 1.0}, {"answer": "no", "rank": 2.0}]})
    for ranking in (pair, ranked):
        assert [dict(one) for one in ranking.prompt.messages] == asked
        assert [one.text for one in ranking.responses] == ["ok", "no"]
    plain = read({"prompt": "Human: or machine?", "chosen": " a", "rejected": " b"})
    assert (plain.prompt.text, plain.responses[0].text) == ("Human: or machine?", " a")


CALL = {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}
OTHER = {"type": "function", "function": {"name": "g", "arguments": {}}}


@pytest.mark.parametrize(
    ("field", "first", "second"),
    [("tool_calls", [CALL], [OTHER]), ("reasoning_content", "well", "hm"), ("tool_calls", [CALL], None)],
)
def test_answers_that_only_a_template_can_write_are_compared_whole(
    tmp_path: Path, field: str, first: Any, second: Any
) -> None:
    replies = [{"role": "assistant", "content": "a", field: value} for value in (first, second)]
    whole = {"chosen": [said("user", "q"), replies[0]], "rejected": [said("user", "q"), replies[1]]}
    apart = {"prompt": "q", "chosen": replies[:1], "rejected": replies[1:]}
    for row in (whole, apart):
        path = tmp_path / "p.jsonl"
        path.write_text(json.dumps(row) + "\n")
        [ranking], _ = formats.load_rankings(DataConfig(path), messages=True)
        assert [one.message.get(field) for one in ranking.responses] == [first, second]
        with pytest.raises(InputError, match=rf"p\.jsonl:1: an answer with {field}, of which"):
            formats.load_rankings(DataConfig(path))
        with pytest.raises(InputError, match=rf"p\.jsonl:1: an answer with {field}, of which"):
            formats.read(path)
    label = Row("f.jsonl:7", {"prompt": "q", "completion": replies[:1], "label": 1.0})
    assert label_of(label, find_columns([label], DataConfig())).message == replies[0]


def test_chats_that_differ_before_their_last_turn_prefer_nothing() -> None:
    later = [said("user", "q2"), said("assistant", "c2")]
    for row in (
        {"prompt": "q", "chosen": [said("assistant", "c"), *later], "rejected": [said("assistant", "r")]},
        {"chosen": "\n\nHuman: q\n\nAssistant: c", "rejected": "\n\nHuman: q\n\nAssistant: r\n\nHuman: q2"},
    ):
        with pytest.raises(NoPreferenceError, match=r"f\.jsonl:7: \d messages follow the answers in which"):
            read(row)
    label = Row("f.jsonl:7", {"prompt": "q", "label": True, "completion": [said("assistant", "c"), *later]})
    with pytest.raises(InputError, match=r"f\.jsonl:7: completion: expected one message of assistant, got 3"):
        label_of(label, find_columns([label], DataConfig()))


def test_an_implicit_prompt_ends_with_a_word_and_stands_beside_no_other() -> None:
    ranking = read({"chosen": "2 + 1 = 3", "rejected": "2 + 1 = 35"})
    assert (ranking.prompt.text, [one.text for one in ranking.responses]) == ("2 + 1 =", [" 3", " 35"])
    with pytest.raises(InputError, match=r"f\.jsonl:7: .* 'history' looks like it: name it with --data"):
        read({"history": "q", "chosen": "<think>\na", "rejected": "<think>\nb"})
    row = Row("f.jsonl:7", {"story": "s", "chosen": "Q: who? A: me", "rejected": "Q: who? A: you"})
    ranking = ranking_of(row, find_columns([row], DataConfig(prompt=("none",))))
    assert ranking.prompt.text == "Q: who? A:", "none says that no column is the prompt"
    with pytest.raises(
        InputError, match=r"f\.jsonl:7: chosen: the chat holds another question than the prompt"
    ):
        read({"prompt": "q", **{name: [said("user", "p"), said("assistant", name)] for name in PAIR}})


PAIR = ("chosen", "rejected")


def test_a_system_message_before_an_answer_alone_instructs_and_asks_nothing() -> None:
    pair = {name: [said("system", "Be kind."), said("assistant", name)] for name in PAIR}
    ranking = read({"prompt": "q", **pair})
    assert ranking.prompt.messages == (said("system", "Be kind."), said("user", "q"))
    assert [one.text for one in ranking.responses] == list(PAIR)


def test_columns_beside_a_pair_that_mean_something_else_do_no_harm() -> None:
    pair = {"prompt": "p", "chosen": "a", "rejected": "b"}
    assert read(pair | {"responses": "raw", "data": "gsm", "rater": 5}).rater == "5"
    for ordered in ({"ranks": [1, 2]}, {"scores": [2, 1]}):
        for rater in (7, 7.0, "7"):
            assert read({"prompt": "q", "responses": ["a", "b"], "rater": rater} | ordered).rater == "7"


def test_ultrafeedback_binarized_is_read() -> None:
    user = said("user", "Why?")
    row = {
        "prompt": "Why?",
        "prompt_id": "0f3",
        "chosen": [user, said("assistant", "Because.")],
        "rejected": [user, said("assistant", "No.")],
        "messages": [user, said("assistant", "Because.")],
        "score_chosen": 8.5,
        "score_rejected": 6.0,
    }
    ranking = read(row)
    assert (ranking.prompt.text, [one.text for one in ranking.responses]) == ("Why?", ["Because.", "No."])
    with pytest.raises(NoPreferenceError, match=r"f\.jsonl:7: score_chosen 6.0 is the same as"):
        read(row | {"score_chosen": 6.0})


ANSWERS = ["best", "good", "bad"]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "p", "responses": ANSWERS, "ranks": [1, 2, 3]},
        {"prompt": "p", "answers": [{"answer": text, "rank": n} for n, text in enumerate(ANSWERS)]},
        {"prompt": "p", "responses": ANSWERS, "scores": [3.5, 2, -1]},
        {
            "instruction": "p",
            "completions": [
                {"response": text, "model": "m", "overall_score": score}
                for text, score in zip(ANSWERS, [9, 7.5, "3"], strict=True)
            ],
        },
        {"messages": [{"role": "user", "content": "p"}], "completions": ANSWERS, "scores": [3, 2, 1]},
        {
            "messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "said before"}],
            "responses": ANSWERS,
            "rating": [3, 2, 1],
        },
    ],
    ids=["ours", "nectar", "scores", "ultrafeedback", "beside a question", "beside a whole chat"],
)
def test_several_ranked_answers_are_read(row: dict[str, Any]) -> None:
    ranking = read(row)
    assert (ranking.prompt.text, ranking.ranks) == ("p", (1, 2, 3))
    assert [one.text for one in ranking.responses] == ANSWERS


@pytest.mark.parametrize("answers", [[], ["only"]])
def test_one_answer_alone_is_counted_as_no_preference(answers: list[str]) -> None:
    with pytest.raises(NoPreferenceError, match=f"expected at least two answers, got {len(answers)}"):
        read({"instruction": "p", "completions": [{"response": one} for one in answers]})


def test_one_answer_with_its_rank_is_no_preference_and_with_two_ranks_a_mistake() -> None:
    with pytest.raises(NoPreferenceError, match="expected at least two, got 1"):
        read({"prompt": "p", "responses": ["only"], "ranks": [1]})
    with pytest.raises(InputError, match="expected at least two, got 1") as caught:
        read({"prompt": "p", "responses": ["only"], "ranks": [1, 2]})
    assert not isinstance(caught.value, NoPreferenceError)


@pytest.mark.parametrize(
    ("label", "desirable"),
    [(True, True), (False, False), (1, True), ("false", False), (1.0, True), ("0.0", False)],
)
def test_labels_of_kto_are_read_and_are_no_comparison(label: Any, desirable: bool) -> None:
    plain = {"prompt": "p", "completion": "c", "label": label}
    asked, reply = said("user", "p"), said("assistant", "c")
    chat = plain | {"prompt": [asked], "completion": [reply]}
    whole = plain | {"completion": [asked, reply]}
    alone = {"completion": [asked, reply], "label": label}
    for values in (plain, chat, whole, alone, {"messages": [asked, reply], "label": label}):
        row = Row("f.jsonl:7", values)
        found = label_of(row, find_columns([row], DataConfig()))
        assert (found.prompt.text, found.completion, found.desirable) == ("p", "c", desirable)
    with pytest.raises(InputError, match=r"f\.jsonl:7: column 'label' labels single completions \(KTO\)"):
        read(plain)
    with pytest.raises(InputError, match=r"f\.jsonl:7: label: expected true or false, got 'maybe'"):
        label_of(Row("f.jsonl:7", plain | {"label": "maybe"}), find_columns([row], DataConfig()))
    instructed = Row("f.jsonl:7", {"completion": [said("system", "s"), reply], "label": label})
    with pytest.raises(InputError, match=r"f\.jsonl:7: a label needs a column of the prompt"):
        label_of(instructed, find_columns([instructed], DataConfig()))
    bare = Row("f.jsonl:7", {"prompt": "p", "text": "c", "label": label})
    with pytest.raises(InputError, match=r"f\.jsonl:7: a label needs a completion: name its column"):
        label_of(bare, find_columns([bare], DataConfig()))


def test_labels_are_found_whatever_the_first_row_lacks_and_empty_answers_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "k.jsonl"
    rows: list[dict[str, Any]] = [
        {"prompt": "p", "completion": "c"},
        {"prompt": "p", "completion": "", "label": 1},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert formats.holds_labels(DataConfig(path))
    path.write_text("".join(json.dumps(row | {"label": 0}) + "\n" for row in rows))
    assert len(formats.load_labels(DataConfig(path))[0]) == 2
    assert f"1 of 2 rows have an empty answer (the first is {path}:2)" in capsys.readouterr().err
    path.write_text(json.dumps({"prompt": "", "chosen": "a", "rejected": ""}) + "\n")
    with pytest.raises(InputError, match=r"k\.jsonl:1: prompt: the prompt is empty"):
        formats.load_rankings(DataConfig(path))


def test_tools_of_a_row_reach_the_template_beside_its_chat() -> None:
    tools = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    pair = {"prompt": "p", "chosen": "a", "rejected": "b"}
    in_chat = {
        "prompt": [said("user", "p")],
        "chosen": [said("assistant", "a")],
        "rejected": [said("assistant", "b")],
    }
    for values in (pair, in_chat):
        for given_as in (tools, json.dumps(tools)):
            prompt = read(values | {"tools": given_as}).prompt
            assert (prompt.text, prompt.data, list(prompt.messages)) == (
                "p",
                {"tools": tools},
                [said("user", "p")],
            )
        assert read(values | {"tools": None}).prompt == read(values).prompt
    row = Row("f.jsonl:7", {"prompt": "p", "completion": "c", "label": True, "tools": tools})
    assert label_of(row, find_columns([row], DataConfig())).prompt.data == {"tools": tools}
    with pytest.raises(InputError, match=r"f\.jsonl:7: tools: expected a list of tools, got 'add'"):
        read(pair | {"tools": "add"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rejected": None}, "field 'rejected' is missing"),
        ({"chosen": 5}, "chosen: expected a text or one message or several, got 5"),
        ({"chosen": [said("assistant", "a")]}, "must both be texts or both be messages"),
        ({"prompt": None}, "field 'prompt' is missing"),
        ({"prompt": [{"role": "user"}]}, r"prompt[0]: content: expected a text, got None"),
        ({"prompt": [said("judge", "x")]}, "prompt[0]: unknown role 'judge'"),
        (
            {"prompt": [said("user", "x"), "y"]},
            "prompt[1]: expected a message with role and content, got 'y'",
        ),
        ({"chosen": "\ud800"}, "chosen: character 1 is half of a surrogate pair"),
        ({"rejected": "a"}, "chosen and rejected are the same text"),
        ({"score_chosen": 1, "score_rejected": 2}, "score_chosen 1 is not above score_rejected 2"),
    ],
)
def test_a_bad_pair_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read({"prompt": "p", "chosen": "a", "rejected": "b"} | change)
    assert str(caught.value).startswith("f.jsonl:7: ")
    assert message in str(caught.value)


def test_columns_of_other_names_are_found_or_named() -> None:
    row = {"q": "p", "yes": "a", "no": "b"}
    ranking = read(row, prompt=("q",), chosen="yes", rejected="no")
    assert (ranking.prompt.text, ranking.responses[0].text) == ("p", "a")
    with pytest.raises(InputError, match=r"data.chosen: f\.jsonl has no column 'ja'; it has q, yes, no"):
        read(row, prompt=("q",), chosen="ja", rejected="no")


ROLES = ["prompt", "chosen", "rejected", "system"]


@settings(max_examples=60, deadline=None)
@given(chat=chats(), inside=st.sets(st.sampled_from(ROLES)), depth=st.integers(1, 3), texts=st.booleans())
def test_a_name_with_dots_reads_what_a_plain_name_reads(
    chat: tuple[list[dict[str, str]], str, str], inside: set[str], depth: int, texts: bool
) -> None:
    prompt, chosen, rejected = chat
    flat: dict[str, Any] = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    if not texts:
        flat |= {"chosen": [said("assistant", chosen)], "rejected": [said("assistant", rejected)]}
    flat["system"] = "Be brief."
    values, names = dict(flat), {}
    for role in inside:
        held: Any = {role: values.pop(role)}
        for _ in range(depth - 1):
            held = {"in": held}
        values[f"about_{role}"] = held
        name = ".".join([f"about_{role}", *["in"] * (depth - 1), role])
        names[role] = (name,) if role == "prompt" else name
    assert read(values, **names) == read(flat)


@given(chosen=st.text("ab \n", max_size=5), rejected=st.text("ab \n", max_size=5))
def test_a_pair_is_never_read_with_an_empty_prompt(chosen: str, rejected: str) -> None:
    row = {"chosen": chosen, "rejected": rejected}
    both = zip(chosen, rejected, strict=False)
    shared = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], both))
    if chosen != rejected and any(
        text[len(shared) : len(shared) + 1].isalnum() for text in (chosen, rejected)
    ):
        shared = shared.rstrip("ab")
    if not shared.strip():
        with pytest.raises(InputError, match=r"^f\.jsonl:7: .* name it with --data\.prompt"):
            read(row)
    elif chosen == rejected:
        with pytest.raises(NoPreferenceError, match=r"^f\.jsonl:7: "):
            read(row)
    else:
        ranking = read(row)
        assert ranking.prompt.text.strip()
        assert [ranking.prompt.text + one.text for one in ranking.responses] == [chosen, rejected]


def test_rows_that_prefer_nothing_are_counted_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.jsonl"
    good, tied = (
        {"prompt": "p", "chosen": "a", "rejected": "b"},
        {"prompt": "p", "chosen": "a", "rejected": "a"},
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in (good, tied, tied)))
    assert list(map(len, formats.load_rankings(DataConfig(path)))) == [1, 0]
    assert f"2 of 3 rows prefer nothing (the first: {path}:2: " in capsys.readouterr().err
    path.write_text(json.dumps(tied) + "\n")
    with pytest.raises(InputError, match=r"1 of 1 rows prefer nothing .*: no ranking is left"):
        formats.load_rankings(DataConfig(path))


@settings(max_examples=30, deadline=None)
@given(chat=chats())
def test_chats_survive_our_own_format(
    chat: tuple[list[dict[str, str]], str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    prompt, chosen, rejected = chat
    ranking = read({"prompt": prompt, "chosen": chosen, "rejected": rejected})
    folder = tmp_path_factory.mktemp("own")
    for name in ("r.jsonl", "r.parquet"):
        formats.write(folder / name, [ranking])
        assert formats.read(folder / name) == [ranking]


def test_chats_survive_a_store(tmp_path: Path) -> None:
    pair = {"chosen": [said("system", "s"), said("user", "q"), said("assistant", "a")]}
    pair["rejected"] = [*pair["chosen"][:2], said("assistant", "b")]
    ranking = read(pair)
    with Store.open(str(tmp_path / "a.sqlite")) as store:
        store.create_project("p")
        store.import_rankings("p", [ranking])
        [kept] = store.rankings("p")
    assert kept.prompt == ranking.prompt
    assert len(kept.prompt.messages) == 2
