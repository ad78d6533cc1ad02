"""Which server is asked, for which model, with which key: from the environment alone."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from hintdistill.core.errors import UserError
from hintdistill.llm.server.proxy import Proxy, proxy_before

URL, MODEL, KEY = "OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_API_KEY"


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server."""

    url: str  # holds no user, password or query, so it may be shown
    model: str
    key: str = field(repr=False)  # "" for a server that asks for none
    proxy: Proxy | None = None  # that requests go through

    @property
    def where(self) -> str:
        """What is asked, and through what, to be shown."""
        return f"{self.url} through {self.proxy}" if self.proxy else self.url

    def shown(self, text: str) -> str:
        """Text from elsewhere, on one printable line of bounded length and without secrets.

        Servers repeat a key that they refuse.
        """
        text = text.replace(self.key, "***") if self.key else text
        line = " ".join((self.proxy.hide(text) if self.proxy else text).split())
        line = "".join(character if character.isprintable() else "?" for character in line)
        return line if len(line) <= 300 else line[:297] + "..."


def _required(name: str, example: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise UserError(
            f"{name}: expected this environment variable, found none. Set it before the run: "
            f"export {name}={example}"
        )
    return value


def _checked_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        # Not quoted: what can't be read as an URL may have a password anywhere.
        raise UserError(f"{URL}: expected an URL as in http://localhost:8000/v1, got none.")
    host = f"[{host}]" if ":" in host else host
    shown = f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}".rstrip("/")
    if parts.username is not None or parts.query or parts.fragment:
        raise UserError(
            f"{URL}: expected an URL without user, password and query, got {shown} with one. "
            f"Put the secret into {KEY}."
        )
    return shown


def endpoint_from_environment() -> Endpoint:
    """The server that the environment names; a UserError where a variable is missing or wrong."""
    url = _checked_url(_required(URL, "http://localhost:8000/v1"))
    model = _required(MODEL, "Qwen2.5-7B-Instruct")
    if model.startswith(("/", "~")) or "\\" in model:
        raise UserError(
            f"{MODEL}: expected a model's name, got a path. Episodes and hints record it, and no "
            "path of a machine; have the server name its model (--served-model-name, --alias)."
        )
    key = os.environ.get(KEY, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UserError(
            f"{KEY}: expected one line of printable ASCII, got other characters. Copy it again."
        )
    return Endpoint(url, model, key, proxy_before(url))
