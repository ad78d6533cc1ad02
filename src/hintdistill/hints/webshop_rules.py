"""The rules that diagnose a failed WebShop episode: one that earned less than the whole reward.

They know what the shopper saw: the instruction, the pages, and not what the reward was made of. The
hints name no product, option or number.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hintdistill.hints.environment import Diagnosis, EnvHints
from hintdistill.records import Episode, normalise
from hintdistill.tasks.webshop.env import INVALID, parse_action
from hintdistill.tasks.webshop.reading import (
    Result,
    instruction_of,
    read_options,
    read_price,
    read_results,
    read_wish,
)

MANY = 3  # steps lost in the same way are a cause, whatever came of it
MOST_WORDS = 15  # of a query, unless the instruction has more

INVALID_CLICK = {
    "buy": 'Write "click[Buy Now]" letter for letter, capitals too, and only with {product} open.',
    "search": 'Use "search" on the first page only; "click[Back to Search]" leads there.',
    "other": "Click only names in brackets, written exactly as the page writes them.",
}
OPTION_NOT_CHOSEN = {
    "none": "Click the {option} that the task names before you buy {product}.",
    "some": "Choose every {option} that the task names, the last one too, before you buy.",
}
WRONG_OPTION = {
    "other": "Click the very {option} that the task names, not one that is like it.",
    "missing": "If {product} does not offer the {option} asked for, go back and try another one.",
}
PRICE = "Open only a {product} whose price is below the limit at the end of the task."
FIRST_RESULT = "Compare the titles shown, and open the {product} with most of the words asked for."
QUERY = {
    "price": "Leave the price and its limit out of the search words.",
    "short": "Search with all the properties and options that are asked for, not the name alone.",
    "long": "Search with a few words; long queries find the wrong {product}.",
}
OPENED_TWICE = "Remember what {product} offers; opening the same one twice wastes steps."
RAN_OUT = {
    "reading": "Leave reviews and descriptions; buy {product} before the steps run out.",
    "looking": "Settle on the first {product} that fits, and buy it while steps are left.",
}
WRONG_PRODUCT = "Make sure that {product} has every property asked for before you buy it."
MALFORMED = "Write one action a turn and nothing else: a search or a click."
REPEATED = "When an action changes nothing, do another one."
_READING = {"description", "features", "reviews"}


class Look(NamedTuple):
    """A step, as it was taken."""

    name: str
    arg: str
    valid: bool


class Trace:
    """What happened in an episode, as its pages tell it.

    Attributes:
        opened: asins, in the order in which they were opened, again too.
        item: the page of the product that was opened last, where it was bought if it was.
        chosen: names and values of the options that were chosen there.
        bought: whether there was a purchase.
        results: products of the page of results that was seen last.
        shown: products by asin, as any page of results showed them first.
    """

    def __init__(self, episode: Episode) -> None:
        first = episode.messages[1].content
        self.instruction = instruction_of(first)
        self.wish = read_wish(self.instruction)
        self.looks: list[Look] = []
        self.opened: list[str] = []
        self.item, self.chosen, self.bought = "", {}, False
        self.shown: dict[str, Result] = {}
        self.results: list[Result] = []
        page = first
        for step in episode.steps:
            name, arg = parse_action(step.action.strip())
            valid = step.observation != INVALID
            self.looks.append(Look(name, arg or "", valid))
            if not valid:
                continue
            self._note(page, name, arg or "")
            if step.observation.startswith("You have clicked "):
                continue  # the same page
            page = step.observation
            self.results = read_results(page) or self.results
            self.shown = {result.asin: result for result in self.results} | self.shown
            if "[Buy Now]" in page:
                self.item = page

    def _note(self, page: str, name: str, arg: str) -> None:
        if name != "click":
            return
        if arg in [result.asin for result in read_results(page)]:
            self.opened.append(arg)
            self.chosen = {}
        elif arg == "Buy Now":
            self.bought = True
        for option, values in read_options(page).items():
            if arg in values:
                self.chosen[option] = arg

    def result(self) -> Result | None:
        """The product that was opened last, as the results showed it."""
        return self.shown.get(self.opened[-1]) if self.opened else None


def _invalid_click(trace: Trace) -> str | None:
    """Actions that the shop refused, at the end or many times."""
    refused = [look for look in trace.looks if not look.valid]
    if not refused or (trace.looks[-1].valid and len(refused) < MANY):
        return None
    last = refused[-1]
    kind = "search" if last.name == "search" else "other"
    return INVALID_CLICK["buy" if "buy" in normalise(last.arg) else kind]


def _option_not_chosen(trace: Trace) -> str | None:
    """An option that the instruction names and the product has was left as it was."""
    has = read_options(trace.item)
    wanted = [name for name in trace.wish.options if name in has]
    left = [name for name in wanted if name not in trace.chosen]
    if not trace.bought or not left:
        return None
    return OPTION_NOT_CHOSEN["none" if len(left) == len(wanted) else "some"]


def _wrong_option(trace: Trace) -> str | None:
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


def _price_over_the_limit(trace: Trace) -> str | None:
    price, limit = read_price(trace.item), trace.wish.limit
    return PRICE if trace.bought and price and limit and price > limit else None


def _query(trace: Trace) -> str | None:
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


def _fit(trace: Trace, result: Result) -> int:
    """How many of the words asked for a title has."""
    return len(set(normalise(trace.wish.what).split()) & set(normalise(result.title).split()))


def _first_result(trace: Trace) -> str | None:
    """The first of a page of results was bought, and another one's title had more of the words."""
    result, shown = trace.result(), trace.results
    if not trace.bought or not shown or result != shown[0]:
        return None
    limit = trace.wish.limit or float("inf")
    better = [r for r in shown[1:] if r.price < limit and _fit(trace, r) > _fit(trace, result)]
    return FIRST_RESULT if better else None


