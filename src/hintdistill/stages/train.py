"""Stage train: LoRA students on stripped rows."""

import click

from hintdistill.core.cell import Cell, ModelParams, cell_command
from hintdistill.core.files import read_jsonl
from hintdistill.core.panel import require_split
from hintdistill.core.params import StageParams
from hintdistill.core.records import HINT_SOURCE_SPLIT, TrainingRow
from hintdistill.core.scratch import Scratch
from hintdistill.training.sft.launch import TRAINED, Job, train
from hintdistill.training.sft.rows import SftParams


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
    model = params.model.folder(cell)
    scratch = Scratch("train", {**cell.item, "arm": arm}, params.model_dump_json())
    job = Job(
        base=model,
        conversations=[row.messages for row in rows],
        params=params.train,
        template_kwargs=params.model.chat_template_kwargs,
        method="lora",
        live=cell.metrics / f"train-{arm}",
    )
    steps = train(job, scratch.folder)["step"]
    # Not before what may be wrong has been read: torch takes its time.
    from hintdistill.training.sft.export import describe_adapter, replace_folder

    trained, adapter = scratch.folder / TRAINED, cell.adapter(arm)
    card = {"arm": arm, "env": env, "agent": agent, "rows": len(rows), "steps": steps}
    describe_adapter(trained, name=adapter.name, base=model.as_posix(), card=card)
    replace_folder(trained, adapter)
    scratch.drop()
