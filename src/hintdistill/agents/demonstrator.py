"""Scripted players behind the engine's interface, so that the same loop records their episodes.

Their episodes are the warm start. Each environment has a player of its own, which sees what an
agent sees, observations only, and is fallible and follows hints.
"""

import random
from collections.abc import Callable
from typing import NamedTuple, Protocol

from hintdistill.agents.agent import Agent
from hintdistill.llm.engine import Request, Turn
from hintdistill.records import Message, Model, short_hash


class Line(NamedTuple):
    """One turn; a slip is not to be imitated."""

    text: str
    slip: bool = False


class Player(Protocol):
    """Plays one episode."""

    def turn(self, observation: str) -> Line:
        """The next line, after an observation (the first one included)."""


# Of an agent, a prompt, the first observation, the share of actions before which there is a slip,
# and a source of chance for the slips.
MakePlayer = Callable[[Agent, str, str, float, random.Random], Player]


class DemonstratorEngine:
    """Players as an engine; they don't learn."""

    model = Model(name="demonstrator", sha256="0" * 64)
    adapter = None
    deterministic = True

    def __init__(self, make_player: MakePlayer, agent: Agent, slips: float, seed: int) -> None:
        self._make_player = make_player
        self._agent, self._slips, self._seed = agent, slips, seed
        self._players: dict[int, Player] = {}

    def start(self) -> None:
        self._players.clear()

    def is_full(self, messages: list[Message]) -> bool:
        return False

    def generate(self, requests: list[Request]) -> list[Turn]:
        turns = []
        for slot, messages in requests:
            if slot not in self._players:
                prompt, first = messages[0].content, messages[1].content
                rng = random.Random(short_hash("slips", self._seed, prompt, first))
                self._players[slot] = self._make_player(
                    self._agent, prompt, first, self._slips, rng
                )
            line = self._players[slot].turn(messages[-1].content)
            turns.append(Turn(line.text, True, 0, 0, 0, own=not line.slip))
        return turns
