"""Makes shopping goals of a catalogue's instructions, in WebShop's manner."""

import random
from collections import Counter
from itertools import product as cartesian
from statistics import fmean
from typing import Any, TypedDict

from hintdistill.core.records import short_hash
from hintdistill.environments.webshop.game.catalogue import Catalogue, Product

LIMITS = range(10, 1000, 10)  # dollars that a price limit may be
NO_LIMIT = 1_000_000
SHUFFLE_SEED = 233  # WebShop's own, so that goals stand in its order
HUMAN_SPLITS = {"test": range(500), "dev": range(500, 1500), "train": range(1500, NO_LIMIT)}
SMALL_SPLITS = {"test": range(500), "train": range(500, NO_LIMIT)}


class ShoppingGoal(TypedDict):
    """One goal, with WebShop's keys. Options: names to values, or of human goals values alone."""

    asin: str
    category: str
    query: str
    name: str
    product_category: str
    instruction_text: str
    attributes: list[str]
    price_upper: float
    goal_options: dict[str, str] | list[str]
    weight: float


def _price_limit(price: float, seed: int, *of: object) -> tuple[float, str]:
    """A limit above the price, the same in every process, and how the instruction ends with it.

    It is the larger of two of the next four limits, or none where there are no two.
    """
    above = [limit for limit in LIMITS if limit > price][:4]
    if len(above) < 2:
        return NO_LIMIT, ""
    limit = max(random.Random(short_hash("webshop-limit", seed, *of)).sample(above, 2))
    return float(limit), f", and price lower than {limit:.2f} dollars"


def _goal(
    product: Product, text: str, attributes: list[str], limit: float, options: Any
) -> ShoppingGoal:
    return ShoppingGoal(
        asin=product["asin"], category=product["category"], query=product["query"],
        name=product["name"], product_category=product["product_category"], instruction_text=text,
        attributes=attributes, price_upper=limit, goal_options=options, weight=1.0,
    )  # fmt: skip


def _shuffled(goals: list[ShoppingGoal]) -> list[ShoppingGoal]:
    random.Random(SHUFFLE_SEED).shuffle(goals)
    return goals


def synthetic_goals(catalogue: Catalogue, seed: int = 0) -> list[ShoppingGoal]:
    """One goal for each choice of a product's options, in WebShop's order.

    A goal's weight is the mean of 1 / number of goals with an attribute, over its attributes.
    """
    goals = []
    for product in catalogue:
        limit, limit_text = _price_limit(product["price"], seed, product["asin"])
        names = sorted(product["options"])
        for asked in product["instructions"]:
            for values in cartesian(*(product["options"][name] for name in names)):
                options = dict(zip(names, values, strict=True))
                chosen = ", and ".join(f"{name}: {value}" for name, value in options.items())
                text = asked["instruction"] + (f" with {chosen}" if chosen else "") + limit_text
                goals.append(_goal(product, text, asked["attributes"], limit, options))
    counts = Counter(attribute for goal in goals for attribute in goal["attributes"])
    for goal in goals:
        goal["weight"] = fmean(1 / counts[attribute] for attribute in goal["attributes"])
    return _shuffled(goals)


def human_goals(catalogue: Catalogue, seed: int = 0) -> list[ShoppingGoal]:
    """One goal for each instruction that a person wrote and that has attributes, in that order."""
    goals = []
    for product in catalogue:
        for number, asked in enumerate(product["instructions"]):
            if not asked["attributes"]:
                continue
            limit, text = _price_limit(product["price"], seed, product["asin"], number)
            text = asked["instruction"].strip(".") + text
            goals.append(_goal(product, text, asked["attributes"], limit, asked["options"]))
    return _shuffled(goals)
