"""Stage strip: successes become training rows, hints removed, leaks audited, sizes matched."""

import logging
from typing import Literal

from hintdistill.agents.registry import make_agent
from hintdistill.params import StageParams, per_agent
from hintdistill.records import (
    HINT_SOURCE_SPLIT,
    Episode,
    Hint,
    read_jsonl,
    write_json,
    write_jsonl,
)
from hintdistill.settings import Settings
from hintdistill.stages._cell import BankParams, Cell, ProtocolOfAgent, cell_command
from hintdistill.tasks.panel import require_split
from hintdistill.training.strip import strip

log = logging.getLogger(__name__)


class StripParams(Settings):
    keep: Literal["success", "all"]
    seed: int


class Params(StageParams):
    hints: BankParams
    strip: StripParams
    agent: ProtocolOfAgent = per_agent()


@cell_command
def command(env: str, agent: str) -> None:
    """Make the students' rows: sft.jsonl, distilled.jsonl and the audit."""
    cell, params = Cell(env, agent), Params.read(agent=agent)
    tasks = cell.read_tasks()
    base = read_jsonl(cell.data / "failures.jsonl", Episode)
    teacher = read_jsonl(cell.data / "teacher.jsonl", Episode)
    require_split(
        (e.task_id for e in [*base, *teacher]), tasks.values(), HINT_SOURCE_SPLIT, str(cell.data)
    )
    source = params.hints.path(cell)
    bank = read_jsonl(source, Hint)
    sources = (task_id for hint in bank for task_id in hint.source_task_ids)
    require_split(sources, tasks.values(), HINT_SOURCE_SPLIT, str(source))
    stripped = strip(
        base,
        teacher,
        tasks,
        [hint.text for hint in bank],
        make_agent(agent, env, params.agent.protocol),
        keep=params.strip.keep,
        seed=params.strip.seed,
    )
    log.info("%s", stripped.audit)
    write_json(cell.metrics / "audit.json", stripped.audit)
    write_jsonl(cell.data / "sft.jsonl", stripped.sft)
    write_jsonl(cell.data / "distilled.jsonl", stripped.distilled)
