"""A labeler asks about an item, a lead answers, and no other labeler sees it."""

import pytest
from sqlalchemy import text

from preftune.feedback.store import events, people, projects, questions
from preftune.feedback.store.faults import Forbidden, Unknown
from tests.web.site import Site, take


def test_a_question_and_its_answer(site: Site) -> None:
    site.person("Other")
    labeler, lead, other = (site.client(name) for name in ("annotator", "lead", "Other"))
    given = take(labeler, "comparison")["assignment"]["id"]
    path = f"/api/assignments/{given}/questions"
    assert labeler.get(path).json() == []
    [asked] = labeler.post(path, json={"text": "  Is **rising** meant? "}).json()
    assert asked["own"] and asked["text"] == "Is **rising** meant?"
    assert "<strong>rising</strong>" in asked["html"]

    page = lead.get("/p/comparison/questions").text
    assert "waits for an answer" in page and "<strong>rising</strong>" in page
    who = people.named(site.store, "annotator").id
    form = {"csrf": site.csrf("lead"), "item": "1", "asker": str(who), "text": "Yes, rising."}
    assert lead.post("/p/comparison/questions", data=form).status_code == 303
    assert "waits for an answer" not in lead.get("/p/comparison/questions").text

    told = labeler.get(path).json()
    assert [(one["own"], one["text"]) for one in told][1] == (False, "Yes, rising.")
    assert "Yes, rising." in labeler.get("/p/comparison/mine").text
    assert other.get(path).status_code == 403
    assert other.post(path, json={"text": "Me too"}).status_code == 403
    assert "rising" not in other.get("/p/comparison/mine").text
    [thread] = questions.threads(site.store, projects.named(site.store, "comparison").id)
    assert (thread.asker, thread.waits, len(thread.remarks)) == ("annotator", False, 2)
    assert events.verify(site.store).ok


def test_what_may_not_be_said(site: Site) -> None:
    labeler, store = site.client("annotator"), site.store
    who, lead = (people.named(store, name).id for name in ("annotator", "lead"))
    given = take(labeler, "comparison")["assignment"]["id"]
    path = f"/api/assignments/{given}/questions"
    for words in ("", "   ", "x" * 4001):
        assert labeler.post(path, json={"text": words}).status_code == 422
    with pytest.raises(Forbidden, match="never had"):
        questions.say(store, 2, asker_id=who, author_id=who, text="What is this?")
    with pytest.raises(Unknown, match="no such question"):
        questions.say(store, 1, asker_id=who, author_id=lead, text="I answer what nobody asked.")
    assert labeler.post(path, json={"text": "Why?"}).status_code == 200
    viewer = people.named(store, "viewer").id
    with pytest.raises(Forbidden, match="Only a lead"):
        questions.say(store, 1, asker_id=who, author_id=viewer, text="I guess so.")
    for verb in ("DELETE FROM remark", "UPDATE remark SET text = 'x'"):
        with pytest.raises(Exception, match="append-only"):
            store.write(lambda connection, verb=verb: connection.execute(text(verb)))
