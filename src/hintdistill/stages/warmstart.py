"""Stage warmstart: the base model learns the game from demonstrations, enough to win at times."""

from typing import Literal, Self

from pydantic import model_validator

from hintdistill.core.cell import BASE, Cell, TemplateParams, cell_command
from hintdistill.core.files import read_jsonl, write_text
from hintdistill.core.panel import require_split
from hintdistill.core.params import StageParams
from hintdistill.core.records import Episode, until_last_own
from hintdistill.core.scratch import Scratch
from hintdistill.training.sft.launch import TRAINED, Job, train
from hintdistill.training.sft.rows import SftParams


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
    cell, params = Cell(env, agent), WarmstartStageParams.read()
    source = cell.data / "demos.jsonl"
    demos = read_jsonl(source, Episode)  # the failed ones too: they are the habits
    require_split((e.task_id for e in demos), cell.read_tasks().values(), "warmstart", str(source))
    scratch = Scratch("warmstart", cell.item, params.model_dump_json())
    job = Job(
        base=BASE,
        conversations=[until_last_own(e.messages) for e in demos],
        params=params.warmstart,
        template_kwargs=params.model.chat_template_kwargs,
        method=params.warmstart.method,
        live=cell.metrics / "warmstart",
    )
    train(job, scratch.folder)
    from hintdistill.llm.model.weights import load_merged
    from hintdistill.training.sft.export import CARD, copy_tokenizer, replace_folder, save_model

    new = scratch.folder / TRAINED
    if job.method == "lora":
        network = load_merged(BASE, new)
        new = scratch.folder / "merged"
        save_model(network, new)
    copy_tokenizer(BASE, new)
    card = f"# {cell.warm.name}\n\n`{BASE}` after a warm start on demonstrations of {env}.\n"
    write_text(new / CARD, card)
    replace_folder(new, cell.warm)
    scratch.drop()
