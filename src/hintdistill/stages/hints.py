"""Stage hints: failed episodes become the bank of hints."""

import logging
from typing import Literal

from hintdistill.errors import UserError
from hintdistill.hints.curate import DuplicateParams, RawHint, curate, prune
from hintdistill.hints.diagnose import WRITER, diagnose
from hintdistill.params import StageParams
from hintdistill.records import HINT_SOURCE_SPLIT, Episode, read_jsonl, write_jsonl
from hintdistill.stages._cell import Cell, cell_command
from hintdistill.tasks.panel import require_split

log = logging.getLogger(__name__)


class WriterParams(DuplicateParams):
    """Of the shared block `hints`: how the bank is made."""

    writer: Literal["diagnose"]
    prune: list[str]


class Params(StageParams):
    hints: WriterParams


@cell_command
def command(env: str, agent: str) -> None:
    """Write hints from the failures among failures.jsonl: hints.jsonl."""
    cell, params = Cell(env, agent), Params.read()
    tasks = cell.read_tasks()
    source = cell.data / "failures.jsonl"
    failures = [e for e in read_jsonl(source, Episode) if not e.success]
    require_split((e.task_id for e in failures), tasks.values(), HINT_SOURCE_SPLIT, str(source))
    raw = [
        RawHint(tasks[episode.task_id].type, diagnosis.text, WRITER, episode)
        for episode in failures
        for diagnosis in diagnose(episode)
    ]
    bank = curate(raw, env, params.hints)
    if not bank:
        raise UserError(
            f"{source}: {len(failures)} failures gave no hint. Raise {env}.train, so that more "
            "tasks are tried."
        )
    kept = prune(bank, params.hints.prune)
    if not kept:
        raise UserError(
            f"params.yaml, hints.prune: leaves none of the {len(bank)} hints of {cell.name}. "
            "Name fewer texts."
        )
    log.info(
        "%d failures, %d raw hints, %d in the bank after %d were pruned",
        len(failures), len(raw), len(kept), len(bank) - len(kept),
    )  # fmt: skip
    write_jsonl(cell.hints, kept)
