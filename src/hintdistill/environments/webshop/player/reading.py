"""Reads the instruction, and WebShop's pages in mode simple."""

import re
from typing import NamedTuple

INSTRUCTION_MARK = "Instruction:"
_LIMIT = re.compile(r",? and price lower than ([\d.]+) dollars\.?$")
_NAME = r"(?:(?! with )[a-z][a-z &()-]{0,30}?)"
_OPTIONS = re.compile(rf" with (?=(?:(?! with ).){{1,32}}: )(?={_NAME}: )")
_NEXT_OPTION = re.compile(rf", and (?={_NAME}: )")
_PRICE = re.compile(r"\$([\d.]+)")
_RESULT = re.compile(r"\[(\w{1,10})\] ?\n(.*?) ?\n(\$\S+(?: to \$\S+)?)")
_OPTION_LINE = re.compile(r"^(.+?) ((?:\[[^\n]*\])+)$", re.MULTILINE)


class Wish(NamedTuple):
    """The wish in an instruction, as far as its form tells."""

    what: str  # the thing and its properties
    options: dict[str, str]
    limit: float | None  # in dollars

    @property
    def name(self) -> str:
        """The thing with few of its properties: they stand before it, with commas in between but
        none after the last, and after "with"."""
        return self.what.split(" with ")[0].split(", ")[-1]


class ShownProduct(NamedTuple):
    """A product of a page of results."""

    asin: str
    title: str
    price: float  # the lowest


def read_wish(instruction: str) -> Wish:
    """Read an instruction; one in a person's words is a wish for all that it says."""
    limit = _LIMIT.search(instruction)
    text = _LIMIT.sub("", instruction).strip()
    parts = _OPTIONS.split(text, maxsplit=1)
    options = {}
    for option in _NEXT_OPTION.split(parts[1]) if len(parts) > 1 else ():
        name, value = option.split(": ", 1)
        options[name] = value
    what = parts[0].removeprefix("Find me ").strip()
    return Wish(what, options, float(limit[1]) if limit else None)


def instruction_of(first_observation: str) -> str:
    """The instruction, out of the first page."""
    text = first_observation.split(INSTRUCTION_MARK, 1)[1]
    return text.rsplit("[Search]", 1)[0].strip()


def read_results(page: str) -> list[ShownProduct]:
    """The products that a page of results shows, in its order; none where it is another page."""
    if "(Total results:" not in page:
        return []
    return [
        ShownProduct(asin, title, float(_PRICE.findall(prices)[0]))
        for asin, title, prices in _RESULT.findall(page)
    ]


def read_options(page: str) -> dict[str, list[str]]:
    """Names and values of a product's options; none where it has none, or on another page."""
    if "[Buy Now]" not in page:
        return {}
    above = page.split("\nPrice: ", 1)[0]
    return {
        name: re.split(r"\]\[", values.replace("[[", "[").replace("]]", "]")[1:-1])
        for name, values in _OPTION_LINE.findall(above)
    }


def read_price(page: str) -> float | None:
    """The lowest price on a product's page; None on another page."""
    found = re.search(r"\nPrice: \$([\d.]+)", page)
    return float(found[1]) if found else None
