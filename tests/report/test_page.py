"""The page about a run: whole, safe, honest about what it does not know, and clear about bad files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from practicum.cli import main
from practicum.errors import InputError
from practicum.report.page import write
from practicum.report.words import METRICS

VOID = {"meta", "br", "img", "link", "hr", "input", "col", "path", "use", "rect"}
Copy = Callable[[str], Path]


class Page(HTMLParser):
    """The page's elements, ids and text; fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if attributes.get("id"):
            self.ids.append(str(attributes["id"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open, f"</{tag}> closes nothing"
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


def page_of(path: Path, *others: Path) -> Page:
    return Page(write(path, others).read_text(encoding="utf-8"))


def edit_json(path: Path, change: Callable[[Any], object]) -> None:
    """Change the JSON of a file in place."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def rewrite_metrics(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = run / "rl" / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        change(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def with_seed(run: Path, seed: int) -> Path:
    """Present a copied demo as one of another seed, with practice a little better at every step."""
    for config in (run / "config.toml", *run.glob("*/config.toml")):
        config.write_text(re.sub(r"(?m)^seed = 0$", f"seed = {seed}", config.read_text()))
    rewrite_metrics(run, lambda row: row.update({"outcome/correct": 0.1 * seed + 0.01 * row["step"]}))
    return run


def test_the_demo_writes_a_page_with_every_section(demo_run: Path) -> None:
    page = Page((demo_run / "report.html").read_text(encoding="utf-8"))
    sections = "stages curves behaviours slices solutions texts seed-equation health cost repeat glossary"
    assert set(sections.split()) <= set(page.ids)
    summary = json.loads((demo_run / "summary.json").read_text())
    for stage in summary["stages"]:
        low, high = (f"{100 * bound:.1f}" for bound in stage["ci95"])
        assert f"{100 * stage['accuracy']:.1f}%" in page.text
        assert f"{low}–{high}%" in page.text
    assert "discriminant is" in page.text
    assert "3 − 6/3 = 1" in page.text
    assert re.search(r"taught|sharpened|narrowed|Neither can be told", page.text)


def test_the_page_stands_alone(demo_run: Path) -> None:
    page = page_of(demo_run)
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", page.source)
    assert {"script", "link", "iframe", "object", "img"}.isdisjoint(tag for tag, _ in page.elements)
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("href", "xlink:href", "src"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)


def test_links_and_references_lead_to_one_place_each(demo_run: Path) -> None:
    page = page_of(demo_run)
    assert len(page.ids) == len(set(page.ids))
    targets = {attributes["href"] for _, attributes in page.elements if attributes.get("href")}
    targets |= set(re.findall(r"url\((#[^)]+)\)", page.source))
    assert {str(target)[1:] for target in targets} <= set(page.ids)


def test_pictures_have_words_and_tables_have_headers(demo_run: Path) -> None:
    page = page_of(demo_run)
    pictures = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(pictures) > 10
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in pictures)
    tables = page.source.split("<table")[1:]
    assert all('<th scope="col"' in table and '<th scope="row"' in table for table in tables)


def test_every_metric_shown_is_explained(demo_run: Path) -> None:
    page = page_of(demo_run)
    shown = {str(attributes["title"]) for tag, attributes in page.elements if tag == "abbr"}
    assert all(len(title) > 15 for title in shown)
    rows = [json.loads(line) for line in (demo_run / "rl" / "metrics.jsonl").read_text().splitlines()]
    behaviours = {key for row in rows for key in row if key.startswith(("behaviour/", "outcome/"))}
    assert behaviours <= METRICS.keys()
    for key in behaviours:
        assert METRICS[key].text in page.text


def test_what_a_model_wrote_cannot_become_markup(copy_of_demo: Copy) -> None:
    run = copy_of_demo("hostile")
    evil = "<script>alert(1)</script>"

    def poison(examination: Any) -> None:
        for example in examination["whole"]["examples"]:
            example.update(prompt=f"solve: {evil}", completion=f"</pre>{evil}", reason=f'"{evil}')
        examination["whole"]["slices"][f"family={evil}"] = {"accuracy": 0.5, "n": 2, "ci95": [0.1, 0.9]}
        examination["whole"]["behaviours"][f'"><b>{evil}'] = {"share": 0.5, "ci95": [0.1, 0.9]}

    for stage in ("pretrain", "sft", "rl"):
        edit_json(run / stage / "examination.json", poison)
    row = {"step": 1, "prompt": evil, "completion": evil, "reward": 1.0, "outcome": evil, "reason": evil}
    (run / "rl" / "samples.jsonl").write_text(json.dumps(row) + "\n")
    rewrite_metrics(run, lambda row: row.update({f"behaviour/{evil}": 0.5, f"outcome/{evil}": 0.25}))
    edit_json(run / "summary.json", lambda summary: summary["seed_equation"].update(reason=evil))
    page = page_of(run)
    assert "<script" not in page.source
    assert "</pre>&lt;script&gt;" not in page.source
    assert page.text.count(evil) >= 5


def test_a_stage_alone_has_its_curves_settings_and_samples(demo_run: Path, copy_of_demo: Copy) -> None:
    run = copy_of_demo("stages")
    for stage, curve in (
        ("pretrain", "Exposition: loss"),
        ("sft", "Worked problems: loss"),
        ("rl", "Practice: reward"),
    ):
        page = page_of(run / stage)
        assert curve in page.text
        assert "loop" in page.text
        assert "stages" not in page.ids
    assert "solve: " in page_of(run / "sft").text


def test_every_part_of_the_reward_has_a_curve(copy_of_demo: Copy) -> None:
    run = copy_of_demo("parts")
    rewrite_metrics(run, lambda row: row.update({"reward/clear": 0.5, "reward/failed/clear": 0.25}))
    page = page_of(run)
    assert "Clear" in page.text
    assert "before its weight" in page.text
    assert "Failures of clear" in page.text
    assert "failed on" in page.text


def test_an_unfinished_stage_says_so(copy_of_demo: Copy) -> None:
    stage = copy_of_demo("unfinished") / "rl"
    (stage / "summary.json").unlink()
    assert "has not finished" in page_of(stage).text


def test_seeds_are_drawn_as_a_band_and_counted(demo_run: Path, copy_of_demo: Copy) -> None:
    others = [with_seed(copy_of_demo(f"seed{seed}"), seed) for seed in (1, 2)]
    page = page_of(demo_run, *others)
    assert "mean of 3 seeds; band: from the lowest to the highest seed" in page.text
    assert re.search(r"rose in \d of 3 examined seeds", page.text)
    assert re.search(r"true reward 3 [+−]", page.text)


def test_a_control_stands_beside_the_true_reward(demo_run: Path, control_run: Path) -> None:
    rows = [json.loads(line) for line in (control_run / "metrics.jsonl").read_text().splitlines()]
    page = page_of(demo_run, control_run)
    assert "random reward (control)" in page.text
    assert f"{100 * rows[0].get('outcome/correct', 0):.1f}%" in page.text
    assert "stroke-dasharray" in page.source
    alone = page_of(control_run, demo_run)
    assert "This is a control" in alone.text


def test_gain_over_control_is_the_difference_of_the_gains(copy_of_demo: Copy) -> None:
    true, control = copy_of_demo("true"), copy_of_demo("control")
    for config in control.glob("*/config.toml"):
        config.write_text(config.read_text().replace('control = "none"', 'control = "format"'))
    (control / "config.toml").write_text(
        (control / "config.toml").read_text().replace('control = "none"', 'control = "format"')
    )
    rewrite_metrics(true, lambda row: row.update({"outcome/correct": 0.10 * row["step"]}))
    rewrite_metrics(control, lambda row: row.update({"outcome/correct": 0.02 * row["step"]}))
    text = page_of(true, control).text
    assert "true reward 1 +50.0" in text
    assert "format reward (control) 1 +10.0 +10.0 to +10.0 +40.0" in text


def test_runs_of_different_recipes_are_not_mixed(demo_run: Path, copy_of_demo: Copy) -> None:
    other = with_seed(copy_of_demo("other"), 1)
    config = other / "rl" / "config.toml"
    config.write_text(re.sub(r"(?m)^group_size = .*$", "group_size = 9", config.read_text()))
    with pytest.raises(InputError, match=r"other/rl/config\.toml: group_size = 9, but 2"):
        write(demo_run, [other])


def test_one_seed_given_twice_is_not_a_spread(demo_run: Path, copy_of_demo: Copy) -> None:
    with pytest.raises(InputError, match="same seed 0"):
        write(demo_run, [copy_of_demo("twin")])


def test_absent_keys_leave_a_section_out_with_a_sentence(copy_of_demo: Copy) -> None:
    run = copy_of_demo("sparse")
    for stage in ("pretrain", "sft", "rl"):
        edit_json(
            run / stage / "examination.json",
            lambda found: (
                [found["whole"].pop(key) for key in ("sampled", "slices", "examples", "behaviours")]
                + [found.pop("family")]
            ),
        )
    edit_json(run / "summary.json", lambda summary: summary.pop("seed_equation"))

    def drop(row: dict[str, Any]) -> None:
        for key in [key for key in row if key != "step"]:
            del row[key]

    rewrite_metrics(run, drop)
    edit_json(run / "summary.json", lambda summary: [stage.pop("pass_at_k") for stage in summary["stages"]])
    (run / "rl" / "samples.jsonl").write_text("")
    text = page_of(run).text
    for sentence in (
        "holds no pass@k",
        "not divided into kinds of problems",
        "keep no examples",
        "kept no samples",
        "no verdict on the opening equation",
        "none of the health metrics",
    ):
        assert sentence in text


def test_null_and_odd_values_are_shown_as_missing(copy_of_demo: Copy) -> None:
    run = copy_of_demo("odd")
    edit_json(
        run / "summary.json", lambda summary: summary["stages"].append({"name": "rlhf", "accuracy": None})
    )
    rewrite_metrics(run, lambda row: row.update(entropy=None, reward="high", truncated=[1]))
    text = page_of(run).text
    assert "Human feedback –" in text
    assert "nan" not in text.lower().split()


FILES = ("summary.json", "environment.json", "rl/metrics.jsonl", "rl/examination.json", "sft/samples.jsonl")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *((name, content) for name in FILES for content in (None, "{broken", "[1, 2]")),
        ("config.toml", None),
        ("rl/config.toml", "{broken"),
        ("rl/metrics.jsonl", '{"loss": 1.0}'),
        ("summary.json", '{"stages": [1]}'),
    ],
)
def test_a_missing_or_damaged_file_is_named(name: str, content: str | None, copy_of_demo: Copy) -> None:
    run = copy_of_demo("damaged")
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_text(content)
    with pytest.raises(InputError, match=re.escape(str(run / name))) as caught:
        write(run)
    assert "\n" not in str(caught.value)


def test_a_damaged_line_is_named(copy_of_demo: Copy) -> None:
    run = copy_of_demo("line")
    path = run / "pretrain" / "metrics.jsonl"
    path.write_text(path.read_text() + '{"step": 5, "lo')
    with pytest.raises(InputError, match=r"metrics\.jsonl:5: "):
        write(run)


def test_the_command_takes_several_runs(copy_of_demo: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    run, other = copy_of_demo("here"), with_seed(copy_of_demo("there"), 3)
    assert main(["report", str(run), str(other)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    assert main(["report", "--help"]) == 0
    assert "RUN [RUN ...]" in capsys.readouterr().out
    assert main(["report", str(run), "--json"]) == 2
    assert main(["report", str(run / "absent")]) == 2
    assert "no such run folder" in capsys.readouterr().err


def test_the_page_is_the_same_every_time(copy_of_demo: Copy) -> None:
    run = copy_of_demo("again")
    assert write(run).read_text() == write(run).read_text()


def test_reading_a_report_loads_neither_torch_nor_pictures_before_they_are_needed() -> None:
    program = (
        "import sys, practicum.report.page; "
        "print([name for name in ('torch', 'matplotlib', 'scipy') if name in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"
