"""The folder where a running stage keeps its finished parts, so that a stopped run can continue.

DVC removes a stage's outs before it runs, so its progress lives outside them, in `.scratch/`, which
git and DVC ignore. The folder's name is a fingerprint of all that determines the result: the
parameters read, and the content of every dependency that dvc.yaml declares, code and data. Once the
stage has written its outs, at the end, it drops the folder.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from hintdistill.core.declared import declared_deps, files_in
from hintdistill.core.files import file_sha256

SCRATCH = Path(".scratch")


class Scratch:
    """A stage's folder of finished parts; a UserError where a dependency is missing.

    `item` is the stage's values of the matrix, as in `{"env": "alfworld", "agent": "react"}`, and
    `settings` a text of the params that it read and of whatever else its result hangs on.
    """

    any_resumed = False  # whether this process goes on from an earlier one's progress

    def __init__(self, stage: str, item: Mapping[str, str], settings: str) -> None:
        name = f"{stage}@{'-'.join(item.values())}"
        digest = hashlib.sha256(f"{name}\0{settings}".encode())
        for dep in declared_deps(stage, item):
            for path in files_in(dep):
                digest.update(f"\0{path.as_posix()}\0{file_sha256(path)}".encode())
        home = SCRATCH / name
        self.folder = home / digest.hexdigest()[:16]
        for old in home.glob("*"):
            if old != self.folder:
                shutil.rmtree(old)
        self.folder.mkdir(parents=True, exist_ok=True)
        Scratch.any_resumed |= any(self.folder.iterdir())

    def drop(self) -> None:
        """Remove the folder; to be called once the stage's outs are written."""
        shutil.rmtree(self.folder.parent)
