"""The dashboard in a real browser: tables, curves, samples, keys, on a phone, in the dark, under attack."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.report.dashboard.made import (
    DECISION,
    Served,
    metrics_row,
    sample_row,
    serving,
    write_run,
    write_runs,
)

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
AXE = Path(__file__).parents[2] / "preferences" / "app" / "vendor" / "axe.min.js"
expect.set_options(timeout=60_000)
DESK: dict[str, Any] = {"viewport": {"width": 1100, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(write_runs(tmp_path / "runs")) as found:
        yield found


class Reader:
    """A person in front of a browser; complains of script errors and of whatever the policy blocked."""

    def __init__(self, browser: Any, served: Served, **settings: Any) -> None:
        self.url, self.complaints = served.url, list[str]()
        self.context = browser.new_context(**(DESK | settings))
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)

    def _hear(self, said: Any) -> None:
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            self.complaints.append(said.text)

    def go(self, path: str, **query: Any) -> Any:
        self.page.goto(self.url + path + ("?" + urlencode(query, doseq=True) if query else ""))
        return self.page

    def names(self) -> list[str]:
        found: list[str] = self.page.eval_on_selector_all(
            ".runs tbody th a", "all => all.map(a => a.textContent)"
        )
        return found

    def close(self) -> None:
        assert self.complaints == []
        self.context.close()


@pytest.fixture
def reader(browser: Any, served: Served) -> Iterator[Reader]:
    found = Reader(browser, served)
    yield found
    found.close()


def drawn(page: Any, count: int) -> None:
    """Wait until so many charts are drawn."""
    page.locator(".plot").nth(count - 1).scroll_into_view_if_needed()
    page.locator(".plot canvas").nth(count - 1).wait_for()


def test_the_table_is_filtered_as_one_types_and_keeps_itself_fresh(reader: Reader, served: Served) -> None:
    page = reader.go("/")
    assert len(reader.names()) == 7
    page.keyboard.press("/")
    page.keyboard.type("seed-1")
    expect(page.locator(".runs tbody tr")).to_have_count(1)
    assert reader.names() == ["practice/seed-1"]
    page.locator("#find").fill("")
    page.get_by_label("Status").select_option("broken")
    expect(page.locator(".runs tbody tr")).to_have_count(2)
    assert page.get_by_text("metrics.jsonl: its last line is cut").is_visible()
    page.get_by_label("Status").select_option("")
    expect(page.locator(".runs tbody tr")).to_have_count(7)
    box = page.get_by_label("Compare practice/seed-2")
    box.check()
    assert served.url + "/" == page.url
    write_run(served.site.library.root / "new", steps=3)
    # What a timer does while the page is seen.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_role("link", name="new", exact=True).wait_for()
    expect(box).to_be_checked()
    expect(box).to_be_focused()
    link = page.get_by_role("link", name="practice/seed-2")
    link.focus()
    write_run(served.site.library.root / "newer", steps=3)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_role("link", name="newer", exact=True).wait_for()
    expect(link).to_be_focused()
    assert page.get_by_text("1 chosen.").is_visible()


def test_what_was_filtered_and_chosen_is_there_again_on_the_way_back(reader: Reader) -> None:
    page = reader.go("/")
    page.get_by_label("Compare practice/seed-2").check()
    for words in ("newest", "seed-1"):
        page.locator("#find").fill(words)
        page.wait_for_url(f"**/?q={words}")
    page.get_by_label("Compare practice/seed-1").check()
    page.get_by_role("link", name="practice/seed-1").click()
    page.get_by_role("heading", name="practice/seed-1").wait_for()
    page.go_back()
    page.get_by_text("2 chosen.").wait_for()
    assert (page.locator("#find").input_value(), reader.names()) == ("seed-1", ["practice/seed-1"])
    assert page.get_by_label("Compare practice/seed-1").is_checked()
    page.get_by_role("button", name="Choose none").click()
    page.get_by_text("Choose two or more.").wait_for()
    assert not page.get_by_label("Compare practice/seed-1").is_checked()


def test_chosen_runs_are_compared_over_filters(reader: Reader) -> None:
    page = reader.go("/")
    for name in ("0", "1"):
        page.locator("#find").fill(f"seed-{name}")
        expect(page.locator(".runs tbody tr")).to_have_count(1)
        page.get_by_label(f"Compare practice/seed-{name}").check()
    page.get_by_role("button", name="Compare the chosen runs").click()
    page.get_by_role("heading", name="Compare 2 runs").wait_for()
    drawn(page, 2)
    label = page.locator(".plot").first.get_attribute("aria-label")
    assert "practice/seed-0" in label
    assert "practice/seed-1" in label
    page.get_by_label("Seeds together").check()
    page.get_by_label("Metric").select_option("reward")
    page.get_by_role("button", name="Draw").click()
    page.wait_for_url("**together=yes**")
    drawn(page, 1)
    assert "practice (2 seeds)" in page.locator(".plot").first.get_attribute("aria-label")
    assert page.get_by_text("seed", exact=True).is_visible(), "the setting that differs"


def test_curves_are_exact_and_grow_with_the_run(reader: Reader, served: Served) -> None:
    page = reader.go("/run", run="practice/seed-0")
    drawn(page, 1)
    chart = page.locator(".chart").first
    last = json.loads(
        (served.site.library.root / "practice/seed-0/metrics.jsonl").read_text().splitlines()[-1]
    )
    chart.get_by_text("As numbers").click()
    # The chart's legend is a table as well, and stands there before the numbers do.
    rows = chart.locator(".numbers tbody tr")
    rows.first.wait_for()
    cells = rows.last.locator("td")
    assert cells.nth(0).text_content() == "40"
    assert float(cells.nth(1).text_content()) == pytest.approx(last["reward"], rel=6e-3)
    page.get_by_label("Smoothing").select_option("0.15")
    drawn(page, 1)
    assert page.locator(".chart .note").first.is_hidden()
    assert page.get_by_role("heading", name="Parts of the reward").is_visible()


def test_a_running_run_is_drawn_on(browser: Any, served: Served) -> None:
    run = served.site.library.root / "practice" / "seed-0"
    with open("/proc/sys/kernel/hostname", encoding="utf-8") as stream:
        host = stream.read().strip()
    # A process that is alive and will not end before the test.
    (run / ".lock").write_text(f"process 1 on {host} since now\n")
    begun = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text("")
    reader = Reader(browser, served)
    page = reader.go("/run", run="practice/seed-0")
    assert page.locator(".chart").count() == 0
    (run / "metrics.jsonl").write_text(begun)
    # What a timer does while the page is seen.
    seen = "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(seen)
    drawn(page, 1)
    with open(run / "metrics.jsonl", "a", encoding="utf-8") as stream:
        stream.write(json.dumps(metrics_row(41, random.Random(0)) | {"reward": 7.5}) + "\n")
    (run / "held.json").write_text(json.dumps(DECISION))
    page.evaluate(seen)
    expect(page.locator(".plot").first).to_have_attribute("aria-label", re.compile("7.5 at step 41"))
    expect(page.locator("#facts")).to_contain_text("step 41")
    expect(page.locator("#findings")).to_contain_text(str(DECISION["sentence"]))
    shutil.rmtree(run)
    page.evaluate(seen)
    page.get_by_text("moved or deleted").wait_for()
    reader.close()


def test_samples_are_found_coloured_and_compared(reader: Reader) -> None:
    page = reader.go("/samples", run="practice/seed-1")
    assert page.locator(".sample").count() == 20
    for key in "jjk":
        page.keyboard.press(key)
    assert page.locator(".sample.current").count() == 1
    assert "current" in page.locator(".sample").nth(0).get_attribute("class")
    page.keyboard.press("n")
    page.wait_for_url("**cursor=**")
    page.get_by_label("Step from").fill("3")
    page.get_by_label("Step to").fill("4")
    page.get_by_label("Colour tokens by").select_option("kl")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**step_from=3**")
    assert page.locator(".sample").count() == 4
    assert page.locator(".completion .token.u4").count() == 4
    assert page.locator(".completion .token").first.get_attribute("title") == "KL to the reference +0.1"
    page.get_by_role("link", name="Answers to this prompt").first.click()
    page.wait_for_url("**prompt=**")
    assert page.locator(".sample").count() == 20
    assert page.locator(".prompt", has_text="x+1=7").count() == 20
    page.get_by_role("link", name="Put aside to compare").first.click()
    page.get_by_role("link", name="Compare with it").nth(4).click()
    page.get_by_text("Both answer the same prompt.").wait_for()
    assert page.locator(".completion").count() == 2


def test_what_models_wrote_is_only_text(reader: Reader, served: Served) -> None:
    evil = next(state.name for state in served.site.library.look().states if "script" in state.name)
    for path, query in (
        ("/", {}), ("/findings", {}), ("/run", {"run": evil}), ("/samples", {"run": evil}),
        ("/compare", {"run": [evil, "alarmed"]}), ("/delete", {"run": evil}),
    ):  # fmt: skip
        page = reader.go(path, **query)
        if path in ("/run", "/compare"):
            drawn(page, 1)
            page.locator("details.group").evaluate_all("all => all.forEach(one => { one.open = true })")
            page.locator(".chart").last.scroll_into_view_if_needed()
            page.locator(".chart canvas").last.wait_for()
        assert page.title() != "owned"
        assert page.locator("img").count() == 0


def test_tags_and_deletion(reader: Reader, served: Served) -> None:
    page = reader.go("/run", run="practice/seed-2")
    page.get_by_label("Tags").fill("keep, baseline")
    page.get_by_role("button", name="Save tags").click()
    expect(page.get_by_label("Tags")).to_have_value("keep, baseline")
    page = reader.go("/", q="baseline")
    assert reader.names() == ["practice/seed-2"]
    page.get_by_role("link", name="practice/seed-2").click()
    page.get_by_role("link", name="Delete …").click()
    page.get_by_label("Type its name").fill("seed-1")
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("Nothing was deleted").wait_for()
    page.go_back()
    page.get_by_label("Type its name").fill("seed-2")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("heading", name="Runs").wait_for()
    assert "practice/seed-2" not in reader.names()
    assert not (served.site.library.root / "practice/seed-2").exists()


def violations(page: Any) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    return [f"{item['id']}: {node['html'][:200]}" for item in found["violations"] for node in item["nodes"]]


PAGES: dict[str, dict[str, Any]] = {
    "/": {},
    "/run": {"run": "alarmed"},
    "/samples": {"run": "alarmed", "colour": "logprob", "with_run": "alarmed", "with_at": "0"},
    "/compare": {"run": ["practice/seed-0", "practice/seed-1", "alarmed"]},
    "/diff": {"run": "alarmed", "at": "0", "with_run": "practice/seed-0", "with_at": "0"},
    "/findings": {},
    "/rankings": {},
    "/play": {},
    "/delete": {"run": "alarmed"},
    "/nowhere": {},
}


@pytest.mark.parametrize(("scheme", "device"), [("light", DESK), ("dark", PHONE)], ids=["desk", "phone"])
def test_every_page_is_for_everybody(
    browser: Any, served: Served, scheme: str, device: dict[str, Any]
) -> None:
    reader = Reader(browser, served, color_scheme=scheme, **device)
    for path, query in PAGES.items():
        page = reader.go(path, **query)
        if path in ("/run", "/compare"):
            drawn(page, 1)
            page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
        assert violations(page) == [], path
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= device["viewport"]["width"], (path, width)
    reader.close()


def test_without_scripts_all_but_curves_is_there(browser: Any, served: Served) -> None:
    reader = Reader(browser, served, java_script_enabled=False)
    page = reader.go("/", q="seed-1")
    assert page.get_by_role("link", name="practice/seed-1").is_visible()
    page.get_by_label("Compare practice/seed-1").check()
    page.get_by_role("button", name="Compare the chosen runs").click()
    assert page.get_by_role("heading", name="Compare 1 run").is_visible()
    assert (
        sample_row(1, 0, random.Random(0))["prompt"].strip() in reader.go("/samples", run="alarmed").content()
    )
    reader.close()
