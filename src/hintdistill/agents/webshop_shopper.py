"""The scripted shopper of WebShop, fallible and hint-following.

It sees the pages of mode simple only. It searches for the thing with its properties and options,
opens the first of the shown results that is cheap enough, chooses the options that are asked for,
and buys; where a product lacks one, it goes back and opens another. It has the habits of
webshop_habits.py, which a hint in its prompt prevents.

Now and then it slips: an action that it doesn't mean, from which it recovers. Slips are not its own
turns.
"""

import random

from hintdistill.agents.agent import Agent, Belief
from hintdistill.agents.demonstrator import Line
from hintdistill.agents.webshop_habits import WEBSHOP_HABITS
from hintdistill.tasks.webshop.reading import (
    Result,
    instruction_of,
    read_options,
    read_results,
    read_wish,
)

MOST_PRODUCTS = 2  # that are opened for want of an option
PAGES = 2  # of results that are looked at
BUY, BACK, NEXT = "click[Buy Now]", "click[< Prev]", "click[Next >]"


class Shopper:
    """Shops for one goal: `turn(observation)` gives the next line."""

    def __init__(
        self, agent: Agent, prompt: str, first_observation: str, slips: float, rng: random.Random
    ) -> None:
        self._agent, self._slips, self._rng = agent, slips, rng
        self._task = instruction_of(first_observation)
        self._wish = read_wish(self._task)
        self._habits = WEBSHOP_HABITS.made(self._wish, prompt)
        self._visited: list[str] = []
        self._here, self._chosen = "first page", {}
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
        while True:
            result = yield from self._pick(page)
            page = yield from self._open(result)
            fits = self._lacks(page) is None
            if fits or len(self._visited) >= MOST_PRODUCTS:
                break
            page = yield from self._do(BACK, f"It has no {self._lacks(page)}. I go back.")
            self._here = "results"
        yield from self._choose(page)
        while True:  # one is enough, unless a slip comes first
            yield from self._do(BUY, "I buy it.")

    def _query(self) -> str:
        words = self._wish.what
        if "short_query" in self._habits:
            return words.split(" for ")[0].split()[-1]
        words += "".join(f" {name} {value}" for name, value in self._wish.options.items())
        return words.replace("[", " ").replace("]", " ")

    def _pick(self, page: str):
        """Which product to open: of those that are new, the first that is cheap enough."""
        limit = self._wish.limit
        for _ in range(PAGES - 1):
            new = [r for r in read_results(page) if r.asin not in self._visited]
            if "price" in self._habits or limit is None:
                break
            if any(result.price < limit for result in new):
                break
            page = yield from self._do(NEXT, "All of these are too dear.")
        new = [r for r in read_results(page) if r.asin not in self._visited]
        cheap = [r for r in new if limit is None or "price" in self._habits or r.price < limit]
        return (cheap or new or [Result("unknown", "", 0)])[0]

    def _open(self, result: Result):
        page = yield from self._do(f"click[{result.asin}]", "I look at this one.")
        self._visited.append(result.asin)
        self._here, self._chosen = f"page of {result.asin}", {}
        return page

    def _wanted(self) -> dict[str, str]:
        """The options that it means to choose."""
        options = list(self._wish.options.items())
        if "options" in self._habits:
            return {}
        return dict(options[:1] if "second_option" in self._habits else options)

    def _lacks(self, page: str) -> str | None:
        """A wanted option that the product does not have."""
        has = read_options(page)
        return next((v for n, v in self._wanted().items() if v not in has.get(n, [])), None)

    def _choose(self, page: str):
        has = read_options(page)
        for name, value in self._wanted().items():
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
        *_, line = self._agent.turns("", action, belief)
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
