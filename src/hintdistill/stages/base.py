"""Stage base: the base model as a plain safetensors folder."""

import click

from hintdistill.core.cell import BASE
from hintdistill.core.params import StageParams
from hintdistill.core.settings import Settings


class BaseParams(Settings):
    """Block `base`: the model's source, and its name in reports."""

    name: str
    source: str


class BaseStageParams(StageParams):
    base: BaseParams


@click.command()
def command() -> None:
    """Fetch the base model into models/base."""
    from hintdistill.training.base import load_base
    from hintdistill.training.sft.export import replace_folder, save_model

    params = BaseStageParams.read()
    network, tokenizer = load_base(params.base.source)
    partial = BASE.with_name("base.partial")
    card = f"# {params.base.name}\n\nFrom `{params.base.source}`, in bfloat16 safetensors.\n"
    save_model(network, tokenizer, partial, card)
    replace_folder(partial, BASE)
