"""Takes edited code as the code of the results at hand, where the edit can't change a result.

Compared are syntax trees without docstrings: of the code that is here, and of the commit whose code
dvc.lock names. So comments, docstrings and layout may differ, and nothing else. No artifact has to
be at hand.
"""

import ast
import hashlib
import logging
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from hintdistill.commands.shared.graph import LOCK, leading_to_report
from hintdistill.commands.shared.shell import git
from hintdistill.core.declared import files_in
from hintdistill.core.errors import UserError

Files = dict[Path, bytes]


def _here(path: Path) -> Files:
    return {file: file.read_bytes() for file in files_in(path)}


def _committed(revision: str, path: Path) -> Files:
    """The files of a path in a commit; none where it had no such path."""
    listed = git("ls-tree", "-r", "--name-only", "-z", revision, "--", str(path))
    names = [name for name in listed.split("\0") if name]
    show = ("git", "show", "--format=")
    return {
        Path(name): subprocess.run(
            [*show, f"{revision}:./{name}"], capture_output=True, check=True
        ).stdout
        for name in names
    }


def _dvc_md5(path: Path, files: Files) -> str:
    """The hash that DVC gives a file, or a folder with these files."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    hashes = {file: hashlib.md5(content).hexdigest() for file, content in files.items()}
    if path in hashes:
        return hashes[path]
    tree = Tree()
    for file, md5 in hashes.items():
        tree.add(file.relative_to(path).parts, None, HashInfo("md5", md5))
    tree.digest()
    return str(tree.oid)


def _last_current(path: Path, md5: str) -> tuple[str, Files]:
    """The latest commit in which a dependency is the one that dvc.lock names, and its files."""
    for revision in git("rev-list", "HEAD", "--", str(path)).split():
        files = _committed(revision, path)
        if files and _dvc_md5(path, files) == md5:
            return revision, files
    raise UserError(
        f"accept: expected a commit with the {path} that {LOCK} names, found none to compare with. "
        "Run `dvc repro`."
    )


def _behaviour(content: bytes, file: Path) -> str:
    """A Python file's syntax tree without docstrings, as text."""
    try:
        tree = ast.parse(content)
    except SyntaxError as error:
        raise UserError(f"accept: {file} is no Python: {error}") from None
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree)


def _require_same_behaviour(path: Path, md5: str) -> None:
    """Refuse a dependency of which a file differs in more than comments, docstrings and layout."""
    revision, before = _last_current(path, md5)
    now = _here(path)
    for file in sorted(before.keys() | now.keys()):
        old, new = before.get(file, b""), now.get(file, b"")
        if old == new:
            continue
        if file.suffix != ".py" or _behaviour(old, file) != _behaviour(new, file):
            raise UserError(
                f"accept: {file} differs from commit {revision[:10]}, of whose code the results "
                "are, in more than comments, docstrings and layout. Run `dvc repro`."
            )


def _changed_code(stage: Any, changes: list[str | Mapping[str, Any]]) -> Iterator[Any]:
    """Dependencies of a stage that are in git and have changed; anything else is refused."""
    if not stage.outs or any(out.hash_info.value is None for out in stage.outs):
        raise UserError(f"accept: {stage.addressing} has not run. Run `dvc repro`.")
    made = {str(out) for out in stage.repo.index.outs}
    for change in changes:
        for path, state in change.items() if isinstance(change, dict) else [(change, "")]:
            if isinstance(state, dict) and path == "changed outs":
                wrong = [p for p, how in state.items() if how == "modified"]
            elif isinstance(state, dict):
                wrong = [p for p, how in state.items() if p in made and how == "modified"]
                wrong += [p for p, how in state.items() if how == "new"]
                for file, keys in state.items():
                    wrong += [f"{key} in {file}" for key in keys] if isinstance(keys, dict) else []
            else:
                wrong = [path]
            if wrong:
                raise UserError(
                    f"accept: expected nothing but code to have changed for {stage.addressing}, "
                    f"also changed: {', '.join(wrong)}. Run `dvc repro`."
                )
    yield from (dep for dep in stage.deps if str(dep) not in made and dep.workspace_status())


def accept() -> list[str]:
    """Note the present code in dvc.lock as that of the recorded outs; returns the stages."""
    from dvc.repo import Repo, lock_repo

    logging.getLogger("dvc").setLevel(logging.WARNING)  # else a line for each stage
    repo = Repo()
    with lock_repo(repo):
        status = repo.status()
        stages = [s for s in leading_to_report(repo.index.graph) if s.addressing in status]
        stale = {stage: list(_changed_code(stage, status[stage.addressing])) for stage in stages}
        for path, md5 in {(Path(str(d)), d.hash_info.value) for ds in stale.values() for d in ds}:
            _require_same_behaviour(path, md5)
        accepted = [stage for stage, deps in stale.items() if deps]
        for stage in accepted:
            for dep in stale[stage]:
                dep.save()
        for stage in accepted:
            stage.dump(update_pipeline=False)
            if all(item.exists for item in (*stage.deps, *stage.outs)):
                repo.stage_cache.save(stage)  # DVC's run cache, which others pull
    return sorted(stage.addressing for stage in accepted)


@click.command()
def command() -> None:
    """Take an edit of comments, docstrings or layout as the code of the results at hand."""
    stages = accept()
    click.echo(f"accepted for {len(stages)} stages: {', '.join(stages)}" if stages else "no edit")
    if stages:
        click.echo(f"commit {LOCK} with the edit")
