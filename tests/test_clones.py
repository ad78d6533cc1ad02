"""Clones as git makes them on Windows, with its line breaks: the same bytes, nothing pending."""

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, copy_checkout
from small_pipeline import IDENTITY, run

from hintdistill.commands.check import find_problems

SETTINGS = [("core.autocrlf=true",), ("core.autocrlf=true", "core.eol=crlf")]


def clone(source: Path, target: Path, settings) -> Path:
    options = [word for setting in settings for word in ("-c", setting)]
    run("git", "clone", "-q", *options, str(source), str(target))
    return target


@pytest.mark.parametrize("settings", SETTINGS, ids=" ".join)
def test_every_file_of_the_repository_has_the_same_bytes(tmp_path, settings):
    source = copy_checkout(tmp_path / "source")
    other = clone(source, tmp_path / "clone", settings)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=source, capture_output=True, text=True, check=True
    ).stdout
    names = [name for name in listed.split("\0") if name]
    assert len(names) > 200
    for name in names:
        assert (other / name).read_bytes() == (source / name).read_bytes(), name


@pytest.mark.parametrize("kept", [True, False])
def test_nothing_is_pending_there_and_all_would_be_without_gitattributes(small, monkeypatch, kept):
    if kept:
        shutil.copy(ROOT / ".gitattributes", small)
    run("git", "add", "-A")
    run("git", *IDENTITY, "commit", "-q", "--allow-empty", "-m", "attributes")
    monkeypatch.chdir(clone(small, small.parent / "other", SETTINGS[0]))
    problems = find_problems(remote=False)
    assert {p.stage for p in problems} == (set() if kept else {"panel", "hints", "adapter"})
