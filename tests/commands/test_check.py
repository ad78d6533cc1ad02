"""`hintdistill check`, on a small pipeline of its own with a remote beside it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_pipeline import PIPELINE, WRITE, dvc, run
from yaml_text import yaml_text

from hintdistill.commands import sizes
from hintdistill.commands.check import find_problems
from hintdistill.core.errors import UserError
from hintdistill.core.yaml_file import read_yaml


def stages(*, remote: bool) -> dict[str, str]:
    return {p.stage: p.what for p in find_problems(remote=remote)}


def test_pushed_artifacts_may_be_absent_and_others_may_not(small):
    assert stages(remote=False) == {}
    unpushed = stages(remote=True)
    assert set(unpushed) == set(PIPELINE["stages"]) and "make push" in unpushed["hints"]
    dvc("push", "-q")
    assert stages(remote=True) == {}
    for path in (".dvc/cache", "panel.txt", "hints.txt", "adapter"):
        run("rm", "-rf", path)
    assert stages(remote=True) == stages(remote=False) == {}
    run("rm", "-rf", "../remote")
    lost = stages(remote=True)
    assert set(lost) == set(PIPELINE["stages"]) and "stored nowhere" in lost["adapter"]
    assert stages(remote=False) == {}


def test_figures_that_dvc_leaves_to_git_must_be_there(small):
    out = {"figures.json": {"cache": False}}
    added = {"cmd": "python write.py figures.json hints.txt", "deps": ["hints.txt"], "outs": [out]}
    (small / "dvc.yaml").write_text(yaml_text({"stages": {**PIPELINE["stages"], "f": added}}))
    dvc("repro", "-q")
    dvc("push", "-q")
    assert stages(remote=True) == {"f": "figures.json is not in git. Run `git add figures.json`"}
    assert stages(remote=False) == {}
    run("git", "add", "figures.json")
    assert stages(remote=True) == {}
    Path("figures.json").unlink()
    lost = "figures.json is not here. Run `git checkout` or `dvc repro`"
    assert stages(remote=True) == stages(remote=False) == {"f": lost}


def test_a_folder_of_which_the_remote_has_the_list_alone(small):
    """For DVC it is stored: its status says nothing, and it pushes nothing."""
    dvc("push", "-q")
    (listed,) = Path("../remote").rglob("*.dir")
    lost = json.loads(listed.read_text())[0]
    (Path("../remote/files/md5") / lost["md5"][:2] / lost["md5"][2:]).unlink()
    assert json.loads(dvc("status", "--cloud", "--json")) == {}
    told = stages(remote=True)["adapter"]
    assert f"adapter/{lost['relpath']} is not in the remote, but the list" in told
    place = Path("../remote", told.split("Remove ")[1].split(" there")[0])
    assert place.samefile(listed)
    run("rm", "-rf", ".dvc/cache", "adapter")
    assert stages(remote=True) == {"adapter": f"adapter/{lost['relpath']} is stored nowhere"}
    dvc("repro", "-q", "adapter")
    place.unlink()
    dvc("push", "-q")
    assert stages(remote=True) == {}


def test_a_folder_of_which_the_remote_has_all_but_the_list(small, monkeypatch):
    """As after a push that was cut off; a clone without a cache can't even tell its files."""
    dvc("push", "-q")
    run("git", "clone", "-q", ".", "../new")
    (listed,) = Path("../remote").rglob("*.dir")
    listed.unlink()
    lost = "adapter (its list) {}. Run `make push` where it is"
    assert stages(remote=True) == {"adapter": lost.format("is not in the remote")}
    monkeypatch.chdir("../new")
    assert stages(remote=True) == {"adapter": lost.format("is stored nowhere")}
    assert stages(remote=False) == {}


def test_data_that_was_added_by_hand_is_named_by_its_own_file(small):
    Path("own.txt").write_text("mine")
    dvc("add", "-q", "own.txt")
    dvc("push", "-q")
    assert stages(remote=True) == {}
    Path("own.txt").write_text("changed")
    assert set(stages(remote=False)) == {"own.txt.dvc"}
    dvc("add", "-q", "own.txt")
    assert stages(remote=True) == {"own.txt": "own.txt is not in the remote. Run `make push`"}
    Path("own.txt").unlink()
    assert stages(remote=False) == {}


def test_what_dvc_itself_calls_up_to_date_is_found_pending(small):
    (small / "params.yaml").write_text("k: 2\n")
    run("rm", "-rf", ".dvc/cache", "hints.txt", "adapter")
    dvc("repro", "--dry", "--allow-missing")  # ends with 0
    assert "k in params.yaml modified" in stages(remote=False)["hints"]


def test_changed_and_missing_code_is_pending(small):
    (small / "write.py").write_text(WRITE + "  # a comment")
    assert "write.py modified" in stages(remote=False)["hints"]
    (small / "write.py").unlink()
    assert "write.py deleted" in stages(remote=False)["adapter"]


def test_a_stage_that_ran_on_another_version_is_named(small):
    """A lock file as a merge of two branches leaves it."""
    lock = read_yaml(small / "dvc.lock")
    lock["stages"]["hints"]["outs"][0]["md5"] = "0" * 32
    lock["stages"]["adapter"]["deps"][0]["path"] = "adapter/../hints.txt"  # as hints.bank leads
    (small / "dvc.lock").write_text(yaml_text(lock))
    run("rm", "-rf", "hints.txt", "adapter")
    assert stages(remote=False) == {
        "adapter": "ran on another hints.txt than hints has made. Run `dvc repro`"
    }


def test_a_stage_that_never_ran_is_named(small):
    added = {"cmd": "python write.py x write.py", "deps": ["write.py"], "outs": ["x"]}
    changed = {"stages": {**PIPELINE["stages"], "strip": added}}
    (small / "dvc.yaml").write_text(yaml_text(changed))
    assert stages(remote=False) == {"strip": "has not run. Run `dvc repro`"}


def test_what_can_not_be_read_is_an_error(small):
    (small / "dvc.yaml").write_text("stages: [")
    with pytest.raises(UserError, match=r"`dvc status --json` failed: .*dvc\.yaml"):
        find_problems(remote=False)
    (small / "dvc.lock").write_text(json.dumps([]))
    with pytest.raises(UserError, match=r"dvc\.lock: expected"):
        find_problems(remote=False)


def test_sizes_are_those_of_the_artifacts(small):
    lines = CliRunner().invoke(sizes.command, catch_exceptions=False).output.splitlines()
    shown = {line.split()[0]: float(line.split()[1]) for line in lines}
    adapter = sum(path.stat().st_size for path in (small / "adapter").iterdir())
    assert shown["adapter"] == pytest.approx(adapter / 2**20, abs=0.05)
    assert list(shown) == [*PIPELINE["stages"], "total"]
