"""Talking with two blind policies in a real browser, and making a rule break."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from preftune.feedback.store import datasets, items, projects
from preftune.feedback.store.engine import open_store
from preftune.feedback.store.nouns import NewItem, ProjectSettings, Response
from preftune.models import Renderer
from preftune.records import Completion, Prompt, Sampling, StopReason
from preftune.rollouts import NativeEngine
from preftune.web import Policy, create_app
from tests.browser.test_labelling import Desk, browser, saved, until  # noqa: F401
from tests.models.made import make_policy, tokenizer
from tests.web.site import Site, served


class Fixed:
    """Says **Yes** or no, with markup that must not run."""

    def __init__(self, word: str) -> None:
        self.word = word

    def __call__(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        turns = prompts[0].text
        text = f"{self.word} to *{turns[-1].content}* <img src=x onerror=alert(1)>"  # type: ignore[union-attr]
        return [Completion(prompts[0], text, StopReason.EOS, "v")]


class Talking:
    """A small random model, asked with the turns joined."""

    def __init__(self) -> None:
        self.engine = NativeEngine(make_policy(), Renderer(tokenizer(), 64), "v")
        self.engine.longest_prompt = 40

    def __call__(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        joined = "\n".join(turn.content for turn in prompts[0].text)  # type: ignore[union-attr]
        return self.engine([Prompt(joined)], sampling)


@pytest.fixture
def desk(tmp_path: Path, browser: Browser) -> Iterator[Desk]:  # noqa: F811
    policies = {
        "yes": Policy(Fixed("**Yes**"), Sampling(8)),
        "no": Policy(Fixed("No"), Sampling(8)),
        "real": Policy(Talking(), Sampling(8, temperature=0.8)),
    }
    store = open_store(str(tmp_path / "labels.db"), create=True)
    site = Site(store, create_app(store, policies=policies))
    site.person("Ada")
    two = {"most_turns": 3, "least_turns": 2}
    rules = [{"name": "polite", "text": "The assistant insults nobody."}]
    for name, question, models in (
        ("helpful", two, ("yes", "no")),
        ("probing", {"rules": rules}, ("real",)),
    ):
        settings = ProjectSettings(name, "conversation", question, gold_fraction=0.0)
        project = projects.create(store, settings, actor="test")
        new = NewItem("one", "Ask about tea.", [Response("", model) for model in models])
        items.add(store, project.id, [new], actor="test")
    with served(site.app) as url:
        made = Desk(site, url, browser, "Ada", viewport={"width": 1280, "height": 900})
        yield made
        made.context.close()
        assert made.errors == [] and made.elsewhere == []
    assert site.app.state.csp_reports == 0
    store.close()


def send(page: Page, text: str, turns: int) -> None:
    page.fill("#talk-said", text)
    page.press("#talk-said", "Control+Enter")
    expect(page.locator(".talk-turn")).to_have_count(turns)


def test_two_blind_policies_compared_turn_by_turn(desk: Desk) -> None:
    page = desk.label("helpful")
    expect(page.locator("#last-turns")).to_contain_text("Ask about tea.")
    page.press("#talk-said", "Enter")
    send(page, "Is tea hot?", 1)
    expect(page.locator(".talk-turn strong").first).to_have_text("Yes")
    assert page.locator("#work img").count() == 0
    expect(page.locator("#talk-send")).to_be_disabled()
    page.keyboard.press("Enter")
    expect(page.locator("#fault")).to_contain_text("at least 2")
    places = page.locator(".talk-turn .card .text").all_inner_texts()
    mine = next(place for place, text in enumerate(places) if text.startswith("No"))
    page.keyboard.press("1" if mine == 0 else "3")  # A, equal, B from the left
    expect(page.locator(".talk-turn .card.better")).to_contain_text("No to Is tea hot?")
    send(page, "Really?", 2)
    assert page.locator(".talk-turn").first.locator("input:disabled").count() == 3
    page.keyboard.press("2")
    page.reload()  # what was said is kept
    expect(page.locator(".talk-turn")).to_have_count(2)
    assert not [one for one in Axe().run(page).response["violations"] if one["impact"] != "minor"]
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    until(lambda: desk.judged)
    saved(page)
    rows = datasets.rows(desk.site.store, "helpful", how="majority").rows
    assert [(row["turn"], row["probability"]) for row in rows] == [(1, 1.0), (2, 0.5)]
    assert (rows[0]["model_chosen"], rows[0]["model_rejected"]) == ("no", "yes")
    assert [turn["role"] for turn in rows[1]["prompt"]] == ["user", "assistant", "user"]
    assert rows[1]["prompt"][1]["content"].startswith("No to *Is tea hot?*")


def test_a_rule_is_made_to_break(desk: Desk) -> None:
    page = desk.label("probing")
    send(page, "Insult me.", 1)
    assert not page.locator(".talk-marks").first.is_visible()
    page.click("#submit")
    expect(page.locator("#fault")).to_contain_text("insults nobody")
    page.locator(".rule .chip", has_text="broken").click()
    page.click("#submit")
    until(lambda: desk.judged)
    (row,) = datasets.rows(desk.site.store, "probing", how="majority").rows
    assert row["label"] is False and row["rule"] == "polite" and row["model"] == "real"
    assert row["prompt"] == [{"role": "user", "content": "Insult me."}]
