"""Headers, cross-site requests, sessions, rate limits, and how secrets are kept."""

import re
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from preftune.feedback.store import people, sessions
from preftune.feedback.store.nouns import NewAnnotator
from preftune.web import WebSettings
from preftune.web.who import COOKIE
from tests.web.site import Site, make_site, submission, take

PASSWORD = "a long enough password"


@pytest.fixture
def account(site: Site) -> Site:
    people.add(site.store, NewAnnotator("Ada", role="lead"), actor="test", password=PASSWORD)
    return site


@pytest.mark.parametrize(
    "path", ["/login", "/", "/static/label.js", "/api/me", "/nowhere", "/p/comparison/label"]
)
def test_every_answer_forbids_scripts_from_elsewhere(site: Site, path: str) -> None:
    headers = site.client("admin").get(path).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'" and policy["base-uri"] == "'none'"
    for kind in ("script-src", "style-src", "img-src", "connect-src", "form-action"):
        assert policy[kind] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"


def test_no_page_has_a_script_or_style_of_its_own_or_from_elsewhere(site: Site) -> None:
    client = site.client("admin")
    for path in ("/", "/p/comparison/label", "/p/comparison", "/people", "/account", "/new"):
        html = client.get(path).text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html), path
        assert not re.search(r"(?:src|href|action)=\"(?:[a-z]+:)?//", html), path


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "", "origin": "http://testserver"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {},
    ],
)
def test_a_request_from_another_site_is_refused(site: Site, headers: dict[str, str]) -> None:
    client = site.client("annotator")
    sent = submission(take(client, "comparison"), {"choice": "tie"})
    client.headers = headers
    for path, body in (("/api/judgments", sent), ("/logout", {"csrf": site.csrf("annotator")})):
        refused = client.post(path, json=body)
        assert (refused.status_code, refused.json()["error"]["what"]) == (403, "cross_site")
    assert client.get("/api/me/judgments?project=comparison").json() == []


def test_an_older_browser_is_known_by_its_origin(site: Site) -> None:
    client = site.client("annotator")
    client.headers = {"origin": "http://testserver"}
    assert take(client, "comparison")["assignment"]


def test_behind_a_proxy_the_public_address_counts(tmp_path: Path) -> None:
    site = make_site(tmp_path, WebSettings(public_url="https://label.example"))
    site.person("Ada")
    client = site.client("Ada")
    client.headers = {"origin": "https://label.example"}
    assert client.post("/api/preview", json={"text": "x"}).status_code == 200
    client.headers = {"origin": "https://other.example"}
    assert client.post("/api/preview", json={"text": "x"}).status_code == 403
    site.store.close()


def test_a_form_needs_its_own_sessions_token(site: Site) -> None:
    client = site.client("admin")
    for token in ("", "x", site.csrf("lead")):
        refused = client.post("/people/invites", data={"csrf": token, "role": "annotator"})
        assert refused.status_code == 403 and "This form has been open too long" in refused.text
    fine = client.post("/people/invites", data={"csrf": site.csrf("admin"), "role": "annotator"})
    assert fine.status_code == 200 and "/join/" in fine.text


def test_the_api_takes_json_only_and_not_too_much(site: Site) -> None:
    client = site.client("annotator")
    form = client.post("/api/preview", data={"text": "x"})
    assert form.status_code == 415
    plain = client.post(
        "/api/preview", content='{"text": "x"}', headers={"content-type": "text/plain"}
    )
    assert plain.status_code == 415
    assert client.post("/api/preview", json={"text": "x" * 1_100_000}).status_code == 413
    chunks = iter([b'{"text": "', *[b"x" * 100_000] * 15, b'"}'])
    chunked = client.post(
        "/api/preview", content=chunks, headers={"content-type": "application/json"}
    )
    assert chunked.status_code in (400, 413)


def test_logging_in_draws_a_new_session_and_ends_the_one_before(account: Site) -> None:
    """Session fixation: an id planted in the browser is worth nothing after the login."""
    victim, planted = account.client(), account.secrets["annotator"]
    victim.cookies.set(COOKIE, planted)
    done = victim.post("/login", data={"name": "Ada", "password": PASSWORD})
    cookie = done.headers["set-cookie"]
    fresh = re.search(rf"{COOKIE}=([^;]+)", cookie)
    assert done.status_code == 303 and fresh and fresh[1] != planted and len(fresh[1]) >= 43
    assert "httponly" in cookie.lower() and "samesite=lax" in cookie.lower()
    attacker = account.client("annotator")
    assert attacker.get("/api/me").status_code == 401
    invented = account.client()
    invented.cookies.set(COOKIE, "an-id-of-my-own-choosing")
    assert invented.get("/api/me").status_code == 401


