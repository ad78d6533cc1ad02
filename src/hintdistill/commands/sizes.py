"""Shows what each stage's artifacts take in the cache, by dvc.lock."""

import click

from hintdistill.commands.shared.graph import read_lock

MIB = 2**20


@click.command()
def command() -> None:
    """Show what each stage's artifacts take in the cache."""
    sizes = {
        stage: sum(out.get("size", 0) for out in entry.get("outs", []))
        for stage, entry in read_lock().items()
    }
    sizes["total"] = sum(sizes.values())
    width = max(map(len, sizes))
    for stage, size in sizes.items():
        click.echo(f"{stage:{width}} {size / MIB:8.1f} MiB")
