"""Plays WebShop as text: one shopper with one goal at a time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from hintdistill.environments.webshop.game import pages
from hintdistill.environments.webshop.game.catalogue import Catalogue, Product
from hintdistill.environments.webshop.game.goals import ShoppingGoal
from hintdistill.environments.webshop.game.pages import Mode, Page, Place
from hintdistill.environments.webshop.game.reward import get_reward
from hintdistill.environments.webshop.game.search import Bm25Search, Search

INVALID = "Invalid action!"


class StepResult(NamedTuple):
    """The result of an action; `info` has `valid`, and after a purchase the reward's parts."""

    observation: str
    reward: float
    done: bool
    info: dict[str, Any]


def parse_action(action: str) -> tuple[str, str | None]:
    """`search[red shoes]` to ("search", "red shoes"); what has no such form to (itself, None).

    WebShop's form is `(.+)\\[(.+)\\]` at the start: up to the last "[" that a "]" follows, and
    what stands behind the last "]" is ignored. Read without a regular expression, which would take
    time quadratic in an action's length.
    """
    line = action.split("\n", 1)[0]
    end = line.rfind("]")
    start = line.rfind("[", 1, max(end - 1, 0))
    if end < 0 or start < 0:
        return action, None
    return line[:start], line[start + 1 : end]


class WebShopEnv:
    """A shop in which one goal after another is shopped for. Not thread-safe; make one a session.

    Actions are `search[words]` and `click[what the page has]`, in any case. Any other changes
    nothing: the same page again, reward 0. After a purchase, or at the step limit, nothing does.
    Differences from the official environment: no debug commands in queries (`<r>`, `<a>`, `<c>`,
    `<q>`), no page of attributes, and nothing is sold twice.

    Args:
        search: finds asins by a query; None: BM25. Asins that the catalogue lacks are left out.
        mode: how pages are shown: `text`, `text_rich`, or `simple`, the agents' harness's.
        strict: refuse what the agents' harness refuses, with `Invalid action!`: another case than
            the page's, a search away from the first page. A chosen option is answered in one line.
        step_limit: actions after which an episode ends unsold; None: any number.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        goals: Sequence[ShoppingGoal],
        search: Search | None = None,
        mode: Mode = "text",
        *,
        strict: bool = False,
        step_limit: int | None = None,
    ) -> None:
        if mode not in pages.MODES:
            raise ValueError(f"mode: expected one of {pages.MODES}, got {mode!r}")
        self._catalogue, self._goals = catalogue, goals
        self._search = search or Bm25Search(catalogue)
        self._mode, self._strict, self._step_limit = mode, strict, step_limit
        self.reset(0)

    def reset(self, goal_index: int) -> str:
        """Begin to shop for a goal; returns the first page. An IndexError: no such goal."""
        if not 0 <= goal_index < len(self._goals):
            raise IndexError(f"goal {goal_index}: expected 0 to {len(self._goals) - 1}")
        self.goal = self._goals[goal_index]
        self._at = Place(str(goal_index), self.goal["instruction_text"], "", 1)
        self._steps, self._done = 0, False
        self._start()
        return self.observation

    def _start(self) -> None:
        """The first page, on which nothing has been looked for."""
        self._at = self._at._replace(words="", number=1)
        self._hits: list[Product] = []
        self._product: Product | None = None
        self._chosen: dict[str, str] = {}
        self._visited: set[str] = set()
        self._show(pages.index_page(self._at))

    def _show(self, page: Page) -> None:
        self.page = page
        self._clickables = pages.clickables(page)

    @property
    def observation(self) -> str:
        """The page as it is shown."""
        return pages.render(self.page, self._mode, self._visited)

    @property
    def clickables(self) -> list[str]:
        """The names that can be clicked, in lower case; `search` stands for the search bar."""
        return list(self._clickables)

    @property
    def selected_options(self) -> dict[str, str]:
        """Names and values of the options chosen for the product that is open."""
        return dict(self._chosen)

    def step(self, action: str) -> StepResult:
        """Take an action."""
        if self._done:
            return StepResult(self.observation, 0.0, True, {"valid": False})
        self._steps += 1
        name, arg = parse_action(action)
        if arg is None or not self._is_possible(name, arg):
            return self._result(INVALID if self._strict else self.observation, {"valid": False})
        if name == "search":
            self._look_for(arg.lower())
            return self._result(self.observation, {"valid": True})
        return self._click(arg.lower())

    def _is_possible(self, name: str, arg: str) -> bool:
        """Whether an action does anything here; where it is strict, as the harness has it."""
        if name == "search":
            return not self._strict or pages.SEARCH in self._clickables
        if name != "click" or arg.lower() == pages.SEARCH:
            return False
        if self._strict:
            return any(node.text == arg for node in self.page.nodes if node.kind != "text")
        return arg.lower() in self._clickables

    def _result(self, observation: str, info: dict[str, Any], reward: float = 0.0) -> StepResult:
        if self._step_limit is not None and self._steps >= self._step_limit:
            self._done = True
        return StepResult(observation, reward, self._done, info)

    def _look_for(self, words: str) -> None:
        found = (self._catalogue.get(asin) for asin in self._search(words))
        self._hits = [product for product in found if product is not None]
        self._at = self._at._replace(words="+".join(words.split(" ")))
        self._show_results(1)

    def _show_results(self, number: int) -> None:
        """A page of results; whatever was open is closed."""
        self._at = self._at._replace(number=number)
        self._product, self._chosen = None, {}
        self._show(pages.results_page(self._at, self._hits))

    def _show_item(self, product: Product) -> None:
        self._show(pages.item_page(self._at, product, self._chosen))

    def _click(self, arg: str) -> StepResult:
        """Click what is on the page."""
        product = self._product
        if arg == pages.BACK:
            self._start()
        elif arg == pages.NEXT:
            self._show_results(self._at.number + 1)
        elif product is None and arg == pages.PREVIOUS:
            self._show_results(self._at.number - 1)
        elif product is None:
            asins = [node.text for node in self.page.nodes if node.kind == "product"]
            self._product = opened = self._catalogue[next(a for a in asins if a.lower() == arg)]
            self._visited.add(opened["asin"])
            self._show_item(opened)
        elif arg == pages.PREVIOUS and pages.BUY in self._clickables:
            self._show_results(self._at.number)
        elif arg == pages.PREVIOUS:
            self._show_item(product)
        elif arg == pages.BUY:
            return self._buy(product)
        elif arg in pages.SUB_PAGES:
            self._show(pages.sub_page(self._at, product, self._chosen, arg))
        else:
            names = [name for name, values in product["options"].items() if arg in values]
            self._chosen = {**self._chosen, names[-1]: arg}  # of two, a form's later field wins
            self._show_item(product)
            if self._strict:
                return self._result(f"You have clicked {arg}.", {"valid": True})
        return self._result(self.observation, {"valid": True})

    def _buy(self, product: Product) -> StepResult:
        nouns = (self._catalogue.nouns.get(asin) for asin in (product["asin"], self.goal["asin"]))
        reward, parts = get_reward(product, self.goal, product["price"], self._chosen, *nouns)
        self._done = True
        self._show(pages.done_page(self._at.session, product["asin"], self._chosen, reward))
        return self._result(self.observation, {"valid": True, **parts}, reward)
