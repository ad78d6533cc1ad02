"""A DVC pipeline whose stages take no time, for tests of what is around the stages."""

import subprocess
import sys
from pathlib import Path

import pytest
from yaml_text import yaml_text

WRITE = """import pathlib, sys
out, *given = map(pathlib.Path, sys.argv[1:])
text = "".join(path.read_text() for path in given)
if out.suffix:
    out.write_text(text + ".")
else:
    out.mkdir(exist_ok=True)
    for part in range(5):
        (out / f"{part}.txt").write_text(f"{part} {text}" * 3_000)
"""
PIPELINE = {
    "stages": {
        "panel": {
            "cmd": "python write.py panel.txt write.py",
            "deps": ["write.py"], "outs": ["panel.txt"],
        },
        "hints": {
            "cmd": "python write.py hints.txt panel.txt params.yaml",
            "params": ["k"], "deps": ["write.py", "panel.txt"], "outs": ["hints.txt"],
        },
        "adapter": {
            "cmd": "python write.py adapter hints.txt",
            "deps": ["write.py", "hints.txt"], "outs": ["adapter"],
        },
    }
}  # fmt: skip
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@localhost")


def run(*command: str) -> str:
    """What a command prints; it must end well."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def try_dvc(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True)


def dvc(*arguments: str) -> str:
    return run(sys.executable, "-m", "dvc", *arguments)


def make_pipeline(folder: Path, repository: Path | None = None) -> Path:
    """A folder in which all stages have run, with a remote beside it.

    It is a git repository, or it lies in one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "write.py").write_text(WRITE)
    (folder / "params.yaml").write_text("k: 1\n")
    (folder / "dvc.yaml").write_text(yaml_text(PIPELINE))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
        run("git", "init", "-q", str(repository or folder))
        dvc("init", "-q", *(["--subdir"] if repository else []))
        dvc("remote", "add", "-q", "-d", "beside", "../remote")
        dvc("repro", "-q")
        run("git", "add", "-A")
        run("git", *IDENTITY, "commit", "-q", "-m", "run")
    return folder
