"""The label store against a model in memory: random people, clocks, retries and lost leases."""

import uuid
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import func, select

from preftune.feedback.store import adjudication, events, judgments, leases, people
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Conflict, Forbidden, LeaseLost
from preftune.feedback.store.nouns import Assignment, Nothing, Receipt, Revision, Submission
from preftune.feedback.store.schema import ASSIGNMENT, JUDGMENT, SLOT
from tests.feedback import made

ITEMS, OVERLAP, PEOPLE = 3, 2, 4
LEASE, UNDO = 100.0, 250.0
WHO = st.integers(0, PEOPLE - 1)
ANSWERS = st.sampled_from([made.A, made.B, {"choice": "tie"}, {"both_bad": True}])


@dataclass
class Slot:
    holder: int | None = None
    """The assignment."""
    until: float = 0.0
    done: bool = False

    def open(self, now: float) -> bool:
        return not self.done and self.until <= now


@dataclass
class Held:
    given: Assignment
    until: float
    state: str = "leased"
    tokens: list[str] = field(default_factory=list)


@dataclass
class Sent:
    submission: Submission
    receipt: Receipt
    at: float
    person: int


class LabelStore(RuleBasedStateMachine):
    """P1–P4 of the contract after every step."""

    opened: ClassVar[Any]
    """Makes an empty store."""

    @initialize()
    def begin(self) -> None:
        self.store: Store = type(self).opened()
        self.project = made.project(
            self.store, count=ITEMS, overlap=OVERLAP, lease_seconds=LEASE, undo_seconds=UNDO
        )
        self.people = [made.person(self.store, f"person-{n}") for n in range(PEOPLE)]
        self.lead = made.person(self.store, "lead", role="lead")
        self.now = 1_000.0
        self.slots: dict[int, list[Slot]] = {}
        self.held: dict[tuple[int, int], Held] = {}
        self.sent: list[Sent] = []
        self.revisions: list[tuple[str, int]] = []
        self.gone: set[int] = set()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            assert events.verify(self.store).ok
            self.store.close()

    def places(self, item: int) -> list[Slot]:
        return self.slots.setdefault(item, [Slot() for _ in range(OVERLAP)])

    def live(self, who: int) -> list[Held]:
        """What a person holds now, in the order of taking."""
        mine = [h for (person, _), h in self.held.items() if person == who]
        return [h for h in mine if h.state == "leased" and h.until > self.now]

    def may_have(self, who: int, item: int) -> bool:
        held = self.held.get((who, item))
        if held is None or held.state == "released":
            return True
        return held.state == "leased" and held.until <= self.now

    @rule(who=WHO, purpose=st.sampled_from(["work", "prefetch"]))
    def take(self, who: int, purpose: Any) -> None:
        person = self.people[who].id
        call = {"project_id": self.project.id, "annotator_id": person, "now": self.now}
        if who in self.gone:
            try:
                leases.take(self.store, purpose=purpose, **call)
            except Forbidden:
                return
            raise AssertionError("a removed person was given an item")
        live = self.live(who)
        given = leases.take(self.store, purpose=purpose, **call)
        if live and (purpose == "work" or len(live) == 2):
            again = {h.given.id: h for h in live}
            assert isinstance(given, Assignment) and given.id in again
            self.renewed(again[given.id])
            return
        numbers = [i.number for i in self.all_items()]
        free = [n for n in numbers if self.may_have(who, n)
                and any(slot.open(self.now) for slot in self.places(n))]  # fmt: skip
        if not free:
            waits = any(
                self.may_have(who, n) and not all(s.done for s in self.places(n)) for n in numbers
            )
            assert given == Nothing("all_assigned" if waits else "done", getattr(
                given, "retry_seconds", None))  # fmt: skip
            return
        assert isinstance(given, Assignment) and given.item.number in free
        slot = self.places(given.item.number)[(given.slot or 0) - 1]
        assert slot.open(self.now), "a place that is not open was leased"
        slot.holder, slot.until = given.id, self.now + LEASE
        before = self.held.get((who, given.item.number))
        tokens = [*(before.tokens if before else []), given.lease_token]
        assert len(set(tokens)) == len(tokens) and given.epoch == len(tokens)
        assert before is None or before.given.order == given.order
        self.held.pop((who, given.item.number), None)
        self.held[who, given.item.number] = Held(given, self.now + LEASE, "leased", tokens)

    def all_items(self) -> list[Any]:
        from preftune.feedback.store import items

        return items.listed(self.store, self.project.id)

    def renewed(self, held: Held) -> None:
        held.until = self.now + LEASE
        slot = self.places(held.given.item.number)[(held.given.slot or 0) - 1]
        assert slot.holder == held.given.id
        slot.until = held.until

    @rule(seconds=st.sampled_from([1.0, 60.0, 101.0, 300.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    def choose(self, data: st.DataObject) -> tuple[int, Held]:
        (who, _), held = data.draw(st.sampled_from(sorted(self.held.items(), key=lambda e: e[0])))
        return who, held

    @precondition(lambda self: self.held)
    @rule(data=st.data(), answer=ANSWERS, newest=st.booleans())
    def submit(self, data: st.DataObject, answer: Any, newest: bool) -> None:
        who, held = self.choose(data)
        token = held.tokens[-1 if newest else 0]
        sent = Submission(str(uuid.uuid4()), held.given.id, token, answer)
        if who in self.gone:
            try:
                judgments.submit(self.store, sent, now=self.now)
            except LeaseLost as lost:
                assert lost.happened == "removed"
                return
            raise AssertionError("a removed person's answer was taken")
        in_time = held.state == "leased" and held.until > self.now and token == held.tokens[-1]
        expected = "surplus"
        if held.state != "submitted":
            places = self.places(held.given.item.number)
            own = [s for s in places if s.holder == held.given.id and not s.done]
            free = own or [s for s in places if s.open(self.now)]
            if free:
                free[0].done, free[0].holder = True, held.given.id
                expected = "counted" if own and in_time else "late"
        receipt = judgments.submit(self.store, sent, now=self.now)
        assert receipt == Receipt(sent.submission_id, 1, expected)  # type: ignore[arg-type]
        held.state = "submitted"
        self.sent.append(Sent(sent, receipt, self.now, who))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        sent = data.draw(st.sampled_from(self.sent))
        again = judgments.submit(self.store, sent.submission, now=self.now)
        assert again.replayed
        assert (again.judgment_id, again.revision, again.status) == (
            sent.receipt.judgment_id,
            1,
            sent.receipt.status,
        )
        other = {"choice": "a", "strength": 3}
        changed = Submission(
            sent.submission.submission_id,
            sent.submission.assignment_id,
            sent.submission.lease_token,
            other,
        )
        try:
            judgments.submit(self.store, changed, now=self.now)
        except Conflict:
            return
        raise AssertionError("one id stood for two answers")

    @precondition(lambda self: self.held)
    @rule(data=st.data(), what=st.sampled_from(["heartbeat", "release", "skip", "draft"]))
    def with_lease(self, data: st.DataObject, what: str) -> None:
        who, held = self.choose(data)
        given, token = held.given, held.tokens[-1]
        slot = self.places(given.item.number)[(given.slot or 0) - 1]
        mine = held.state == "leased" and slot.holder == given.id and not slot.done
        if what in ("release", "skip") and held.state == {"release": "released"}.get(
            what, "skipped"
        ):
            mine = True
        mine = (
            mine
            and who not in self.gone
            or (
                what in ("release", "skip")
                and held.state == {"release": "released"}.get(what, "skipped")
            )
        )
        try:
            if what == "heartbeat":
                leases.heartbeat(self.store, given.id, token, now=self.now)
            elif what == "release":
                leases.release(self.store, given.id, token, now=self.now)
            elif what == "skip":
                leases.skip(self.store, given.id, token, reason="too long", now=self.now)
            else:
                leases.save_draft(self.store, given.id, token, {"note": "so far"}, now=self.now)
        except LeaseLost:
            assert not mine, f"{what} was refused to the holder"
            return
        assert mine, f"{what} worked without the lease"
        if what == "heartbeat":
            self.renewed(held)
        elif what in ("release", "skip") and held.state == "leased":
            held.state = "released" if what == "release" else "skipped"
            slot.holder, slot.until = None, 0.0

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), answer=ANSWERS)
    def undo(self, data: st.DataObject, answer: Any) -> None:
        sent = data.draw(st.sampled_from(self.sent))
        person = self.people[sent.person].id
        change = Revision(str(uuid.uuid4()), sent.receipt.judgment_id, person, answer)
        try:
            receipt = judgments.revise(self.store, change, now=self.now)
        except Forbidden:
            assert self.now > sent.at + UNDO or sent.person in self.gone
            return
        assert self.now <= sent.at + UNDO and sent.person not in self.gone
        self.revisions.append((sent.receipt.judgment_id, receipt.revision))
        numbers = [number for name, number in self.revisions if name == sent.receipt.judgment_id]
        assert numbers == list(range(2, 2 + len(numbers)))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def adjudicate(self, data: st.DataObject) -> None:
        sent = data.draw(st.sampled_from(self.sent))
        number = judgments.by_id(self.store, sent.receipt.judgment_id).item_number
        before = judgments.of_item(self.store, number)
        adjudication.say_blind(self.store, number, annotator_id=self.lead.id, answer=made.A)
        ruling = adjudication.Ruling(made.B, "high", "ambiguous")
        adjudication.decide(self.store, number, ruling, annotator_id=self.lead.id)
        assert judgments.of_item(self.store, number) == before, "a decision changed votes"

    @rule(who=WHO)
    def remove(self, who: int) -> None:
        if len(self.gone) + 1 >= PEOPLE:
            return
        people.remove(self.store, self.people[who].id, actor="test")
        self.gone.add(who)
        for (person, item), held in self.held.items():
            if person == who and held.state == "leased":
                held.state = "released"
                for slot in self.places(item):
                    if slot.holder == held.given.id and not slot.done:
                        slot.holder, slot.until = None, 0.0

    @invariant()
    def acknowledged_is_stored_once(self) -> None:
        """P1, P2: what was acknowledged is there as it was sent, and nothing else is."""
        if not hasattr(self, "store"):
            return
        with self.store.reading() as connection:
            rows = connection.execute(select(JUDGMENT)).all()
        assert len(rows) == len(self.sent) + len(self.revisions)
        stored = {row.submission_id: row for row in rows}
        for sent in self.sent:
            row = stored[sent.submission.submission_id]
            assert row.status == sent.receipt.status and row.revision == 1
            for key, value in sent.submission.answer.items():
                assert f'"{key}":{self.json(value)}' in row.answer

    @staticmethod
    def json(value: object) -> str:
        return "true" if value is True else f'"{value}"' if isinstance(value, str) else str(value)

    @invariant()
    def never_more_than_the_overlap(self) -> None:
        """P3, P4: leases and counted judgments of an item never exceed the overlap."""
        if not hasattr(self, "store"):
            return
        with self.store.reading() as connection:
            slots = connection.execute(select(SLOT).order_by(SLOT.c.item_id, SLOT.c.slot)).all()
            counts = connection.execute(
                select(JUDGMENT.c.item_id, func.count())
                .where(JUDGMENT.c.revision == 1, JUDGMENT.c.status != "surplus")
                .group_by(JUDGMENT.c.item_id)
            )
            counted = {row[0]: row[1] for row in counts}
            live = connection.execute(
                select(ASSIGNMENT.c.item_id, func.count())
                .where(ASSIGNMENT.c.state == "leased", ASSIGNMENT.c.lease_until > self.now)
                .group_by(ASSIGNMENT.c.item_id)
            )
            leased = {row[0]: row[1] for row in live}
        for item in {slot.item_id for slot in slots}:
            mine = [slot for slot in slots if slot.item_id == item]
            done = sum(bool(slot.done) for slot in mine)
            assert counted.get(item, 0) == done
            assert done + leased.get(item, 0) <= OVERLAP
            for slot, place in zip(mine, self.places(item), strict=True):
                assert bool(slot.done) == place.done
                if not place.done:
                    assert slot.holder == place.holder and slot.lease_until == place.until
