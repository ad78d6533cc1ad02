"""Reads DVC's graph of stages, and dvc.lock: what each stage has run with, and made."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hintdistill.core.declared import read_stages
from hintdistill.core.errors import UserError

LOCK = Path("dvc.lock")
REPORT = "report"  # the last stage


def read_lock() -> Mapping[str, Any]:
    """Stages by name, each with its `cmd`, `deps`, `params` and `outs`."""
    return read_stages(
        LOCK, "DVC's record of a run", "Run `dvc repro` first, or `git checkout dvc.lock`."
    )


def git_outs() -> set[str]:
    """Paths of the outs that DVC leaves to git: figures."""
    from dvc.repo import Repo

    return {os.path.normpath(out.def_path) for out in Repo().index.outs if not out.use_cache}


def leading_to_report(graph: Any) -> set[Any]:
    """The report's stage and those that it comes of; all, where there is no report.

    With a model that needs no warm start these are not all that dvc.yaml has. `graph` is
    `Repo().index.graph`, whose edges lead from a stage to those that it depends on.
    """
    from networkx import descendants

    for stage in graph:
        if stage.addressing == REPORT:
            return {stage, *descendants(graph, stage)}
    return set(graph)


def stale_stages() -> set[str]:
    """Stages that `dvc repro report` would run: the changed ones, and all that come after them.

    A UserError where DVC can't tell, for example because it is running.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from networkx import ancestors

    try:
        repo = Repo()
        changed, graph = repo.status(), repo.index.graph
    except DvcException as error:
        raise UserError(
            f"expected `dvc status` to tell which stages are pending: {error}. Run from the "
            "repository's root, while no other dvc command runs."
        ) from error
    stale = {stage for stage in graph if stage.addressing in changed}
    stale |= {later for stage in stale for later in ancestors(graph, stage)}
    return {stage.addressing for stage in stale & leading_to_report(graph)}
