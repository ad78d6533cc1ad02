"""Environments by name, as params.yaml's `envs` lists them."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from hintdistill.errors import UserError
from hintdistill.records import Game, Task
from hintdistill.tasks.alfworld import AlfworldEnv
from hintdistill.tasks.alfworld_panel import build_alfworld_panel
from hintdistill.tasks.env_pool import EnvPool
from hintdistill.tasks.environment import Environments, InProcess
from hintdistill.tasks.panel import Panel, PanelParams, load_panel
from hintdistill.tasks.webshop_panel import Shop, build_webshop_panel


def _alfworld_games(params: PanelParams) -> Iterator[tuple[Task, Game]]:
    return build_alfworld_panel(params, workers=os.cpu_count() or 1)


def _alfworld_envs(panel: Panel, episodes: int) -> EnvPool:
    """Worker processes, one a core as far as needed: a game takes its time to load."""
    return EnvPool(panel, AlfworldEnv, min(os.cpu_count() or 1, episodes))


def _webshop_envs(panel: Panel, episodes: int) -> AbstractContextManager[Environments]:
    shop = Shop(panel)
    return nullcontext(InProcess(lambda task: shop.make_env(*panel[task.task_id])))


class Env(NamedTuple):
    """What an environment is to the stages.

    Attributes:
        build_panel: tasks of all splits with their games; where several tasks' games name a game,
            it comes with None for a task.
        open_envs: a panel's tasks, to be played so many at once, in a `with`.
    """

    build_panel: Callable[[PanelParams], Iterator[tuple[Task | None, Game]]]
    open_envs: Callable[[Panel, int], AbstractContextManager[Environments]]


ENVS = {
    "alfworld": Env(_alfworld_games, _alfworld_envs),
    "webshop": Env(build_webshop_panel, _webshop_envs),
}


def find_env(name: str) -> Env:
    """The environment of that name.

    Raises:
        UserError: there is none.
    """
    if name not in ENVS:
        raise UserError(f"environment {name!r}: expected one of {sorted(ENVS)}")
    return ENVS[name]


def new_panel(env: str, params: PanelParams) -> Panel:
    """A panel of an environment, built here and written nowhere.

    Raises:
        UserError: there is no such environment, or as its `build_panel`.
    """
    built = list(find_env(env).build_panel(params))
    return load_panel([task for task, _ in built if task], [game for _, game in built])
