"""The console script: one command a stage, each loaded only when it is called."""

import importlib
import logging
import os
import pkgutil
import sys
import warnings

import click

from hintdistill import stages
from hintdistill.errors import UserError


class StageGroup(click.Group):
    """Finds commands as modules of `hintdistill.stages`, each with a click command `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = [module.name for module in pkgutil.iter_modules(stages.__path__)]
        return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{stages.__name__}.{name.replace('-', '_')}")
        return module.command


@click.command(cls=StageGroup)
@click.version_option(package_name="hintdistill")
def cli() -> None:
    """Stages of the pipeline; `dvc repro` calls them in order."""


def main() -> None:
    # Stages log lines of their own; bars and deprecations of the libraries would bury them.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    try:
        cli()
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
