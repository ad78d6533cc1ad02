"""Writes a catalogue of products from a grammar, so that no download is needed.

Five categories as WebShop's, eight kinds of product in each. Products of a kind come in families of
near-duplicates, of which one has another attribute, lacks a value of an option, or costs more than
a limit allows; so it matters which one is bought. A third of the families have no options, and a
third have one.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hintdistill.core.records import short_hash
from hintdistill.core.yaml_file import read_yaml
from hintdistill.environments.webshop.game.catalogue import (
    Catalogue,
    Product,
    draw_price,
    read_prices,
)

FAMILIES = 7  # of a kind, each of 4 products: 5 * 8 * 7 * 4 = 1,120


class Kind(NamedTuple):
    """A kind of product. Attributes are said before its name, after "with", and after "for"."""

    query: str
    noun: str  # as titles have it
    before: list[str]
    after: list[str]
    uses: list[str]
    dollars: tuple[int, int]


class Category(NamedTuple):
    """Kinds of product, with the options that they share: names to values."""

    name: str
    levels: str
    options: dict[str, list[str]]
    kinds: list[Kind]


_KINDS = read_yaml(Path(__file__).with_name("kinds.yaml"))
CATEGORIES = [
    Category(**{**category, "kinds": [Kind(**kind) for kind in category["kinds"]]})
    for category in _KINDS["categories"]
]


def _instruction(kind: Kind, attributes: Sequence[str]) -> str:
    """ "Find me soft, light socks with wool for cold feet": WebShop's own form."""
    before = ", ".join(a for a in attributes if a in kind.before)
    after = ", ".join(a for a in attributes if a in kind.after)
    uses = ", ".join(a for a in attributes if a in kind.uses)
    text = f"Find me {before} {kind.query}"
    return text + (f" with {after}" if after else "") + (f" for {uses}" if uses else "")


def _replaced(values: Sequence[str], pool: Sequence[str], rng: random.Random) -> list[str]:
    """The values with one of the pool's replaced by another of the pool."""
    own = [value for value in values if value in pool]
    new = rng.choice([value for value in pool if value not in values])
    return [new if value == own[0] else value for value in values]


def _product(
    category: Category,
    kind: Kind,
    attributes: list[str],
    options: dict[str, list[str]],
    dollars: float,
    rng: random.Random,
) -> Product:
    brand = rng.choice(_KINDS["brands"])
    said = attributes[: rng.randint(1, len(attributes))]  # a title rarely says everything
    name = f"{brand} {' '.join(a.title() for a in said)} {kind.noun}"
    if options and rng.random() < 0.5:
        name += f", {rng.choice(next(iter(options.values()))).title()}"
    bullets = [f"{attribute.capitalize()}: made to last" for attribute in attributes]
    rng.shuffle(bullets)
    prices, shown = read_prices(
        f"${dollars:.2f}" if rng.random() < 0.8 else f"${dollars:.2f} to ${dollars * 1.25:.2f}"
    )
    asin = "B" + short_hash("webshop-product", name, attributes, shown, rng.random())[:9].upper()
    return Product(
        asin=asin, category=category.name, query=kind.query,
        product_category=f"{category.levels} › {kind.query.title()} › {kind.noun}",
        name=name, Title=name,
        Description=f"This {kind.noun.lower()} by {brand} is {', '.join(attributes)}.",
        BulletPoints=bullets, Attributes=attributes, options=options,
        pricing=prices, Price=shown, price=draw_price(asin, prices, 0),
        instructions=[{"instruction": _instruction(kind, attributes), "attributes": attributes}],
    )  # fmt: skip


def _family(category: Category, kind: Kind, rng: random.Random) -> list[Product]:
    """A product and its near-duplicates, in no order."""
    attributes = [
        *rng.sample(kind.before, 2),
        *rng.sample(kind.after, rng.randint(0, 2)),
        *rng.sample(kind.uses, rng.randint(0, 1)),
    ]
    names = rng.choice(([], rng.sample(list(category.options), 1), list(category.options)))
    options = {
        name: sorted(rng.sample(values, rng.randint(3, len(values))), key=values.index)
        for name, values in category.options.items()
        if name in names
    }
    low, high = kind.dollars
    dollars = rng.uniform(low, low + (high - low) * 0.6)
    fewer = dict(options)
    if names:
        name = rng.choice(names)
        dropped = rng.choice(options[name])
        fewer[name] = [value for value in options[name] if value != dropped]
    other = _replaced(attributes, kind.before, rng)
    family = [
        (attributes, options, dollars),
        (other, options, dollars * rng.uniform(0.9, 1.1)),
        (attributes, options, dollars + rng.uniform(50, 90)),  # above the limit of the first
        (attributes, fewer, dollars + rng.uniform(50, 90)),
    ]
    products = [_product(category, kind, *one, rng) for one in family]
    rng.shuffle(products)
    return products


def _nouns(product: Product) -> list[str]:
    """Nouns of a name that the grammar wrote: its brand and what it is."""
    noun = product["product_category"].rsplit(" › ", 1)[1]
    return [product["name"].split()[0].lower(), *noun.lower().split()]


def write_catalogue(seed: int) -> Catalogue:
    """1,120 products, the same for the same seed."""
    products = [
        product
        for category in CATEGORIES
        for kind in category.kinds
        for family in range(FAMILIES)
        for product in _family(
            category, kind, random.Random(short_hash("webshop-family", seed, kind.query, family))
        )
    ]
    random.Random(short_hash("webshop-catalogue", seed)).shuffle(products)
    return Catalogue(products, {product["asin"]: _nouns(product) for product in products})
