"""How a text is written, counted with word lists: length, courtesy, lists, tone, stance.

The lists are English and short. They find what is common, not all there is; a count that does not
move says little, one that moves a lot says where to look.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from preftune.stats.diversity import word_count

_LIST = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S", re.M)
_MARKDOWN = re.compile(r"\*\*[^*\n]+\*\*|^#{1,6}\s|`[^`\n]+`|^\s*\|.*\|\s*$|^>\s", re.M)


def _words(*phrases: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(phrases)})\b", re.I)


_POLITE = _words(
    "please",
    "thanks?",
    "thank you",
    "you(?:'re| are) welcome",
    "happy to help",
    "glad to help",
    "sorry",
    "apologi[sz]e",
    "kindly",
    "my pleasure",
    "hope (?:this|that) helps",
)
_FLATTERY = _words(
    r"(?:great|good|excellent|wonderful|fantastic|brilliant|amazing|smart) "
    r"(?:question|point|idea|choice|taste)",
    r"what an? (?:great|good|excellent|wonderful|fantastic|brilliant|amazing|smart)",
    r"you(?:'re| are) (?:so |very |truly |absolutely )?(?:smart|clever|brilliant|insightful|wise)",
)
_HEDGES = _words(
    "maybe",
    "perhaps",
    "possibly",
    "probably",
    "might",
    "could be",
    "i think",
    "i believe",
    "i may be wrong",
    "not (?:entirely |quite |completely )?(?:sure|certain)",
    "it seems",
    "likely",
    "as far as i know",
)
_SURE = _words(
    "certainly",
    "definitely",
    "absolutely",
    "undoubtedly",
    "without (?:a|any) doubt",
    "of course",
    "clearly",
    "obviously",
    "i am (?:certain|sure|positive)",
    "guaranteed?",
)
_REFUSAL = _words(
    "i can(?:not|'t|’t) (?:help|assist|answer|do|provide|share|give|comply)",
    "i am (?:unable|not able) to",
    "i'm (?:unable|not able) to",
    "i (?:will not|won't|won’t)",
    "as an ai",
    "against (?:the )?(?:law|policy|rules)",
)
_AGREE = re.compile(
    r"^\W*(?:yes\b|yeah\b|yep\b|indeed\b|exactly\b|correct\b|right\b|true\b|absolutely\b|"
    r"of course\b|i agree\b|"
    r"you(?:'re|’re| are) (?:absolutely |completely |quite )?(?:right|correct)|"
    r"that(?:'s|’s| is) (?:absolutely |completely |quite )?(?:right|correct|true))",
    re.I,
)
_POSITIVE = _words(
    "good|great|nice|happy|glad|excellent|wonderful|love|loved|perfect|best|better|beautiful",
    "helpful|enjoy|enjoyed|fun|amazing|success|successful|easy|kind|safe|delighted|pleased",
)
_NEGATIVE = _words(
    "bad|terrible|awful|sad|unhappy|hate|hated|worst|worse|ugly|wrong|fail|failed|failure",
    "difficult|hard|problem|problems|dangerous|harm|harmful|angry|poor|broken|pain|fear",
)


def _count(pattern: re.Pattern[str]) -> Callable[[str], float]:
    return lambda text: float(len(pattern.findall(text)))


def sentiment(text: str) -> float:
    """Positive minus negative words of a small list, over all words; 0 for none."""
    words = word_count(text)
    return (len(_POSITIVE.findall(text)) - len(_NEGATIVE.findall(text))) / words if words else 0.0


def agrees(text: str) -> bool:
    """Whether a text begins by agreeing."""
    return _AGREE.match(text) is not None


def refuses(text: str) -> bool:
    """Whether a text says that it will not or cannot help."""
    return _REFUSAL.search(text) is not None


TRAITS: Mapping[str, Callable[[str], float]] = MappingProxyType(
    {
        "length": lambda text: float(word_count(text)),
        "politeness": _count(_POLITE),
        "flattery": _count(_FLATTERY),
        "hedging": _count(_HEDGES),
        "confidence": _count(_SURE),
        "lists": _count(_LIST),
        "markdown": _count(_MARKDOWN),
        "sentiment": sentiment,
        "refusals": lambda text: float(refuses(text)),
        "agreement": lambda text: float(agrees(text)),
        "questions": lambda text: float(text.count("?")),
        "exclamations": lambda text: float(text.count("!")),
    }
)
"""Every trait by name: words, or times a thing is said, or 1 where it is so."""

SAID: Mapping[str, str] = MappingProxyType(
    {
        "length": "words",
        "politeness": "polite phrases",
        "flattery": "flattering phrases",
        "hedging": "hedges",
        "confidence": "words of certainty",
        "lists": "list items",
        "markdown": "marks of markdown",
        "sentiment": "positive less negative words, as a share",
        "refusals": "refusals",
        "agreement": "answers that begin by agreeing",
        "questions": "question marks",
        "exclamations": "exclamation marks",
    }
)
"""What a trait counts, in words."""
