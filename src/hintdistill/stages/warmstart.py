"""Stage warmstart: the base model learns the game from demonstrations, enough to win at times."""

import logging
from typing import Literal, Self

from pydantic import model_validator

from hintdistill.core.cell import BASE, Cell, TemplateParams, cell_command
from hintdistill.core.files import read_jsonl
from hintdistill.core.panel import require_split
from hintdistill.core.params import StageParams
from hintdistill.core.records import Episode, until_last_own
from hintdistill.core.scratch import Scratch
from hintdistill.training.sft.rows import SftParams

log = logging.getLogger(__name__)


class WarmstartParams(SftParams):
    """Block `warmstart`. Method `full` trains all weights and uses no r, alpha or dropout."""

    method: Literal["lora", "full"]

    @model_validator(mode="after")
    def _full_in_float32(self) -> Self:
        if self.method == "full" and self.dtype != "float32":
            raise ValueError("method full needs dtype float32: small steps vanish in bfloat16")
        return self


class WarmstartStageParams(StageParams):
    model: TemplateParams
    warmstart: WarmstartParams


@cell_command
def command(env: str, agent: str) -> None:
    """Fine-tune the base model on the demonstrations and merge: models/warm/."""
    from hintdistill.llm.model.weights import load_merged
    from hintdistill.training.sft.export import copy_tokenizer, replace_folder, save_model
    from hintdistill.training.sft.live import loss_logger, open_live
    from hintdistill.training.sft.trainer import fine_tune

    cell, params = Cell(env, agent), WarmstartStageParams.read()
    source = cell.data / "demos.jsonl"
    demos = read_jsonl(source, Episode)  # the failed ones too: they are the habits
    require_split((e.task_id for e in demos), cell.read_tasks().values(), "warmstart", str(source))
    scratch = Scratch("warmstart", cell.item, params.model_dump_json())
    sft, talks = params.warmstart, [until_last_own(e.messages) for e in demos]
    with open_live(cell.metrics / "warmstart") as live:
        trained = fine_tune(
            BASE,
            talks,
            sft,
            params.model.chat_template_kwargs,
            scratch.folder,
            sft.method,
            loss_logger(live),
        )
        live.summary |= trained.figures
    log.info("%s", trained.figures)
    card = f"# {cell.warm.name}\n\n`{BASE}` after a warm start on demonstrations of {env}.\n"
    partial = scratch.folder / "merged"
    network = trained.model
    if sft.method == "lora":
        network.save_pretrained(scratch.folder / "adapter")
        network = load_merged(BASE, scratch.folder / "adapter")
    save_model(network, partial, card)
    copy_tokenizer(BASE, partial)
    replace_folder(partial, cell.warm)
    scratch.drop()
