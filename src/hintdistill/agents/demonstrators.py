"""Scripted players by environment, and what may be said against their mistakes."""

from typing import Any, NamedTuple

from hintdistill.agents.alfworld_demonstrator import Demonstrator
from hintdistill.agents.alfworld_habits import ALFWORLD_HABITS
from hintdistill.agents.demonstrator import MakePlayer
from hintdistill.agents.habits import Habits
from hintdistill.agents.webshop_habits import WEBSHOP_HABITS
from hintdistill.agents.webshop_shopper import Shopper
from hintdistill.errors import UserError


class Demonstrations(NamedTuple):
    """Who demonstrates an environment, with which habits."""

    make_player: MakePlayer
    habits: Habits[Any]


_ENVS = {
    "alfworld": Demonstrations(Demonstrator, ALFWORLD_HABITS),
    "webshop": Demonstrations(Shopper, WEBSHOP_HABITS),
}


def demonstrations_of(env: str) -> Demonstrations:
    """The demonstrations of the environment of that name.

    Raises:
        UserError: there are none.
    """
    if env not in _ENVS:
        raise UserError(f"environment {env!r}: expected one of {sorted(_ENVS)}")
    return _ENVS[env]
