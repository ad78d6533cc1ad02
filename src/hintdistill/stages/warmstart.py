"""Stage warmstart: the base model learns the game from demonstrations, enough to win at times."""

import logging

from hintdistill.params import StageParams
from hintdistill.records import Episode, read_jsonl, write_json
from hintdistill.scratch import Scratch
from hintdistill.stages._cell import BASE, LOCK, Cell, cell_command
from hintdistill.tasks.panel import require_split
from hintdistill.training.rows import SftParams

log = logging.getLogger(__name__)


class Params(StageParams):
    warmstart: SftParams


@cell_command
def command(env: str, agent: str) -> None:
    """Fine-tune the base model on the demonstrations and merge: models/warm/."""
    from hintdistill.training.export import merge_adapter, replace_folder, save_model
    from hintdistill.training.sft import fine_tune

    cell, params = Cell(env, agent), Params.read()
    source = cell.data / "demos.jsonl"
    demos = read_jsonl(source, Episode)  # the failed ones too: they are the habits
    require_split((e.task_id for e in demos), cell.read_tasks().values(), "warmstart", str(source))
    scratch = Scratch("warmstart", cell.name, params.model_dump_json(), [source, BASE, LOCK])
    trained = fine_tune(BASE, [e.messages for e in demos], params.warmstart, scratch.folder)
    log.info("%s", trained.figures)
    write_json(cell.metrics / "warmstart" / "figures.json", trained.figures)
    card = f"# {cell.warm.name}\n\n`{BASE}` after a warm start on demonstrations of {env}.\n"
    partial = scratch.folder / "merged"
    save_model(merge_adapter(trained.model, BASE), trained.tokenizer, partial, card)
    replace_folder(partial, cell.warm)
    scratch.drop()
