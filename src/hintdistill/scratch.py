"""Where a running stage keeps what it has finished, so that a stopped run can continue.

DVC removes a stage's outs before it runs, so progress lives outside them, in `.scratch/` (ignored
by git and DVC), in a folder keyed by a fingerprint of everything that determines the result: the
params read, the content of the input files, and the code. A finished part is on disk at once;
the stage writes its outs whole at the end and then drops the folder.
"""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from hintdistill.closure import PACKAGE, import_closure
from hintdistill.errors import UserError
from hintdistill.records import file_sha256

SCRATCH = Path(".scratch")


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(
                f"{path}: expected this input of the stage, it is missing. Run `dvc repro`, or "
                "`dvc checkout`."
            )
        found += (p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return sorted(found)


class Scratch:
    """A stage's folder of finished parts.

    Args:
        stage: module of the stage, its name in `hintdistill.stages`.
        cell: the matrix cell, for example `alfworld-react`.
        settings: text of the params that the stage read.
        inputs: files and folders that the result depends on.

    Raises:
        UserError: an input is missing.
    """

    any_resumed = False  # whether this process goes on from an earlier one's progress

    def __init__(self, stage: str, cell: str, settings: str, inputs: Iterable[Path]) -> None:
        digest = hashlib.sha256(f"{stage}\0{cell}\0{settings}".encode())
        code = import_closure(PACKAGE / "stages" / f"{stage}.py")
        for path in [*_files(inputs), *code]:
            name = path.relative_to(PACKAGE) if path.is_relative_to(PACKAGE) else path
            digest.update(f"\0{name.as_posix()}\0{file_sha256(path)}".encode())
        home = SCRATCH / f"{stage}@{cell}"
        self.folder = home / digest.hexdigest()[:16]
        if home.is_dir():
            for old in home.iterdir():
                if old != self.folder:
                    shutil.rmtree(old)
        self.folder.mkdir(parents=True, exist_ok=True)
        Scratch.any_resumed |= any(self.folder.iterdir())

    def drop(self) -> None:
        """Remove the folder; to be called once the stage's outs are written."""
        shutil.rmtree(self.folder.parent)
