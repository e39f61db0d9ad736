"""A report in a real browser: quiet, offline, readable on a telephone and in the dark."""

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from preftune.reports import write_report
from tests.reports.folders import whole_run

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
VIEWS = list(itertools.product((1400, 400), ("light", "dark")))
AA, AA_LARGE = 4.5, 3.0
GRAPHICS = 3.0

CONTRASTS = """
() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const light = ([r, g, b]) => {
    const f = (x) => { x /= 255; return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; };
    return .2126 * f(r) + .7152 * f(g) + .0722 * f(b);
  };
  const behind = (node) => {
    const layers = [];
    for (let n = node; n; n = n.parentElement) {
      const c = rgba(getComputedStyle(n).backgroundColor);
      if (c[3] > 0) { layers.push(c); if (c[3] === 1) break; }
    }
    return layers.reverse().reduce((a, c) => a.map((x, i) => x * (1 - c[3]) + c[i] * c[3]),
                                   [255, 255, 255]);
  };
  const found = [];
  for (const d of document.querySelectorAll('details')) d.open = true;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), node = walker.currentNode.parentElement;
    const box = node.getBoundingClientRect();
    if (!text || !box.width || !box.height || node.closest('style,title,.skip')) continue;
    const style = getComputedStyle(node), inSvg = node.ownerSVGElement;
    const a = light(rgba(inSvg ? style.fill : style.color)), b = light(behind(node));
    const size = parseFloat(style.fontSize), bold = +style.fontWeight >= 700;
    found.push({text: text.slice(0, 40), size, large: size >= 24 || (bold && size >= 18.7),
                ratio: (Math.max(a, b) + .05) / (Math.min(a, b) + .05)});
  }
  return found;
}
"""

SERIES = """
() => {
  const style = getComputedStyle(document.documentElement), probe = document.createElement('i');
  document.body.append(probe);
  const value = (name) => { probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number); };
  return Object.fromEntries(['s1', 's2', 's3', 's4', 'shade', 'panel'].map((n) => [n, value(n)]));
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(whole_run(tmp_path_factory.mktemp("run"), hacked=True))


def opened(browser: Browser, report: Path, width: int, scheme: Any) -> tuple[Page, list[str]]:
    """The page, and what it did that it should not: messages, errors, requests."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    unwanted: list[str] = []
    page.on("console", lambda message: unwanted.append(message.text))
    page.on("pageerror", lambda error: unwanted.append(str(error)))
    page.on(
        "request",
        lambda r: unwanted.append(r.url) if r.url not in (report.as_uri(), "data:,") else None,
    )
    page.set_default_timeout(0)  # a slow machine is no failure
    page.goto(report.as_uri())
    page.wait_for_load_state("networkidle")
    return page, unwanted


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_it_is_quiet_and_fits(browser: Browser, report: Path, width: int, scheme: str) -> None:
    page, unwanted = opened(browser, report, width, scheme)
    page.evaluate("() => document.querySelectorAll('details').forEach((d) => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wide = page.evaluate(
        """(width) => [...document.querySelectorAll('main *, header *, footer *')].filter((n) =>
             n.getBoundingClientRect().right > width + .5 && !n.closest('.scroll, pre, svg'))
             .map((n) => n.outerHTML.slice(0, 80))""",
        width,
    )
    assert wide == []
    assert unwanted == []
    page.close()


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_all_text_can_be_read(browser: Browser, report: Path, width: int, scheme: str) -> None:
    page, _ = opened(browser, report, width, scheme)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 600
    weak = [f for f in found if f["ratio"] < (AA_LARGE if f["large"] else AA)]
    assert weak == []
    page.close()


@pytest.mark.parametrize("width", [1400, 400])
def test_letters_in_charts_are_not_tiny(browser: Browser, report: Path, width: int) -> None:
    page, _ = opened(browser, report, width, "light")
    heights = page.evaluate(
        """() => [...document.querySelectorAll('figure svg text')]
             .filter((t) => t.getBoundingClientRect().height)
             .map((t) => [parseFloat(getComputedStyle(t).fontSize), t.getScreenCTM()])
             .map(([size, m]) => size * Math.hypot(m.a, m.b))"""
    )
    assert len(heights) > 100
    assert min(heights) >= 10
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_stand_out_also_without_colour_vision(
    browser: Browser, report: Path, scheme: str
) -> None:
    """Series against the panel: 3 to 1. The first two, mostly paired, differ for every eye."""
    page, _ = opened(browser, report, 1400, scheme)
    colours = page.evaluate(SERIES)
    for name in ("s1", "s2", "s3", "s4", "shade"):
        assert contrast(colours[name], colours["panel"]) >= GRAPHICS, name
    for missing in COLOUR_BLIND:
        a, b = (seen_without(missing, colours[name]) for name in ("s1", "s2"))
        assert sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5 > 100, missing
    page.close()


def test_the_two_themes_differ_and_pointing_shows_a_title(browser: Browser, report: Path) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page, _ = opened(browser, report, 1400, scheme)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        hit = page.locator("circle.hit").first
        hit.scroll_into_view_if_needed()
        assert hit.locator("title").text_content()
        hit.hover(force=True)
        assert page.evaluate("document.querySelectorAll('circle.hit:hover').length") == 1
        page.close()
    assert grounds == ["rgb(247, 246, 242)", "rgb(20, 22, 26)"]


# Linear RGB as it is seen without one kind of cone (Viénot, Brettel and Mollon 1999).
COLOUR_BLIND = {
    "red": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
    "green": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
}


def seen_without(cone: str, colour: list[float]) -> list[float]:
    linear = [_linear(x) for x in colour]
    seen = [sum(a * b for a, b in zip(row, linear, strict=True)) for row in COLOUR_BLIND[cone]]
    return [255 * max(0.0, x) ** (1 / 2.2) for x in seen]


def contrast(a: list[float], b: list[float]) -> float:
    shares = (0.2126, 0.7152, 0.0722)
    lights = sorted(
        sum(s * _linear(x) for s, x in zip(shares, colour, strict=True)) for colour in (a, b)
    )
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _linear(value: float) -> float:
    share = value / 255
    return share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4
