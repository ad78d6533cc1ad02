"""Stage base: the base model as a plain safetensors folder."""

from pathlib import Path

import click

from hintdistill.params import StageParams
from hintdistill.settings import Settings


class BaseParams(Settings):
    """Block `base`: where the model comes from, and what it is called in reports."""

    name: str
    source: str


class Params(StageParams):
    base: BaseParams


@click.command()
def command() -> None:
    """Fetch the base model into models/base."""
    from hintdistill.llm.base_model import load_base
    from hintdistill.training.export import replace_folder, save_model

    params = Params.read()
    network, tokenizer = load_base(params.base.source)
    out = Path("models/base")
    partial = out.with_name("base.partial")
    card = f"# {params.base.name}\n\nFrom `{params.base.source}`, in bfloat16 safetensors.\n"
    save_model(network, tokenizer, partial, card)
    replace_folder(partial, out)
