"""WebShop over HTTP, a real server on loopback: the same as in process, for many at once."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import uvicorn
from loopback import free_port

from hintdistill.errors import UserError
from hintdistill.tasks.webshop import WebShopEnv
from hintdistill.tasks.webshop import server as server_module
from hintdistill.tasks.webshop.client import WebShopClient
from hintdistill.tasks.webshop.generated import write_catalogue
from hintdistill.tasks.webshop.goals import synthetic_goals
from hintdistill.tasks.webshop.search import Bm25Search
from hintdistill.tasks.webshop.server import create_app

SESSIONS, REQUESTS = 64, 2000


@pytest.fixture(scope="module")
def shop():
    catalogue = write_catalogue(0)
    return catalogue, synthetic_goals(catalogue)[:500], Bm25Search(catalogue)


@pytest.fixture(scope="module")
def url(shop):
    """A server of the shop, in a thread."""
    port = free_port()
    config = uvicorn.Config(create_app(*shop[:2]), port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def some_action(env, rng):
    clicks = [f"click[{name}]" for name in env.clickables if name != "search"]
    return rng.choice([*clicks, f"search[{rng.choice(['shoes', 'tea', 'lamp'])}]", "nonsense"])


def shop_around(env, seed, steps):
    """Random shopping: what was seen at every step."""
    rng = random.Random(seed)
    seen = [env.reset(seed % 500)]
    for _ in range(steps):
        seen += [env.step(some_action(env, rng)), env.observation, env.clickables]
    return seen


def test_the_client_sees_what_an_environment_in_this_process_shows(shop, url):
    for mode, strict in (("text", False), ("text_rich", False), ("simple", True)):
        client = WebShopClient(url, mode, strict=strict, step_limit=9)
        env = WebShopEnv(*shop, mode, strict=strict, step_limit=9)
        remote, local = (shop_around(shopper, 7, 12) for shopper in (client, env))
        # Mode simple answers a chosen option in one line; the page is the same.
        assert [r for r in remote if isinstance(r, tuple)] == [
            r for r in local if isinstance(r, tuple)
        ]
        assert client.clickables == env.clickables
        client.close()
        with pytest.raises(UserError, match="status 404: session"):
            client.step("search[x]")


def test_sixty_four_sessions_at_once_see_nothing_of_each_other(shop, url):
    steps = REQUESTS // SESSIONS + 1
    wait = threading.Barrier(SESSIONS)

    def one(seed):
        client = WebShopClient(url)
        wait.wait()  # all sessions are open before the first acts
        return shop_around(client, seed, steps)

    with ThreadPoolExecutor(SESSIONS) as pool:
        remote = list(pool.map(one, range(SESSIONS)))
    for seed in range(SESSIONS):
        assert remote[seed] == shop_around(WebShopEnv(*shop), seed, steps), seed


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/sessions", {"goal": 500}, 404),
        ("POST", "/sessions", {"goal": -1}, 422),
        ("POST", "/sessions", {"goal": "0"}, 422),
        ("POST", "/sessions", {"mode": "html"}, 422),
        ("POST", "/sessions", {"colour": 1}, 422),
        ("POST", "/sessions", [], 422),
        ("POST", "/sessions/{id}/step", {}, 422),
        ("POST", "/sessions/{id}/step", {"action": None}, 422),
        ("POST", "/sessions/{id}/step", {"action": "x" * 200_000}, 422),
        ("POST", "/sessions/{id}/step", {"action": "x" * 2_000_000}, 413),
        ("POST", "/sessions/{id}/reset", {"goal": 1e9}, 422),
        ("POST", "/sessions/none/step", {"action": "x"}, 404),
        ("GET", "/sessions/none", None, 404),
        ("GET", "/goals/-1", None, 404),
        ("GET", "/nothing", None, 404),
        ("PUT", "/sessions", None, 405),
    ],
)
def test_malformed_requests_are_refused_with_a_reason(url, method, path, body, status):
    opened = requests.post(f"{url}/sessions", json={}, timeout=9).json()
    answer = requests.request(
        method, url + path.replace("{id}", opened["session"]), json=body, timeout=9
    )
    assert answer.status_code == status and answer.json()["detail"]
    look = requests.get(f"{url}/sessions/{opened['session']}", timeout=9)
    assert look.json() == opened


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"null"])
def test_bodies_that_are_no_json_are_refused(url, body):
    answer = requests.post(f"{url}/sessions", data=body, timeout=9)
    assert answer.status_code == 422 and answer.json()["detail"]


def test_it_describes_itself(url):
    paths = requests.get(f"{url}/openapi.json", timeout=9).json()["paths"]
    assert {"/sessions", "/sessions/{name}/step", "/sessions/{name}/reset"} <= set(paths)
    assert requests.get(f"{url}/goals", timeout=9).json() == {"goals": 500}


def test_the_longest_unused_session_goes_when_there_are_too_many(url, monkeypatch):
    first = WebShopClient(url)
    monkeypatch.setattr(server_module, "MOST_SESSIONS", 1)
    second = WebShopClient(url)
    assert second.step("search[tea]").info["valid"]
    with pytest.raises(UserError, match="expected an open one"):
        first.step("search[tea]")


def test_no_server_and_another_server_are_named(serve):
    with pytest.raises(UserError, match="hintdistill webshop serve"):
        WebShopClient("http://127.0.0.1:9")
    other = serve(lambda number, body: {"page": 1})
    with pytest.raises(UserError, match="expected clickables, observation, session, got"):
        WebShopClient(other.url)
