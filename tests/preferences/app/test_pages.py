"""The pages in a real browser: ranking by drag, keys and buttons, on a phone, by ear, under attack."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from practicum.preferences.app.client import AppRater
from practicum.preferences.app.owner_pages import KEPT_AT_LEAST
from practicum.preferences.app.security import Keys
from practicum.types import Ranking
from tests.preferences.app.live import PASSWORD, PROJECT, Live, jokes, prompt, serving

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
DESK: dict[str, Any] = {"viewport": {"width": 1100, "height": 1400}}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def live(tmp_path: Path, keys: Keys) -> Iterator[Live]:
    with serving(tmp_path, [prompt(0, ["good", "fine", EVIL, ""]), *jokes(3, 4)[1:]], keys=keys) as found:
        yield found


class Person:
    """A rater in front of a browser; complains of script errors and of whatever the policy blocked."""

    def __init__(self, browser: Any, live: Live, rater: str = "Ada", **settings: Any) -> None:
        self.live, self.complaints = live, list[str]()
        self.context = browser.new_context(**(DESK | settings))
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)
        self.page.goto(live.link(rater))

    def _hear(self, said: Any) -> None:
        # A refused form is logged too, and is what some tests are about.
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            self.complaints.append(said.text)

    def card(self, letter: str) -> Any:
        return self.page.locator(f".response[data-letter={letter}]")

    def places(self) -> dict[str, str]:
        script = (
            "cards => Object.fromEntries(cards.map(c => [c.dataset.letter, c.querySelector('select').value]))"
        )
        found: dict[str, str] = self.page.eval_on_selector_all(".response", script)
        return dict(sorted(found.items()))

    def order(self) -> str:
        found: list[str] = self.page.eval_on_selector_all(
            "#placed .response", "c => c.map(e => e.dataset.letter)"
        )
        return "".join(found)

    def spoken(self) -> str:
        return str(self.page.inner_text("#spoken"))

    def save(self) -> None:
        self.page.get_by_role("button", name="Save and go on").click()

    def saved(self, text: str = "Saved.") -> None:
        self.page.wait_for_selector(f".said:text('{text}')")
        # The swap is over when the heading has the focus.
        self.page.wait_for_selector("[data-focus]:focus")

    def rankings(self) -> list[Ranking]:
        return self.live.store.rankings(PROJECT)


@pytest.fixture
def ada(browser: Any, live: Live) -> Iterator[Person]:
    person = Person(browser, live)
    yield person
    person.context.close()
    assert person.complaints == []


def test_ranking_by_number_keys_alone(ada: Person) -> None:
    for key in "3112":
        ada.page.keyboard.press(key)
    assert ada.places() == {"A": "3", "B": "1", "C": "1", "D": "2"}
    assert ada.order() == "BCDA"
    assert "All placed" in ada.spoken()
    assert ada.card("B").locator(".tied").is_visible()
    ada.page.keyboard.press("Enter")
    ada.saved()
    (ranking,) = ada.rankings()
    assert ranking.ranks == (3, 1, 1, 2)
    assert ranking.seconds is not None
    assert ranking.seconds < 60


def test_ranking_by_tab_and_select_and_the_number_keys_switched_off(ada: Person) -> None:
    ada.page.get_by_text("Keys and help").click()
    ada.page.get_by_label("number keys work everywhere").uncheck()
    ada.page.locator("h1").focus()
    ada.page.keyboard.press("1")
    assert set(ada.places().values()) == {""}
    ada.card("C").get_by_label("Place of response C").focus()
    ada.page.keyboard.press("1")
    assert ada.places()["C"] == "1"
    assert "Response C: place 1. 3 left to place." in ada.spoken()
    # The response moved up the page, the focus moved with it.
    assert ada.page.evaluate("document.activeElement.closest('.response').dataset.letter") == "C"
    ada.page.keyboard.press("0")
    assert ada.places()["C"] == ""
    ada.card("A").get_by_label("Place of response A").select_option("2")
    assert ada.order() == "A"


def test_ranking_by_buttons_with_ties_and_marks(ada: Person) -> None:
    for letter in "ABCD":
        ada.card(letter).get_by_role("button", name="Up").click()
    assert ada.order() == "ABCD"
    ada.card("D").get_by_role("button", name="Up").click()
    ada.card("A").get_by_role("button", name="Down").click()
    assert ada.order() == "BADC"
    ada.card("D").get_by_role("button", name="Tie").click()
    assert ada.places() == {"A": "2", "B": "1", "C": "3", "D": "2"}
    assert "tied with A" in ada.spoken()
    assert ada.card("D").get_by_role("button", name="Tie").get_attribute("aria-pressed") == "true"
    ada.card("D").get_by_role("button", name="Tie").click()
    assert len(set(ada.places().values())) == 4
    ada.card("C").get_by_label("nonsense").check()
    ada.card("C").get_by_label("unsafe").check()
    ada.save()
    ada.saved()
    (ranking,) = ada.rankings()
    assert ranking.flags == ((), (), ("nonsense", "unsafe"), ())


def drag(person: Person, letter: str, target: Any, at_top: bool = True) -> None:
    handle = person.card(letter).locator(".handle").bounding_box()
    box = target.bounding_box()
    mouse = person.page.mouse
    mouse.move(handle["x"] + 10, handle["y"] + 20)
    mouse.down()
    mouse.move(handle["x"] + 12, handle["y"] + 12, steps=3)
    mouse.move(box["x"] + 30, box["y"] + (6 if at_top else box["height"] - 6), steps=12)
    person.page.wait_for_timeout(200)
    mouse.up()
    person.page.wait_for_timeout(250)


def test_ranking_by_dragging(ada: Person) -> None:
    drag(ada, "B", ada.page.locator("#empty"))
    assert ada.order() == "B"
    drag(ada, "D", ada.card("B"))
    assert ada.order() == "DB"
    drag(ada, "A", ada.card("B"), at_top=False)
    assert ada.order() == "DBA"
    ada.page.keyboard.press("4")
    drag(ada, "B", ada.card("D"))
    assert ada.order() == "BDAC"
    ada.save()
    ada.saved()
    assert [ranking.ranks for ranking in ada.rankings()] == [(3, 1, 4, 2)]


def test_what_is_missing_is_said_and_nothing_is_sent(ada: Person) -> None:
    ada.page.keyboard.press("1")
    ada.save()
    assert "B, C, D are missing" in ada.page.get_by_role("alert").inner_text()
    assert ada.page.evaluate("document.activeElement.name") == "place-1"
    assert ada.rankings() == []


def test_undo_brings_the_last_one_back_as_it_was(ada: Person) -> None:
    for key in "2143":
        ada.page.keyboard.press(key)
    ada.card("A").get_by_label("unsafe").check()
    ada.save()
    ada.saved()
    ada.page.get_by_role("button", name="Undo the last one").click()
    ada.saved("Taken back")
    assert list(ada.places().values()) == ["2", "1", "4", "3"]
    assert ada.card("A").get_by_label("unsafe").is_checked()
    assert ada.rankings() == []
    ada.card("A").get_by_label("Place of response A").select_option("1")
    ada.save()
    ada.saved()
    assert [ranking.ranks for ranking in ada.rankings()] == [(1, 1, 3, 2)]


def test_skip_with_a_reason_and_to_the_end(ada: Person) -> None:
    ada.page.get_by_text("Skip this prompt").click()
    ada.page.get_by_role("button", name="Skip", exact=True).click()
    ada.page.wait_for_selector("text=Choose a reason, then skip.")
    ada.page.get_by_text("Skip this prompt").click()
    ada.page.get_by_label("Or in your own words").fill("too long")
    ada.page.keyboard.press("Enter")
    ada.saved("Skipped.")
    assert [reason for _, _, reason in ada.live.store.skips(PROJECT)] == ["too long"]
    for _ in range(2):
        for key in "1234":
            ada.page.keyboard.press(key)
        ada.save()
        ada.saved()
    assert "Nothing left for you now" in ada.page.inner_text("h1")
    assert "earned $0.80" in ada.page.inner_text("main")


def test_what_a_model_wrote_runs_nothing(ada: Person) -> None:
    assert EVIL in ada.page.inner_text("#open")
    assert ada.page.title() == "Rank the responses: pelicans"
    assert ada.page.locator("#open img, #open script").count() == 0


def test_a_lost_connection_loses_no_work(ada: Person) -> None:
    for key in "1234":
        ada.page.keyboard.press(key)
    ada.context.set_offline(True)
    ada.save()
    ada.page.wait_for_selector("text=the server cannot be reached")
    ada.context.set_offline(False)
    assert list(ada.places().values()) == ["1", "2", "3", "4"]
    ada.save()
    ada.saved()
    assert len(ada.rankings()) == 1
    # htmx logs the request that failed.
    ada.complaints.clear()


def test_a_reload_or_a_step_back_loses_no_work_and_the_next_prompt_begins_empty(ada: Person) -> None:
    for key in "21":
        ada.page.keyboard.press(key)
    ada.card("C").get_by_text("unsafe").click()
    for come_back in (ada.page.reload, lambda: (ada.page.goto(ada.live.url), ada.page.go_back())):
        come_back()
        assert ada.places() == {"A": "2", "B": "1", "C": "", "D": ""}
        assert ada.order() == "BA"
        assert ada.card("C").get_by_label("unsafe").is_checked()
    for key in "34":
        ada.page.keyboard.press(key)
    ada.save()
    ada.saved()
    assert set(ada.places().values()) == {""}
    assert ada.page.locator(".flags :checked").count() == 0
    (ranking,) = ada.rankings()
    assert ranking.ranks == (2, 1, 3, 4)


def answering(status: int, body: str) -> Callable[[Any], None]:
    """What a server in front answers in place of the app."""
    return lambda route: route.fulfill(status=status, body=body, content_type="text/html")


def test_an_answer_that_is_no_page_of_ours_loses_no_work(ada: Person) -> None:
    for key in "1234":
        ada.page.keyboard.press(key)
    ours = '<main id="work"><h1>Not saved</h1><p class="lead">{}</p></main>'
    for status, body, told in (
        (502, "<html><body><h1>Bad Gateway</h1></body></html>", "answered with error 502"),
        (500, "Internal Server Error", "answered with error 500"),
        (200, "<p>Log in to the network to go on.</p>", "answered with error 200"),
        (503, ours.format("The disk is full."), "The disk is full."),
        (429, ours.format("Too many requests."), "Too many requests."),
    ):
        ada.page.route("**/rate/*", answering(status, body))
        ada.save()
        ada.page.wait_for_selector(f".problem:text('{told}')")
        assert "Your order is still here" in ada.page.inner_text(".problem")
        assert list(ada.places().values()) == ["1", "2", "3", "4"]
        ada.page.unroute("**/rate/*")
    ada.save()
    ada.saved()
    assert ada.page.locator(".problem").count() == 0
    assert len(ada.rankings()) == 1
    # htmx logs the requests that failed.
    ada.complaints.clear()


def test_a_phone_with_large_letters_needs_no_sideways_scrolling(browser: Any, live: Live) -> None:
    person = Person(browser, live, rater="A very long name of somebody " * 2, **PHONE)
    page = person.page
    page.evaluate("document.documentElement.style.font = document.body.style.font = '26px sans-serif'")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    box = page.get_by_role("button", name="Save and go on").bounding_box()
    assert box["y"] + box["height"] <= 740
    person.context.close()


def test_a_phone_needs_no_sideways_scrolling_and_has_room_for_thumbs(browser: Any, live: Live) -> None:
    person = Person(browser, live, **PHONE)
    assert person.page.evaluate("document.documentElement.scrollWidth") <= 360
    for letter in "DCBA":
        person.card(letter).get_by_role("button", name="Up").tap()
    small = person.page.eval_on_selector_all(
        "button, select, .chip",
        "all => all.filter(e => e.offsetParent && Math.min(e.offsetHeight, e.offsetWidth) < 38)"
        ".map(e => e.outerHTML)",
    )
    assert small == []
    person.page.get_by_role("button", name="Save and go on").tap()
    person.saved()
    assert [ranking.ranks for ranking in person.rankings()] == [(4, 3, 2, 1)]
    person.context.close()


def later(page: Any, selector: str) -> None:
    """Let time pass until the owner's page has something: it is renewed every 15 seconds."""
    for _ in range(50):
        page.clock.fast_forward(16_000)
        time.sleep(0.2)
        if page.locator(selector).count():
            return
    raise AssertionError(f"{selector} did not come")


