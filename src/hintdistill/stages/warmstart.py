"""Stage warmstart: the base model learns the game from demonstrations, enough to win at times."""

import logging
from typing import Literal, Self

from pydantic import model_validator

from hintdistill.params import StageParams
from hintdistill.records import Episode, read_jsonl
from hintdistill.scratch import Scratch
from hintdistill.stages._cell import BASE, REQUIREMENTS, Cell, cell_command
from hintdistill.tasks.panel import require_split
from hintdistill.training.rows import SftParams, until_last_own

log = logging.getLogger(__name__)


class WarmstartParams(SftParams):
    """Block `warmstart`. Method `full` trains all weights and uses no r, alpha or dropout."""

    method: Literal["lora", "full"]

    @model_validator(mode="after")
    def _full_in_float32(self) -> Self:
        if self.method == "full" and self.dtype != "float32":
            raise ValueError("method full needs dtype float32: small steps vanish in bfloat16")
        return self


class Params(StageParams):
    warmstart: WarmstartParams


@cell_command
def command(env: str, agent: str) -> None:
    """Fine-tune the base model on the demonstrations and merge: models/warm/."""
    from hintdistill.llm.weights import load_merged
    from hintdistill.stages._live import loss_logger, open_live
    from hintdistill.training.export import replace_folder, save_model
    from hintdistill.training.sft import fine_tune

    cell, params = Cell(env, agent), Params.read()
    source = cell.data / "demos.jsonl"
    demos = read_jsonl(source, Episode)  # the failed ones too: they are the habits
    require_split((e.task_id for e in demos), cell.read_tasks().values(), "warmstart", str(source))
    scratch = Scratch(
        "warmstart", cell.name, params.model_dump_json(), [source, BASE, REQUIREMENTS]
    )
    method, talks = params.warmstart.method, [until_last_own(e.messages) for e in demos]
    with open_live(cell.metrics / "warmstart") as live:
        on_loss = loss_logger(live)
        trained = fine_tune(BASE, talks, params.warmstart, scratch.folder, method, on_loss)
        live.summary |= trained.figures
    log.info("%s", trained.figures)
    card = f"# {cell.warm.name}\n\n`{BASE}` after a warm start on demonstrations of {env}.\n"
    partial = scratch.folder / "merged"
    if method == "lora":
        trained.model.save_pretrained(scratch.folder / "adapter")
        network = load_merged(BASE, scratch.folder / "adapter")
    else:
        network = trained.model
    save_model(network, trained.tokenizer, partial, card)
    replace_folder(partial, cell.warm)
    scratch.drop()
