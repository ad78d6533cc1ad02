"""Finds the proxy, if any, that the environment's variables put before a server.

Loopback needs none, whatever they say. Their values may hold a password, so they are never shown.
"""

import importlib.util
import os
import re
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies

from hintdistill.core.errors import UserError

_SOCKS = ("socks5", "socks5h")
_SCHEMES = ("http", "https", *_SOCKS)


@dataclass(frozen=True)
class Proxy:
    """A proxy that requests go through."""

    url: str = field(repr=False)  # with its user and password
    shown: str  # without them
    variable: str  # which says so

    def __str__(self) -> str:
        return f"the proxy {self.shown} of {self.variable}"

    def hide(self, text: str) -> str:
        """Text from elsewhere, to be shown, without the proxy's user and password."""
        login = urlsplit(self.url).netloc.rpartition("@")[0]
        for secret in filter(None, (login, login.partition(":")[2])):
            text = text.replace(secret, "***")
        return text


def is_loopback(host: str) -> bool:
    """Whether a host of a URL is this machine: its names, 127.0.0.0/8, ::1, and 0.0.0.0."""
    try:
        address = ip_address(host)
    except ValueError:
        name = host.rstrip(".").lower()
        return name == "localhost" or name.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified


def _is_excepted(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY names the host: itself, its domain, its network, or `*`.

    Entries that can't be read name nobody, as for curl.
    """
    for entry in re.split(r"[,\s]+", no_proxy.lower()):
        entry = entry.partition("://")[2] or entry
        if entry == "*":
            return True
        try:
            if ip_address(host) in ip_network(entry.strip("[]"), strict=False):
                return True
        except ValueError:  # a name
            pass
        name, colon, number = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
        name = name.lstrip("*").strip(".")
        has_port = not colon or number == str(port)
        if name and has_port and (host == name or host.endswith(f".{name}")):
            return True
    return False


def proxy_before(url: str) -> Proxy | None:
    """The proxy before a URL; a UserError, which names the variable, where it can't be used."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = parts.port or (443 if parts.scheme == "https" else 80)
    proxies = getproxies()
    if is_loopback(host) or _is_excepted(host, port, proxies.get("no", "")):
        return None
    for scheme in (parts.scheme, "all"):
        if value := proxies.get(scheme, "").strip():
            return _checked(value, _variable(scheme), host)
    return None


def _variable(scheme: str) -> str:
    """Of both spellings of a variable, the one that is set; the small one counts first."""
    small = f"{scheme}_proxy"
    return small if os.environ.get(small) else small.upper()


def _checked(value: str, variable: str, host: str) -> Proxy:
    url = value if "://" in value else f"http://{value}"
    mend = f"Set it to one, or put {host} into NO_PROXY to do without."
    try:
        parts = urlsplit(url)
        name, port = parts.hostname, parts.port
    except ValueError:
        name = None
    if not name or not re.fullmatch(r"[^\s/@?#]+", name) or not url.isprintable():
        raise UserError(
            f"{variable}: expected a proxy as in http://proxy.example:3128, got none. {mend}"
        )
    name = f"[{name}]" if ":" in name else name
    shown = f"{parts.scheme}://{name}{f':{port}' if port else ''}"
    if parts.scheme not in _SCHEMES:
        raise UserError(
            f"{variable}: expected a proxy of {', '.join(_SCHEMES)}, got {shown}. {mend}"
        )
    if parts.scheme in _SOCKS and importlib.util.find_spec("socksio") is None:
        raise UserError(
            f"{variable}: expected package socksio for the proxy {shown}, found none. Install it "
            f"(pip install socksio), or put {host} into NO_PROXY to do without the proxy."
        )
    return Proxy(url, shown, variable)
