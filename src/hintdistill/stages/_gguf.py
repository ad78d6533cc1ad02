"""What `hintdistill gguf` does: a cell's model and students as files for llama.cpp or Ollama."""

import shutil
from pathlib import Path

from hintdistill.errors import UserError
from hintdistill.llm.gguf_export import cached_gguf
from hintdistill.params import StageParams
from hintdistill.stages._cell import STUDENTS, Cell, ModelParams


class Params(StageParams):
    model: ModelParams


def write_gguf_files(env: str, agent: str, folder: Path) -> list[Path]:
    """Write {env}-{agent}.gguf, and a file with the adapter merged for each student that there is.

    They have the names by which engine openai asks: the cell's, and those of the adapters' folders.

    Raises:
        UserError: a model is missing or of another kind, or the folder can't be written.
    """
    cell = Cell(env, agent)
    model = Params.read().model.folder(cell)
    students = [cell.adapter(arm) for arm in STUDENTS]
    adapters = {cell.name: None} | {path.name: path for path in students if path.is_dir()}
    written = []
    for name, adapter in adapters.items():
        made, path = cached_gguf(model, adapter), folder / f"{name}.gguf"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made, path)
        except OSError as error:
            raise UserError(f"{path}: could not be written: {error.strerror}") from None
        written.append(path)
    return written
