"""Makes WebShop's pages as lists of visible texts, and shows them in one of three ways."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from hintdistill.environments.webshop.game.catalogue import Product

Mode = Literal["text", "text_rich", "simple"]
MODES: tuple[Mode, ...] = ("text", "text_rich", "simple")
SEARCH, BACK, PREVIOUS, NEXT = "search", "back to search", "< prev", "next >"
BUY = "buy now"
SUB_PAGES = ("description", "features", "reviews")
A_PAGE = 10  # products of a page of results
SHOWN_SIMPLY = 3  # of these, in mode simple
_SCORE = "Your score (min 0.0, max 1.0)"
_HTML_BLANKS = " \n\t\f\r"


class Node(NamedTuple):
    """One visible text; whatever is no plain text can be clicked."""

    text: str
    kind: Literal["text", "button", "option", "product"] = "text"


class Page(NamedTuple):
    """A page: its address, as WebShop writes it, what is on it, and the options that are chosen.

    An option is shown as chosen if the address (mode simple: Python's text of the options) has it
    in quotes; so one that has quotes itself is not.
    """

    url: str
    nodes: list[Node]
    chosen: Mapping[str, str] = {}


class Place(NamedTuple):
    """Where a shopper is: with which goal, at which page of which search."""

    session: str
    instruction: str
    words: str  # that were searched for, joined by "+"
    number: int  # of the page of results, from 1


def _button(text: str) -> Node:
    return Node(text, "button")


def _texts(*texts: str) -> list[Node]:
    """Text nodes as a parser of HTML leaves them.

    Empty ones and line breaks alone are dropped, and blanks alone become one.
    """
    nodes = []
    for text in texts:
        if text.strip(_HTML_BLANKS):
            nodes.append(Node(text))
        elif text and "\n" not in text:
            nodes.append(Node(" "))
    return nodes


def index_page(at: Place) -> Page:
    texts = _texts("WebShop", "Instruction: ", at.instruction)
    return Page(f"/{at.session}", [*texts, _button("Search")])


def _head(at: Place) -> list[Node]:
    return [*_texts("Instruction:", at.instruction), _button("Back to Search")]


def results_page(at: Place, hits: Sequence[Product]) -> Page:
    """A page of the products that a search found; there is no last one."""
    nodes = _head(at)
    nodes += _texts(f"Page {at.number} (Total results: {len(hits)})")
    if at.number > 1:
        nodes.append(_button("< Prev"))
    nodes.append(_button("Next >"))
    for product in hits[(at.number - 1) * A_PAGE : at.number * A_PAGE]:
        nodes.append(Node(product["asin"], "product"))
        nodes += _texts(product["Title"], product["Price"])
    return Page(f"/search_results/{at.session}/{at.words}/{at.number}", nodes)


def item_page(at: Place, product: Product, chosen: Mapping[str, str]) -> Page:
    nodes = [*_head(at), _button("< Prev")]
    for name, values in product["options"].items():
        nodes += [*_texts(name), *(Node(value, "option") for value in values)]
    nodes += _texts(product["Title"], f"Price: {product['Price']}", "Rating: N.A.")
    nodes += map(_button, ("Description", "Features", "Reviews", "Buy Now"))
    path = f"{at.session}/{product['asin']}/{at.words}/{at.number}/{json.dumps(dict(chosen))}"
    return Page(f"/item_page/{path}", nodes, chosen)


def sub_page(at: Place, product: Product, chosen: Mapping[str, str], name: str) -> Page:
    """Description, features, or reviews, of which the official files have none."""
    texts = {
        "description": [product["Description"]],
        "features": [f" {bullet}" for bullet in product["BulletPoints"]],
        "reviews": [],
    }
    nodes = [*_head(at), _button("< Prev"), *_texts(*texts[name])]
    path = f"{at.session}/{product['asin']}/{at.words}/{at.number}"
    return Page(f"/item_sub_page/{path}/{name.capitalize()}/{dict(chosen)}", nodes)


def done_page(session: str, asin: str, chosen: Mapping[str, str], reward: float) -> Page:
    """The page after a purchase, with all that WebShop's template leaves open."""
    options = json.dumps(dict(chosen), sort_keys=True)
    for sign in "<>&'":  # as Jinja's tojson has it
        options = options.replace(sign, f"\\u{ord(sign):04x}")
    nothing = "None"
    texts = _texts(
        "Thank you for shopping with us!", "Your code: ", nothing,
        " (Paste it in your MTurk interface.)", "Purchased", "asin", asin, "options", options,
        "attrs", nothing, "category", nothing, "query", nothing, "product category", nothing,
        "Target", "asin", "options", "attrs", "price upper", "instuction text", "category",
        "product category", "query", "Goal ", nothing, "Reward",
        _SCORE, str(reward), "Reward Details ", nothing,
    )  # fmt: skip
    return Page(f"/done/{session}/{asin}/{dict(chosen)}", texts)


def clickables(page: Page) -> list[str]:
    """The names that can be clicked, in lower case: buttons, products, then options, each once."""
    kinds = ("button", "product", "option")
    found = (node.text.lower() for kind in kinds for node in page.nodes if node.kind == kind)
    return list(dict.fromkeys(found))


def render(page: Page, mode: Mode, visited: Iterable[str] = ()) -> str:
    """A page as an agent is shown it; mode text_rich marks the asins in `visited`."""
    if mode == "text":
        return " [SEP] ".join(node.text.strip() for node in page.nodes)
    if mode == "text_rich":
        return _rich(page, set(visited))
    return _simple(page)


def _rich(page: Page, visited: set[str]) -> str:
    """One text a line, and above them the options that are chosen, the last one first."""
    lines, clicked = [], []
    for text, kind in page.nodes:
        if kind == "button":
            lines.append(f"[button] {text} [button_]")
        elif kind == "option":
            mark = "button"
            if f'"{text}"' in page.url:
                mark = "clicked button"
                clicked.append(f"You have clicked {text}.")
            lines.append(f"  [{mark}] {text} [{mark}_]")
        elif kind == "product":
            mark = "clicked button" if text in visited else "button"
            lines.append(f"\n[{mark}] {text} [{mark}_]")
        else:
            lines.append(text)
    return "".join(f"{line}\n" for line in [*reversed(clicked), *lines])


def _simple(page: Page) -> str:
    """The rendering of ReAct's and StateAct's harness.

    Of a page of results it has the first three products, of the last page the score alone; and the
    instruction on the first page only.
    """
    shown, products = [], 0
    texts = [node.text for node in page.nodes]
    if _SCORE in texts:
        return f"{_SCORE}: {texts[texts.index(_SCORE) + 1]}"
    first = texts[0] == "WebShop"
    for text, kind in page.nodes if first else page.nodes[2:]:
        if not text.replace("\n", "").replace(" ", ""):
            continue
        products += kind == "product"
        if products > SHOWN_SIMPLY:
            break
        if kind == "option":
            shown.append(f"[[{text}]]" if f"'{text}'" in str(page.chosen) else f"[{text}]")
        else:
            shown.append(f"\n{text} " if kind == "text" else f"\n[{text}] ")
    return "".join(shown)
