"""The console script: finds stages and commands by the names of their files, and reports errors."""

import errno
import os
import sys
from pathlib import Path

import click

from hintdistill.commands.times import timed
from hintdistill.core.by_name import import_by_name, names_in
from hintdistill.core.errors import UserError
from hintdistill.core.logs import show_logs

STAGES, COMMANDS = "hintdistill.stages", "hintdistill.commands"


class NamedFiles(click.Group):
    """Each module of `stages` and of `commands` is a click command, loaded when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(n.replace("_", "-") for n in names_in(STAGES) + names_in(COMMANDS))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        module = name.replace("-", "_")
        if module in names_in(STAGES):
            return timed(module, import_by_name(STAGES, module, "stage").command)
        if module in names_in(COMMANDS):
            return import_by_name(COMMANDS, module, "command").command
        return None


@click.group(cls=NamedFiles)
@click.version_option(package_name="hintdistill")
def cli() -> None:
    """Stages of the pipeline, which `dvc repro` calls in order, and commands for people."""


def _tells_of_a_full_disk(error: Exception) -> bool:
    """Safetensors and torch raise errors of their own, and of torch's writer one knows no more."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(words in str(error) for words in ("No space left on device", "inline_container.cc"))


def _run_the_folders_code() -> None:
    """Start again with the code of the clone that this is called in, where it is another one's.

    DVC's queue runs an experiment in a clone of its own, whose `hintdistill` is the one on PATH.
    """
    source = Path("src").resolve()
    package = Path(__file__).resolve().parent
    path = os.environ.get("PYTHONPATH", "")
    known = path.split(os.pathsep)[0] == str(source)
    if known or not (source / package.name / "cli.py").is_file() or package.parent == source:
        return
    os.environ["PYTHONPATH"] = f"{source}{os.pathsep}{path}" if path else str(source)
    os.execv(sys.executable, [sys.executable, *sys.argv])


def _fail(message: str) -> None:
    click.echo(f"Error: {message}", err=True)
    sys.exit(1)


def main() -> None:
    _run_the_folders_code()
    show_logs()
    try:
        cli()
    except UserError as error:
        _fail(str(error))
    except Exception as error:
        if not _tells_of_a_full_disk(error):
            raise
        what = getattr(error, "filename", None) or "a file"
        _fail(
            f"{what}: expected space for it, but the disk is full. Free some, then run again: "
            "finished episodes and optimiser steps are kept."
        )
