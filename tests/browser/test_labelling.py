"""The labelling screen in a real browser: by keyboard, over a bad network, on a telephone."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from preftune.data import detect, read_table
from preftune.feedback.kinds import KINDS
from preftune.feedback.store import (
    adjudication,
    agreement,
    datasets,
    guidelines,
    items,
    judgments,
    leases,
    people,
    progress,
    projects,
    questions,
    sessions,
)
from preftune.feedback.store.nouns import Assignment, Judgment, NewItem, Submission
from preftune.web.who import COOKIE
from tests.browser.test_report import CHROMIUM
from tests.feedback.kinds.test_every_kind import CASES, stems
from tests.web.attacks import ATTACKS
from tests.web.site import Site, judge, make_project, make_site, served

expect.set_options(timeout=120_000)  # a slow machine is no failure
TYPED = "Knead it, slowly."
SHOWN = """() => document.getElementById("work").hidden
    ? "" : document.getElementById("responses").innerText"""
FORMS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "comparison": (["2", "b"], {"both_bad": True, "strength": 2}),
    "demonstration": (list(TYPED), {"text": TYPED}),
    "rewrite": (["Control+End", *f" {TYPED}"], {"text": f"Item 0, text 0. {TYPED}"}),
    "ranking": (["2", "1", "2"], {"ranks": None}),
    "ratings": (list("712333"), {"ratings": None}),
    "thumbs": (["2"], {"thumb": "down"}),
    "steps": (["3"], {"marks": ["wrong"]}),
    "rule": (["1", "2"], {"rules": {"kind": "kept", "true": "broken"}}),
    "flags": (["0"], {"found": []}),
}
SLOW = """const asked = fetch, later = (ms) => new Promise((end) => setTimeout(end, ms));
window.fetch = async (url, how) => {
    if (String(url).endsWith("/next")) await later(how.body.includes("prefetch") ? %d : %d);
    return asked(url, how);
};"""
"""The next item comes so many milliseconds later: fetched ahead, asked for."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Desk:
    """One person at one browser: pages, and what the browser did that it should not."""

    def __init__(self, site: Site, url: str, browser: Browser, name: str, **settings: Any) -> None:
        self.site, self.url, self.name = site, url, name
        self.context: BrowserContext = browser.new_context(**settings)
        self.context.set_default_timeout(120_000)
        self.log_in()
        self.elsewhere: list[str] = []
        self.errors: list[str] = []
        self.context.on("request", self._asked)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:,")):
            self.elsewhere.append(request.url)

    def log_in(self) -> None:
        cookie = {"name": COOKIE, "value": self.site.secrets[self.name], "url": self.url}
        self.context.add_cookies([cookie])  # type: ignore[list-item]

    def open(self, path: str) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{self.url}{path}")
        return page

    def label(self, project: str = "comparison") -> Page:
        page = self.open(f"/p/{project}/label")
        expect(page.locator("#work")).to_be_visible()
        return page

    @property
    def judged(self) -> list[Judgment]:
        who = people.named(self.site.store, self.name).id
        found = [
            judgments.mine(self.site.store, project.id, who, limit=50)
            for project in projects.all(self.site.store)
        ]
        return [one for several in found for one in several]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = make_site(tmp_path)
    made.person("Ada", "annotator")
    made.person("Bo", "lead")
    make_project(made)
    yield made
    made.store.close()


@pytest.fixture
def desk(site: Site, browser: Browser) -> Iterator[Desk]:
    with served(site.app) as url:
        made = Desk(site, url, browser, "Ada", viewport={"width": 1280, "height": 800})
        yield made
        made.context.close()
        assert made.errors == [] and made.elsewhere == []
    assert site.app.state.csp_reports == 0


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def saved(page: Page) -> None:
    expect(page.locator("#saved")).to_have_attribute("data-state", "saved")


def shown(page: Page) -> str:
    """What tells the item on the screen from the others; "" while there is none on it."""
    return str(page.evaluate(SHOWN))


def another(page: Page, before: str) -> str:
    """The item after `before`, once it is there: a key pressed sooner has nothing to act on."""
    until(lambda: shown(page) not in ("", before))
    return shown(page)


