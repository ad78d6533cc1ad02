"""`hintdistill check`, on a small pipeline of its own with a remote beside it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hintdistill.errors import UserError
from hintdistill.stages._check import find_problems

WRITE = "import sys; open(sys.argv[1], 'w').write(open(sys.argv[2]).read() + '.')"
PIPELINE = {
    "stages": {
        "hints": {
            "cmd": "python write.py hints.txt params.yaml",
            "params": ["k"], "deps": ["write.py"], "outs": ["hints.txt"],
        },
        "teacher": {
            "cmd": "python write.py teacher.txt hints.txt",
            "deps": ["write.py", "hints.txt"], "outs": ["teacher.txt"],
        },
    }
}  # fmt: skip


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def dvc(*arguments: str) -> None:
    run(sys.executable, "-m", "dvc", *arguments)


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory) -> Path:
    """A repository in which all stages have run."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "write.py").write_text(WRITE)
    (folder / "params.yaml").write_text("k: 1\n")
    (folder / "dvc.yaml").write_text(yaml.safe_dump(PIPELINE))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
        run("git", "init", "-q")
        dvc("init", "-q")
        dvc("remote", "add", "-q", "-d", "beside", "../remote")
        dvc("repro", "-q")
    return folder


@pytest.fixture
def pipeline(finished_once, tmp_path, monkeypatch) -> Path:
    """A copy of it, in which commands are run."""
    folder = shutil.copytree(finished_once, tmp_path / "clone", symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def stages(*, remote: bool) -> dict[str, str]:
    return {p.stage: p.what for p in find_problems(remote=remote)}


def test_pushed_artifacts_may_be_absent_and_others_may_not(pipeline):
    assert stages(remote=False) == {}
    assert set(stages(remote=True)) == {"hints", "teacher"}
    assert "make push" in stages(remote=True)["hints"]
    dvc("push", "-q")
    assert stages(remote=True) == {}
    for path in (".dvc/cache", "hints.txt", "teacher.txt"):
        run("rm", "-rf", path)
    assert stages(remote=True) == stages(remote=False) == {}
    run("rm", "-rf", "../remote")
    assert set(stages(remote=True)) == {"hints", "teacher"}
    assert "stored nowhere" in stages(remote=True)["teacher"]
    assert stages(remote=False) == {}


def test_what_dvc_itself_calls_up_to_date_is_found_pending(pipeline):
    (pipeline / "params.yaml").write_text("k: 2\n")
    run("rm", "-rf", ".dvc/cache", "hints.txt", "teacher.txt")
    dvc("repro", "--dry", "--allow-missing")  # ends with 0
    assert "k in params.yaml modified" in stages(remote=False)["hints"]


def test_changed_and_missing_code_is_pending(pipeline):
    (pipeline / "write.py").write_text(WRITE + "  # a comment")
    assert "write.py modified" in stages(remote=False)["hints"]
    (pipeline / "write.py").unlink()
    assert "write.py deleted" in stages(remote=False)["teacher"]


def test_a_stage_that_ran_on_another_version_is_named(pipeline):
    """A lock file as a merge of two branches leaves it."""
    lock = yaml.safe_load((pipeline / "dvc.lock").read_text())
    lock["stages"]["hints"]["outs"][0]["md5"] = "0" * 32
    (pipeline / "dvc.lock").write_text(yaml.safe_dump(lock))
    run("rm", "-rf", "hints.txt", "teacher.txt")
    assert stages(remote=False) == {
        "teacher": "ran on another hints.txt than hints has made. Run `dvc repro`"
    }


def test_a_stage_that_never_ran_is_named(pipeline):
    added = {"cmd": "python write.py x write.py", "deps": ["write.py"], "outs": ["x"]}
    changed = {"stages": {**PIPELINE["stages"], "strip": added}}
    (pipeline / "dvc.yaml").write_text(yaml.safe_dump(changed))
    assert stages(remote=False) == {"strip": "has not run. Run `dvc repro`"}


def test_what_can_not_be_read_is_an_error(pipeline):
    (pipeline / "dvc.yaml").write_text("stages: [")
    with pytest.raises(UserError, match=r"`dvc status` failed: .*dvc\.yaml"):
        find_problems(remote=False)
    (pipeline / "dvc.lock").write_text(json.dumps([]))
    with pytest.raises(UserError, match=r"dvc\.lock: expected"):
        find_problems(remote=False)
