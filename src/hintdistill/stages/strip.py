"""Stage strip: successes become training rows, hints removed, leaks audited, sizes matched."""

import logging
from typing import Literal

from pydantic import Field

from hintdistill.agents.episode.registry import make_agent
from hintdistill.core.cell import AgentParams, BankParams, Cell, cell_command
from hintdistill.core.files import read_jsonl, write_json, write_jsonl
from hintdistill.core.panel import require_split
from hintdistill.core.params import AGENT_BLOCK, StageParams
from hintdistill.core.records import HINT_SOURCE_SPLIT, Episode, Hint
from hintdistill.core.settings import Settings
from hintdistill.training.strip import strip

log = logging.getLogger(__name__)


class KeepParams(Settings):
    """Block `strip`, which says which episodes become rows."""

    keep: Literal["success", "all"]
    seed: int


class StripParams(StageParams):
    hints: BankParams
    strip: KeepParams
    agent: AgentParams = Field(alias=AGENT_BLOCK)


@cell_command
def command(env: str, agent: str) -> None:
    """Make the students' rows: sft.jsonl, distilled.jsonl and the audit."""
    cell, params = Cell(env, agent), StripParams.read(agent=agent)
    tasks, source = cell.read_tasks(), params.hints.path(cell)
    base, teacher = read_jsonl(cell.failures, Episode), read_jsonl(cell.teacher, Episode)
    bank = read_jsonl(source, Hint)
    played = (episode.task_id for episode in [*base, *teacher])
    require_split(played, tasks.values(), HINT_SOURCE_SPLIT, str(cell.data))
    sources = (task_id for hint in bank for task_id in hint.source_task_ids)
    require_split(sources, tasks.values(), HINT_SOURCE_SPLIT, str(source))
    texts, protocol = [hint.text for hint in bank], make_agent(agent, env, params.agent.protocol)
    keep, seed = params.strip.keep, params.strip.seed
    stripped = strip(base, teacher, tasks, texts, protocol, keep=keep, seed=seed)
    audit = stripped.audit.model_dump()
    log.info("%s", audit)
    write_json(cell.audit, audit)
    write_jsonl(cell.rows("sft"), stripped.sft)
    write_jsonl(cell.rows("distilled"), stripped.distilled)
