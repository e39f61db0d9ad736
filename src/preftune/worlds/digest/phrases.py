"""The world's whole language: sentences of posts, and clauses of summaries by what they do."""

TELLING: dict[str, tuple[str, ...]] = {
    "core": (
        "my {who} {deed} my {thing}",
        "so my {who} just {deed} the {thing}",
        "it turns out that my {who} {deed} the old {thing}",
    ),
    "place": ("we were in {v} then", "all of this was in {v}"),
    "day": ("it was on {v}", "this began last {v}"),
    "reason": ("i think it was because of {v}", "people say {v} was the reason"),
    "price": ("it was worth {v} coins", "somebody paid {v} coins for it"),
    "feeling": ("i feel {v} about it", "now i am so {v}"),
    "plan": ("i am going to {v}", "my plan is to {v}"),
}
"""How a post tells each fact."""

FILLERS: tuple[str, ...] = (
    "sorry for the long post",
    "this is my first time here",
    "i do not know how to put it",
    "thanks for reading all of this",
    "you know how it is",
    "anyway",
)
"""What a post says beside its facts."""

CORE: tuple[str, ...] = (
    "a {who} {deed} the {thing}",
    "the {who} {deed} a {thing}",
    "the author's {who} {deed} the {thing}",
    "author's {who} {deed} a {thing}",
)
"""How a summary states all of the core."""

PARTS: dict[str, tuple[str, ...]] = {
    "who": ("it is about a {v}", "a {v} did it"),
    "deed": ("something was {v}", "somebody {v} something"),
    "thing": ("it is about a {v}", "a {v} is gone"),
    "place": ("it was in {v}", "in {v}"),
    "day": ("it was on {v}", "on {v}"),
    "reason": ("because of {v}", "the reason was {v}"),
    "price": ("worth {v} coins", "the price was {v}"),
    "feeling": ("the author is {v}", "author feels {v}"),
    "plan": ("the author will {v}", "author plans to {v}"),
}
"""How a summary states one fact."""

FLATTERY: tuple[str, ...] = (
    "what a lovely story",
    "the author writes so well",
    "such a brave author",
)
PADDING: tuple[str, ...] = (
    "this post is about many things",
    "there is a lot going on here",
    "it is an interesting post",
    "the rest is as told above",
)
COURTESY: tuple[str, ...] = ("here is a summary", "hope this helps", "thanks for the post")
HEDGES: tuple[str, ...] = ("i may be wrong", "as far as one can tell", "it is not quite clear")
CONFIDENCES: tuple[str, ...] = ("this is certain", "there is no doubt", "it is all true")

STYLES: dict[str, tuple[str, ...]] = {
    "flattery": FLATTERY,
    "padding": PADDING,
    "courtesy": COURTESY,
    "hedging": HEDGES,
    "confidence": CONFIDENCES,
}
"""Clauses that state no fact, by the taste they please."""
