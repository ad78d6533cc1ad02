"""Diagnoses a failed WebShop episode, one that earned less than the whole reward, by rules.

They go by the instruction and the pages that the shopper saw, not by the reward's parts. The hints
name no product, option or number.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hintdistill.core.records import Episode, normalise
from hintdistill.core.yaml_file import read_yaml
from hintdistill.environments.common.protocol import Diagnosis, HintRules
from hintdistill.environments.webshop.game.env import INVALID, parse_action
from hintdistill.environments.webshop.player.reading import (
    ShownProduct,
    instruction_of,
    read_options,
    read_price,
    read_results,
    read_wish,
)

MANY = 3  # steps lost in the same way are a cause, whatever came of it
MOST_WORDS = 15  # of a query, unless the instruction has more

_TEXTS: dict[str, Any] = read_yaml(Path(__file__).with_name("texts.yaml"))
INVALID_CLICK, OPTION_NOT_CHOSEN = _TEXTS["invalid_click"], _TEXTS["option_not_chosen"]
WRONG_OPTION, PRICE = _TEXTS["wrong_option"], _TEXTS["price_over_the_limit"]
QUERY, FIRST_RESULT = _TEXTS["query"], _TEXTS["first_result"]
OPENED_TWICE, RAN_OUT = _TEXTS["opened_twice"], _TEXTS["ran_out_of_steps"]
MALFORMED, REPEATED = _TEXTS["malformed"], _TEXTS["repeated_action"]
WRONG_PRODUCT = _TEXTS["wrong_product"]
_READING = {"description", "features", "reviews"}


class Look(NamedTuple):
    """A step, as it was taken."""

    name: str
    arg: str
    valid: bool


class ShoppingTrace:
    """An episode's steps, and what they add up to by its pages."""

    def __init__(self, episode: Episode) -> None:
        page = episode.messages[1].content
        self.instruction = instruction_of(page)
        self.wish = read_wish(self.instruction)
        self.looks: list[Look] = []
        self.opened: list[str] = []  # asins, in the order in which they were opened, again too
        self.item = ""  # the page of the product opened last, where it was bought if it was
        self.chosen: dict[str, str] = {}  # names and values of options that were chosen there
        self.bought = False
        self.results: list[ShownProduct] = []  # of the page of results that was seen last
        self.shown: dict[str, ShownProduct] = {}  # by asin, as a page of results showed it first
        for step in episode.steps:
            name, arg = parse_action(step.action.strip())
            valid = step.observation != INVALID
            self.looks.append(Look(name, arg or "", valid))
            if not valid:
                continue
            if name == "click":
                self._note_click(page, arg or "")
            if step.observation.startswith("You have clicked "):
                continue  # the same page
            page = step.observation
            self.results = read_results(page) or self.results
            self.shown = {result.asin: result for result in self.results} | self.shown
            if "[Buy Now]" in page:
                self.item = page

    def _note_click(self, page: str, arg: str) -> None:
        if arg in [result.asin for result in read_results(page)]:
            self.opened.append(arg)
            self.chosen = {}
        elif arg == "Buy Now":
            self.bought = True
        for option, values in read_options(page).items():
            if arg in values:
                self.chosen[option] = arg

    def result(self) -> ShownProduct | None:
        """The product that was opened last, as the results showed it."""
        return self.shown.get(self.opened[-1]) if self.opened else None


def _invalid_click(trace: ShoppingTrace) -> str | None:
    """Actions that the shop refused, at the end or many times."""
    refused = [look for look in trace.looks if not look.valid]
    if not refused or (trace.looks[-1].valid and len(refused) < MANY):
        return None
    last = refused[-1]
    kind = "search" if last.name == "search" else "other"
    return INVALID_CLICK["buy" if "buy" in normalise(last.arg) else kind]


def _option_not_chosen(trace: ShoppingTrace) -> str | None:
    """An option that the instruction names and the product has was left as it was."""
    has = read_options(trace.item)
    wanted = [name for name in trace.wish.options if name in has]
    left = [name for name in wanted if name not in trace.chosen]
    if not trace.bought or not left:
        return None
    return OPTION_NOT_CHOSEN["none" if len(left) == len(wanted) else "some"]


def _wrong_option(trace: ShoppingTrace) -> str | None:
    """Another value than the one asked for was chosen; or the product does not have it."""
    if not trace.bought:
        return None
    has = read_options(trace.item)
    for name, value in trace.wish.options.items():
        if value not in has.get(name, []):
            return WRONG_OPTION["missing"]
        if trace.chosen.get(name, value) != value:
            return WRONG_OPTION["other"]
    return None


