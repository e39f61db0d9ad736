"""Text written by a model or a stranger → HTML that can do nothing.

Model output is hostile until shown otherwise. Markdown is read with raw HTML off, what comes out is
cleaned against an allowlist, and only then is it marked safe. No images (they fetch, and tell who
looks), no style, no id, no class but a code block's language, links to http, https and mailto only.
"""

import re
import time
from collections.abc import Mapping, MutableMapping, Sequence
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import Markup, escape

LONGEST = 20_000
"""Characters. A longer text is shown as it is written, whole, and not as Markdown."""

DEEPEST = 40
"""Levels of blocks in blocks, two for a list's item. A deeper text is shown as written."""

SECONDS = 0.5
"""A text whose Markdown takes longer is shown as it is written."""

TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}}
SCHEMES = {"http", "https", "mailto"}
LANGUAGE = re.compile(r"language-[A-Za-z0-9+#._-]{1,24}")
TAG = re.compile(r"<[^>]*>")
START = re.compile(r"\d{1,9}")

HIDDEN = {
    "\u061c": "ALM", "\u200e": "LRM", "\u200f": "RLM", "\u202a": "LRE", "\u202b": "RLE",
    "\u202c": "PDF", "\u202d": "LRO", "\u202e": "RLO", "\u2066": "LRI", "\u2067": "RLI",
    "\u2068": "FSI", "\u2069": "PDI",
}  # fmt: skip
"""Unicode's direction controls (UAX #9): they can make a text read otherwise than it is."""

_VISIBLE = {
    **{ord(sign): f"\u27e8{name}\u27e9" for sign, name in HIDDEN.items()},
    **{code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n\r"},
    0x0D: None,
    0x7F: "\u2421",
}


class _TooSlow(Exception):
    """Markdown that would keep a person waiting."""


def visible(text: str) -> str:
    """``text`` with direction and control characters as signs one can see; lines end in LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_VISIBLE)


def raw(text: str) -> Markup:
    """The text as it is written, escaped, for a ``pre``."""
    return escape(visible(text))


def rendered(text: str) -> Markup | None:
    """Markdown as clean HTML; None where only the raw view is shown.

    That is a text too long, too deep or too slow to render, and one that would look empty (an
    unclosed code fence alone).
    """
    return _rendered(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=256)
def _rendered(text: str) -> Markup | None:
    env = {"until": time.monotonic() + SECONDS}
    try:
        tokens = _PARSER.parse(visible(text), env)
        if _deepest(tokens) >= DEEPEST - 2:  # the parser drops what is deeper
            return None
        html = _PARSER.renderer.render(tokens, _PARSER.options, env)
    except (_TooSlow, RecursionError):
        return None
    clean = nh3.clean(
        html,
        tags=TAGS,
        clean_content_tags={"script", "style", "svg", "math", "template", "noscript", "iframe"},
        attributes=ATTRIBUTES,
        attribute_filter=_kept,
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )
    return Markup(clean) if _has_text(clean) or not text.strip() else None


def _has_text(html: str) -> bool:
    return bool(TAG.sub("", html).strip()) or "<hr" in html


def _deepest(tokens: Sequence[Token]) -> int:
    inner = [child.level for token in tokens for child in token.children or ()]
    return max([token.level for token in tokens] + inner, default=0)


def _kept(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "class":
        return value if LANGUAGE.fullmatch(value) else None
    if attribute == "start":
        return value if START.fullmatch(value) else None
    if attribute == "href" and not value.lower().startswith(("http://", "https://", "mailto:")):
        return None  # no links into this application either
    return value


def _watch_inline(state: StateInline, silent: bool) -> bool:
    _watch(state.env)
    return False


def _watch_block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    _watch(state.env)
    return False


def _watch(env: MutableMapping[str, Any]) -> None:
    if time.monotonic() > env["until"]:
        raise _TooSlow


def _lower_heading(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    place: int,
    options: Mapping[str, Any],
    env: MutableMapping[str, Any],
) -> str:
    """A text's own headings stay below the page's: its first level is ``h4``."""
    token = tokens[place]
    level = min(6, int(token.tag[1]) + 3)
    return f"<h{level}>" if token.nesting == 1 else f"</h{level}>\n"


def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": DEEPEST})
    made.enable(["table", "strikethrough"]).disable(["image", "html_block", "html_inline"])
    made.inline.ruler.before("text", "watch", _watch_inline)
    made.block.ruler.before("table", "watch", _watch_block)
    made.add_render_rule("heading_open", _lower_heading)
    made.add_render_rule("heading_close", _lower_heading)
    return made


_PARSER = _parser()