def submit(page: Page, *keys: str) -> None:
    """Answers the item on the screen, once it is there, and waits for the next."""
    expect(page.locator("#work")).to_be_visible()
    before = shown(page)
    for key in keys:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    until(lambda: shown(page) != before)


@pytest.mark.parametrize("delay", [0, 500])
def test_a_whole_session_by_keyboard(desk: Desk, delay: int) -> None:
    desk.context.add_init_script(SLOW % (delay, delay))
    page = desk.label()
    first = shown(page)
    submit(page, "2", "q", "]")
    another(page, first)
    page.keyboard.press("n")
    page.keyboard.type("b and d are letters here, 4 a digit")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#fault")).to_contain_text("Choose first")
    page.keyboard.press("Escape")
    submit(page, "4", "b")
    saved(page)
    expect(page.locator("#work")).to_be_visible()
    before = shown(page)
    page.keyboard.press("u")
    expect(page.locator("#banner")).to_contain_text("changing an earlier answer")
    page.keyboard.press("7")
    page.keyboard.press("Enter")
    until(lambda: shown(page) == before)
    page.keyboard.press("s")
    expect(page.locator("#skip-dialog")).to_be_visible()
    page.keyboard.press("2")
    before = another(page, before)
    page.keyboard.press("c")
    expect(page.locator("#cannot-dialog")).to_be_visible()
    page.keyboard.press("1")
    another(page, before)
    for key, place in (("g", "#guidelines"), ("h", "#history"), ("?", "#help-dialog")):
        page.keyboard.press(key)
        expect(page.locator(place)).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(place)).to_be_hidden()
    page.keyboard.press("d")
    expect(page.locator("#responses mark").first).to_be_visible()
    page.keyboard.press("d")
    page.keyboard.press("m")
    expect(page.locator("#responses .raw").first).to_be_visible()
    page.keyboard.press("m")
    expect(page.locator("#responses .raw").first).to_be_hidden()
    submit(page, "1")
    submit(page, "1")
    expect(page.locator("#empty-title")).to_have_text("All done")
    until(lambda: len(desk.judged) == 5)
    last, _, cannot, changed, start = desk.judged
    order = start.presentation["order"]
    assert (start.answer["choice"], start.answer["strength"]) == ("ab"[order[0]], 2)
    assert (start.answer["reasons"], start.answer["confidence"]) == (["truer"], "medium")
    assert first.count(f"text {order[0]}") == 1
    assert first.index(f"text {order[0]}") < first.index(f"text {order[1]}")
    assert changed.revision == 2 and changed.answer["both_bad"]
    assert changed.answer["note"].startswith("b and d")
    assert changed.answer["choice"] == "ab"[changed.presentation["order"][1]]
    assert cannot.answer["cannot_judge"] == "outside my knowledge"
    assert last.active_ms is not None and last.presentation["ui_version"]


@pytest.mark.parametrize(("ahead", "asked"), [(400, 800), (800, 400), (800, 0)])
def test_an_item_on_the_screen_stays_there(desk: Desk, ahead: int, asked: int) -> None:
    """Answered while the next one is still being fetched ahead: one request too many."""
    desk.context.add_init_script(SLOW % (ahead, asked))
    page = desk.label()
    first = shown(page)
    submit(page, "2")
    second = another(page, first)
    page.keyboard.press("n")
    page.keyboard.type("b and d")
    page.wait_for_timeout(2 * max(ahead, asked))
    expect(page.locator('[name="note"]')).to_be_focused()
    expect(page.locator('[name="note"]')).to_have_value("b and d")
    assert shown(page) == second


def test_the_last_item_is_answered_while_it_is_leased_anew(desk: Desk) -> None:
    desk.context.add_init_script(SLOW % (1000, 0))
    make_project(desk.site, count=1, name="one")
    page = desk.label("one")
    submit(page, "2")
    expect(page.locator("#empty-title")).to_have_text("All done")
    page.wait_for_timeout(1500)
    expect(page.locator("#work")).to_be_hidden()
    assert len(desk.judged) == 1


def test_every_kind_has_a_form() -> None:
    assert set(FORMS) | {"conversation"} == set(KINDS)  # that one: test_conversation.py


