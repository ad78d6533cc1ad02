"""Computes WebShop's reward: how well the purchase fits the goal.

Behaviour of princeton-nlp/WebShop at 64fa2a5, quirks included (Yao et al. 2022, section 3.2): the
product's type, attributes, options and price each give a part. Strings are compared as thefuzz
compares them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rapidfuzz import fuzz, utils

from hintdistill.environments.webshop.game.nouns import WORDS, nouns_of

ALIKE = 85  # token-set ratios above it are a match
COLORS = WORDS["colors"]  # in the order in which they are searched
_LATIN_1 = re.compile("[\x80-\xff]")


def token_set_ratio(a: object, b: object) -> int:
    """thefuzz's ratio, 0 to 100: characters of Latin-1's upper half dropped, signs to blanks."""
    a, b = (utils.default_process(_LATIN_1.sub("", str(text))) for text in (a, b))
    return round(fuzz.token_set_ratio(a, b))


def normalize_color(color: Any) -> Any:
    """The first colour of the vocabulary that is in a text, otherwise the text.

    Of a tuple it is the first that is an element, as `in` has it; the official code is given some.
    """
    return next((known for known in COLORS if known in color), color)


def get_type_reward(
    purchased: Mapping[str, Any],
    goal: Mapping[str, Any],
    nouns_purchased: Sequence[str] | None = None,
    nouns_goal: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Whether both are the same sort of thing: by query, by category, and by the names' nouns.

    `title_score` is the share of the goal's nouns that the purchase's name has too. Each counts as
    often as it is repeated, in the denominator only. Nouns that are None are found by `nouns_of`.
    """
    query_match = purchased["query"] == goal["query"]
    levels = [
        {level.strip() for level in product["product_category"].split("›")}
        for product in (purchased, goal)
    ]
    category_match = len(levels[0] & levels[1]) >= 2
    own = nouns_of(purchased["name"]) if nouns_purchased is None else nouns_purchased
    wanted = nouns_of(goal["name"]) if nouns_goal is None else nouns_goal
    title_score = len(set(own) & set(wanted)) / len(wanted) if wanted else 0.2
    r_type = 1.0 if query_match or category_match or title_score > 0.2 else 0.5
    if title_score < 0.1:  # whatever query and category say
        r_type = 0.1
    if title_score == 0.0:
        r_type = 0.0
    return {
        "r_type": r_type, "query_match": query_match, "category_match": category_match,
        "title_score": title_score,
    }  # fmt: skip


def get_attribute_reward(
    purchased: Mapping[str, Any], goal: Mapping[str, Any]
) -> tuple[float, int]:
    """The share of the goal's attributes that the product has, and their number.

    One counts if an attribute of the product is like it, or if the product's texts have it.
    """
    found = 0
    for wanted in goal["attributes"]:
        if any(token_set_ratio(own, wanted) > ALIKE for own in purchased["Attributes"]):
            found += 1
            continue
        texts = (purchased["Title"], " ".join(purchased["BulletPoints"]), purchased["Description"])
        found += any(wanted in text.lower() for text in texts)
    return found / len(goal["attributes"]), found


def get_option_reward(
    purchased_options: Iterable[str], goal_options: Mapping[str, str] | Sequence[str]
) -> tuple[float | None, int]:
    """The share of the goal's options that were chosen, and their number; None where it has none.

    A goal's options are a list of values, or a dict. Of a dict, an item counts as the text of its
    name and value, which a value alone can match.
    """
    wanted = goal_options.items() if isinstance(goal_options, Mapping) else goal_options
    wanted = [normalize_color(option) for option in wanted]
    chosen = [normalize_color(option) for option in purchased_options]
    found = sum(any(token_set_ratio(own, want) > ALIKE for own in chosen) for want in wanted)
    return (found / len(wanted) if wanted else None), found


def get_reward(
    purchased: Mapping[str, Any],
    goal: Mapping[str, Any],
    price: float,
    options: Mapping[str, str],
    nouns_purchased: Sequence[str] | None = None,
    nouns_goal: Sequence[str] | None = None,
) -> tuple[float, dict[str, Any]]:
    """The reward of a purchase, 0 to 1, and its parts.

    (attributes + options found + price within the limit) / (all of these) * r_type. Each part has a
    score r_ and a weight w_, as WebShop calls them. A goal has at least one attribute; `options`
    are those chosen, names to values.
    """
    parts = get_type_reward(purchased, goal, nouns_purchased, nouns_goal)
    r_att, attributes = get_attribute_reward(purchased, goal)
    r_option, chosen = get_option_reward(options.values(), goal["goal_options"])
    r_price = price <= goal["price_upper"]
    wanted = len(goal["attributes"]) + len(goal["goal_options"]) + 1
    total = (attributes + chosen + r_price) / wanted * parts["r_type"]
    parts |= {"r_att": r_att, "w_att": len(goal["attributes"]) / wanted}
    if r_option is not None:
        parts |= {"r_option": r_option, "w_option": len(goal["goal_options"]) / wanted}
    parts |= {"r_price": r_price, "w_price": 1 / wanted}
    return total, parts