def test_the_owners_page_fits_a_phone_and_renews_itself_or_says_why_not(browser: Any, live: Live) -> None:
    person = Person(browser, live, **PHONE)
    page = person.page
    page.goto(f"{live.url}/owner")
    page.get_by_label("Password").fill(PASSWORD)
    page.clock.install()
    page.get_by_role("button", name="Log in").tap()
    page.wait_for_selector("#figures")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    with AppRater(live.link("Ben")) as ben:
        task = ben.lease()
        assert task is not None
        ben.submit(task, [1, 2, 3, 4])
    for _ in range(20):
        time.sleep(KEPT_AT_LEAST / 2)
        page.clock.fast_forward(16_000)
        if page.locator(".value:text('$0.40')").count():
            break
    assert page.locator(".value:text('$0.40')").is_visible()
    page.route("**/owner", answering(502, "<h1>Bad Gateway</h1>"))
    later(page, ".problem:text('These figures are old')")
    page.unroute("**/owner")
    later(page, "main:not(:has(.problem))")
    person.context.clear_cookies()
    later(page, ".problem:text('you are logged out')")
    assert page.locator(".value:text('$0.40')").is_visible()
    person.context.close()


# ------------------------------------------------------------------ what is on the screen, and what stays put

SMALL: dict[str, Any] = {"viewport": {"width": 1100, "height": 700}}
TALL: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def essay(number: int, lines: int) -> str:
    return "\n".join(f"answer {number}, line {line}" for line in range(lines))


