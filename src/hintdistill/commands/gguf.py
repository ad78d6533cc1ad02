"""Writes a cell's model and students as GGUF files, for llama.cpp or Ollama."""

import shutil
from pathlib import Path

import click

from hintdistill.core.cell import Cell, ModelParams, cell_options
from hintdistill.core.errors import UserError
from hintdistill.core.params import StageParams
from hintdistill.evaluation.arms import STUDENTS
from hintdistill.llm.gguf import cached_gguf
from hintdistill.llm.gguf_tokenizer import prove_tokenizer
from hintdistill.llm.model.weights import student_name


class GgufParams(StageParams):
    model: ModelParams


@click.command()
@cell_options
@click.option("--folder", required=True, type=click.Path(path_type=Path), help="Where to.")
def command(env: str, agent: str, folder: Path) -> None:
    """Write model and students as GGUF files, for a llama.cpp server.

    They have the names by which engine openai asks: {env}-{agent}, and of the students their
    adapters', with the first digits of the weights' hash.
    """
    cell = Cell(env, agent)
    model = GgufParams.read().model.folder(cell)
    prove_tokenizer(cached_gguf(model, None), model)
    adapters = [path for path in map(cell.adapter, STUDENTS) if path.is_dir()]
    for adapter in (None, *adapters):
        name = student_name(adapter) if adapter else cell.name
        made, path = cached_gguf(model, adapter), folder / f"{name}.gguf"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made, path)
        except OSError as error:
            raise UserError(f"{path}: could not be written: {error.strerror}") from None
        click.echo(path)
