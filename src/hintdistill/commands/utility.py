"""Shows the worth of each hint on split dev; evaluation/utility.py says why it is no stage."""

import csv
import io
import json
from pathlib import Path

import click

from hintdistill.commands.shared.dev_arms import arms_on_dev
from hintdistill.core.cell import Cell, cell_options
from hintdistill.core.files import read_jsonl, write_text
from hintdistill.core.records import Hint
from hintdistill.evaluation.metrics import check_same_tasks
from hintdistill.evaluation.utility import Utility, not_worth, utilities


def write_utility(env: str, agent: str, below: float) -> tuple[Path, list[str]]:
    """Write the figures of arms base and rag on split dev to metrics/{env}/{agent}/utility.csv.

    Returns the file's path, and the clusters that are not worth `below`, for hints.prune.
    """
    cell = Cell(env, agent)
    played, bank = arms_on_dev("utility", cell)
    check_same_tasks(played, str(cell.data / "eval"))
    rows = utilities(read_jsonl(bank.path(cell), Hint), played["base"], played["rag"])
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(Utility._fields)
    for row in rows:
        lines.writerow(round(v, 4) if isinstance(v, float) else v for v in row)
    path = cell.metrics / "utility.csv"
    write_text(path, text.getvalue())
    return path, not_worth(rows, below)


@click.command()
@cell_options
@click.option(
    "--below", default=0.0, show_default=True, help="Difference in success, as in 0.05: 5 points."
)
def command(env: str, agent: str, below: float) -> None:
    """Say what each hint is worth on split dev, and which hints are not worth BELOW."""
    path, texts = write_utility(env, agent, below)
    click.echo(f"written to {path}")
    click.echo("to add to hints.prune in params.yaml:" if texts else "no hint to prune")
    for text in texts:
        click.echo(f"  - {json.dumps(text)}")
