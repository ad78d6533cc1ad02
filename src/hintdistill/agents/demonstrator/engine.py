"""A scripted player behind the engine's interface, so that the same loop records its episodes."""

import random

from hintdistill.core.records import Message, Model, Sha256, short_hash
from hintdistill.environments.scripted.player import MakePlayer, Player, WriteTurns
from hintdistill.llm.engine import Request, Turn


class DemonstratorEngine:
    """Plays each slot, which is the number of a running episode, with a player of its own.

    `write_turns` is an agent's, and `slips` the share of actions before which there is a slip.
    """

    model = Model(name="demonstrator", sha256="0" * 64)
    adapter: Sha256 | None = None
    deterministic = True

    def __init__(
        self, make_player: MakePlayer, write_turns: WriteTurns, slips: float, seed: int
    ) -> None:
        self._make_player, self._write_turns = make_player, write_turns
        self._slips, self._seed = slips, seed
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
                player = self._make_player(self._write_turns, prompt, first, self._slips, rng)
                self._players[slot] = player
            line = self._players[slot].turn(messages[-1].content)
            turns.append(Turn(line.text, True, 0, 0, 0, own=not line.slip))
        return turns