def seen(page: Any, letter: str) -> bool:
    """Whether all of a card is on the screen above the bar, or it fills most of the screen."""
    script = """card => {
        const box = card.getBoundingClientRect();
        const end = Math.min(innerHeight, document.querySelector('.actions').getBoundingClientRect().top);
        const shown = Math.min(box.bottom, end) - Math.max(box.top, 0);
        return shown >= Math.min(box.height - 1, end / 2);
    }"""
    return bool(page.eval_on_selector(f".response[data-letter={letter}]", script))


def outlined(page: Any) -> str | None:
    found: list[str] = page.eval_on_selector_all(".response.current", "c => c.map(e => e.dataset.letter)")
    return found[0] if found else None


@pytest.mark.parametrize("lines", [(40, 3, 150, 3, 60), (150, 150, 150, 150, 150), (12, 12, 12, 12, 12)])
def test_keys_place_only_what_is_on_the_screen(
    browser: Any, tmp_path: Path, keys: Keys, lines: tuple[int, ...]
) -> None:
    answers = [essay(number, count) for number, count in enumerate(lines)]
    with serving(tmp_path, [prompt(0, answers)], keys=keys) as live:
        person = Person(browser, live, **SMALL)
        page, placed = person.page, 0
        for number in range(30):
            page.evaluate(f"scrollTo(0, {[0, 99_999, 700, 1_500][number % 4]})" if number % 2 else "0")
            current = outlined(page)
            if current is None or placed == 5:
                break
            on_screen = seen(page, current)
            page.keyboard.press(str(placed + 1))
            if on_screen:
                placed += 1
                assert person.places()[current] == str(placed)
                following = outlined(page)
                assert following is None or seen(page, following), "the next one is scrolled to"
            else:
                assert person.places()[current] == "", "nobody has seen it"
                assert f"Response {current} was off the screen" in person.spoken()
                assert "off the screen" in page.inner_text("#missing")
                assert seen(page, current)
        assert placed == 5
        page.keyboard.press("Enter")
        person.saved()
        assert len(person.rankings()) == 1
        assert person.complaints == []
        person.context.close()


