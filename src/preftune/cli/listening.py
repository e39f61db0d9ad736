"""The socket that ``serve`` and ``label serve`` listen on."""

import socket

from preftune.records import BadInput


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound; who comes before the server runs waits for it.

    Answers go out as they are written (TCP_NODELAY, which accepted connections inherit): an
    answer's body would else wait 40 ms for the client to acknowledge its head. The event loop
    sees to that only for sockets made with TCP's number. Raises BadInput when the address cannot
    be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listening.bind((host, port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise BadInput(
            f"Cannot listen on {host}, port {port}: {error.strerror or error}.",
            remedy="Stop what uses it, or choose another with --port (0 takes a free one).",
        ) from None
    return listening