@pytest.mark.parametrize("kind", FORMS)
def test_from_the_form_to_a_loss(desk: Desk, kind: str, tmp_path: Path) -> None:
    """By keyboard through the form, store, agreement, export and loader to a stage that trains."""
    name = f"walk-{kind}"
    project = make_project(desk.site, kind, count=1, name=name, overlap=2)
    keys, expected = FORMS[kind]
    page = desk.label(name)
    for key in keys:
        page.keyboard.press(key)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#empty-title")).to_have_text("All done")
    until(lambda: desk.judged)
    (stored,) = desk.judged
    as_expected(kind, stored, expected)

    desk.site.person("Cy")
    sent = judge(desk.site.client("Cy"), name, stored.answer)  # a second labeler says the same
    first = agreement.reliability(desk.site.store, name)[0]
    assert first.measure == KINDS[kind].measures(KINDS[kind].question(**project.question))[0]
    ada, cy = (first.table.values[first.table.rater == rater].tolist() for rater in (0, 1))
    assert ada == cy and len(ada) >= 1
    assert agreement.report(desk.site.store, name)

    how, file = KINDS[kind].hows[0], tmp_path / "rows.jsonl"
    datasets.freeze(desk.site.store, name, file, how=how)
    format_, load = CASES[kind][2], CASES[kind][3]
    rows = read_table(file).rows
    assert detect([row.columns for row in rows]) is format_ and len(load(file)) == len(rows)
    used = {one.split("/")[0] for row in rows for one in row.columns["judgments"]}
    assert used == {stored.judgment_id, sent["judgment_id"]}
    assert KINDS[kind].losses and set(KINDS[kind].losses) <= stems()


def as_expected(kind: str, stored: Judgment, expected: dict[str, Any]) -> None:
    order = stored.presentation["order"]
    if kind == "ranking":
        assert [stored.answer["ranks"][index] for index in order] == [2, 1, 2]
    elif kind == "ratings":
        axes = ("helpful", "honest", "harmless")
        given = [stored.answer["ratings"][index] for index in order]
        assert [[one[axis] for axis in axes] for one in given] == [[7, 1, 2], [3, 3, 3]]
    else:
        assert {key: stored.answer[key] for key in expected} == expected


@pytest.mark.parametrize("kind", ["demonstration", "rewrite"])
def test_writing_by_keyboard(desk: Desk, kind: str) -> None:
    make_project(desk.site, kind, count=1)
    page = desk.label(kind)
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type(" Knead it, **slowly**.")
    if kind == "rewrite":
        expect(page.locator("#changes ins")).to_have_text(" Knead it, **slowly**.")
    page.click("#preview-toggle")
    expect(page.locator("#preview strong")).to_have_text("slowly")
    page.focus("#text")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#empty-title")).to_have_text("All done")
    until(lambda: desk.judged)
    start = "Item 0, text 0." if kind == "rewrite" else ""
    assert desk.judged[0].answer["text"] == f"{start} Knead it, **slowly**."


def test_the_answer_to_the_first_submit_is_lost(desk: Desk) -> None:
    page, dropped = desk.label(), []

    def drop(route: Route) -> None:
        route.fetch()  # the server has it
        if dropped:
            route.continue_()
        else:
            dropped.append(route.request.post_data)
            route.abort()

    page.route("**/api/judgments", drop)
    submit(page, "1")
    saved(page)
    until(lambda: page.locator("#saved").get_attribute("data-state") == "saved")
    assert len(dropped) == 1 and len(desk.judged) == 1
    assert desk.judged[0].submission_id in str(dropped[0])


def test_a_double_click_submits_once(desk: Desk) -> None:
    page = desk.label()
    before = shown(page)
    page.keyboard.press("1")
    page.dblclick("#submit")
    another(page, before)
    saved(page)
    page.keyboard.press("2")
    page.wait_for_timeout(500)
    page.click("#submit")
    until(lambda: len(desk.judged) == 2)
    assert len({one.item_number for one in desk.judged}) == 2


def test_two_tabs_answer_an_item_once(desk: Desk) -> None:
    one, two = desk.label(), desk.label()
    assert shown(one) == shown(two)
    submit(one, "1")
    saved(one)
    two.bring_to_front()
    two.keyboard.press("7")
    two.keyboard.press("Enter")
    expect(two.locator("#banner")).to_contain_text("does not count")
    assert sorted(judgment.status for judgment in desk.judged) == ["counted", "surplus"]
    assert len({judgment.item_number for judgment in desk.judged}) == 1


