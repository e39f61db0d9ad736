"""What can be set about the application, apart from the store it works on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WebSettings:
    """``root_path``: the prefix a reverse proxy serves the application under, ``/label`` say.

    ``public_url``: scheme and host people see, for links and for the origin check; taken from
    the request when empty. ``secure_cookies``: send the session over HTTPS only; also on whenever
    a request came by HTTPS.
    """

    root_path: str = ""
    public_url: str = ""
    secure_cookies: bool = False
    largest_body: int = 1_000_000
    """Bytes of a request; larger ones get 413."""
    largest_upload: int = 64_000_000
    """Bytes of a file of items."""
    logins_per_account: int = 10
    logins_per_address: int = 50
    login_window_seconds: float = 300.0
