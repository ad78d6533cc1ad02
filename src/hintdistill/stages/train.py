"""Stage train: LoRA students on stripped rows."""

import logging

import click

from hintdistill.params import StageParams
from hintdistill.records import (
    HINT_SOURCE_SPLIT,
    TrainingRow,
    read_jsonl,
    write_json,
    write_text,
)
from hintdistill.scratch import Scratch
from hintdistill.stages._cell import LOCK, STUDENTS, Cell, ModelParams, cell_command
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
    from hintdistill.training.export import replace_folder, save_adapter
    from hintdistill.training.sft import fine_tune

    cell, params = Cell(env, agent), Params.read()
    source = cell.data / f"{arm}.jsonl"
    rows = read_jsonl(source, TrainingRow)
    tasks = cell.read_tasks().values()
    require_split((row.task_id for row in rows), tasks, HINT_SOURCE_SPLIT, str(source))
    model, settings = params.model.folder(cell), params.model_dump_json()
    scratch = Scratch("train", f"{cell.name}-{arm}", settings, [source, model, LOCK])
    trained = fine_tune(model, [r.messages for r in rows], params.train, scratch.folder, "lora")
    log.info("%s", trained.figures)
    metrics = cell.metrics / f"train-{arm}"
    write_json(metrics / "figures.json", trained.figures)
    curve = "".join(f"{step},{loss:.6f}\n" for step, loss in trained.losses)
    write_text(metrics / "loss.csv", "step,loss\n" + curve)
    figures = {key: trained.figures[key] for key in ("rows", "steps")}
    partial = scratch.folder / "adapter"
    save_adapter(
        trained.model,
        partial,
        name=cell.adapter(arm).name,
        base=model.as_posix(),
        card={"arm": arm, "env": env, "agent": agent, **figures},
    )
    replace_folder(partial, cell.adapter(arm))
    scratch.drop()
