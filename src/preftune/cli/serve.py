"""``preftune serve``: models behind an OpenAI-shaped endpoint, with a playground."""

import os
import sys
from typing import Annotated

import typer

from preftune.cli.listening import listen
from preftune.cli.options import AsJson, Device
from preftune.cli.reply import Reply, show_nothing
from preftune.cli.train_extra import require_train
from preftune.records import BadInput


def serve(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            help="A model's or stage's folder, hub:NAME, a file of profiles; NAME=MODEL names it.",
        ),
    ],
    host: Annotated[
        str, typer.Option("--host", help="Where to listen; this machine only if not given.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 is any.")] = 8000,
    key_env: Annotated[
        str | None,
        typer.Option(
            "--key-env",
            metavar="NAME",
            help="The environment variable with the key that clients must send.",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Answers written together.")
    ] = 64,
    device: Device = "auto",
    as_json: AsJson = False,
) -> Reply:
    """Serve models as OpenAI's API does: chat and plain completions, streaming, several models.

    Any OpenAI client talks to it; a playground is at its address. Ctrl-C ends it. A profile stands
    behind a model's name: NAME@helpful=.7,harmless=.3.
    """
    require_train("serve")
    import uvicorn

    from preftune.pipeline.measure import torch_device
    from preftune.serving import Profiled, create_app, open_models, profiled_sources

    key = _key(key_env)
    if key is None and host not in ("127.0.0.1", "localhost", "::1"):
        print("Anyone who reaches this address can use the models.", file=sys.stderr)
    with listen(host, port) as listener:
        served = open_models(models, device=device, batch_size=batch_size)
        url = f"http://{host}:{listener.getsockname()[1]}"
        print(f"{', '.join(served)} at {url}/v1, playground at {url}", file=sys.stderr, flush=True)
        profiles = Profiled(profiled_sources(models), torch_device(device), batch_size)
        app = create_app(served, key=key, profiles=profiles)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            print("Stopped.", file=sys.stderr)
    return Reply({"url": url, "models": list(served)}, show_nothing)


def _key(name: str | None) -> str | None:
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise BadInput(f"The environment variable {name} is not set.", remedy=f"export {name}=…")
    return key
