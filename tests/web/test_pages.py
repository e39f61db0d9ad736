"""Pages as plain forms: the example, one's own project, guidelines, people, a proxy's path."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from preftune.feedback.kinds import KINDS
from preftune.feedback.store import guidelines, items, people, projects
from preftune.web import WebSettings
from preftune.web.example import PAIRS, example_items
from preftune.web.who import COOKIE
from tests.web.site import BROWSER, Site, make_site


def test_the_example_is_one_click_and_no_pair_is_the_same_twice(site: Site) -> None:
    client = site.client("admin")
    done = client.post("/example", data={"csrf": site.csrf("admin")})
    assert done.headers["location"] == "/p/example/label"
    page = client.get("/p/example/label")
    assert page.status_code == 200 and "Which reply would you rather get?" in page.text
    made = example_items()
    texts = [tuple(one.responses) for one in made]
    assert len(made) == PAIRS and sum(a != b for a, b in texts) >= 25
    assert made == example_items()
    assert client.post("/example", data={"csrf": site.csrf("admin")}).status_code == 409


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_of_every_kind_is_made_by_form(site: Site, kind: str) -> None:
    given = {
        "csrf": site.csrf("lead"), "name": f"my {kind}?", "kind": kind, "overlap": "2",
        "instructions": "Be\r\nfair.", "cost_per_hour": "30", "training_items": "3",
    }  # fmt: skip
    done = site.client("lead").post("/new", data=given)
    assert done.status_code == 303 and done.headers["location"] == f"/p/my%20{kind}%3F/items"
    project = projects.named(site.store, f"my {kind}?")
    assert (project.kind, project.overlap, project.cost_per_hour) == (kind, 2, 30.0)
    assert project.training is not None and project.training.items == 3
    assert guidelines.current(site.store, project.id).text == "Be\nfair."
    for path in (
        "",
        "/items",
        "/agreement",
        "/labelers",
        "/disputed",
        "/guidelines",
        "/label",
        "/mine",
    ):
        assert site.client("lead").get(f"/p/my%20{kind}%3F{path}").status_code == 200, path


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": "a/b"}, {"kind": "x"}, {"overlap": "0"}, {"overlap": "two"},
     {"question": "{"}, {"question": '{"scale": "9-point"}'}, {"gold_percent": "80"}],
    ids=str,
)  # fmt: skip
def test_a_project_that_cannot_be_is_explained(site: Site, wrong: dict[str, str]) -> None:
    given = {"csrf": site.csrf("lead"), "name": "new", "kind": "comparison", "overlap": "1"}
    page = site.client("lead").post("/new", data={**given, **wrong})
    assert page.status_code == 422 and 'role="alert"' in page.text
    assert len(projects.all(site.store)) == 1


def test_a_paused_project_hands_nothing_out(site: Site) -> None:
    lead, data = site.client("lead"), {"csrf": site.csrf("lead")}
    lead.post("/p/comparison/state", data={**data, "state": "paused"})
    nothing = (
        site.client("annotator").post("/api/projects/comparison/next", json={}).json()["nothing"]
    )
    assert nothing["reason"] == "paused" and "paused" in nothing["sentence"]
    lead.post("/p/comparison/state", data={**data, "state": "open"})
    lead.post("/p/comparison/overlap", data={**data, "overlap": "4"})
    assert projects.named(site.store, "comparison").overlap == 4


def test_guidelines_keep_their_versions(site: Site) -> None:
    data = {"csrf": site.csrf("lead"), "text": "Be <b>kind</b>.", "changes": "now kinder"}
    site.client("lead").post("/p/comparison/guidelines", data=data)
    site.client("annotator").get("/p/comparison/guidelines")
    site.client("lead").post(
        "/p/comparison/guidelines", data={**data, "text": "3", "changes": "third"}
    )
    page = site.client("annotator").get("/p/comparison/guidelines").text
    assert "What changed since your last visit" in page and "third" in page
    assert "&lt;b&gt;kind&lt;/b&gt;" in page and "<b>kind" not in page
    assert len(guidelines.versions(site.store, 1)) == 3


def test_the_last_admin_stays_and_a_removed_person_is_out(site: Site) -> None:
    admin, data = site.client("admin"), {"csrf": site.csrf("admin")}
    who = {name: people.named(site.store, name).id for name in ("admin", "annotator")}
    refused = admin.post(f"/people/{who['admin']}/change", data={**data, "role": "viewer"})
    assert refused.status_code == 403
    assert admin.post(f"/people/{who['annotator']}/remove", data=data).status_code == 303
    assert site.client("annotator").get("/api/me").status_code == 401


def test_the_judgments_can_be_taken_out_without_names(site: Site) -> None:
    client = site.client("annotator")
    given = client.post("/api/projects/comparison/next", json={}).json()["assignment"]
    sent = {
        "submission_id": "5f0c7a52-3f2b-4b1c-9f7e-0123456789ab", "assignment_id": given["id"],
        "lease_token": given["lease_token"], "answer": {"choice": "tie"},
    }  # fmt: skip
    assert client.post("/api/judgments", json=sent).status_code == 200
    out = site.client("lead").get("/p/comparison/export")
    assert out.text.count("\n") == 1 and '"tie"' in out.text
    assert '"annotator"' not in out.text.replace('"annotator":', "")


def test_it_works_under_a_path_of_a_proxy(tmp_path: Path) -> None:
    site = make_site(tmp_path, WebSettings(root_path="/label", public_url="https://example.org"))
    site.person("Ada", "admin")
    client = TestClient(site.app, headers=BROWSER, follow_redirects=False)
    client.cookies.set(COOKIE, site.secrets["Ada"])
    for prefix in ("", "/label"):  # a proxy may cut the prefix off, or leave it
        page = client.get(f"{prefix}/people")
        links = re.findall(r'(?:href|src|action)="([^"#]+)"', page.text)
        assert page.status_code == 200 and len(links) > 6
        assert [link for link in links if not link.startswith("/label/")] == []
        assert client.get(f"{prefix}/static/label.js").status_code == 200
        assert client.post(f"{prefix}/api/preview", json={"text": "x"}).status_code == 200
        assert client.post(f"{prefix}/api/preview", data={"text": "x"}).status_code == 415
    invited = client.post("/people/invites", data={"csrf": site.csrf("Ada")})
    assert "https://example.org/label/join/" in invited.text
    assert (
        client.get("/nowhere").headers["content-security-policy"].endswith("/label/api/csp-reports")
    )
    gone = client.post("/logout", data={"csrf": site.csrf("Ada")})
    assert (
        gone.headers["location"] == "/label/login" and "Path=/label" in gone.headers["set-cookie"]
    )
    assert items.listed(site.store, 1) == []
    site.store.close()
