"""Builds WebShop's panel, the goals of each split, and opens the shop for them.

The products are shared by all goals. They are one game of games.jsonl that no task is for, and
which every goal's own names; so later stages need no other data.
"""

import json
import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from hintdistill.core.errors import UserError
from hintdistill.core.panel import Panel, PanelParams, check_content
from hintdistill.core.records import SPLITS, Game, Task, content_sha256, short_hash
from hintdistill.environments.common.protocol import Outcome
from hintdistill.environments.webshop.game.catalogue import Catalogue, read_official
from hintdistill.environments.webshop.game.env import WebShopEnv
from hintdistill.environments.webshop.game.generated import write_catalogue
from hintdistill.environments.webshop.game.goals import (
    HUMAN_SPLITS,
    SMALL_SPLITS,
    ShoppingGoal,
    human_goals,
    synthetic_goals,
)
from hintdistill.environments.webshop.game.search import Bm25Search

DATA_VARIABLE = "WEBSHOP_DATA"


class Source(NamedTuple):
    """A kind of panel: of which products, with goals by people or not, split by index or not."""

    official: bool = True
    human: bool = False
    by_index: bool = False


# By index means WebShop's own splits, in which goals for one product can be in several.
SOURCES = {
    "generated": Source(official=False),
    "official": Source(),
    "official_index": Source(by_index=True),
    "official_human": Source(human=True),
    "official_human_index": Source(human=True, by_index=True),
}


def read_source(name: str, seed: int) -> tuple[Catalogue, list[ShoppingGoal]]:
    """The products and all goals of a source.

    A UserError where there is none of that name, or its files are missing or broken.
    """
    if name not in SOURCES:
        raise UserError(
            f"params.yaml, webshop.source: expected one of {list(SOURCES)}, got {name!r}"
        )
    source = SOURCES[name]
    if not source.official:
        catalogue = write_catalogue(seed)
    elif named := os.environ.get(DATA_VARIABLE):
        catalogue = read_official(Path(named), human=source.human, seed=seed)
    else:
        raise UserError(
            f"webshop.source: official reads the folder that {DATA_VARIABLE} names, and the "
            "variable is not set. Set it to the folder with WebShop's items_shuffle*.json and "
            "items_ins_v2*.json, or set webshop.source to generated."
        )
    return catalogue, (human_goals if source.human else synthetic_goals)(catalogue, seed)


def _wish(goal: ShoppingGoal) -> str:
    """The thing wanted, whatever its options and price; generated products have siblings for it."""
    return ", ".join([goal["query"], *sorted(goal["attributes"])])


def _by_group(
    goals: Sequence[ShoppingGoal],
    group: Callable[[ShoppingGoal], str],
    sizes: Mapping[str, int],
    seed: int,
) -> dict[str, list[ShoppingGoal]]:
    """Goals of each split, no group in two; of each group one, then another, as needed.

    Groups are dealt out in proportion to the splits' sizes, category by category.
    """
    rng = random.Random(short_hash("webshop-split", seed))
    groups: dict[str, list[ShoppingGoal]] = defaultdict(list)
    for goal in goals:
        groups[group(goal)].append(goal)
    by_category: dict[str, list[str]] = defaultdict(list)
    for name in sorted(groups):
        by_category[groups[name][0]["category"]].append(name)
    total = sum(sizes.values())
    dealt: dict[str, list[list[ShoppingGoal]]] = {split: [] for split in sizes}
    for category in sorted(by_category):
        names = by_category[category]
        rng.shuffle(names)
        first, wanted = 0, 0
        for split, size in sizes.items():
            wanted += size
            last = round(len(names) * wanted / total)
            dealt[split] += [groups[name] for name in names[first:last]]
            first = last
    drawn = {}
    for split, own in dealt.items():
        rng.shuffle(own)
        # A group's second goal comes only after every group's first.
        rounds = [goal for some in zip_longest(*own) for goal in some if goal is not None]
        drawn[split] = rounds[: sizes[split]]
    return drawn


