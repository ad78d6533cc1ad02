"""Reads a stage's dependencies from dvc.yaml: one list serves DVC and the scratch folder."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

from hintdistill.core.errors import UserError
from hintdistill.core.params import read_params
from hintdistill.core.yaml_file import read_yaml

DVC_FILE = Path("dvc.yaml")
IGNORE_FILE = Path(".dvcignore")
_TEMPLATE = re.compile(r"\$\{([\w.]+)\}")


def read_stages(
    path: Path = DVC_FILE,
    holds: str = "the pipeline's stages",
    mend: str = "Run from the repository's root, or restore the file with `git checkout`.",
) -> dict[str, dict[str, Any]]:
    """Stages of a file of DVC by name, as written; a UserError (`holds`, `mend`) if it has none."""
    try:
        return read_yaml(path)["stages"]
    except (OSError, TypeError, KeyError) as error:
        raise UserError(f"{path}: expected {holds}: {error!r:.200}. {mend}") from None


def declared_deps(stage: str, item: Mapping[str, str]) -> list[Path]:
    """Files and folders that a stage depends on, with the values `item` of its matrix."""
    values = {**read_params(), "item": item}

    def fill(found: re.Match[str]) -> str:
        value: Any = values
        for key in found[1].split("."):
            value = value[key]
        return str(value)

    deps = read_stages()[stage]["deps"]
    return sorted(Path(os.path.normpath(_TEMPLATE.sub(fill, dep))) for dep in deps)


def files_in(path: Path) -> list[Path]:
    """The file itself, or a folder's files that DVC counts; a UserError where there is neither."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(
            f"{path}: expected this input of the stage, it is missing. Run `dvc repro`, or "
            "`dvc checkout`."
        )
    lines = IGNORE_FILE.read_text().splitlines() if IGNORE_FILE.is_file() else []
    ignored = GitIgnoreSpec.from_lines(lines)
    files = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in files if not ignored.match_file(file))