def test_the_back_button_sends_nothing_again(desk: Desk) -> None:
    page = desk.open("/")
    page.click("text=Start labelling")
    expect(page.locator("#work")).to_be_visible()
    now = shown(page)
    submit(page, "1")
    saved(page)
    now = another(page, now)
    page.go_back()
    expect(page.locator("h1")).to_have_text("Projects")
    page.go_forward()
    expect(page.locator("#work")).to_be_visible()
    until(lambda: shown(page) == now)
    assert len(desk.judged) == 1


def test_offline_answers_wait_and_are_sent(desk: Desk) -> None:
    page = desk.label()
    until(lambda: leases_held(desk.site) == 2)  # the next item is here already
    page.wait_for_timeout(300)
    desk.context.set_offline(True)
    submit(page, "1")
    submit(page, "2")
    expect(page.locator("#saved-text")).to_have_text("Offline, 2 waiting to send")
    expect(page.locator("#empty-text")).to_contain_text("2 answers are kept here")
    assert desk.judged == []
    desk.context.set_offline(False)
    until(lambda: len(desk.judged) == 2)
    expect(page.locator("#work")).to_be_visible()
    saved(page)
    assert len({one.item_number for one in desk.judged}) == 2


def leases_held(site: Site) -> int:
    return progress.summary(site.store, 1).places_leased


def test_a_lease_lost_while_typing_keeps_the_text(desk: Desk) -> None:
    project = make_project(desk.site, "demonstration", count=1, lease_seconds=1.0)
    page = desk.label("demonstration")
    page.keyboard.type("A first sentence. ")
    later = time.time() + 3600
    bo = people.named(desk.site.store, "Bo").id
    given = leases.take(desk.site.store, project_id=project.id, annotator_id=bo, now=later)
    assert isinstance(given, Assignment)
    done = Submission(
        "5f0c7a52-3f2b-4b1c-9f7e-0123456789ab", given.id, given.lease_token, {"text": "Bo's"}
    )
    judgments.submit(desk.site.store, done, now=later + 1)
    page.keyboard.type("And a second.")
    expect(page.locator("#banner")).to_contain_text("Your text is safe")
    expect(page.locator("#text")).to_have_value("A first sentence. And a second.")
    page.click("#banner button >> text=Send it")
    until(lambda: desk.judged)
    assert desk.judged[0].status == "surplus"
    assert desk.judged[0].answer["text"] == "A first sentence. And a second."


def test_a_session_that_ends_while_typing_keeps_the_text(desk: Desk) -> None:
    make_project(desk.site, "demonstration", count=1)
    page = desk.label("demonstration")
    page.keyboard.type("Half a thought")
    sessions.end(desk.site.store, desk.site.secrets["Ada"])
    page.keyboard.type(", and the rest.")
    expect(page.locator("#login-dialog")).to_be_visible()
    who = people.named(desk.site.store, "Ada").id
    desk.site.secrets["Ada"] = sessions.start(desk.site.store, who)
    desk.log_in()  # in another tab
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#text")).to_have_value("Half a thought, and the rest.")
    page.focus("#text")
    page.keyboard.press("Control+Enter")
    until(lambda: desk.judged)
    assert desk.judged[0].answer["text"] == "Half a thought, and the rest."


def test_a_question_is_asked_without_leaving_the_item(desk: Desk) -> None:
    page = desk.label()
    before = shown(page)
    page.keyboard.press("a")
    expect(page.locator("#ask-dialog")).to_be_visible()
    page.fill("#ask-text", "Is **rising** meant?")
    page.click("#ask-send")
    expect(page.locator("#ask-thread strong")).to_have_text("rising")
    expect(page.locator("#ask-text")).to_have_value("")
    page.keyboard.press("Escape")
    assert shown(page) == before
    project = projects.named(desk.site.store, "comparison")
    [thread] = questions.threads(desk.site.store, project.id)
    bo = people.named(desk.site.store, "Bo").id
    answer = {"asker_id": thread.asker_id, "author_id": bo, "text": "Yes."}
    questions.say(desk.site.store, thread.item_number, **answer)
    page.keyboard.press("a")
    expect(page.locator("#ask-thread .told")).to_contain_text("Yes.")
    assert desk.judged == []


