"""dvc.lock: what each stage has run with, and made."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hintdistill.errors import UserError

LOCK = Path("dvc.lock")
MIB = 2**20


def read_lock() -> Mapping[str, Any]:
    """Stages by name, each with its `cmd`, `deps`, `params` and `outs`.

    Raises:
        UserError: the file is missing or broken.
    """
    try:
        return yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"]
    except (OSError, yaml.YAMLError, TypeError, KeyError) as error:
        raise UserError(
            f"{LOCK}: expected DVC's record of a run: {error!r:.200}. Run `dvc repro` first, or "
            "`git checkout dvc.lock`."
        ) from None


def git_outs() -> set[str]:
    """Paths of the outs that DVC leaves to git: figures."""
    from dvc.repo import Repo

    return {os.path.normpath(out.def_path) for out in Repo().index.outs if not out.use_cache}


def sizes_text() -> str:
    """What each stage's outs take in the cache, as it is shown."""
    sizes = {
        stage: sum(out.get("size", 0) for out in entry.get("outs", []))
        for stage, entry in read_lock().items()
    }
    sizes["total"] = sum(sizes.values())
    width = max(map(len, sizes))
    return "\n".join(f"{stage:{width}} {size / MIB:8.1f} MiB" for stage, size in sizes.items())
