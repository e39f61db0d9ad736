"""``preftune label serve``: the labelling application on this machine."""

import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from preftune.cli.label import label, opened
from preftune.cli.listening import listen
from preftune.cli.options import AsJson, examples
from preftune.cli.reply import json_text
from preftune.cli.train_extra import require_train
from preftune.records import BadInput, Sampling

if TYPE_CHECKING:
    from preftune.web import Policy, WebSettings

__all__ = ["label", "serve"]

LOCAL = ("127.0.0.1", "localhost", "::1")


@label.command(
    epilog=examples(
        "preftune label serve",
        "preftune label serve labels.db --port 9000",
        "preftune label serve env:LABELS_URL --root-path /label --public-url https://example.org",
        "preftune label serve labels.db --policy ppo=runs/first/stages/07-ppo "
        "--policy other=http://127.0.0.1:8000/v1#sft",
    )
)
def serve(
    store: Annotated[
        str,
        typer.Argument(
            metavar="STORE",
            help="A file, made when it is not there; or env:NAME for a URL in the variable NAME.",
        ),
    ] = "labels.db",
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    root_path: Annotated[
        str, typer.Option(metavar="/PREFIX", help="The path a reverse proxy serves it under.")
    ] = "",
    public_url: Annotated[
        str, typer.Option(metavar="URL", help="Scheme and host that people see, for links.")
    ] = "",
    secure_cookies: Annotated[
        bool, typer.Option("--secure-cookies", help="Send the session over HTTPS only.")
    ] = False,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SOURCE",
            help="A policy to talk with, a model's folder or http://HOST/v1#MODEL; once for each.",
            show_default=False,
        ),
    ] = None,
    reply_tokens: Annotated[
        int, typer.Option(min=1, help="The longest reply in a conversation, in tokens.")
    ] = 64,
    key_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The variable with the endpoints' key.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the labelling application until it is stopped with Ctrl-C.

    The first start prints a link, good once, with which you become the admin; nobody has a
    password before they chose it. Everything comes from this machine, also the scripts.
    """
    from preftune.web import WebSettings

    settings = WebSettings(
        root_path=_prefix(root_path),
        public_url=public_url.rstrip("/"),
        secure_cookies=secure_cookies,
    )
    policies = _policies(policy or [], reply_tokens, key_env)
    listening = listen(host, port)
    try:
        _serve(store, listening, settings, policies, as_json)
    finally:
        listening.close()


def _policies(named: list[str], tokens: int, key_env: str | None) -> "dict[str, Policy]":
    """Who can be talked with, by the names that items give their responses."""
    if not named:
        return {}
    require_train("label serve --policy")
    from preftune.pipeline.talking import open_talker
    from preftune.web import Policy

    found = {}
    for given in named:
        name, equals, source = given.partition("=")
        if not equals or not name or not source or name in found:
            raise BadInput(
                f"--policy {given!r} is not NAME=SOURCE with a name of its own.",
                remedy="Write for instance --policy ppo=runs/first/stages/07-ppo.",
            )
        talker = open_talker(source, key_env=key_env)
        found[name] = Policy(talker, Sampling(tokens, temperature=0.7))
    return found


def _serve(
    name: str,
    listening: socket.socket,
    settings: "WebSettings",
    policies: "dict[str, Policy]",
    as_json: bool,
) -> None:
    import uvicorn

    from preftune.feedback.store.sessions import first_run_secret
    from preftune.web import create_app

    with opened(name, create=True) as store:
        host, port = listening.getsockname()[:2]
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        url = (settings.public_url or f"http://{shown}:{port}") + settings.root_path
        secret = first_run_secret(store)
        _announce(url, f"{url}/join/{secret}" if secret else None, host, as_json)
        config = uvicorn.Config(
            create_app(store, settings=settings, policies=policies),
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips="127.0.0.1",
            timeout_graceful_shutdown=10,
            http="h11",  # the parser that bounds headers, also where a faster one is installed
        )
        uvicorn.Server(config).run(sockets=[listening])


def _announce(url: str, link: str | None, host: str, as_json: bool) -> None:
    """Once the port is ours: a browser that comes now is answered."""
    if as_json:
        print(json_text({"url": url, "admin_link": link}), file=sys.__stdout__, flush=True)
        return
    lines = [f"Labelling at {url}"]
    if link:
        lines += ["", "You are the first here. This link makes you the admin; it works once:", link]
    if host not in LOCAL and url.startswith("http:"):
        lines += ["", "Others can reach it by plain HTTP. Put a proxy with HTTPS before it."]
    print("\n".join([*lines, "", "Ctrl-C stops it; nothing is lost."]), flush=True)


def _prefix(given: str) -> str:
    path = given.strip().strip("/")
    return f"/{path}" if path else ""
