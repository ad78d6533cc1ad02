"""Shows what each stage has used of an LLM server, in tokens and money, by the ledger."""

import click

from hintdistill.llm.server.ledger import Ledger, StageSpending, ledger_file


@click.command()
def command() -> None:
    """Show what each stage has used of an LLM server, in tokens and money."""
    rows = Ledger().by_stage() if ledger_file().is_file() else []
    if not rows:
        click.echo("No server has been asked from here yet.")
        return
    sums = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    rows.append(StageSpending("total", *sums))
    width = max(len(row.stage) for row in rows)
    heads = ("calls", "unknown", "prompt", "cached", "completion")
    click.echo(" " * width + "".join(f"{head:>12}" for head in heads) + f"{'money':>14}")
    for row in rows:
        counts = "".join(f"{count:12}" for count in row[1:-1])
        click.echo(f"{row.stage:{width}}{counts}{row.money:14.6f}")