def test_a_focused_response_off_the_screen_is_not_placed(browser: Any, tmp_path: Path, keys: Keys) -> None:
    with serving(tmp_path, [prompt(0, [essay(number, 60) for number in range(4)])], keys=keys) as live:
        person = Person(browser, live, **SMALL)
        person.card("A").get_by_label("Place of response A").focus()
        person.page.evaluate("scrollTo(0, 99999)")
        person.page.keyboard.press("1")
        assert person.places()["A"] == ""
        person.page.keyboard.press("1")
        assert person.places()["A"] == "1"
        person.context.close()


@pytest.mark.parametrize("lines", [(3, 3, 3, 3, 3), (40, 2, 60, 5, 30)])
def test_a_tap_moves_a_response_and_not_the_page(
    browser: Any, tmp_path: Path, keys: Keys, lines: tuple[int, ...]
) -> None:
    answers = [essay(number, count) for number, count in enumerate(lines)]
    with serving(tmp_path, [prompt(0, answers)], keys=keys) as live:
        person = Person(browser, live, **TALL)
        page = person.page
        page.evaluate(
            "window.moves = 0; new MutationObserver(all => { window.moves += all.filter(one => "
            "[...one.addedNodes].some(node => node.classList?.contains('response'))).length; })"
            ".observe(document.getElementById('ranking'), {childList: true, subtree: true})"
        )
        for turn, letter in enumerate("CEADBECABDBAEC"):
            card, name = person.card(letter), ("Up", "Up", "Down", "Tie")[turn % 4]
            button = card.get_by_role("button", name=name)
            button.scroll_into_view_if_needed()
            page.wait_for_timeout(50)
            before, moves = page.evaluate("[scrollY, moves]")
            # At the very end of the page there may be less of it below than before.
            button.tap()
            page.wait_for_timeout(150)
            after, moved = page.evaluate("[scrollY, moves]")
            most = page.evaluate("document.documentElement.scrollHeight - innerHeight")
            assert abs(after - min(before, most)) <= 1, (letter, name, before, after)
            assert moved - moves <= 1, "one response was moved, the others stayed"
        assert person.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert person.complaints == []
        person.context.close()


