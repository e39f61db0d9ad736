"""What the store refuses, each with a word for programs and a sentence for people."""

from preftune.records import BadInput


class Refused(BadInput):
    """The store said no; nothing was changed. ``what`` is one word a program can act on."""

    what = "refused"


class Unknown(Refused):
    """There is no such project, item, assignment, judgment or person."""

    what = "unknown"


class Conflict(Refused):
    """The same id was used before for something else, or a name is taken."""

    what = "conflict"


class InvalidAnswer(Refused):
    """The answer does not fit the question; the sentence says where."""

    what = "invalid_answer"


class Forbidden(Refused):
    """This person may not do that: role, removed account, undo window over."""

    what = "forbidden"


class LeaseLost(Refused):
    """The lease is no longer this person's.

    ``happened`` is ``taken`` (it expired and another person has the place), ``finished`` (the item
    has all its judgments), ``submitted`` (this person answered already), ``skipped``,
    ``released``, ``retaken`` (the same person took the item again, in another tab) or ``removed``.
    """

    what = "lease_lost"

    def __init__(self, happened: str, sentence: str) -> None:
        super().__init__(sentence, remedy="Your text is kept; ask for the next item.")
        self.happened = happened