def _by_index(
    goals: Sequence[ShoppingGoal], sizes: Mapping[str, int], human: bool, seed: int
) -> dict[str, list[ShoppingGoal]]:
    """Goals of each split by their place among all, as WebShop and those who follow it split."""
    official = HUMAN_SPLITS if human else SMALL_SPLITS
    rng = random.Random(short_hash("webshop-split", seed))
    pools = {}
    for name, part in official.items():
        pool = goals[part.start : part.stop]
        pools[name] = rng.sample(pool, len(pool))
    pool_of = {"eval": "test", "dev": "dev" if human else "train"}
    drawn: dict[str, list[ShoppingGoal]] = {}
    for split, size in sizes.items():
        pool = pools[pool_of.get(split, "train")]
        drawn[split], pool[:size] = pool[:size], []
    return drawn


def build_panel(params: PanelParams) -> Iterator[tuple[Task | None, Game]]:
    """The products, without a task, and the goals of all splits, in order.

    A UserError where there is no such source, or it has too few goals.
    """
    if params.eval_games is not None:
        raise UserError(
            "params.yaml, webshop.eval_games: expected null, since the source says which goals "
            f"`eval` has, got {params.eval_games!r}"
        )
    catalogue, goals = read_source(params.source, params.seed)
    source = SOURCES[params.source]
    sizes = {split: getattr(params, split) for split in SPLITS}
    if source.by_index:
        drawn = _by_index(goals, sizes, source.human, params.seed)
    else:
        group = (lambda goal: goal["asin"]) if source.official else _wish
        drawn = _by_group(goals, group, sizes, params.seed)
    content = {"products": catalogue.packed(), "nouns": json.dumps(catalogue.nouns, sort_keys=True)}
    shared = Game(task_id=_name_of_products(content), content=content)
    yield None, shared
    for split, some in drawn.items():
        if len(some) < sizes[split]:
            raise UserError(
                f"params.yaml, webshop.{split}: expected {sizes[split]} goals, source "
                f"{params.source!r} has {len(some)} left for them. Lower webshop.{split}."
            )
        for goal in some:
            yield _task(goal, split, params.source, shared)


def _name_of_products(content: Mapping[str, Any]) -> str:
    return f"webshop-products-{content_sha256(content)[:16]}"


def _task(goal: ShoppingGoal, split: str, source: str, shared: Game) -> tuple[Task, Game]:
    content = {"goal": json.dumps(goal, sort_keys=True), "products": shared.task_id}
    options = goal["goal_options"]
    chosen = options.values() if isinstance(options, dict) else options
    task_id = "/".join([goal["asin"], short_hash(goal["instruction_text"], *chosen)])
    task = Task(
        task_id=task_id, env="webshop", split=split, type=goal["category"], source=source,
        group=f"product {goal['asin']}", instruction=goal["instruction_text"],
        content_sha256=content_sha256(content),
    )  # fmt: skip
    return task, Game(task_id=task_id, content=content)


class Shop:
    """The shop of a panel: its products and their search, for all of its goals.

    A UserError where games.jsonl has no products, or others than its goals name.
    """

    def __init__(self, panel: Panel) -> None:
        (task, game), *_ = panel.values()
        name = str(game.content.get("products"))
        shared = panel.shared.get(name)
        if shared is None or name != _name_of_products(shared.content):
            raise UserError(
                f"games.jsonl: expected the products {name!r} that {task.task_id} names, found "
                f"{list(panel.shared) or 'none'}, or changed ones. Run `dvc checkout`, or "
                "`dvc repro -f panel@webshop`."
            )
        products = map(json.loads, shared.content["products"])
        self._catalogue = Catalogue(products, json.loads(str(shared.content["nouns"])))
        self._search = Bm25Search(self._catalogue)

    def make_env(self, task: Task, game: Game) -> "ShoppingEnv":
        check_content(task, game)
        goal = json.loads(str(game.content["goal"]))
        return ShoppingEnv(WebShopEnv(self._catalogue, [goal], self._search, "simple", strict=True))


class ShoppingEnv:
    """One goal being shopped for, as agents play: pages of mode simple, names letter for letter."""

    def __init__(self, env: WebShopEnv) -> None:
        self._env = env

    def reset(self) -> str:
        """Start. Returns the first page, with the instruction."""
        return self._env.reset(0).strip()

    def step(self, action: str) -> Outcome:
        """Take one action; the reward comes with the purchase, which ends the episode."""
        observation, reward, done, info = self._env.step(action)
        return Outcome(observation.strip(), reward, done, info["valid"])

    def close(self) -> None:
        """Nothing: the shop stays open for others."""
