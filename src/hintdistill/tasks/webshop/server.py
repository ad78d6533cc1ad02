"""WebShop over HTTP, for agents that are not written in Python or run elsewhere.

A session is a shop of one's own: `POST /sessions` opens it at a goal, `POST /sessions/{id}/step`
acts in it. Its state is seen and changed by no other session. FastAPI describes all of it at
`/docs` and `/openapi.json`.
"""

import threading
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from hintdistill.tasks.webshop.catalogue import Catalogue
from hintdistill.tasks.webshop.env import WebShopEnv
from hintdistill.tasks.webshop.goals import Goal
from hintdistill.tasks.webshop.pages import Mode
from hintdistill.tasks.webshop.search import Bm25Search

MOST_SESSIONS = 4096  # the longest unused ones are closed beyond these
LONGEST_BODY = 1_000_000  # bytes
LONGEST_ACTION = 100_000  # characters


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Opening(_Body):
    """How a session is opened, and at which goal."""

    goal: Annotated[int, Field(ge=0)] = 0
    mode: Mode = "text"
    strict: bool = False
    step_limit: Annotated[int, Field(ge=1)] | None = None


class Restart(_Body):
    goal: Annotated[int, Field(ge=0)]


class Action(_Body):
    action: Annotated[str, Field(max_length=LONGEST_ACTION)]


class Page(BaseModel):
    """What the session's shopper sees."""

    session: str
    observation: str
    clickables: list[str]


class StepResult(Page):
    """What an action led to; `info` as in `WebShopEnv.step`."""

    reward: float
    done: bool
    info: dict[str, Any]


class _Session:
    def __init__(self, env: WebShopEnv) -> None:
        self.env = env
        self.lock = threading.Lock()  # requests of one session wait for each other


class Sessions:
    """The open sessions of one shop."""

    def __init__(self, catalogue: Catalogue, goals: Sequence[Goal]) -> None:
        self._catalogue, self._goals = catalogue, goals
        self._search = Bm25Search(catalogue)
        self._open: OrderedDict[str, _Session] = OrderedDict()
        self._lock = threading.Lock()

    def check_goal(self, goal: int) -> None:
        if not 0 <= goal < len(self._goals):
            raise HTTPException(404, f"goal {goal}: expected 0 to {len(self._goals) - 1}")

    def open(self, opening: Opening) -> tuple[str, _Session]:
        self.check_goal(opening.goal)
        env = WebShopEnv(
            self._catalogue,
            self._goals,
            self._search,
            opening.mode,
            strict=opening.strict,
            step_limit=opening.step_limit,
        )
        env.reset(opening.goal)
        name = uuid.uuid4().hex
        with self._lock:
            self._open[name] = _Session(env)
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


def _page(name: str, env: WebShopEnv) -> Page:
    return Page(session=name, observation=env.observation, clickables=env.clickables)


def create_app(catalogue: Catalogue, goals: Sequence[Goal]) -> FastAPI:
    """The application that serves a catalogue's goals."""
    app = FastAPI(title="WebShop", description=__doc__)
    sessions = Sessions(catalogue, goals)

    @app.middleware("http")
    async def bound_bodies(request: Request, call_next):
        size = request.headers.get("content-length", "0")
        if (
            not size.isdecimal()
            or int(size) > LONGEST_BODY
            or ("transfer-encoding" in request.headers)
        ):
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
        """How many goals there are; they are numbered from 0."""
        return {"goals": len(goals)}

    @app.get("/goals/{number}")
    def goal(number: int) -> dict[str, str]:
        """A goal's instruction."""
        sessions.check_goal(number)
        return {"instruction": goals[number]["instruction_text"]}

    @app.post("/sessions", status_code=201)
    def open_session(opening: Opening) -> Page:
        """Open a session at a goal."""
        name, session = sessions.open(opening)
        return _page(name, session.env)

    @app.get("/sessions/{name}")
    def look(name: str) -> Page:
        """The page once more."""
        session = sessions.get(name)
        with session.lock:
            return _page(name, session.env)

    @app.post("/sessions/{name}/reset")
    def reset(name: str, restart: Restart) -> Page:
        """Begin anew, at this goal or another one."""
        session = sessions.get(name)
        sessions.check_goal(restart.goal)
        with session.lock:
            session.env.reset(restart.goal)
            return _page(name, session.env)

    @app.post("/sessions/{name}/step")
    def step(name: str, action: Action) -> StepResult:
        """Take an action: `search[words]` or `click[name]`."""
        session = sessions.get(name)
        with session.lock:
            observation, reward, done, info = session.env.step(action.action)
            return StepResult(
                session=name,
                observation=observation,
                clickables=session.env.clickables,
                reward=reward,
                done=done,
                info=info,
            )

    @app.delete("/sessions/{name}", status_code=204)
    def close(name: str) -> None:
        """Close a session; those that are not closed go when there are too many."""
        sessions.close(name)

    return app
