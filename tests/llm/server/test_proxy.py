"""Proxies before a server: which one counts, none before loopback, and messages that name it."""

import socket
import threading

import pytest
from loopback import ask, completion, free_port

from hintdistill.core.errors import UserError
from hintdistill.llm.server.endpoint import endpoint_from_environment
from hintdistill.llm.server.ledger import Ledger
from hintdistill.llm.server.proxy import is_loopback, proxy_before


@pytest.fixture
def variables(serve, monkeypatch):
    """Sets variables, with those of a server that is elsewhere."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://models.example:8000/v1")

    def set_all(**values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_all


@pytest.mark.parametrize(
    "proxy",
    ["socks://127.0.0.1:9", "socks5://127.0.0.1:9", "http://127.0.0.1:9", "http://x:y", "rubbish"],
)  # fmt: skip
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_before_loopback_there_is_none(serve, client, monkeypatch, proxy, host):
    server = serve(lambda n, body: completion("A"))
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.replace("127.0.0.1", host))
    for name in ("ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    (answer,) = client().complete_all([ask("a")])
    assert answer.text == "A"


def test_loopback_hosts():
    own = ("localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0")
    assert all(map(is_loopback, [*own, "::ffff:127.0.0.1", "localhost."]))
    assert not any(map(is_loopback, ["10.0.0.1", "models.example", "localhost.example", "::2"]))


@pytest.mark.parametrize(
    "value, say",
    [
        ("socks://me:geheim@proxy.example:1080", "got socks://proxy.example:1080"),
        ("socks4://me:geheim@proxy.example:1080", "got socks4://proxy.example:1080"),
        ("socks5://me:geheim@proxy.example:1080", "pip install socksio"),
        ("socks5h://proxy.example", "pip install socksio"),
        ("http://me:geheim@proxy.example:port", "got none"),
        ("http://me:geheim@[::1", "got none"),
        ("http://", "got none"),
        ("http://me:geheim@proxy example:3128", "got none"),
        ("http://me:geheim@proxy.example:99999", "got none"),
    ],
)
@pytest.mark.parametrize("name", ["ALL_PROXY", "http_proxy"])
def test_one_that_cannot_be_used_is_named_without_its_password(variables, client, name, value, say):
    variables(**{name: value})
    with pytest.raises(UserError) as error:
        client()
    message = str(error.value)
    assert message.startswith(f"{name}: expected") and say in message
    assert "put models.example into NO_PROXY" in message
    assert "geheim" not in message and len(message.splitlines()) == 1


def test_a_dead_one_is_named_and_the_server_is_not_blamed(variables, client):
    port = free_port()
    variables(HTTP_PROXY=f"http://me:geheim@127.0.0.1:{port}")
    with pytest.raises(UserError) as error:
        client(timeout=1.0, deadline=1.2).complete_all([ask("a")])
    message = str(error.value)
    assert f"through the proxy http://127.0.0.1:{port} of HTTP_PROXY" in message
    assert "ConnectError" in message and "geheim" not in message
    assert Ledger().by_stage() == []  # nothing was sent


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_one_that_refuses_is_named(variables, client, monkeypatch, scheme):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
                )

        threading.Thread(target=refuse, daemon=True).start()
        port = listening.getsockname()[1]
        variables(ALL_PROXY=f"127.0.0.1:{port}", OPENAI_BASE_URL=f"{scheme}://models.example/v1")
        with pytest.raises(UserError) as error:
            client().complete_all([ask("a")])
    assert f"through the proxy http://127.0.0.1:{port} of ALL_PROXY" in str(error.value)
    assert "status 407" in str(error.value) and "user and password" in str(error.value)
    assert Ledger().by_stage() == []


def test_requests_go_through_it(serve, client, monkeypatch):
    """A loopback server stands in for the proxy, which gets the whole URL."""
    server = serve(lambda n, body: completion("A"))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://models.example:8000/v1")
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    (answer,) = client().complete_all([ask("a")])
    assert answer.text == "A"
    assert server.paths == ["http://models.example:8000/v1/chat/completions"]


@pytest.mark.parametrize(
    "no_proxy, bypassed",
    [
        ("*", True), ("models.example", True), (".example", True), ("*.example", True),
        ("other.example, models.example", True), ("example", True), ("models.example:8000", True),
        ("http://models.example", True), ("a b,,[::1, 10.0.0.0/99,MODELS.example", True),
        ("models.example:9000", False), ("dels.example", False), ("", False), ("10.0.0.0/8", False),
    ],
)  # fmt: skip
def test_no_proxy_is_read_as_people_write_it(variables, no_proxy, bypassed):
    variables(HTTP_PROXY="http://proxy.example:3128", NO_PROXY=no_proxy)
    assert (endpoint_from_environment().proxy is None) == bypassed


@pytest.mark.parametrize("host, bypassed", [("10.1.2.3", True), ("11.1.2.3", False)])
def test_no_proxy_may_name_a_network(variables, host, bypassed):
    variables(ALL_PROXY="http://proxy.example:3128", NO_PROXY="10.0.0.0/8,fe80::/10")
    assert (proxy_before(f"http://{host}:8000/v1") is None) == bypassed


def test_the_variable_of_the_schema_counts_before_that_of_all(variables):
    variables(HTTPS_PROXY="http://one.example:1", ALL_PROXY="socks://two.example")
    proxy = proxy_before("https://models.example/v1")
    assert str(proxy) == "the proxy http://one.example:1 of HTTPS_PROXY"
    with pytest.raises(UserError, match="ALL_PROXY"):
        proxy_before("http://models.example/v1")


def test_certificates_that_are_not_there_are_named(serve, client, monkeypatch, tmp_path):
    serve(lambda n, body: completion("A"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(UserError, match="SSL_CERT_FILE"):
        client()
