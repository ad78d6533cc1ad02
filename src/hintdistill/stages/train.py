"""Stage train: LoRA students on stripped rows."""

import logging

import click

from hintdistill.core.cell import Cell, ModelParams, cell_command
from hintdistill.core.files import read_jsonl
from hintdistill.core.panel import require_split
from hintdistill.core.params import StageParams
from hintdistill.core.records import HINT_SOURCE_SPLIT, TrainingRow
from hintdistill.core.scratch import Scratch
from hintdistill.training.sft.rows import SftParams

log = logging.getLogger(__name__)


class TrainParams(StageParams):
    model: ModelParams
    train: SftParams


@cell_command
@click.option("--arm", required=True, help="Student, as in `distilled`.")
def command(env: str, agent: str, arm: str) -> None:
    """Fine-tune a student: models/adapters/ and its training metrics."""
    cell, params = Cell(env, agent), TrainParams.read()
    source = cell.rows(arm)
    rows = read_jsonl(source, TrainingRow)
    tasks = cell.read_tasks().values()
    require_split((row.task_id for row in rows), tasks, HINT_SOURCE_SPLIT, str(source))
    # Not before what may be wrong has been read: torch takes its time.
    from hintdistill.training.sft.export import replace_folder, save_adapter
    from hintdistill.training.sft.live import loss_logger, open_live
    from hintdistill.training.sft.trainer import fine_tune

    model = params.model.folder(cell)
    scratch = Scratch("train", {**cell.item, "arm": arm}, params.model_dump_json())
    talks = [row.messages for row in rows]
    with open_live(cell.metrics / f"train-{arm}") as live:
        trained = fine_tune(
            model,
            talks,
            params.train,
            params.model.chat_template_kwargs,
            scratch.folder,
            "lora",
            loss_logger(live),
        )
        live.summary |= trained.figures
    log.info("%s", trained.figures)
    partial, adapter = scratch.folder / "adapter", cell.adapter(arm)
    card = {"arm": arm, "env": env, "agent": agent, "rows": len(rows), "steps": live.step}
    save_adapter(trained.model, partial, name=adapter.name, base=model.as_posix(), card=card)
    replace_folder(partial, adapter)
    scratch.drop()
