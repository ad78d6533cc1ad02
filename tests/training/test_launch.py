"""Training in two processes: what one gives, also after a kill."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from families import qwen3
from safetensors.torch import load_file

from hintdistill.core.errors import UserError
from hintdistill.llm.model.proof import TALK
from hintdistill.training.base import make_base
from hintdistill.training.sft.launch import TRAINED, Job, train
from hintdistill.training.sft.rows import SftParams

TWO = f"{sys.executable} -m torch.distributed.run --nproc-per-node 2"


@pytest.fixture
def job(tmp_path) -> Job:
    """Five rows, so that the last step of two processes is short of one."""
    base = tmp_path / "base"
    make_base(str(qwen3(tmp_path / "source")), base, "# card\n")
    params = SftParams(
        dtype="float32", r=4, alpha=8, dropout=0.0, learning_rate=1e-3, epochs=1, batch=1,
        accumulation=2, activation_checkpointing=False, max_length=4096, seed=1, threads=1,
        launcher="",
    )  # fmt: skip
    return Job(
        base=base, conversations=[TALK, TALK[:5]], params=params, template_kwargs={},
        method="lora", live=tmp_path / "live",
    )  # fmt: skip


def changed(job: Job, **params) -> Job:
    return job.model_copy(update={"params": job.params.model_copy(update=params)})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / TRAINED / "adapter_model.safetensors")


@pytest.mark.long
def test_two_processes_train_as_one_does(job, tmp_path):
    alone = train(job, tmp_path / "one")
    losses = job.live / "plots/metrics/loss.tsv"
    expected = [float(line.split()[1]) for line in losses.read_text().splitlines()[1:]]
    both = train(changed(job, accumulation=1, launcher=TWO), tmp_path / "two")
    found = [float(line.split()[1]) for line in losses.read_text().splitlines()[1:]]
    assert found == pytest.approx(expected, abs=1e-4)
    assert both | {"loss": 0} == alone | {"loss": 0}
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    for name, weight in one.items():
        assert torch.allclose(weight, two[name], atol=1e-5), name


STAGE = """
import sys
from pathlib import Path
from hintdistill.training.sft.launch import Job, train
train(Job.model_validate_json(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_kill_ends_all_processes_and_what_is_done_is_continued(job, tmp_path):
    job = changed(job, accumulation=1, epochs=20, dropout=0.1, launcher=TWO)
    (tmp_path / "job.json").write_text(job.model_dump_json())
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-c", STAGE, str(tmp_path / "job.json"), str(killed)]
    with subprocess.Popen(command) as stage:
        while not list(killed.glob("checkpoint-*/whole")):
            assert stage.poll() is None
            time.sleep(0.02)
        processes = psutil.Process(stage.pid).children(recursive=True)
        stage.kill()
    assert len(processes) >= 3  # the launcher and two
    assert psutil.wait_procs(processes, timeout=60)[1] == []
    assert not (killed / TRAINED).exists()

    resumed = train(job, killed)
    losses = (job.live / "plots/metrics/loss.tsv").read_bytes()
    assert train(job, whole) == resumed
    assert (job.live / "plots/metrics/loss.tsv").read_bytes() == losses
    one, two = weights(killed), weights(whole)
    assert all(torch.equal(weight, two[name]) for name, weight in one.items())


def test_checkpointing_changes_memory_alone(job, tmp_path):
    job = changed(job, dropout=0.1)
    train(job, tmp_path / "kept")
    train(changed(job, activation_checkpointing=True), tmp_path / "again")
    again = weights(tmp_path / "again")
    for name, weight in weights(tmp_path / "kept").items():
        assert torch.allclose(weight, again[name], atol=1e-6), name


def test_a_launcher_that_shards_the_model_is_refused(job, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UserError, match="got FSDP, which shards"):
        train(job, tmp_path / "run")


def test_a_launcher_that_is_missing_or_fails_is_named(job, tmp_path):
    with pytest.raises(UserError, match="found no 'no-such-launcher'"):
        train(changed(job, launcher="no-such-launcher -n 2"), tmp_path / "run")
    with pytest.raises(UserError, match="`false` ended with status 1"):
        train(changed(job, launcher="false"), tmp_path / "run")