def test_a_slow_next_item_does_not_replace_an_earlier_answer(desk: Desk) -> None:
    page, held, slow = desk.label(), [], [True]

    def hold(route: Route) -> None:
        if slow:
            held.append(route)
        else:
            route.continue_()

    page.route("**/next", hold)
    while page.locator("#work").is_visible():  # until nothing is left that was fetched before
        submit(page, "1")
    saved(page)
    count = len(desk.judged)
    page.keyboard.press("u")
    expect(page.locator("#banner")).to_contain_text("changing an earlier answer")
    earlier = shown(page)
    slow.clear()
    for route in held:
        route.continue_()
    page.wait_for_timeout(500)
    expect(page.locator("#banner")).to_contain_text("changing an earlier answer")
    assert shown(page) == earlier
    page.keyboard.press("7")
    page.keyboard.press("Enter")
    late = another(page, earlier)
    saved(page)
    until(lambda: desk.judged[0].revision == 2)
    assert len(desk.judged) == count
    assert desk.judged[0].answer["choice"] == "ab"[desk.judged[0].presentation["order"][1]]
    submit(page, "1")
    another(page, late)  # the item that came late is not shown twice


def test_a_slow_first_look_does_not_hide_the_question_just_asked(desk: Desk) -> None:
    page, held = desk.label(), []

    def hold(route: Route) -> None:
        if route.request.method == "GET":
            held.append((route, route.fetch()))  # what it was before the question
        else:
            route.continue_()

    page.route("**/questions", hold)
    page.keyboard.press("a")
    until(lambda: page.evaluate("1") and held)
    page.fill("#ask-text", "Is **rising** meant?")
    page.click("#ask-send")
    expect(page.locator("#ask-thread strong")).to_have_text("rising")
    [(route, answer)] = held
    with page.expect_response("**/questions"):
        route.fulfill(response=answer)
    page.wait_for_timeout(300)
    expect(page.locator("#ask-thread strong")).to_have_text("rising")


def test_a_tab_closed_over_a_draft_shows_it_again(desk: Desk) -> None:
    make_project(desk.site, "demonstration", count=1)
    page = desk.label("demonstration")
    page.keyboard.type("Not finished")
    page.close()
    again = desk.label("demonstration")
    expect(again.locator("#text")).to_have_value("Not finished")


MORE = [pytest.param(False, id="some"), pytest.param(True, id="all", marks=pytest.mark.proof)]
"""A few pages in every run of the tests, all of them in the proof."""


@pytest.mark.parametrize("whole", MORE)
def test_on_a_telephone_everything_fits(site: Site, browser: Browser, whole: bool) -> None:
    people.change(site.store, people.named(site.store, "Bo").id, actor="test", role="admin")
    for kind in [one for one in FORMS if one != "comparison"] if whole else ["ratings"]:
        make_project(site, kind, count=1)
    small = {"viewport": {"width": 360, "height": 700}, "has_touch": True, "is_mobile": True}
    with served(site.app) as url:
        desk = Desk(site, url, browser, "Bo", **small)
        paths = [f"/p/{one.name}/label" for one in projects.all(site.store)]
        paths += ["/", "/p/comparison"]
        others = ["/agreement", "/labelers", "/disputed", "/questions", "/items", "/mine"]
        paths += [f"/p/comparison{path}" for path in others] if whole else []
        paths += ["/people", "/account", "/new", "/login"] if whole else []
        for path in paths:
            page = desk.open(path)
            if path.endswith("label"):
                expect(page.locator("#work")).to_be_visible()
                low = page.locator("#submit").bounding_box()
                assert low and low["y"] + low["height"] <= 700 and low["height"] >= 38
            assert page.evaluate("document.documentElement.scrollWidth") == 360, path
            page.close()
        desk.context.close()
        assert desk.errors == []


