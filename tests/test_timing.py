"""Times of stages, and the estimate made of them."""

import json

import pytest
import yaml
from conftest import ROOT

from hintdistill.errors import UserError
from hintdistill.stages._estimate import (
    REFERENCE,
    REFERENCE_GFLOPS,
    estimate,
    in_words,
    matmul_speed,
)
from hintdistill.stages._timing import (
    PIPELINE,
    TIMES,
    StageTime,
    note,
    noted,
    timed,
    times_text,
    work,
)

CELL = "alfworld-react"


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """A folder with the smoke profile as params.yaml; gives a function that changes a key."""
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((ROOT / "profiles/smoke.yaml").read_text())

    def change(block, key, value):
        params[block][key] = value
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))

    change("alfworld", "train", 8)
    return change


def test_every_stage_has_its_place_and_a_reference():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert tuple(stages) == PIPELINE == tuple(REFERENCE)


def test_a_stage_notes_its_time_only_if_it_ends_well(profile, caplog):
    caplog.set_level("INFO")
    timed("train", lambda env, agent, arm: None)(env="alfworld", agent="react", arm="sft")
    timed("report", lambda: None)()

    def fails(env, agent):
        raise UserError("no")

    with pytest.raises(UserError):
        timed("strip", fails)(env="alfworld", agent="react")
    assert list(noted()) == [f"train@{CELL}-sft", "report"]
    assert f"stage train@{CELL}-sft: 0 s" in caplog.messages


def test_work_follows_the_params(profile):
    for stage, block, key in [
        ("panel@alfworld", "alfworld", "dev"),
        (f"demos@{CELL}", "demos", "useless"),
        (f"warmstart@{CELL}", "warmstart", "epochs"),
        (f"failures@{CELL}", "alfworld", "train"),
        (f"teacher@{CELL}", "rollout", "turn_limit"),
        (f"train@{CELL}-sft", "train", "max_length"),
        (f"prompt_eval@{CELL}-rag", "alfworld", "eval"),
    ]:
        profile(block, key, 2)
        small = work(stage)
        profile(block, key, 4)
        assert work(stage) > small > 0, stage
    assert work("warmstart@alfworld-mine") > work(f"warmstart@{CELL}")  # an agent not known here
    on_eval = work(f"base_eval@{CELL}")
    profile("alfworld", "dev", 1)
    profile("eval", "split", "dev")
    assert work(f"base_eval@{CELL}") == on_eval / 4


def test_an_estimate_prefers_times_of_this_machine_scaled_by_the_work(profile):
    failures, teacher = f"failures@{CELL}", f"teacher@{CELL}"
    note(StageTime(failures, 100.0, work(failures) / 2, resumed=False))
    note(StageTime(failures, 1.0, work(failures), resumed=True))
    note(StageTime(teacher, 1.0, work(teacher), resumed=True))
    found = estimate([failures, teacher, "base"], lambda: REFERENCE_GFLOPS / 2)
    assert found[0][1:] == (200.0, "timed here")
    expected = 2 * REFERENCE["teacher"].seconds * work(teacher)
    assert found[1][1:] == (pytest.approx(expected), "reference")
    assert found[2].seconds == REFERENCE["base"].seconds  # no matter of matrix products

    def unwanted():
        raise AssertionError("no stage needs the speed")

    assert len(estimate([failures, "base"], unwanted)) == 2


def test_times_are_shown_in_the_order_of_the_pipeline(profile):
    assert "No stage" in times_text()
    for stage, seconds in [("report", 1.0), (f"hints@{CELL}", 2.4), ("base", 5), ("report", 3.0)]:
        note(StageTime(stage, seconds, 1, resumed=stage == "base"))
    lines = [line.split() for line in times_text().splitlines()]
    assert [line[:2] for line in lines] == [
        ["base", "5"], [f"hints@{CELL}", "2"], ["report", "3"], ["total", "10"]
    ]  # fmt: skip
    assert "stopped" in lines[0]
    with TIMES.open("a") as file:
        file.write("{\n")
    with pytest.raises(UserError, match=r"line 5.*Remove"):
        noted()


def test_words_and_speed():
    assert [in_words(s) for s in (40, 95 * 60, 7.5 * 3600)] == [
        "40 seconds",
        "95 minutes",
        "7.5 hours",
    ]
    assert matmul_speed(2) > 0.1


def test_a_finished_run_has_timed_every_stage_and_a_change_is_estimated(finished):
    noted = (finished.folder / TIMES).read_text().splitlines()
    stages = [json.loads(line)["stage"] for line in noted]
    assert {stage.partition("@")[0] for stage in stages} == set(PIPELINE)
    shown = finished.run("hintdistill", "times")
    assert shown.stdout.splitlines()[-1].startswith("total")
    assert "up to date" in finished.run("hintdistill", "estimate").stdout
    params = finished.folder / "params.yaml"
    before = params.read_text()
    try:
        params.write_text(before.replace("k: 3", "k: 2"))
        said = finished.run("hintdistill", "estimate").stdout
        changed = yaml.safe_load(before)
        changed["model"]["path_suffix"], changed["demos"]["slips"] = "/../../base", 0.2
        params.write_text(yaml.safe_dump(changed))
        of_report = finished.run("hintdistill", "estimate").stdout
    finally:
        params.write_text(before)
    assert "failures@" not in said and "base_eval" not in said
    assert all(f"{kind}@" in said for kind in ("teacher", "strip", "train", "prompt_eval"))
    assert "about" in said and "timed here" in said
    assert "failures@" in of_report  # the warm start is stale, but no longer leads to the report
    assert "demos@" not in of_report and "warmstart@" not in of_report
