"""Stage base: the base model as a plain safetensors folder, and proof that it can be used."""

import logging

import click

from hintdistill.core.cell import BASE, TemplateParams
from hintdistill.core.params import StageParams
from hintdistill.core.settings import Settings

log = logging.getLogger(__name__)


class BaseParams(Settings):
    """Block `base`: the model's source, and its name in reports."""

    name: str
    source: str


class BaseStageParams(StageParams):
    base: BaseParams
    model: TemplateParams


@click.command()
def command() -> None:
    """Fetch the base model into models/base."""
    from hintdistill.llm.model.chat import ChatRenderer
    from hintdistill.llm.model.proof import prove
    from hintdistill.training.base import make_base
    from hintdistill.training.sft.export import replace_folder

    params = BaseStageParams.read()
    template_kwargs = params.model.chat_template_kwargs
    partial = BASE.with_name("base.partial")
    card = f"# {params.base.name}\n\nFrom `{params.base.source}`, in bfloat16 safetensors.\n"
    source = make_base(params.base.source, partial, card)
    renderer = ChatRenderer.open(partial, template_kwargs, params.base.source)
    rows = prove(renderer, source, template_kwargs)
    if rows > 1:
        log.warning(
            "%s: its chat template writes an earlier turn otherwise than the last one, so each of "
            "an episode's turns is a training row of its own, with all that was said before it",
            params.base.source,
        )
    replace_folder(partial, BASE)
