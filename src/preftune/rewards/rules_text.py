"""Rules about how a response is written: form, patterns, length, language, phrases."""

import re
import unicodedata
from collections.abc import Sequence

from preftune.recipe.rules import FormatRule, LanguageRule, LengthRule, PhrasesRule, RegexRule
from preftune.records import Completion

SCRIPTS = {"ru": "CYRILLIC", "el": "GREEK", "ar": "ARABIC", "he": "HEBREW", "hi": "DEVANAGARI"}
FUNCTION_WORDS = {
    "en": "the of and to is that it was for with as you are this be not have but they from which "
    "would there what can your his her we or an if will about",
    "de": "der die das und ist nicht mit ein eine ich zu den dem von auf für sich auch wie sie es "
    "wir bei oder aber nach wird sind haben kann",
    "fr": "le la les des et est une dans que qui pour pas sur avec vous ce il elle je nous au du "
    "mais ou sont cette plus être fait",
    "es": "el los las y es una en que por para con no se del lo su como más pero está este son al "
    "muy hay también puede fue",
    "it": "il gli è una di che per non con si del della nel sono anche come più ma questo lo ha "
    "alla dei può essere molto",
    "pt": "o os as é uma em que não com para por do da dos das se mais como mas está no na são ao "
    "você pode também ser muito",
    "nl": "de het een en van is niet dat op te zijn met voor ik je maar aan er ook als bij naar "
    "kan wordt heb deze nog wel",
}
WORDS = {language: frozenset(text.split()) for language, text in FUNCTION_WORDS.items()}
FEWEST = 3
"""Function words, or letters of a script, without which nothing is said about the language."""


def matching(completions: Sequence[Completion], rule: FormatRule) -> list[float | None]:
    """Whether the whole text matches."""
    pattern = re.compile(rule.pattern, re.DOTALL)
    return [float(pattern.fullmatch(c.text) is not None) for c in completions]


def searching(completions: Sequence[Completion], rule: RegexRule) -> list[float | None]:
    """Whether the pattern is found, or is not where it should be absent."""
    pattern = re.compile(rule.pattern, re.IGNORECASE if rule.ignore_case else 0)
    return [float((pattern.search(c.text) is not None) != rule.absent) for c in completions]


def length(completions: Sequence[Completion], rule: LengthRule) -> list[float | None]:
    """max(0, 1 − excess / (falloff + 1)), where excess counts units out of bounds."""
    measured = [_size(c.text, rule.unit) for c in completions]
    most = [size if rule.most is None else rule.most for size in measured]
    excess = [
        max(rule.least - size, size - top, 0) for size, top in zip(measured, most, strict=True)
    ]
    return [max(0.0, 1 - extra / (rule.falloff + 1)) for extra in excess]


def phrases(completions: Sequence[Completion], rule: PhrasesRule) -> list[float | None]:
    """The share of phrases that are there, or are not, as they should be."""
    demands = [(_whole(phrase), True) for phrase in rule.required]
    demands += [(_whole(phrase), False) for phrase in rule.forbidden]
    return [
        sum((pattern.search(c.text) is not None) == wanted for pattern, wanted in demands)
        / len(demands)
        for c in completions
    ]


def in_language(completions: Sequence[Completion], rule: LanguageRule) -> list[float | None]:
    """Whether the text is in the language; None where it is too short to tell."""
    told = [language_of(c.text) for c in completions]
    return [None if language is None else float(language == rule.language) for language in told]


def language_of(text: str) -> str | None:
    """The language of a text by its script, or by its function words where that is Latin.

    None for fewer than three of either, and for a tie. Scripts stand for one language each:
    Cyrillic for Russian, Arabic for Arabic; another language in that script is told wrongly.
    """
    scripts = [unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha()]
    latin = scripts.count("LATIN")
    counted = {language: scripts.count(script) for language, script in SCRIPTS.items()}
    if max(counted.values()) > latin:
        return _leader(counted)
    if len(scripts) > 2 * latin:
        return "other"
    words = re.findall(r"[^\W\d_]+", text.casefold())
    return _leader({language: sum(w in known for w in words) for language, known in WORDS.items()})


def _leader(counts: dict[str, int]) -> str | None:
    most = max(counts.values())
    leaders = [language for language, count in counts.items() if count == most]
    return leaders[0] if most >= FEWEST and len(leaders) == 1 else None


def _size(text: str, unit: str) -> int:
    if unit == "characters":
        return len(text)
    return len(text.split()) if unit == "words" else len(text.splitlines())


def _whole(phrase: str) -> re.Pattern[str]:
    """The phrase with no letter or digit right before or after it; any blanks between its words."""
    words = r"\s+".join(re.escape(word) for word in phrase.split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)