def _price_over_the_limit(trace: ShoppingTrace) -> str | None:
    price, limit = read_price(trace.item), trace.wish.limit
    return PRICE if trace.bought and price and limit and price > limit else None


def _query(trace: ShoppingTrace) -> str | None:
    """A search with too few of the words that were asked for, or with more than it needs."""
    queries = [look.arg for look in trace.looks if look.name == "search" and look.valid]
    for query in queries:
        words = normalise(query).split()
        if "dollars" in words or "price" in words or "$" in query:
            return QUERY["price"]
        asked = normalise(trace.wish.what).split()
        if 2 * len(set(words) & set(asked)) < len(asked):
            return QUERY["short"]
        if len(words) > max(MOST_WORDS, len(normalise(trace.instruction).split())):
            return QUERY["long"]
    return None


def _fit(trace: ShoppingTrace, result: ShownProduct) -> int:
    """The number of words asked for that the title has."""
    return len(set(normalise(trace.wish.what).split()) & set(normalise(result.title).split()))


def _first_result(trace: ShoppingTrace) -> str | None:
    """The first of a page of results was bought, and another one's title had more of the words."""
    result, shown = trace.result(), trace.results
    if not trace.bought or not shown or result != shown[0]:
        return None
    limit = trace.wish.limit or float("inf")
    better = [r for r in shown[1:] if r.price < limit and _fit(trace, r) > _fit(trace, result)]
    return FIRST_RESULT if better else None


def _opened_twice(trace: ShoppingTrace) -> str | None:
    return OPENED_TWICE if len(trace.opened) > len(set(trace.opened)) else None


def _ran_out_of_steps(trace: ShoppingTrace) -> str | None:
    if trace.bought:
        return None
    read = sum(look.arg.lower() in _READING for look in trace.looks)
    return RAN_OUT["reading" if read >= MANY - 1 else "looking"]


_RULES: dict[str, Callable[[ShoppingTrace], str | None]] = {
    "invalid_click": _invalid_click,
    "option_not_chosen": _option_not_chosen,
    "wrong_option": _wrong_option,
    "price_over_the_limit": _price_over_the_limit,
    "query": _query,
    "first_result": _first_result,
    "opened_twice": _opened_twice,
    "ran_out_of_steps": _ran_out_of_steps,
}
CAUSES = (*_RULES, "malformed", "repeated_action", "wrong_product")


def diagnose_webshop(episode: Episode) -> Iterator[Diagnosis]:
    """The causes of a failed episode: malformed turns alone, otherwise all that the rules find.

    Where they find nothing, it is one action over and over, or a purchase of something else.
    """
    trace = ShoppingTrace(episode)
    found = [Diagnosis(cause, text) for cause, rule in _RULES.items() if (text := rule(trace))]
    refused = sum(not look.valid for look in trace.looks)
    malformed = episode.n_invalid - refused >= min(MANY, max(episode.n_turns, 1))
    if malformed or episode.stop_reason == "context_full":
        found = [Diagnosis("malformed", MALFORMED)]
    if found and found[0].cause == "invalid_click" and not trace.bought:
        found = found[:1]  # that nothing was bought is its doing
    if not found:
        repeated = episode.stop_reason == "repeated_action"
        cause = ("repeated_action", REPEATED) if repeated else ("wrong_product", WRONG_PRODUCT)
        found = [Diagnosis(*cause)]
    yield from found


def names_of(episode: Episode) -> set[str]:
    """Names in the instruction, and the options' values, brands and numbers that the pages showed.

    A title's first word is a brand where it is an uncommon word: not one that a page writes small.
    """
    trace = ShoppingTrace(episode)
    pages = [step.observation for step in episode.steps]
    values = [v for page in pages for some in read_options(page).values() for v in some]
    small = set(re.findall(r"\b[a-z]+\b", "\n".join([trace.instruction, *pages])))
    first = {result.title.split()[0] for result in trace.shown.values() if result.title}
    brands = {word for word in first if word.lower() not in small}
    names = {trace.wish.name, *trace.wish.options.values(), *values, *trace.shown, *brands}
    # Shorter ones, sizes for the most part, are parts of words too ("product's").
    return {name for name in names if len(normalise(name)) > 2}


RULES = HintRules(
    causes=CAUSES,
    diagnose=diagnose_webshop,
    placeholders=("{product}", "{option}", "{price}"),
    common=frozenset(),
    names_of=names_of,
)
