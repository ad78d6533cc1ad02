"""Runs git and DVC as commands; their Python interfaces promise less."""

import subprocess
import sys
from pathlib import Path

from hintdistill.core.errors import UserError

SHOWN = 500  # characters of what a command that failed has said


def _run(command: list[str], name: str, cwd: Path | None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise UserError(f"`{name}` failed: {done.stderr.strip()[-SHOWN:]}")
    return done.stdout


def git(*arguments: str, cwd: Path | None = None) -> str:
    """The output of a git command; a UserError where it fails."""
    as_they_are = ("-c", "core.quotePath=off")  # letters beyond ASCII in paths
    return _run(["git", *as_they_are, *arguments], f"git {' '.join(arguments)}", cwd)


def git_path(option: str) -> str:
    """A path that `git rev-parse` says, as in `--show-toplevel`, whatever letters it has."""
    return git("rev-parse", option).removesuffix("\n")


def dvc(*arguments: str, cwd: Path | None = None) -> str:
    """The output of a DVC command; a UserError where it fails."""
    return _run([sys.executable, "-m", "dvc", *arguments], f"dvc {' '.join(arguments)}", cwd)