def serious(page: Any) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    return [
        f"{item['id']}: {node['html']}"
        for item in found["violations"]
        if item["impact"] in ("serious", "critical", "moderate")
        for node in item["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, live: Live, scheme: str) -> None:
    person = Person(browser, live, color_scheme=scheme)
    page = person.page
    assert serious(page) == []
    for key in "112":
        page.keyboard.press(key)
    person.card("A").get_by_label("unsafe").check()
    for summary in ("Skip this prompt", "Keys and help"):
        page.get_by_text(summary).click()
    person.save()
    assert serious(page) == []
    person.card("D").get_by_role("button", name="Up").click()
    person.save()
    person.saved()
    page.goto(f"{live.url}/join/forged")
    assert serious(page) == []
    page.goto(f"{live.url}/owner")
    assert serious(page) == []
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Names, one a line").fill("Cy\nDee")
    page.get_by_role("button", name="Make links").click()
    page.wait_for_selector("text=Links to send")
    assert serious(page) == []
    person.context.close()


def test_an_expired_session_is_told_in_place(browser: Any, live: Live) -> None:
    person = Person(browser, live)
    for key in "1234":
        person.page.keyboard.press(key)
    person.context.clear_cookies()
    person.save()
    person.page.wait_for_selector("text=Open the personal link you were sent")
    assert person.rankings() == []
    person.context.close()
