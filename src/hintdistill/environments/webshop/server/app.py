"""Serves WebShop over HTTP, for agents that are not written in Python or run elsewhere.

A session is a shop of one's own: `POST /sessions` opens it at a goal, `POST /sessions/{id}/step`
acts in it. Its state is seen and changed by no other session. FastAPI describes all of it at
`/docs` and `/openapi.json`.
"""

import threading
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from hintdistill.environments.webshop.game.catalogue import Catalogue
from hintdistill.environments.webshop.game.env import WebShopEnv
from hintdistill.environments.webshop.game.goals import ShoppingGoal
from hintdistill.environments.webshop.game.pages import Mode
from hintdistill.environments.webshop.game.panel import read_source
from hintdistill.environments.webshop.game.search import Bm25Search

MOST_SESSIONS = 4096  # the longest unused ones are closed beyond these
LONGEST_BODY = 1_000_000  # bytes
LONGEST_ACTION = 100_000  # characters


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Opening(_Body):
    """The way a session is opened, and its goal."""

    goal: Annotated[int, Field(ge=0)] = 0
    mode: Mode = "text"
    strict: bool = False
    step_limit: Annotated[int, Field(ge=1)] | None = None


class Restart(_Body):
    goal: Annotated[int, Field(ge=0)]


class Action(_Body):
    action: Annotated[str, Field(max_length=LONGEST_ACTION)]


class SessionPage(BaseModel):
    """A page as the session's shopper sees it."""

    session: str
    observation: str
    clickables: list[str]


class StepAnswer(SessionPage):
    """The result of an action; `info` as in `WebShopEnv.step`."""

    reward: float
    done: bool
    info: dict[str, Any]


class _Session(NamedTuple):
    env: WebShopEnv
    lock: threading.Lock  # requests of one session wait for each other


class Sessions:
    """The open sessions of one shop."""

    def __init__(self, catalogue: Catalogue, goals: Sequence[ShoppingGoal]) -> None:
        self._catalogue, self._goals = catalogue, goals
        self._search = Bm25Search(catalogue)
        self._open: OrderedDict[str, _Session] = OrderedDict()
        self._lock = threading.Lock()

    def check_goal(self, goal: int) -> None:
        if not 0 <= goal < len(self._goals):
            raise HTTPException(404, f"goal {goal}: expected 0 to {len(self._goals) - 1}")

    def open(self, opening: Opening) -> tuple[str, _Session]:
        self.check_goal(opening.goal)
        shop = (self._catalogue, self._goals, self._search)
        limit = opening.step_limit
        env = WebShopEnv(*shop, opening.mode, strict=opening.strict, step_limit=limit)
        env.reset(opening.goal)
        name = uuid.uuid4().hex
        with self._lock:
            self._open[name] = _Session(env, threading.Lock())
            while len(self._open) > MOST_SESSIONS:
                self._open.popitem(last=False)
            return name, self._open[name]

    def get(self, name: str) -> _Session:
        with self._lock:
            if name not in self._open:
                raise HTTPException(
                    404, f"session {name[:40]!r}: expected an open one; POST /sessions opens one"
                )
            self._open.move_to_end(name)
            return self._open[name]

    def close(self, name: str) -> None:
        self.get(name)
        with self._lock:
            self._open.pop(name, None)


def _page(name: str, env: WebShopEnv) -> SessionPage:
    return SessionPage(session=name, observation=env.observation, clickables=env.clickables)


def run_server(source: str, seed: int, host: str, port: int) -> None:
    """Serve the products and goals of a source until the process is stopped."""
    catalogue, goals = read_source(source, seed)
    print(f"{len(catalogue)} products, {len(goals)} goals: http://{host}:{port}/docs", flush=True)
    uvicorn.run(create_app(catalogue, goals), host=host, port=port, log_level="warning")


def create_app(catalogue: Catalogue, goals: Sequence[ShoppingGoal]) -> FastAPI:
    """The application that serves a catalogue's goals."""
    app = FastAPI(title="WebShop", description=__doc__)
    sessions = Sessions(catalogue, goals)

    @app.middleware("http")
    async def bound_bodies(request: Request, call_next):
        size = request.headers.get("content-length", "0")
        told = size.isdecimal() and "transfer-encoding" not in request.headers
        if not told or int(size) > LONGEST_BODY:
            reason = f"expected a body of at most {LONGEST_BODY} bytes, with its Content-Length"
            return JSONResponse({"detail": reason}, status_code=413)
        return await call_next(request)

    @app.exception_handler(RequestValidationError)
    async def say_what_is_wrong(request: Request, error: RequestValidationError) -> JSONResponse:
        # Without the input, which may be no text at all.
        wrong = [{"loc": e["loc"], "msg": e["msg"]} for e in error.errors()]
        return JSONResponse({"detail": wrong}, status_code=422)

    @app.get("/goals")
    def goals_() -> dict[str, int]:
        """The number of goals; they are numbered from 0."""
        return {"goals": len(goals)}

    @app.get("/goals/{number}")
    def goal(number: int) -> dict[str, str]:
        """A goal's instruction."""
        sessions.check_goal(number)
        return {"instruction": goals[number]["instruction_text"]}

    @app.post("/sessions", status_code=201)
    def open_session(opening: Opening) -> SessionPage:
        """Open a session at a goal."""
        name, session = sessions.open(opening)
        return _page(name, session.env)

    @app.get("/sessions/{name}")
    def look(name: str) -> SessionPage:
        """The page once more."""
        session = sessions.get(name)
        with session.lock:
            return _page(name, session.env)

    @app.post("/sessions/{name}/reset")
    def reset(name: str, restart: Restart) -> SessionPage:
        """Begin anew, at this goal or another one."""
        session = sessions.get(name)
        sessions.check_goal(restart.goal)
        with session.lock:
            session.env.reset(restart.goal)
            return _page(name, session.env)

    @app.post("/sessions/{name}/step")
    def step(name: str, action: Action) -> StepAnswer:
        """Take an action: `search[words]` or `click[name]`."""
        session = sessions.get(name)
        with session.lock:
            result = session.env.step(action.action)._asdict()
            return StepAnswer(session=name, clickables=session.env.clickables, **result)

    @app.delete("/sessions/{name}", status_code=204)
    def close(name: str) -> None:
        """Close a session; those that are not closed go when there are too many."""
        sessions.close(name)

    return app
