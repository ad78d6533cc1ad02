"""WebShop over HTTP, a real server on loopback: the same as in process, for many at once."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import uvicorn
from loopback import free_port

from hintdistill.environments.webshop.game.env import StepResult, WebShopEnv
from hintdistill.environments.webshop.game.generated import write_catalogue
from hintdistill.environments.webshop.game.goals import synthetic_goals
from hintdistill.environments.webshop.game.search import Bm25Search
from hintdistill.environments.webshop.server import app as server_module
from hintdistill.environments.webshop.server.app import create_app

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


class Session:
    """A session of the server, which is played as an environment in this process is."""

    def __init__(self, url, **opening):
        self.page = requests.post(f"{url}/sessions", json=opening, timeout=30).json()
        self.url = f"{url}/sessions/{self.page['session']}"

    def reset(self, goal):
        self.page = requests.post(f"{self.url}/reset", json={"goal": goal}, timeout=30).json()
        return self.observation

    def step(self, action):
        self.page = requests.post(f"{self.url}/step", json={"action": action}, timeout=30).json()
        return StepResult(*(self.page[key] for key in StepResult._fields))

    @property
    def observation(self):
        return self.page["observation"]

    @property
    def clickables(self):
        return self.page["clickables"]


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


def test_a_session_shows_the_same_as_an_environment_in_this_process(shop, url):
    for mode, strict in (("text", False), ("text_rich", False), ("simple", True)):
        session = Session(url, mode=mode, strict=strict, step_limit=9)
        env = WebShopEnv(*shop, mode, strict=strict, step_limit=9)
        remote, local = (shop_around(shopper, 7, 12) for shopper in (session, env))
        # Mode simple answers a chosen option in one line; the page is the same.
        assert [r for r in remote if isinstance(r, tuple)] == [
            r for r in local if isinstance(r, tuple)
        ]
        assert session.clickables == env.clickables
        assert requests.delete(session.url, timeout=9).status_code == 204
        gone = requests.post(f"{session.url}/step", json={"action": "search[x]"}, timeout=9)
        assert gone.status_code == 404 and gone.json()["detail"].startswith("session")


@pytest.mark.long
def test_sixty_four_sessions_at_once_see_nothing_of_each_other(shop, url):
    steps = REQUESTS // SESSIONS + 1
    wait = threading.Barrier(SESSIONS)

    def one(seed):
        session = Session(url)
        wait.wait()  # all sessions are open before the first acts
        return shop_around(session, seed, steps)

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
    first = Session(url)
    monkeypatch.setattr(server_module, "MOST_SESSIONS", 1)
    second = Session(url)
    assert second.step("search[tea]").info["valid"]
    answer = requests.post(f"{first.url}/step", json={"action": "search[tea]"}, timeout=9)
    assert answer.status_code == 404 and "expected an open one" in answer.json()["detail"]
