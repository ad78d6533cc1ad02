"""What `hintdistill check` does: is every stage up to date, and every artifact stored?

DVC's exit codes don't say: `dvc repro --dry --allow-missing` ends with 0 where stages are pending.
What it prints as JSON does.
"""

import json
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hintdistill.commands import dvc, git
from hintdistill.stages._lock import read_lock

SHOWN = 3  # of what has changed for a stage
# How DVC calls what is recorded in dvc.lock and not in this folder; it may be stored elsewhere.
ABSENT = {"deleted", "not in cache"}
# `dvc status --cloud`: in the cache alone, or nowhere.
UNSTORED = {"new": "is not in the remote. Run `make push`", "missing": "is stored nowhere"}

Outs = Mapping[str, tuple[str, str]]  # stage and hash by path


class Problem(NamedTuple):
    """Something that keeps a stage from being complete."""

    stage: str
    what: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.what}"


def find_problems(*, remote: bool) -> list[Problem]:
    """What is pending, does not fit together, or (with `remote`) is stored nowhere.

    Without `remote`, artifacts may be absent: their hashes in dvc.lock are compared instead.

    Raises:
        UserError: dvc.lock is missing or broken, or DVC or its remote does not answer.
    """
    recorded = read_lock()
    now = set(dvc("stage", "list", "--name-only").split())
    # dvc.lock keeps stages of environments and agents that are no longer listed.
    locked = {stage: entry for stage, entry in recorded.items() if stage in now}
    outs = _outs(locked)
    problems = [*_pending(locked, outs), *_unlinked(locked, outs)]
    if remote and outs:
        problems += _unstored(outs)
    return sorted(set(problems))


def _outs(locked: Mapping[str, Any]) -> Outs:
    """Stage and hash of each out, by path."""
    return {
        out["path"]: (stage, out["md5"])
        for stage, entry in locked.items()
        for out in entry.get("outs", [])
    }


def _pending(locked: Mapping[str, Any], outs: Outs) -> Iterator[Problem]:
    """Stages that would run again: their command, code, parameters or data are others."""
    for stage, changes in json.loads(dvc("status", "--json")).items():
        if stage not in locked:
            yield Problem(stage, "has not run. Run `dvc repro`")
            continue
        changed = [text for change in changes for text in _said(change, outs)]
        if changed:
            more = f", and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
            yield Problem(stage, f"pending: {', '.join(changed[:SHOWN])}{more}. Run `dvc repro`")


def _said(change: str | Mapping[str, Mapping[str, Any]], outs: Container[str]) -> Iterator[str]:
    """What one entry of `dvc status --json` tells of a stage: "hints.k in params.yaml modified"."""
    if isinstance(change, str):
        yield change
        return
    for paths in change.values():
        for path, state in paths.items():
            if isinstance(state, dict):  # keys of params.yaml
                yield from (f"{key} in {path} {said}" for key, said in state.items())
            elif state not in ABSENT or path not in outs:
                yield f"{path} {state}"


def _unlinked(locked: Mapping[str, Any], outs: Outs) -> Iterator[Problem]:
    """Stages that ran on another version of an artifact than the one that dvc.lock has."""
    for stage, entry in locked.items():
        for dep in entry.get("deps", []):
            maker, md5 = outs.get(dep["path"], (None, None))
            if maker is not None and md5 != dep["md5"]:
                yield Problem(
                    stage, f"ran on another {dep['path']} than {maker} has made. Run `dvc repro`"
                )


def _unstored(outs: Outs) -> Iterator[Problem]:
    """Files of outs that are not in the remote; or, where DVC leaves them to git, not there."""
    states = json.loads(dvc("status", "--cloud", "--json"))
    lacking = {path: UNSTORED[state] for path, state in states.items() if state in UNSTORED}
    # New figures: `git commit -a` would leave them out, and another clone would run their stages.
    for path in git("ls-files", "--others", "--exclude-standard", "--", *outs).splitlines():
        lacking[path] = f"is not in git. Run `git add {path}`"
    for path, what in lacking.items():
        out = next(o for o in (path, *map(str, Path(path).parents)) if o in outs)
        yield Problem(outs[out][0], f"{path} {what}")
