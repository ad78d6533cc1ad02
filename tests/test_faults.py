"""Faults at random points of a whole run, and a full disk. Minutes long: `pytest -m slow`."""

import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from hintdistill.records import Episode, read_jsonl

pytestmark = pytest.mark.slow
FAULTS = 20
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
FAILURES = ("hintdistill", "failures", "--env", "alfworld", "--agent", "react")


def stages_of(folder: Path) -> dict:
    lock = folder / "dvc.lock"
    return yaml.safe_load(lock.read_text())["stages"] if lock.is_file() else {}


def test_a_run_stopped_at_random_points_ends_in_the_same_bytes(finished, checkout):
    """Never is a stage in dvc.lock whose outs are not those of a run that nothing stopped."""
    folder, whole = checkout.folder, stages_of(finished.folder)
    shutil.copy(folder / "profiles/smoke.yaml", folder / "params.yaml")
    (folder / "dvc.lock").unlink(missing_ok=True)
    rng = random.Random(20)
    stopped = []
    while len(stopped) < FAULTS:
        running = checkout.start("dvc", "repro", stdout=subprocess.PIPE, text=True)
        sent = rng.choice(SIGNALS)
        try:
            running.wait(rng.uniform(1, 30))
            break  # finished before the last of the faults
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, sent)
        lines = running.communicate()[0].splitlines()
        stages = [line.split("'")[1] for line in lines if line.startswith("Running stage")]
        stopped.append((sent.name, stages[-1] if stages else "before any stage"))
        for name, stage in stages_of(folder).items():
            assert stage["outs"] == whole[name]["outs"], (stopped, name)
    print(*stopped, sep="\n")
    assert len({stage for _, stage in stopped}) >= 4, stopped
    last = checkout.run("dvc", "repro")
    assert last.returncode == 0, last.stdout + last.stderr
    assert stages_of(folder) == whole
    for path in (finished.folder / "metrics").rglob("*.*"):
        name = path.relative_to(finished.folder)
        assert (folder / name).read_bytes() == path.read_bytes(), name
    assert not list((folder / ".scratch").glob("*@*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_is_a_clear_error_and_loses_nothing(finished, checkout):
    folder, scratch = checkout.folder, checkout.folder / ".scratch"
    for part in ("data", "models"):
        shutil.copytree(finished.folder / part, folder / part, dirs_exist_ok=True)
    params = yaml.safe_load((folder / "profiles/smoke.yaml").read_text())
    params["rollout"]["cohort"] = 2
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    out = folder / "data/alfworld/react/failures.jsonl"
    out.unlink()
    scratch.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12k", "tmpfs", str(scratch)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk here: {mounted.stderr.decode()}")
    try:
        full = checkout.run(*FAILURES)
        assert full.returncode == 1 and not out.exists()
        assert "Traceback" not in full.stderr
        assert "expected space" in full.stderr and ".scratch/failures@" in full.stderr
        kept = {path.name: path.read_bytes() for path in scratch.rglob("cohort-*.jsonl")}
        assert 0 < len(kept) < params["alfworld"]["train"] / 2
        subprocess.run(["mount", "-o", "remount,size=16m", str(scratch)], check=True)
        again = checkout.run(*FAILURES)
        assert again.returncode == 0, again.stderr
        assert len(read_jsonl(out, Episode)) == params["alfworld"]["train"]
    finally:
        subprocess.run(["umount", str(scratch)], check=True)
