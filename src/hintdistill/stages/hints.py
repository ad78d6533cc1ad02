"""Stage hints: failed episodes become the bank of hints."""

import logging

from pydantic import Field, field_validator

from hintdistill.core.cell import Cell, cell_command
from hintdistill.core.errors import UserError
from hintdistill.core.files import write_json, write_jsonl
from hintdistill.core.params import StageParams
from hintdistill.environments.common.registry import hint_rules_of
from hintdistill.hints.write.curate import (
    DuplicateParams,
    bank_figures,
    curate,
    prune,
    read_failures,
)
from hintdistill.hints.write.registry import find_writer, writer_names
from hintdistill.stages.shared.server import make_server

log = logging.getLogger(__name__)
PERMUTATION_SEED = 0


class WriterParams(DuplicateParams):
    """The keys of the shared block `hints` that say how the bank is made."""

    writers: list[str] = Field(min_length=1)
    prune: list[str]

    @field_validator("writers")
    @classmethod
    def _are_there(cls, writers: list[str]) -> list[str]:
        if unknown := set(writers) - set(known := writer_names()):
            raise ValueError(f"expected some of {known}, got {sorted(unknown)}")
        return writers


class HintsParams(StageParams):
    hints: WriterParams


@cell_command
def command(env: str, agent: str) -> None:
    """Write hints from the failures: hints.jsonl, the same mixed up, and what was rejected."""
    cell, params = Cell(env, agent), HintsParams.read().hints
    writers = [find_writer(name) for name in params.writers]
    tasks = cell.read_tasks()
    failures = read_failures(cell.failures, tasks)
    caller = f"hints@{cell.name}"
    written = [write_hints(failures, tasks, lambda: make_server(caller)) for write_hints in writers]
    raw = [hint for own in written for hint in own.hints]
    rejections = [rejection for own in written for rejection in own.rejections]
    write_jsonl(cell.rejected, rejections)
    bank = curate(raw, env, params)
    if not bank:
        raise UserError(
            f"{cell.failures}: {len(failures)} failures gave no hint, and {len(rejections)} "
            f"rejected texts are in {cell.rejected}. Raise {env}.train, so that more tasks are "
            "tried, or add a writer to hints.writers."
        )
    kept = prune(bank, params.prune)
    if not kept:
        raise UserError(
            f"params.yaml, hints.prune: leaves none of the {len(bank)} hints of {cell.name}. "
            "Name fewer texts."
        )
    counts = len(failures), len(raw), len(kept), len(bank) - len(kept)
    log.info("%d failures, %d raw hints, %d in the bank after %d were pruned", *counts)
    places = hint_rules_of(env).places
    write_jsonl(cell.hints, kept)
    write_jsonl(cell.permuted, places.permuted(kept, PERMUTATION_SEED) if places else [])
    write_json(cell.bank, bank_figures(failures, kept, rejections))
