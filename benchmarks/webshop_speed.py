"""Speed and memory of the WebShop environment in one process.

    python benchmarks/webshop_speed.py --source official --copies 1180

writes metrics/webshop_engine_{products}.json. With `--copies`, there are so many of each product,
under other asins and with another word in the name: 1,180 copies of the official 1,000 are as many
products as the full catalogue has. Seconds are wall time: to read the source's products and goals,
to index all anew, to open an index kept before; memory is the most that the process had, from its
start; steps a second are the median of several runs. No stage, since its times never come out the
same.
"""

import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click

from hintdistill.core.files import write_json
from hintdistill.environments.webshop.game.catalogue import Catalogue, Product
from hintdistill.environments.webshop.game.env import WebShopEnv
from hintdistill.environments.webshop.game.goals import ShoppingGoal
from hintdistill.environments.webshop.game.panel import read_source
from hintdistill.environments.webshop.game.search import Bm25Search

METRICS = Path("metrics")
RUNS, STEPS = 5, 4000
SEARCHES = 0.2  # share of steps; others click what the page has


def measure_shop(source: str, seed: int, copies: int) -> dict[str, Any]:
    """Load a source, index it, take random steps, and say what that took."""
    began = time.monotonic()
    catalogue, goals = read_source(source, seed)
    loading = time.monotonic() - began
    if copies > 1:
        catalogue = Catalogue(_copied(catalogue, copies), catalogue.nouns)
    with TemporaryDirectory() as folder:
        indexing, _ = _index(catalogue, Path(folder))
        opening, search = _index(catalogue, Path(folder))
    env = WebShopEnv(catalogue, goals, search)
    rates = [_steps_a_second(env, goals, random.Random(run)) for run in range(RUNS)]
    return {
        "source": source,
        "products": len(catalogue),
        "goals": len(goals),
        "load_seconds": round(loading, 3),
        "index_seconds": round(indexing, 3),
        "open_index_seconds": round(opening, 3),
        "steps_a_second": round(median(rates)),
        "steps_a_second_runs": [round(rate) for rate in sorted(rates)],
        "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _copied(catalogue: Catalogue, copies: int) -> Iterator[Product]:
    yield from catalogue
    for number in range(1, copies):
        for place, product in enumerate(catalogue):
            asin = f"{number * len(catalogue) + place:010d}"
            name = f"{product['name']} {asin}"
            yield Product(**{**product, "asin": asin, "name": name, "Title": name})


def _index(catalogue: Catalogue, cache: Path) -> tuple[float, Bm25Search]:
    began = time.monotonic()
    search = Bm25Search(catalogue, cache)
    return time.monotonic() - began, search


def _steps_a_second(env: WebShopEnv, goals: list[ShoppingGoal], rng: random.Random) -> float:
    """Of a shopper who searches for the goal's words or clicks anything, a purchase included."""
    began = time.monotonic()
    number = rng.randrange(len(goals))
    env.reset(number)
    for _ in range(STEPS):
        clickables = [name for name in env.clickables if name != "search"]
        if not clickables or rng.random() < SEARCHES:
            action = f"search[{goals[number]['instruction_text']}]"
        else:
            action = f"click[{rng.choice(clickables)}]"
        if env.step(action).done:
            number = rng.randrange(len(goals))
            env.reset(number)
    return STEPS / (time.monotonic() - began)


@click.command()
@click.option("--source", default="generated", show_default=True, help="As `webshop.source`.")
@click.option("--copies", type=click.IntRange(1), default=1, show_default=True, help="Of each.")
def main(source: str, copies: int) -> None:
    """Measure the shop's speed and memory."""
    figures = measure_shop(source, seed=0, copies=copies)
    write_json(METRICS / f"webshop_engine_{figures['products']}.json", figures)
    for name, value in figures.items():
        click.echo(f"{name}: {value}")


if __name__ == "__main__":
    main()