def _opened_twice(trace: Trace) -> str | None:
    return OPENED_TWICE if len(trace.opened) - len(set(trace.opened)) >= 1 else None


def _ran_out_of_steps(trace: Trace) -> str | None:
    if trace.bought:
        return None
    read = sum(look.arg.lower() in _READING for look in trace.looks)
    return RAN_OUT["reading" if read >= MANY - 1 else "looking"]


RULES: dict[str, Callable[[Trace], str | None]] = {
    "invalid_click": _invalid_click,
    "option_not_chosen": _option_not_chosen,
    "wrong_option": _wrong_option,
    "price_over_the_limit": _price_over_the_limit,
    "query": _query,
    "first_result": _first_result,
    "opened_twice": _opened_twice,
    "ran_out_of_steps": _ran_out_of_steps,
}
CAUSES = (*RULES, "malformed", "repeated_action", "wrong_product")


def diagnose_webshop(episode: Episode) -> Iterator[Diagnosis]:
    """The causes of a failed episode: what the rules find; where they find nothing, turns that were
    malformed, one action over and over, or a purchase of something else."""
    trace = Trace(episode)
    found = [Diagnosis(cause, text) for cause, rule in RULES.items() if (text := rule(trace))]
    refused = sum(not look.valid for look in trace.looks)
    malformed = episode.n_invalid - refused >= min(MANY, max(episode.n_turns, 1))
    if malformed or episode.stop_reason == "context_full":
        found = [Diagnosis("malformed", MALFORMED)]
    if found and found[0].cause == "invalid_click" and not trace.bought:
        found = found[:1]  # that nothing was bought is its doing
    if not found:
        repeated = episode.stop_reason == "repeated_action"
        found = [
            Diagnosis("repeated_action", REPEATED)
            if repeated
            else Diagnosis("wrong_product", WRONG_PRODUCT)
        ]
    yield from found


def names_of(episode: Episode) -> set[str]:
    """What was asked for, and values of options, brands and numbers that the pages showed.

    A title's first word is a brand where it is an uncommon word: not one that a page writes small.
    """
    trace = Trace(episode)
    pages = [step.observation for step in episode.steps]
    values = [v for page in pages for some in read_options(page).values() for v in some]
    small = {
        word for page in (trace.instruction, *pages) for word in re.findall(r"\b[a-z]+\b", page)
    }
    first = {result.title.split()[0] for result in trace.shown.values() if result.title}
    brands = {word for word in first if word.lower() not in small}
    names = {trace.wish.name, *trace.wish.options.values(), *values, *trace.shown, *brands}
    # Shorter ones, sizes for the most part, are parts of words too ("product's").
    return {name for name in names if len(normalise(name)) > 2}


WEBSHOP_HINTS = EnvHints(
    causes=CAUSES,
    diagnose=diagnose_webshop,
    placeholders=("{product}", "{option}", "{price}"),
    common=frozenset(),
    names_of=names_of,
)