def test_the_cookie_is_for_https_where_the_page_is(account: Site) -> None:
    client = account.client()
    client.base_url = "https://testserver"
    done = client.post("/login", data={"name": "Ada", "password": PASSWORD})
    assert "; secure" in done.headers["set-cookie"].lower()


def test_a_wrong_name_and_a_wrong_password_look_alike(account: Site) -> None:
    client = account.client()
    pages = [
        client.post("/login", data={"name": name, "password": "wrong password"})
        for name in ("Ada", "Nobody")
    ]
    assert [page.status_code for page in pages] == [403, 403]
    assert pages[0].text.replace("Ada", "Nobody") == pages[1].text


def test_logins_are_limited_by_name_and_by_address(tmp_path: Path) -> None:
    limits = WebSettings(logins_per_account=3, logins_per_address=5, login_window_seconds=86_400.0)
    site = make_site(tmp_path, limits)
    client = site.client()
    tries = [client.post("/login", data={"name": n, "password": "x"}) for n in "aaaabbb"]
    assert [one.status_code for one in tries] == [403, 403, 403, 429, 403, 429, 429]
    assert client.get("/join/whatever").status_code == 429
    site.store.close()


def test_logging_out_ends_the_session(site: Site) -> None:
    client = site.client("annotator")
    assert client.post("/logout", data={"csrf": site.csrf("annotator")}).status_code == 303
    assert site.client("annotator").get("/api/me").status_code == 401


def test_a_session_of_ones_own_can_be_ended_and_no_one_elses(site: Site) -> None:
    other = people.named(site.store, "lead").id
    handle = sessions.of_person(site.store, other)[0].handle
    data = {"csrf": site.csrf("annotator")}
    site.client("annotator").post(f"/account/sessions/{handle}/end", data=data)
    assert site.client("lead").get("/api/me").status_code == 200
    site.client("lead").post(f"/account/sessions/{handle}/end", data={"csrf": site.csrf("lead")})
    assert site.client("lead").get("/api/me").status_code == 401


def test_no_secret_is_in_the_database(account: Site) -> None:
    """Passwords are argon2id, other secrets hashes: a stolen file opens nothing."""
    admin = account.client("admin")
    page = admin.post("/people/invites", data={"csrf": account.csrf("admin")}).text
    invite = re.search(r"/join/([\w-]+)", page)
    page = admin.post(
        "/account/tokens", data={"csrf": account.csrf("admin"), "scope": "label"}
    ).text
    token = re.search(r"pft_\w+?_[\w-]+", page)
    assert invite and token
    secrets = [PASSWORD, *account.secrets.values(), invite[1], token[0], token[0].split("_", 2)[2]]
    with account.store.reading() as connection:
        tables = inspect(connection).get_table_names()
        cells = [
            str(cell)
            for table in tables
            for row in connection.execute(text(f'SELECT * FROM "{table}"'))
            for cell in row
        ]
    assert len(cells) > 100
    assert [secret for secret in secrets if any(secret in cell for cell in cells)] == []
    hashes = [cell for cell in cells if cell.startswith("$argon2")]
    assert hashes and all(one.startswith("$argon2id$v=19$m=65536,t=3,p=4$") for one in hashes)


def test_an_invite_works_once_and_a_lead_cannot_make_an_admin(site: Site) -> None:
    page = site.client("lead").post("/people/invites", data={"csrf": site.csrf("lead")}).text
    link = re.search(r"/join/[\w-]+", page)
    assert link
    new = site.client()
    done = new.post(link[0], data={"name": "Newcomer", "password": PASSWORD})
    assert done.status_code == 303 and people.named(site.store, "Newcomer").role == "annotator"
    assert site.client().post(link[0], data={"name": "B", "password": PASSWORD}).status_code == 404
    data = {"csrf": site.csrf("lead"), "role": "admin"}
    assert site.client("lead").post("/people/invites", data=data).status_code == 403
    short = site.client("lead").post("/people/invites", data={"csrf": site.csrf("lead")}).text
    again = re.search(r"/join/[\w-]+", short)
    assert again
    assert site.client().post(again[0], data={"name": "C", "password": "short"}).status_code == 422


def test_policy_reports_are_counted(site: Site) -> None:
    assert site.app.state.csp_reports == 0
    assert site.client().post("/api/csp-reports", content=b"{}").status_code == 204
    assert site.app.state.csp_reports == 1
