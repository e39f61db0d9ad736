"""A real server on this machine over small random models."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from transformers import PreTrainedTokenizerBase

from preftune.models import Renderer
from preftune.serving import Profiled, Served, create_app
from tests.models.made import make_policy, tokenizer


def made(name: str, seed: int = 0, context: int = 64, **settings: int) -> Served:
    policy = make_policy(seed=seed, context=context)
    return Served(name, policy, Renderer(tokenizer(), context), **settings)


def with_template(served: Served, template: str) -> Served:
    """The same with a chat template of its own."""
    other: PreTrainedTokenizerBase = served.decoder
    other.chat_template = template
    return Served(served.name, served.policy, Renderer(other, served.renderer.context))


@contextmanager
def running(
    *models: Served, key: str | None = None, profiles: Profiled | None = None
) -> Iterator[str]:
    """The address of a server over these models."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)  # who comes before the server is up waits for it
        app = create_app({model.name: model for model in models}, key=key, profiles=profiles)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive(), "the server does not end"