@pytest.mark.parametrize("whole", MORE)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(site: Site, browser: Browser, scheme: Any, whole: bool) -> None:
    for kind in [one for one in FORMS if one != "comparison"] if whole else ["ratings"]:
        make_project(site, kind, count=1)
    people.change(site.store, people.named(site.store, "Bo").id, actor="test", role="admin")
    found = {}
    with served(site.app) as url:
        desk = Desk(site, url, browser, "Bo", color_scheme=scheme, reduced_motion="reduce")
        paths = [f"/p/{one.name}/label" for one in projects.all(site.store)]
        others = ["", "/agreement", "/labelers", "/disputed", "/questions", "/guidelines", "/items"]
        others += ["/mine"]
        paths += [f"/p/comparison{path}" for path in others]
        paths += ["/", "/people", "/account", "/new", "/login"]
        for path in paths if whole else paths[:3]:
            page = desk.open(path)
            if path.endswith("label"):
                expect(page.locator("#work")).to_be_visible()
            result = Axe().run(page).response["violations"]
            if result:
                found[path] = [
                    (one["id"], [node["html"][:120] for node in one["nodes"]]) for one in result
                ]
            page.close()
        desk.context.close()
    assert found == {}


def test_no_attack_in_any_text_does_anything(site: Site, browser: Browser) -> None:
    """Every attack as a turn, a response, a step, a text to mend, a guideline and a note."""
    store = site.store
    turns = [{"role": "user", "content": text} for text in ATTACKS if len(text) < 30_000]
    for kind, count in (("comparison", 2), ("steps", 1), ("rewrite", 1), ("rule", 1)):
        whole = "\n\n".join(turn["content"] for turn in turns).replace("\x00", "")
        name = f"attacked-{kind}"
        project = make_project(site, kind, count=0, name=name, title=turns[0]["content"][:200])
        huge = "<b onmouseover=x>[x](javascript:1)" * 30_000
        new = [
            NewItem(
                "x",
                [{**t, "content": t["content"].replace("\x00", "")} for t in turns],
                [whole] * count,
            ),
            NewItem("y", whole, [huge[:1_000_000]] * count),
        ]
        items.add(store, project.id, new, actor="test")
        guidelines.publish(store, project.id, whole, actor="test", changes=turns[1]["content"])
    with served(site.app) as url:
        desk = Desk(site, url, browser, "Bo")
        dialogs: list[str] = []
        for kind in ("comparison", "steps", "rewrite", "rule"):
            page = desk.label(f"attacked-{kind}")
            page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
            page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
            page.keyboard.press("Escape")
            for key in ("g", "Escape", "m", "m"):
                page.keyboard.press(key)
            if kind == "comparison":
                page.keyboard.press("d")
            assert page.evaluate("document.documentElement.dataset.hacked") is None
            assert (
                page.locator(
                    "#work script, #work img, #work svg, #work iframe, #work style"
                ).count()
                == 0
            )
            page.close()
        for path in (
            "/",
            "/p/attacked-rule",
            "/p/attacked-rule/guidelines",
            "/p/attacked-rule/items",
        ):
            page = desk.open(path)
            assert page.evaluate("document.documentElement.dataset.hacked") is None
            page.close()
        desk.context.close()
        assert (desk.elsewhere, desk.errors, dialogs) == ([], [], [])
    assert site.app.state.csp_reports == 0


def test_a_dispute_is_decided_blind_first(site: Site, browser: Browser) -> None:
    make_project(site, count=1, name="disputed", overlap=2)
    site.person("Cy", "annotator")
    for name, choice in (("Ada", "a"), ("Cy", "b")):
        judge(
            site.client(name), "disputed", {"choice": choice, "strength": 3, "note": f"{name} says"}
        )
    with served(site.app) as url:
        desk = Desk(site, url, browser, "Bo")
        page = desk.open("/p/disputed/disputed")
        page.click("td a >> text=Decide")
        expect(page.locator("#work")).to_be_visible()
        assert "Ada says" not in page.content()
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.locator("#vote-list")).to_contain_text("Ada says")
        expect(page.locator("#vote-list")).to_contain_text("Cy says")
        page.check("[name='error-kind'][value='subjective']")
        page.fill("[name='ruling-note']", "Both are right.")
        page.click("#submit")
        expect(page.locator("main")).to_contain_text("subjective")
        expect(page.locator("main")).to_contain_text("Both are right.")
        desk.context.close()
        assert desk.errors == []
    project = projects.named(site.store, "disputed")
    final = [one for one in adjudication.decisions(site.store, project.id) if one.stage == "final"]
    assert (final[0].answer["choice"], final[0].error_kind) == ("a", "subjective")
    kept = judgments.of_item(site.store, final[0].item_number)
    assert [one.answer["choice"] for one in kept] == ["a", "b"]
