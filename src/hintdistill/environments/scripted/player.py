"""The interface of a scripted player, whose episodes are the warm start.

It sees what an agent sees, observations only. It is fallible, and follows the hints in its prompt.
"""

import random
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from hintdistill.core.errors import UserError
from hintdistill.environments.common.protocol import Belief
from hintdistill.environments.common.registry import declaration_of
from hintdistill.environments.scripted.habits import Habit


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


class DemoHints(Protocol):
    """The hints that are drawn for demonstrations.

    Each draw goes by a task's instruction, its first observation and a source of chance.
    """

    def draw_helpful(self, instruction: str, first: str, rng: random.Random) -> list[str]: ...

    def draw_useless(self, instruction: str, first: str, rng: random.Random) -> list[str]: ...

    def draw_any(self, instruction: str, first: str, rng: random.Random) -> list[str]:
        """Helpful ones, useless ones, or none."""
        ...

    @property
    def habits(self) -> tuple[Habit[Any], ...]:
        """Mistakes that the hints prevent; none where the player makes none."""
        ...


DrawHints = Callable[[str, str, random.Random], list[str]]


class ScriptedPlayer(NamedTuple):
    """A player that demonstrates an environment, and the hints that it follows."""

    make: MakePlayer
    hints: DemoHints


def player_of(env: str, name: str) -> ScriptedPlayer:
    """A scripted player of an environment; a UserError where there is none of that name."""
    players = declaration_of(env).scripted_players()
    if name not in players:
        raise UserError(
            f"params.yaml, demos.player: expected one of {sorted(players)} for {env}, got {name!r}"
        )
    return players[name]
