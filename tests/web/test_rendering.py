"""Nothing that a model writes runs, fetches, styles or hides; and no words are lost."""

from html.parser import HTMLParser

import pytest

from preftune.web import rendering
from preftune.web.rendering import LONGEST, rendered, visible
from tests.web.attacks import ATTACKS

ALLOWED = {
    "a": {"href", "title", "rel"}, "blockquote": set(), "br": set(), "code": {"class"},
    "del": set(), "em": set(), "h4": set(), "h5": set(), "h6": set(), "hr": set(), "li": set(),
    "ol": {"start"}, "p": set(), "pre": set(), "s": set(), "strong": set(), "table": set(),
    "tbody": set(), "td": set(), "th": set(), "thead": set(), "tr": set(), "ul": set(),
}  # fmt: skip


class Reader(HTMLParser):
    """What a browser would make of it: elements with attributes, and the words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_only_harmless_elements_come_out(attack: str) -> None:
    html = rendered(attack)
    if html is None:
        return
    for tag, attributes in Reader(str(html)).elements:
        assert tag in ALLOWED and set(attributes) <= ALLOWED[tag], (tag, attributes)
        if "href" in attributes:
            assert str(attributes["href"]).startswith(("http://", "https://", "mailto:"))
            assert attributes["rel"] == "noopener noreferrer nofollow"
        if "class" in attributes:
            assert str(attributes["class"]).startswith("language-")


def test_markdown_is_read() -> None:
    html = str(
        rendered("# Top\n\n**bold** and `code`\n\n3. three\n\n```py\nx < 1\n```\n\n|a|\n|-|\n|b|")
    )
    tags = [tag for tag, _ in Reader(html).elements]
    assert tags == [
        "h4", "p", "strong", "code", "ol", "li", "pre", "code",
        "table", "thead", "tr", "th", "tbody", "tr", "td",
    ]  # fmt: skip
    assert 'start="3"' in html and "x &lt; 1" in html and 'class="language-py"' in html


def test_a_line_break_stays_one() -> None:
    assert str(rendered("one\ntwo")).count("<br>") == 1


def test_html_is_shown_and_not_obeyed() -> None:
    assert Reader(str(rendered("a <b onclick=x>c</b>"))).words.strip() == "a <b onclick=x>c</b>"


@pytest.mark.parametrize("link", ["[x](/admin)", "[x](//evil.example)", "[x](#top)", "[x](?a=1)"])
def test_no_link_leads_into_this_application(link: str) -> None:
    assert "href" not in str(rendered(link))


def test_direction_controls_are_seen() -> None:
    assert visible("pay \u202e10\u202c now\u0000\x7f") == "pay ⟨RLO⟩10⟨PDF⟩ now\u2400\u2421"
    assert "⟨RLO⟩" in str(rendered("\u202ex")) and "\u202e" not in str(rendered("\u202ex"))
    assert visible("a\r\nb\rc\td") == "a\nb\nc\td"


@pytest.mark.parametrize(
    "text",
    ["x" * (LONGEST + 1), "> " * 60 + "deep", "```"],
    ids=["long", "quoted", "empty"],
)
def test_what_would_lose_words_is_shown_as_written(text: str) -> None:
    assert rendered(text) is None


def test_however_deep_a_text_is_its_words_stay() -> None:
    for depth in range(1, 60):
        for text in (
            ">" * depth + " the words",
            "\n".join(
                "  " * place + "- " + "the words" * (place == depth) for place in range(depth + 1)
            ),
            "> - " * depth + "the words",
        ):
            html = rendered(text)
            assert html is None or "the words" in html, (depth, text)


def test_a_slow_text_is_shown_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "SECONDS", -1.0)
    rendering._rendered.cache_clear()
    assert rendered("a *quick* text, and no time at all") is None
    rendering._rendered.cache_clear()
