"""What `hintdistill price-hints` does: what hint writer `extract` costs, before it is asked."""

from hintdistill.hints.extract import request
from hintdistill.llm.ledger import price
from hintdistill.stages._cell import Cell
from hintdistill.stages._server import ServerBlock
from hintdistill.stages.hints import read_failures


def price_hints_text(env: str, agent: str) -> str:
    """The estimate for the cell's failures at the prices of block `llm`; no server is asked.

    Raises:
        UserError: stage failures has not run, or a price is missing.
    """
    cell, prices = Cell(env, agent), ServerBlock.read().llm
    failures, _ = read_failures(cell, cell.read_tasks())
    calls, prompt, completion, money = price(prices, [request(e) for e in failures])
    return (
        f"{cell.name}: {calls} failures to read, at most about {prompt:,} tokens of prompt and "
        f"{completion:,} of answers: {money:.4g} at the prices of block llm, and about twice that "
        "if every first answer is refused and asked for once more. What is in the cache is free."
    )
