"""Notes how long stages take, as they end, and shows it as a table.

Times are about a machine, not about a result: they go to a file in `.scratch/`, which git and DVC
ignore, and into no record.
"""

import copy
import json
import logging
import time
from pathlib import Path
from typing import NamedTuple

import click

from hintdistill.core.declared import read_stages
from hintdistill.core.errors import UserError
from hintdistill.core.scratch import SCRATCH, Scratch

log = logging.getLogger(__name__)
TIMES = SCRATCH / "times.jsonl"


class StageTime(NamedTuple):
    """One finished stage."""

    stage: str  # as DVC names it
    seconds: float
    resumed: bool  # it went on from an earlier run's progress, so that the time is not all of it


def timed(stage: str, command: click.Command) -> click.Command:
    """The command of a stage, which logs and notes its time where it ends well."""
    run = command.callback
    assert run is not None

    def callback(**options: str) -> None:
        item = "-".join(options[key] for key in ("env", "agent", "arm") if key in options)
        start = time.monotonic()
        run(**options)
        seconds = round(time.monotonic() - start, 2)
        entry = StageTime(f"{stage}@{item}" if item else stage, seconds, Scratch.any_resumed)
        log.info("stage %s: %.0f s", entry.stage, seconds)
        try:
            note(entry)
        except OSError as error:
            log.warning("%s: the time could not be noted: %r", TIMES, error)  # the stage is done

    timed_command = copy.copy(command)
    timed_command.callback = callback
    return timed_command


def note(entry: StageTime) -> None:
    TIMES.parent.mkdir(exist_ok=True)
    with TIMES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry._asdict()) + "\n")


def noted(path: Path = TIMES) -> dict[str, StageTime]:
    """The latest time of each stage on this machine, in the order of dvc.yaml.

    A time that is not all of a stage's counts only where there is no other.
    """
    latest: dict[str, StageTime] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            entry = StageTime(*(json.loads(line)[key] for key in StageTime._fields))
        except (ValueError, TypeError, KeyError):
            raise UserError(
                f"{path}, line {number}: expected a stage's time, got {line[:80]!r}. "
                "Remove the file; it holds nothing but times."
            ) from None
        if not entry.resumed or latest.get(entry.stage, entry).resumed:
            latest[entry.stage] = entry
    order = {kind: place for place, kind in enumerate(read_stages())}

    def place(stage: str) -> tuple[int, str]:  # one that is gone from the pipeline comes last
        return order.get(stage.partition("@")[0], len(order)), stage

    return {stage: latest[stage] for stage in sorted(latest, key=place)}


@click.command()
def command() -> None:
    """Show how long each stage took when it last ran here."""
    rows = list(noted().values())
    if not rows:
        click.echo("No stage has run here yet.")
        return
    rows.append(StageTime("total", sum(row.seconds for row in rows), resumed=False))
    width = max(len(row.stage) for row in rows)
    for stage, seconds, resumed in rows:
        remark = "  went on from a stopped run" if resumed else ""
        click.echo(f"{stage:{width}} {seconds:8.0f} s{remark}")
