"""Stage train: LoRA students on stripped rows."""

import logging

import click

from hintdistill.params import StageParams
from hintdistill.records import HINT_SOURCE_SPLIT, TrainingRow, read_jsonl
from hintdistill.scratch import Scratch
from hintdistill.stages._cell import REQUIREMENTS, STUDENTS, Cell, ModelParams, cell_command
from hintdistill.tasks.panel import require_split
from hintdistill.training.rows import SftParams

log = logging.getLogger(__name__)


class Params(StageParams):
    model: ModelParams
    train: SftParams


@cell_command
@click.option("--arm", required=True, type=click.Choice(STUDENTS))
def command(env: str, agent: str, arm: str) -> None:
    """Fine-tune a student: models/adapters/ and its training metrics."""
    cell, params = Cell(env, agent), Params.read()
    source = cell.data / f"{arm}.jsonl"
    rows = read_jsonl(source, TrainingRow)
    tasks = cell.read_tasks().values()
    require_split((row.task_id for row in rows), tasks, HINT_SOURCE_SPLIT, str(source))
    # Not before what may be wrong has been read: torch takes its time.
    from hintdistill.stages._live import loss_logger, open_live
    from hintdistill.training.export import replace_folder, save_adapter
    from hintdistill.training.sft import fine_tune

    model, settings = params.model.folder(cell), params.model_dump_json()
    scratch = Scratch("train", f"{cell.name}-{arm}", settings, [source, model, REQUIREMENTS])
    talks = [row.messages for row in rows]
    with open_live(cell.metrics / f"train-{arm}") as live:
        on_loss = loss_logger(live)
        trained = fine_tune(model, talks, params.train, scratch.folder, "lora", on_loss)
        live.summary |= trained.figures
    log.info("%s", trained.figures)
    partial = scratch.folder / "adapter"
    save_adapter(
        trained.model,
        partial,
        name=cell.adapter(arm).name,
        base=model.as_posix(),
        card={"arm": arm, "env": env, "agent": agent, "rows": len(rows), "steps": live.step},
    )
    replace_folder(partial, cell.adapter(arm))
    scratch.drop()
