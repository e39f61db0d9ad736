"""Leases, places and judgments on both databases, each promise by itself."""

import dataclasses
import uuid

import pytest
from sqlalchemy import delete, update

from preftune.feedback.store import events, judgments, leases, people, projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Conflict, Forbidden, InvalidAnswer, LeaseLost
from preftune.feedback.store.nouns import Nothing, Presentation, Revision, Training
from preftune.feedback.store.schema import EVENT, JUDGMENT
from tests.feedback import made


def test_a_judgment_cannot_be_changed_or_removed(store: Store) -> None:
    project = made.project(store)
    made.answer(store, made.take(store, project, made.person(store)))
    for statement in (update(JUDGMENT).values(answer="{}"), delete(JUDGMENT), delete(EVENT)):
        with pytest.raises(Exception, match="append-only"):
            store.write(lambda connection, s=statement: connection.execute(s))
    assert events.verify(store).ok


def test_the_audit_finds_what_was_changed_behind_its_back(store: Store) -> None:
    project = made.project(store)
    made.answer(store, made.take(store, project, made.person(store)), made.A)
    with store.writer.begin() as connection:
        if store.is_sqlite:
            connection.exec_driver_sql("DROP TRIGGER judgment_no_update")
        else:
            connection.exec_driver_sql("ALTER TABLE judgment DISABLE TRIGGER USER")
        changed = '{"choice":"b"}'
        connection.execute(update(JUDGMENT).values(answer=changed))
    verdict = events.verify(store)
    assert not verdict.ok and "was changed" in verdict.wrong


def test_late_counts_while_a_place_is_open_and_surplus_is_kept(store: Store) -> None:
    project = made.project(store, count=1, lease_seconds=10)
    ada, bob = made.person(store, "ada"), made.person(store, "bob")
    first = made.take(store, project, ada, now=100.0)
    assert made.answer(store, first, now=111.0).status == "late"

    other = made.project(store, "other", count=1, lease_seconds=10)
    first = made.take(store, other, ada, now=100.0)
    second = made.take(store, other, bob, now=111.0)
    assert second.slot == first.slot == 1
    assert made.answer(store, second, now=112.0).status == "counted"
    assert made.answer(store, first, now=113.0).status == "surplus"
    assert len(judgments.of_item(store, first.item.number)) == 2


def test_a_lease_is_fenced_by_its_token(store: Store) -> None:
    project = made.project(store, count=1, lease_seconds=10)
    ada = made.person(store)
    old = made.take(store, project, ada, now=100.0)
    new = made.take(store, project, ada, now=111.0)
    assert (new.id, new.epoch) == (old.id, old.epoch + 1)
    with pytest.raises(LeaseLost) as lost:
        leases.heartbeat(store, old.id, old.lease_token, now=112.0)
    assert lost.value.happened == "retaken"
    forged = dataclasses.replace(new, lease_token=f"{new.epoch}.{'0' * 40}")
    with pytest.raises(LeaseLost):
        made.answer(store, forged, now=112.0)
    assert leases.heartbeat(store, new.id, new.lease_token, now=115.0) == 125.0


def test_one_id_is_one_answer(store: Store) -> None:
    project = made.project(store)
    given = made.take(store, project, made.person(store))
    sent = made.submission(given, made.A)
    receipt = judgments.submit(store, sent)
    again = judgments.submit(store, sent)
    assert again == dataclasses.replace(receipt, replayed=True)
    with pytest.raises(Conflict):
        judgments.submit(store, dataclasses.replace(sent, answer=made.B))
    with pytest.raises(InvalidAnswer):
        judgments.submit(store, dataclasses.replace(sent, submission_id="17"))


def test_undo_appends_within_its_window(store: Store) -> None:
    project = made.project(store, undo_seconds=60)
    ada, bob = made.person(store, "ada"), made.person(store, "bob")
    receipt = made.answer(store, made.take(store, project, ada, now=100.0), made.A, now=100.0)

    def revise(who: int, now: float) -> int:
        change = Revision(str(uuid.uuid4()), receipt.judgment_id, who, made.B)
        return judgments.revise(store, change, now=now).revision

    assert revise(ada.id, 159.0) == 2
    for who, now in ((ada.id, 161.0), (bob.id, 120.0)):
        with pytest.raises(Forbidden):
            revise(who, now)
    last = judgments.by_id(store, receipt.judgment_id)
    assert last.revision == 2 and last.answer["choice"] == "b"
    [one] = judgments.mine(store, project.id, ada.id)
    assert one == last and len(judgments.of_item(store, last.item_number)) == 2


def test_the_order_is_drawn_once_and_recorded(store: Store) -> None:
    project = made.project(store, count=60)
    ada = made.person(store)
    seen = []
    for _ in range(60):
        given = made.take(store, project, ada)
        assert made.take(store, project, ada).order == given.order, "a reload changed the sides"
        wrong = Presentation(order=tuple(reversed(given.order)))
        with pytest.raises(InvalidAnswer):
            judgments.submit(store, made.submission(given, made.A, presentation=wrong))
        made.answer(store, given)
        seen.append(given.order)
    assert 15 <= seen.count((0, 1)) <= 45, "sides are not drawn"  # 30 ± 3.9, 4 sigma
    stored = judgments.mine(store, project.id, ada.id, limit=60)
    assert [tuple(one.presentation["order"]) for one in reversed(stored)] == seen


