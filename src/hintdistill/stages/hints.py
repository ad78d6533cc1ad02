"""Stage hints: failed episodes become the bank of hints."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from hintdistill.errors import UserError
from hintdistill.hints.curate import DuplicateParams, RawHint, curate, prune
from hintdistill.hints.diagnose import WRITER, diagnose
from hintdistill.hints.extract import Extracted, extract
from hintdistill.params import StageParams
from hintdistill.records import (
    HINT_SOURCE_SPLIT,
    Episode,
    Hint,
    Rejection,
    Task,
    read_jsonl,
    write_json,
    write_jsonl,
)
from hintdistill.stages._cell import Cell, cell_command
from hintdistill.stages._server import make_server
from hintdistill.tasks.panel import require_split

log = logging.getLogger(__name__)


class WriterParams(DuplicateParams):
    """Of the shared block `hints`: how the bank is made."""

    writers: list[Literal["diagnose", "extract"]] = Field(min_length=1)
    prune: list[str]


class Params(StageParams):
    hints: WriterParams


def read_failures(cell: Cell, tasks: Mapping[str, Task]) -> tuple[list[Episode], Path]:
    """The failed episodes that hints may be written of, and the file that they stand in.

    Raises:
        UserError: there is no such file, or it has an episode of another split than train.
    """
    source = cell.data / "failures.jsonl"
    failures = [episode for episode in read_jsonl(source, Episode) if not episode.success]
    require_split((e.task_id for e in failures), tasks.values(), HINT_SOURCE_SPLIT, str(source))
    return failures, source


def _diagnosed(failures: Sequence[Episode], tasks: Mapping[str, Task]) -> list[RawHint]:
    return [
        RawHint(tasks[episode.task_id].type, diagnosis.text, WRITER, episode)
        for episode in failures
        for diagnosis in diagnose(episode)
    ]


def bank_figures(
    failures: Sequence[Episode], bank: Sequence[Hint], rejections: Sequence[Rejection]
) -> dict[str, Any]:
    """What came of the failures: hints of the bank by writer, and what was rejected, by kind."""
    met = {episode_id for hint in bank for episode_id in hint.source_episode_ids}
    return {
        "failures": len(failures),
        "failures_with_a_hint": len(met),
        "hints": len(bank),
        "hints_by_writer": dict(sorted(Counter(hint.writer for hint in bank).items())),
        "mentions": sum(hint.mentions for hint in bank),
        "rejected": len(rejections),
        "rejected_by_kind": dict(
            sorted(Counter(r.reason.split(":")[0] for r in rejections).items())
        ),
    }


@cell_command
def command(env: str, agent: str) -> None:
    """Write hints from the failures: hints.jsonl, rejected.jsonl and their figures."""
    cell, params = Cell(env, agent), Params.read()
    tasks = cell.read_tasks()
    failures, source = read_failures(cell, tasks)
    raw = _diagnosed(failures, tasks) if "diagnose" in params.hints.writers else []
    extracted = Extracted([], [])
    if "extract" in params.hints.writers:
        extracted = extract(failures, tasks, make_server(f"hints@{cell.name}"))
    write_jsonl(cell.rejected, extracted.rejections)
    bank = curate([*raw, *extracted.hints], env, params.hints)
    if not bank:
        raise UserError(
            f"{source}: {len(failures)} failures gave no hint, and {len(extracted.rejections)} "
            f"rejected texts are in {cell.rejected}. Raise {env}.train, so that more tasks are "
            "tried, or add a writer to hints.writers."
        )
    kept = prune(bank, params.hints.prune)
    if not kept:
        raise UserError(
            f"params.yaml, hints.prune: leaves none of the {len(bank)} hints of {cell.name}. "
            "Name fewer texts."
        )
    log.info(
        "%d failures, %d raw hints, %d in the bank after %d were pruned",
        len(failures), len(raw) + len(extracted.hints), len(kept), len(bank) - len(kept),
    )  # fmt: skip
    write_jsonl(cell.hints, kept)
    write_json(cell.bank, bank_figures(failures, kept, extracted.rejections))
