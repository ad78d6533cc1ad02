"""The interface of a scripted player, whose episodes are the warm start.

It sees what an agent sees, observations only. It is fallible, and follows the hints in its prompt.
"""

import random
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from hintdistill.environments.common.protocol import Belief
from hintdistill.environments.common.registry import declaration_of
from hintdistill.environments.scripted.habits import Habits


class Line(NamedTuple):
    """One turn; a slip is not to be imitated."""

    text: str
    slip: bool = False


# Of a thought ("" for none), an action and a belief: the turns that think and then act, in the form
# of an agent's protocol. The last one acts.
WriteTurns = Callable[[str, str, Belief], list[str]]


class Player(Protocol):
    """Plays one episode."""

    def turn(self, observation: str) -> Line:
        """The next line, after an observation (the first one included)."""
        ...


# Of the form of turns, a prompt, the first observation, the share of actions before which there is
# a slip, and a source of chance for the slips.
MakePlayer = Callable[[WriteTurns, str, str, float, random.Random], Player]


class ScriptedPlayer(NamedTuple):
    """The player that demonstrates an environment, and its habits."""

    make: MakePlayer
    habits: Habits[Any]


def player_of(env: str) -> ScriptedPlayer:
    """The scripted player of an environment; a UserError where there is no such environment."""
    return declaration_of(env).scripted_player()
