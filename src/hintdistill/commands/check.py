"""Checks that every stage is up to date, and every artifact stored.

DVC's exit codes don't say: `dvc repro --dry --allow-missing` ends with 0 where stages are pending,
and `dvc push` and `dvc status --cloud` take a folder for stored where only its list of files is.
"""

import json
import os
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from hintdistill.commands.shared.graph import git_outs, leading_to_report, read_lock
from hintdistill.commands.shared.shell import dvc, git
from hintdistill.core.errors import UserError

SHOWN = 3  # of what has changed for a stage
# How DVC calls what is recorded in dvc.lock and not in this folder; it may be stored elsewhere.
ABSENT = {"deleted", "not in cache"}

Outs = Mapping[str, tuple[str, str]]  # stage and hash by path


class Problem(NamedTuple):
    """Something that keeps a stage from being complete."""

    stage: str
    what: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.what}"


def find_problems(*, remote: bool) -> list[Problem]:
    """Finds what is pending, does not fit together, or (with `remote`) is stored nowhere.

    Without `remote`, artifacts may be absent: their hashes in dvc.lock are compared instead.
    """
    from dvc.repo import Repo

    recorded = read_lock()
    status = json.loads(dvc("status", "--json"))  # first: it tells of a dvc.yaml that is broken
    wanted = {stage.addressing for stage in leading_to_report(Repo().index.graph)}
    # dvc.lock keeps stages of environments and agents that are no longer listed.
    locked = {stage: entry for stage, entry in recorded.items() if stage in wanted}
    made = [(stage, out) for stage, entry in locked.items() for out in entry.get("outs", [])]
    outs = {out["path"]: (stage, out["md5"]) for stage, out in made}
    figures = git_outs() & outs.keys()
    problems = [*_pending(status, locked, outs, wanted), *_unlinked(locked, outs)]
    for path in figures:
        if not Path(path).exists():  # so git can't have the present one
            what = f"{path} is not here. Run `git checkout` or `dvc repro`"
            problems.append(Problem(outs[path][0], what))
    if remote and outs:
        problems += _unstored(figures, outs)
    return sorted(set(problems))


def require_up_to_date(command: str) -> None:
    """Refuse a command where the results are of other parameters or code than are here."""
    problems = find_problems(remote=False)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UserError(
            f"{command}: expected results of the parameters and the code that are here: "
            f"{problems[0]}{more}"
        )


def _pending(
    status: Mapping[str, Any], locked: Mapping[str, Any], outs: Outs, wanted: Container[str]
) -> Iterator[Problem]:
    """Stages that would run again: their command, code, parameters or data are others."""
    for stage, changes in status.items():
        added = stage.endswith(".dvc")
        if stage not in wanted and not added:
            continue
        if stage not in locked and not added:
            yield Problem(stage, "has not run. Run `dvc repro`")
            continue
        made = {*outs, stage.removesuffix(".dvc")}
        changed = [text for change in changes for text in _said(change, made)]
        if changed:
            more = f", and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
            mend = "Run `dvc add` again" if added else "Run `dvc repro`"
            yield Problem(stage, f"pending: {', '.join(changed[:SHOWN])}{more}. {mend}")


def _said(change: str | Mapping[str, Mapping[str, Any]], outs: Container[str]) -> Iterator[str]:
    """One entry of `dvc status --json` in words, as in "hints.k in params.yaml modified"."""
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
            path = os.path.normpath(dep["path"])  # `hints.bank` leads up and down
            maker, md5 = outs.get(path, (None, None))
            if maker is not None and md5 != dep["md5"]:
                what = f"ran on another {path} than {maker} has made. Run `dvc repro`"
                yield Problem(stage, what)


def _unstored(figures: Iterable[str], outs: Outs) -> Iterator[Problem]:
    """Files that are not in the remote; or, where DVC leaves them to git, not there."""
    try:
        found = json.loads(dvc("data", "status", "--granular", "--not-in-remote", "--json"))
    except UserError as error:
        if not git("status", "--porcelain", "--", ".dvc/config").strip():
            raise
        hint = "(DVC also reads .dvc/config as committed: commit it)"
        raise UserError(f"{error} {hint}") from None
    unpushed, absent = (set(found.get(key, [])) for key in ("not_in_remote", "not_in_cache"))
    lacking = {}
    for path in unpushed:
        out = _out_of(path, outs)
        if path.endswith("/"):  # the list of a folder's files; where those lack, they tell
            if not any(other.startswith(path) and other != path for other in unpushed):
                where = "is stored nowhere" if path in absent else "is not in the remote"
                lacking[path.rstrip("/")] = f"(its list) {where}. Run `make push` where it is"
        elif path in absent:
            lacking[path] = "is stored nowhere"
        elif out in (None, path) or f"{out}/" in unpushed:
            lacking[path] = "is not in the remote. Run `make push`"
        else:
            md5 = outs[out][1]
            lacking[path] = (
                f"is not in the remote, but the list of its folder is, so that DVC pushes nothing. "
                f"Remove files/md5/{md5[:2]}/{md5[2:]} there, then run `make push`"
            )
    # New figures: `git commit -a` would leave them out, and another clone would run their stages.
    if figures:
        new = git("ls-files", "-z", "--others", "--exclude-standard", "--", *figures).split("\0")
        lacking |= {path: f"is not in git. Run `git add {path}`" for path in new if path}
    for path, what in lacking.items():
        out = _out_of(path, outs)
        yield Problem(outs[out][0] if out else path, f"{path} {what}")


def _out_of(path: str, outs: Container[str]) -> str | None:
    """The stage's out that a file is, or is in."""
    return next((o for o in (path, *map(str, Path(path).parents)) if o in outs), None)


@click.command()
@click.option("--no-remote", is_flag=True, help="Artifacts may be absent: what needs none of them.")
def command(no_remote: bool) -> None:
    """Fail if a stage is pending, or an artifact is stored nowhere."""
    problems = find_problems(remote=not no_remote)
    for problem in problems:
        click.echo(str(problem))
    if problems:
        raise UserError(f"{len(problems)} problems in {len({p.stage for p in problems})} stages")
    click.echo("every stage is up to date" + ("" if no_remote else ", every artifact is stored"))
