"""Says what hint writer `extract` would cost, before it is asked."""

import click

from hintdistill.core.cell import Cell, cell_options
from hintdistill.hints.write.curate import read_failures
from hintdistill.hints.write.writers.extract import request
from hintdistill.llm.server.ledger import price
from hintdistill.stages.shared.server import ServerBlock


@click.command()
@cell_options
def command(env: str, agent: str) -> None:
    """Say what hint writer `extract` would cost for the failures at hand; no server is asked."""
    cell, prices = Cell(env, agent), ServerBlock.read().llm
    failures = read_failures(cell.failures, cell.read_tasks())
    calls, prompt, completion, money = price(prices, [request(e) for e in failures])
    click.echo(
        f"{cell.name}: {calls} failures to read, at most about {prompt:,} tokens of prompt and "
        f"{completion:,} of answers: {money:.4g} at the prices of block llm, and about twice that "
        "if every first answer is refused and asked for once more. What is in the cache is free."
    )
