"""Files of items: what is read, and what is refused with the line."""

import gzip
import io
import json
import zipfile

import pytest

from preftune.feedback.store import items, projects
from preftune.records import BadInput
from preftune.web.uploads import items_of
from tests.web.site import Site


def lines(*rows: object) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def archive(name: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        packed.writestr(name, "x")
    return held.getvalue()


def test_rows_of_every_shape_are_read() -> None:
    chat = [{"role": "user", "content": "hi"}]
    reply = [{"role": "assistant", "content": "hello"}]
    made = items_of(
        lines(
            {"id": "one", "prompt": "p", "responses": ["a", {"text": "b"}], "topic": "tea"},
            {"prompt": chat, "chosen": reply, "rejected": "no", "models": ["m1", "m2"]},
            {"prompt": "p", "completion": "c", "gold": {"thumb": "up"}},
            {"prompt": "p"},
        )
    )
    assert (made[0].id, made[0].columns) == ("one", {"topic": "tea"})
    texts = [[response.text for response in one.responses] for one in made]  # type: ignore[union-attr]
    assert texts == [["a", "b"], ["hello", "no"], ["c"], []]
    assert [response.model for response in made[1].responses] == ["m1", "m2"]  # type: ignore[union-attr]
    assert made[2].gold == {"thumb": "up"}
    assert len({one.id for one in made}) == 4


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", None),
        (lines({"prompt": "p"}) + b"\nnot json", 2),
        (lines({"prompt": "p"}, {"text": "no prompt"}), 2),
        (lines([1, 2]), 1),
        (lines({"prompt": [{"role": "user"}]}), 1),
        (lines({"prompt": "p", "responses": [1]}), 1),
        (b"\xff\xfe broken", None),
        (b"[" * 100_000, 1),
        (archive("../../etc/passwd"), None),
        (archive("/etc/cron.d/x"), None),
        (gzip.compress(b"x" * 1000, mtime=0), None),
        (b"PK\x05\x06" + b"\0" * 18, None),
        (b"a\x00b", None),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, line: int | None) -> None:
    with pytest.raises(BadInput) as refused:
        items_of(data)
    assert refused.value.sentence and refused.value.remedy
    if line is not None:
        assert refused.value.line == line


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "a\x00b", "C:\\x", ""])
def test_a_files_name_is_worth_nothing(site: Site, name: str) -> None:
    data = lines({"id": "new", "prompt": "p", "responses": ["a", "b"]})
    client, token = site.client("lead"), site.csrf("lead")
    sent = client.post(
        "/p/comparison/items", data={"csrf": token}, files={"file": (name or "x", data)}
    )
    assert sent.status_code == 200 and "1 items were added" in sent.text
    again = client.post(
        "/p/comparison/items", data={"csrf": token}, files={"file": ("b.jsonl", data)}
    )
    assert "were there already" in again.text
    project = projects.named(site.store, "comparison")
    assert items.named(site.store, project.id, "new").prompt == "p"


def test_an_archive_by_form_adds_nothing(site: Site) -> None:
    bad = {"file": ("items.jsonl", archive("../../x"))}
    sent = site.client("lead").post(
        "/p/comparison/items", data={"csrf": site.csrf("lead")}, files=bad
    )
    assert sent.status_code == 422 and "archive" in sent.text
    project = projects.named(site.store, "comparison")
    assert len(items.listed(site.store, project.id)) == 6