def test_work_resumes_prefetch_is_a_second_lease_and_nobody_holds_three(store: Store) -> None:
    project = made.project(store, count=4)
    ada = made.person(store)
    first = made.take(store, project, ada)
    ahead = made.take(store, project, ada, purpose="prefetch")
    assert ahead.id != first.id
    assert made.take(store, project, ada, purpose="prefetch").id == ahead.id
    assert made.take(store, project, ada).id == first.id
    made.answer(store, first)
    assert made.take(store, project, ada).id == ahead.id


def test_empty_states_say_why(store: Store) -> None:
    empty = made.project(store, "empty", count=0)
    project = made.project(store, count=1, lease_seconds=10)
    ada, bob = made.person(store, "ada"), made.person(store, "bob")

    def reason(on: int, who: int, now: float) -> Nothing:
        given = leases.take(store, project_id=on, annotator_id=who, now=now)
        assert isinstance(given, Nothing)
        return given

    assert reason(empty.id, ada.id, 0.0).reason == "no_items"
    held = made.take(store, project, ada, now=100.0)
    assert reason(project.id, bob.id, 104.0) == Nothing("all_assigned", 6.0)
    leases.skip(store, held.id, held.lease_token, reason="too long", now=105.0)
    assert reason(project.id, ada.id, 106.0).reason == "done"
    assert made.take(store, project, bob, now=106.0).item.name == "item-0"
    projects.pause(store, project.id, actor="test")
    assert reason(project.id, ada.id, 107.0).reason == "paused"


def test_priority_comes_first_and_new_items_are_not_missed(store: Store) -> None:
    from preftune.feedback.store import items

    project = made.project(store, count=3)
    ada = made.person(store)
    made.answer(store, made.take(store, project, ada))
    items.add(store, project.id, [made.pair("urgent", priority=5)], actor="test")
    assert made.take(store, project, ada).item.name == "urgent"


def test_a_higher_overlap_opens_places_again(store: Store) -> None:
    project = made.project(store, count=2)
    ada, bob = made.person(store, "ada"), made.person(store, "bob")
    for _ in range(2):
        made.answer(store, made.take(store, project, ada))
    given = leases.take(store, project_id=project.id, annotator_id=bob.id)
    assert given == Nothing("done")
    assert projects.raise_overlap(store, project.id, 3, actor="test") == 4
    assert made.take(store, project, bob).slot == 2


def test_a_removed_person_leaves_the_judgments_and_the_leases(store: Store) -> None:
    project = made.project(store, count=2)
    ada, bob = made.person(store, "ada"), made.person(store, "bob")
    made.answer(store, made.take(store, project, ada))
    held = made.take(store, project, ada)
    people.remove(store, ada.id, actor="test")
    with pytest.raises(LeaseLost) as lost:
        made.answer(store, held)
    assert lost.value.happened == "removed"
    assert made.take(store, project, bob).item.name == held.item.name
    [kept] = judgments.mine(store, project.id, ada.id)
    assert kept.annotator == f"removed-{ada.id}"


def test_training_explains_counts_and_opens_the_work(store: Store) -> None:
    from preftune.feedback.store import items

    settings = {"training": Training(items=2, pass_mark=1.0), "gold_fraction": 0.0}
    project = made.project(store, count=1, **settings)
    lessons = [
        made.pair(f"lesson-{n}", gold=made.A, training=True, explanation=f"because {n}")
        for n in range(4)
    ]
    items.add(store, project.id, lessons, actor="test")
    ada = made.person(store)
    call = {"project_id": project.id, "annotator_id": ada.id}
    assert leases.take(store, **call) == Nothing("needs_training")

    def lesson(said: dict[str, object]) -> tuple[bool, str, int, bool | None]:
        given = made.take(store, project, ada, purpose="training")
        found = made.answer(store, given, said).lesson
        assert found is not None and found.needed == 2
        return found.right, found.explanation, found.done, found.passed

    assert lesson(made.B) == (False, "because 0", 1, None)
    assert lesson(made.A) == (True, "because 1", 2, False)
    assert leases.take(store, **call) == Nothing("needs_training")
    assert lesson(made.A) == (True, "because 2", 1, None)
    assert lesson(made.A) == (True, "because 3", 2, True)
    assert made.take(store, project, ada).item.name == "item-0"

    bob = made.person(store, "bob")
    for _ in range(4):
        made.answer(store, made.take(store, project, bob, purpose="training"), made.B)
    given = leases.take(store, project_id=project.id, annotator_id=bob.id)
    assert given == Nothing("failed_training")


def test_hidden_gold_comes_by_its_share_and_never_twice(sqlite_store: Store) -> None:
    from preftune.feedback.store import gold, items

    store = sqlite_store
    project = made.project(store, count=200, gold_fraction=0.2)
    checks = [made.pair(f"gold-{n}", gold=made.A) for n in range(60)]
    items.add(store, project.id, checks, actor="test")
    ada = made.person(store)
    names = []
    for _ in range(150):
        given = made.take(store, project, ada)
        names.append(given.item.name)
        made.answer(store, given, made.A)
    hidden = [name for name in names if name.startswith("gold-")]
    assert len(set(names)) == len(names)
    assert 12 <= len(hidden) <= 48  # 30 expected, standard deviation 4.9
    [found] = gold.results(store, project.id)
    assert (found.right, found.asked, found.purpose) == (len(hidden), len(hidden), "gold")
    assert found.share.value == pytest.approx((len(hidden) + 1) / (len(hidden) + 2), abs=1e-12)
