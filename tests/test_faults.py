"""A full disk under a running stage: `pytest -m slow`."""

import os
import shutil
import subprocess

import pytest
import yaml

from hintdistill.records import Episode, read_jsonl

pytestmark = pytest.mark.slow
FAILURES = ("hintdistill", "failures", "--env", "alfworld", "--agent", "react")


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
        kept = list(scratch.rglob("cohort-*.jsonl"))
        assert 0 < len(kept) < params["alfworld"]["train"] / 2
        subprocess.run(["mount", "-o", "remount,size=16m", str(scratch)], check=True)
        again = checkout.run(*FAILURES)
        assert again.returncode == 0, again.stderr
        assert len(read_jsonl(out, Episode)) == params["alfworld"]["train"]
    finally:
        subprocess.run(["umount", str(scratch)], check=True)
