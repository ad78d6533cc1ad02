"""Statistics against known values; metrics; publishing."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from records_of import episode_of, task, told
from yaml_text import yaml_text

from hintdistill.commands.publish import PAGES, publish, tables_of, update_page
from hintdistill.core.errors import UserError
from hintdistill.core.yaml_file import read_yaml
from hintdistill.evaluation.arms import ARMS
from hintdistill.evaluation.causes import cause_rows, causes_table
from hintdistill.evaluation.figures import CellSummary, Difference
from hintdistill.evaluation.metrics import cell_summary, check_same_tasks
from hintdistill.evaluation.report import arms_table, comparisons_table, render_report
from hintdistill.evaluation.stats import compare, mcnemar_exact, wilson


def test_wilson_against_published_values():
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_mcnemar():
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(5, 0) == pytest.approx(0.0625)
    assert mcnemar_exact(1, 7) == mcnemar_exact(7, 1) == pytest.approx(0.0703125)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=60))
def test_compare_is_antisymmetric_and_repeatable(pairs):
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    forth, back = compare(a, b), compare(b, a)
    assert forth == compare(a, b)
    assert forth.lo <= forth.diff <= forth.hi
    assert (forth.diff, forth.p) == pytest.approx((-back.diff, back.p))


def test_figures_of_an_arm():
    episodes = [
        episode_of("1", success=1, reward=1.0, tokens_prompt=100, tokens_prompt_new=40,
                   tokens_completion=10, n_steps=4),
        episode_of("2", n_steps=8, n_invalid=2),
    ]  # fmt: skip
    figures = cell_summary({"base": episodes}).arms["base"]
    assert (figures.n, figures.success, figures.steps, figures.invalid) == (2, 0.5, 6, 1)
    assert (figures.tokens, figures.tokens_new) == (55, 25)


def test_graded_rewards_have_intervals_and_stand_in_the_tables():
    arms = {
        arm: [episode_of(str(i), reward=reward, success=int(reward == 1)) for i in range(20)]
        for arm, reward in zip(ARMS, (0.25, 0.5, 0.25, 0.25, 0.25, 1.0), strict=True)
    }
    cell = cell_summary(arms)
    assert cell.compare_reward["rag-base"] == Difference(diff=0.25, lo=0.25, hi=0.25)
    assert (cell.arms["rag"].reward_lo, cell.arms["rag"].reward_hi) == (0.5, 0.5)
    assert CellSummary.of_nested(cell.nested()) == cell
    head, rule, base, rag, *_ = arms_table(cell).splitlines()
    assert "score (95 %)" in head and "| 50.0 (50.0 to 50.0) | 0.0 (0.0 to 16.1) |" in rag
    assert len({line.count("|") for line in (head, rule, base)}) == 1
    head, rule, first, *_ = comparisons_table(cell).splitlines()
    assert first == "| rag - base | +25.0 (+25.0 to +25.0) | +0.0 (+0.0 to +0.0) | 1.000 |"
    assert len({line.count("|") for line in (head, rule, first)}) == 1
    whole = {arm: [episode_of("1", reward=1.0, success=1)] for arm in ARMS}
    assert "compare_reward" not in cell_summary(whole).nested()
    assert "score" not in arms_table(cell_summary(whole))


def test_arms_on_different_tasks_are_not_compared():
    with pytest.raises(UserError, match="rag"):
        check_same_tasks({"base": [episode_of("1")], "rag": [episode_of("2")]}, "eval")
    twice = [episode_of("1"), episode_of("1")]
    with pytest.raises(UserError, match="base"):
        check_same_tasks({"base": twice}, "eval")


def test_causes_by_arm_and_type():
    tasks = {name: task(name, "x") for name in ("1", "2", "3")}
    tasks["3"] = tasks["3"].model_copy(update={"type": "b"})

    def episode(task_id, *actions, **changes):
        steps = [(action, "Nothing happens.") for action in actions]
        return told("put a pen in desk.", steps, task_id=task_id, **changes)

    base = [
        episode("1", "put pen 1 in desk 1", "take pen 1 from desk 1"),
        episode("2", "dance"),
        episode("3", success=1),
    ]
    rag = [episode("1", "dance"), episode("2", success=1), episode("3", success=1)]
    rows = [*cause_rows(base, tasks, "base"), *cause_rows(rag, tasks, "rag")]
    assert {(r.arm, r.type, r.failures, r.episodes) for r in rows} == {
        ("base", "a", 2, 2), ("base", "b", 0, 1), ("rag", "a", 1, 2), ("rag", "b", 0, 1)
    }  # fmt: skip
    counts = {(r.arm, r.type, r.cause): r.n for r in rows}
    assert counts["base", "a", "grammar"] == 2 and counts["base", "b", "grammar"] == 0
    assert causes_table(rows).splitlines() == [
        "| | base | rag |",
        "| --- | --- | --- |",
        "| failed episodes | 2 (67 %) | 1 (33 %) |",
        "| grammar | 2 (67 %) | 1 (33 %) |",
        "| unmet precondition | 1 (33 %) | 0 (0 %) |",
    ]


def test_a_report_of_dev_says_that_it_is_no_result():
    for split, warned in (("eval", False), ("dev", True)):
        text = render_report({}, {}, model="m", split=split, seed=3)
        assert ("**Not a result: split `dev`" in text) == warned
        assert f"Split: `{split}`" in text and "Model: m." in text and "seed 3" in text


def test_publish_replaces_a_cell_and_keeps_the_others(finished, tmp_path, monkeypatch):
    work = tmp_path / "work"
    shutil.copytree(finished.folder, work, ignore=shutil.ignore_patterns("models", "data", "cache"))
    monkeypatch.chdir(work)
    folder = publish("trial")
    assert (folder / "plots/causes.csv").read_text() == Path("metrics/plots/causes.csv").read_text()
    trained = Path("metrics/alfworld/react/warmstart/metrics.json")
    assert (folder / "alfworld-react/warmstart.json").read_text() == trained.read_text()
    first = (folder / "episodes.csv").read_text()
    other = json.loads((folder / "summary.json").read_text())
    other["webshop"] = {"react": other["alfworld"]["react"]}
    (folder / "summary.json").write_text(json.dumps(other))
    with (folder / "episodes.csv").open("a") as file:
        file.write("webshop,react,base,0,w1,x,1,1.0,1,1,1,1,success\n")
    publish("trial")
    again = (folder / "episodes.csv").read_text().splitlines()
    assert sorted(again) == sorted([*first.splitlines(), again[1]]) and "webshop" in again[1]
    assert set(json.loads((folder / "summary.json").read_text())) == {"alfworld", "webshop"}
    readme = work / "README.md"
    readme.write_text("a\n<!-- results:trial -->\nold\n<!-- /results:trial -->\nb\n")
    update_page("trial", readme)
    text = readme.read_text()
    assert "old" not in text and text.startswith("a\n") and text.endswith("b\n")
    assert "| distilled |" in text
    with pytest.raises(UserError, match=r"alfworld\.source official, got generated"):
        publish("official")
    whole = read_yaml(Path("params.yaml"))
    whole["alfworld"] |= {"source": "official", "eval": 134, "eval_games": "valid_seen"}
    Path("params.yaml").write_text(yaml_text(whole))
    with pytest.raises(UserError, match=r"alfworld\.eval_games valid_unseen, got valid_seen"):
        publish("official")
    whole["alfworld"]["eval_games"] = "valid_unseen"
    Path("params.yaml").write_text(yaml_text(whole))
    with pytest.raises(UserError, match="n of alfworld, react 134, got 4"):
        publish("official")
    with pytest.raises(UserError, match="name"):
        publish("../up")
    Path("metrics/summary.json").write_text("{}")
    with pytest.raises(UserError, match="results some, got none"):
        publish("official")


def test_pages_show_the_published_figures():
    pages = [(ROOT / page).read_text() for page in PAGES]
    for folder in (ROOT / "metrics/published").iterdir():
        summary = json.loads((folder / "summary.json").read_text())
        cells = {f"{env}-{agent}": f" {env}-{agent}" for env in summary for agent in summary[env]}
        shown = 0
        for page in pages:
            for cell, words in {"": "", **cells}.items():
                begin = f"<!-- results:{folder.name}{words} -->\n"
                if begin in page:
                    shown += 1
                    tables = f"{begin}{tables_of(summary, cell)}\n<!-- /results:{folder.name} -->"
                    assert tables in page, f"run `make publish NAME={folder.name}`"
        assert shown, f"{folder.name} is shown nowhere"
