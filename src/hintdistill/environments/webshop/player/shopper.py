"""Shops in WebShop by a script, which makes mistakes and follows hints.

It sees the pages of mode simple only. It searches for the thing with its properties and options,
opens the first of the shown results that is cheap enough, chooses the options that are asked for
and offered, and buys. It has the habits of habits.py, which a hint in its prompt prevents.

Now and then it slips: an action that it doesn't mean, from which it recovers. Slips are not its own
turns.
"""

import random

from hintdistill.environments.common.protocol import Belief
from hintdistill.environments.scripted.player import Line, WriteTurns
from hintdistill.environments.webshop.player.habits import HABITS
from hintdistill.environments.webshop.player.reading import (
    ShownProduct,
    instruction_of,
    read_options,
    read_results,
    read_wish,
)

BUY, BACK, NEXT = "click[Buy Now]", "click[< Prev]", "click[Next >]"


class Shopper:
    """Shops for one goal: `turn(observation)` gives the next line."""

    def __init__(
        self,
        write_turns: WriteTurns,
        prompt: str,
        first_observation: str,
        slips: float,
        rng: random.Random,
    ) -> None:
        self._write_turns, self._slips, self._rng = write_turns, slips, rng
        self._task = instruction_of(first_observation)
        self._wish = read_wish(self._task)
        self._habits = HABITS.made(self._wish, prompt)
        self._visited: list[str] = []
        self._here = "first page"
        self._chosen: dict[str, str] = {}
        self._lines = self._shop()
        next(self._lines)

    def turn(self, observation: str) -> Line:
        """The next line, after an observation (the first one included)."""
        return self._lines.send(observation)

    def _shop(self):
        """The whole episode as one coroutine: yields lines, is sent observations."""
        yield Line("")  # primed; the first observation is known already
        page = yield from self._do(f"search[{self._query()}]", "I search for what is asked.")
        self._here = "results"
        page = yield from self._open((yield from self._pick(page)))
        yield from self._choose(page)
        while True:  # one is enough, unless a slip comes first
            yield from self._do(BUY, "I buy it.")

    def _query(self) -> str:
        wish = self._wish
        words = wish.name
        if "short_query" not in self._habits:
            words = wish.what + "".join(f" {name} {value}" for name, value in wish.options.items())
        return words.replace("[", " ").replace("]", " ")

    def _pick(self, page: str):
        """Which product to open: the first that is cheap enough, of two pages at most."""
        limit = None if "price" in self._habits else self._wish.limit
        results = read_results(page)
        if limit is not None and not any(result.price < limit for result in results):
            more = read_results((yield from self._do(NEXT, "All of these are too dear.")))
            if not more:
                yield from self._do(BACK, "There are no others.")
            results = more or results
        cheap = [result for result in results if limit is None or result.price < limit]
        return (cheap or results or [ShownProduct("unknown", "", 0)])[0]

    def _open(self, result: ShownProduct):
        page = yield from self._do(f"click[{result.asin}]", "I look at this one.")
        self._visited.append(result.asin)
        self._here, self._chosen = f"page of {result.asin}", {}
        return page

    def _choose(self, page: str):
        has = read_options(page)
        for name, value in self._wish.options.items():
            if value in has.get(name, []):
                yield from self._do(f"click[{value}]", f"I choose the {name}.")
                self._chosen[name] = value

    def _do(self, action: str, intent: str):
        """Take an action, at times after a slip; returns the page that it leads to."""
        if self._rng.random() < self._slips:
            yield from self._slip()
        return (yield from self._act(action, intent))

    def _act(self, action: str, intent: str, *, slip: bool = False):
        chosen = ", ".join(f"{name}: {value}" for name, value in self._chosen.items())
        belief = Belief(self._task, tuple(self._visited), self._here, chosen, intent)
        *_, line = self._write_turns("", action, belief)
        return (yield Line(line, slip))

    def _slip(self):
        """An action that is refused, or one that it takes back."""
        if self._here.startswith("page of") and self._rng.random() < 0.5:
            yield from self._act("click[Features]", "I read on.", slip=True)
            yield from self._act(BACK, "That is not needed.")
            return
        refused = self._rng.choice(["click[buy]", "search[again]", "click[option]"])
        if self._here == "first page":
            refused = "click[Buy Now]"
        yield from self._act(refused, "I try this.", slip=True)
