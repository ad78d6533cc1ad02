"""Kills in every stage of a run, and a full disk under one. Minutes long: `pytest -m slow`."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Checkout, begun
from yaml_text import yaml_text

from hintdistill.core.files import read_jsonl
from hintdistill.core.records import Episode
from hintdistill.core.yaml_file import read_yaml

pytestmark = pytest.mark.slow
KILLS = 20
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
CELL = ("--env", "alfworld", "--agent", "react")
FAILURES = ("hintdistill", "failures", *CELL)
TRAIN = ("hintdistill", "train", *CELL, "--arm", "sft")


def stages_of(folder: Path) -> dict:
    lock = folder / "dvc.lock"
    return read_yaml(lock)["stages"] if lock.is_file() else {}


def kill(checkout: Checkout, stage: str, seconds: float, sent: signal.Signals) -> str | None:
    """Stops `dvc repro` some seconds after a stage has begun: the stage that was running then.

    None where the run ended before.
    """
    log = checkout.folder.with_suffix(".log")
    with log.open("w") as out:
        running = checkout.start("dvc", "repro", stdout=out, stderr=subprocess.STDOUT)
    while stage not in begun(log):
        assert running.poll() is None, log.read_text()
        time.sleep(0.1)
    try:
        running.wait(seconds)
        return None
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, sent)
    assert running.wait() != 0
    return begun(log)[-1]


def test_a_run_killed_in_every_stage_ends_in_the_same_bytes(finished, checkout):
    """Never is a stage in dvc.lock whose outs are not those of a run that nothing stopped."""
    # What a shell starts in the background ignores SIGINT, and so would what is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder, whole = checkout.folder, stages_of(finished.folder)
    shutil.copy(folder / "profiles/smoke.yaml", folder / "params.yaml")
    (folder / "dvc.lock").unlink(missing_ok=True)
    order = begun(finished.folder.with_suffix(".log"))
    assert sorted(order) == sorted(whole)
    rng = random.Random(20)
    twice = rng.sample(order, len(order) // 2)
    killed = []
    for stage in sorted(order + twice, key=order.index):
        if stage in stages_of(folder):  # it had ended before its kill came
            continue
        seconds, sent = rng.uniform(0, 8), rng.choice(SIGNALS)
        killed.append((kill(checkout, stage, seconds, sent), round(seconds, 1), sent.name))
        for name, kept in stages_of(folder).items():
            assert kept["outs"] == whole[name]["outs"], (name, killed)
    print(*killed, sep="\n")
    assert sum(stage is not None for stage, *_ in killed) >= KILLS, killed
    last = checkout.run("dvc", "repro")
    assert last.returncode == 0, last.stdout + last.stderr
    assert stages_of(folder) == whole
    assert "up to date" in checkout.run("dvc", "status").stdout
    assert not list((folder / ".scratch").glob("*@*"))


@pytest.fixture
def learnt(finished, checkout) -> Checkout:
    """A checkout with what the finished run has made."""
    for part in ("data", "models"):
        shutil.copytree(finished.folder / part, checkout.folder / part, dirs_exist_ok=True)
    shutil.copy(checkout.folder / "profiles/smoke.yaml", checkout.folder / "params.yaml")
    return checkout


@pytest.fixture
def small_disk(learnt) -> Iterator[Callable[[str], None]]:
    """Gives `.scratch` a disk of its own, of a size that can be changed."""
    scratch = learnt.folder / ".scratch"
    scratch.mkdir()

    def resize(size: str) -> None:
        options = f"{'remount,' * scratch.is_mount()}size={size}"
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(scratch)]
        if subprocess.run(mount).returncode:
            pytest.skip("no small disk here")

    yield resize
    if scratch.is_mount():
        subprocess.run(["umount", str(scratch)], check=True)


def require_full_disk_error(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "expected space" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_is_a_clear_error_and_loses_no_episode(learnt, small_disk):
    folder = learnt.folder
    params = read_yaml(folder / "params.yaml")
    params["rollout"]["cohort"] = 2
    (folder / "params.yaml").write_text(yaml_text(params))
    out = folder / "data/alfworld/react/failures.jsonl"
    out.unlink()
    small_disk("12k")
    full = learnt.run(*FAILURES)
    require_full_disk_error(full)
    assert ".scratch/failures@" in full.stderr and not out.exists()
    kept = list((folder / ".scratch").rglob("cohort-*.jsonl"))
    assert 0 < len(kept) < params["alfworld"]["train"] / 2
    small_disk("16m")
    again = learnt.run(*FAILURES)
    assert again.returncode == 0, again.stderr
    assert len(read_jsonl(out, Episode)) == params["alfworld"]["train"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_under_a_training_is_as_clear(learnt, small_disk):
    adapter = learnt.folder / "models/adapters/alfworld-react-sft"
    whole = {path.name: path.read_bytes() for path in adapter.iterdir()}
    shutil.rmtree(adapter)
    small_disk("2m")
    require_full_disk_error(learnt.run(*TRAIN))
    assert not adapter.exists()
    small_disk("200m")
    again = learnt.run(*TRAIN)
    assert again.returncode == 0, again.stderr
    assert {path.name: path.read_bytes() for path in adapter.iterdir()} == whole
