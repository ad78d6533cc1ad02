"""Metrics, tables and reports of evaluation episodes; publishing."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from records_of import episode_of, row_of, task, told
from yaml_text import yaml_text

from hintdistill.commands.publish import PAGES, publish, tables_of, update_page
from hintdistill.core.errors import UserError
from hintdistill.core.yaml_file import read_yaml
from hintdistill.evaluation.arms import ARMS
from hintdistill.evaluation.causes import cause_rows, causes_table
from hintdistill.evaluation.figures import CellSummary, Difference
from hintdistill.evaluation.metrics import (
    cell_summary,
    check_same_tasks,
    episode_rows,
    invalid_turns,
    type_rows,
)
from hintdistill.evaluation.report import arms_table, comparisons_table, render_report, types_table
from hintdistill.evaluation.stats import wilson


def summary_of(arms):
    """The summary of arms of rows, without invalid turns."""
    return cell_summary([row for own in arms.values() for row in own], dict.fromkeys(arms, 0.0))


def every_arm(**columns):
    """Twenty tasks of each arm; a column's values are by arm."""
    return {
        arm: [
            row_of(f"t{i}", arm=arm, **{name: by[at] for name, by in columns.items()})
            for i in range(20)
        ]
        for at, arm in enumerate(ARMS)
    }


def test_figures_of_an_arm():
    episodes = [
        episode_of("1", success=1, reward=1.0, tokens_prompt=100, tokens_prompt_new=40,
                   tokens_completion=10, n_steps=4),
        episode_of("2", n_steps=8, n_invalid=2),
    ]  # fmt: skip
    played, tasks = {"base": episodes}, {name: task(name, "x") for name in ("1", "2")}
    rows = list(episode_rows(played, tasks))
    figures = cell_summary(rows, invalid_turns(played)).arms["base"]
    assert (figures.n, figures.success, figures.steps, figures.invalid) == (2, 0.5, 6, 1)
    assert (figures.tokens, figures.tokens_new, figures.tokens_per_win) == (55, 25, 110)
    assert not {"seeds", "seed_min", "reward_lo"} & set(figures.model_dump())
    lost = summary_of({"base": [row_of("1", tokens=9)]}).arms["base"]
    assert lost.tokens_per_win is None


def test_seeds_are_pooled_and_their_spread_is_shown():
    arms = every_arm(success=(0, 1, 0, 0, 0, 0))
    arms["distilled"] = [
        row_of(row.task_id, arm="distilled", seed=seed, success=int(i < wins))
        for i, row in enumerate(arms["base"])
        for seed, wins in ((0, 10), (1, 12), (2, 8))
    ]
    cell = summary_of(arms)
    own, difference = cell.arms["distilled"], cell.compare["distilled-base"]
    assert (own.n, own.success, own.seeds) == (60, 0.5, 3)
    assert (own.seed_min, own.seed_max) == (0.4, 0.6)
    assert (difference.pairs, difference.clusters, difference.test) == (60, 20, "sign_flip")
    assert difference.effective < 25 and cell.compare["rag-base"].test == "mcnemar"
    lines = arms_table(cell).splitlines()
    assert "| 3: 40.0 to 60.0 |" in lines[-1] and "| 1 |" in lines[2]
    assert len({line.count("|") for line in lines}) == 1
    assert "p (sign flips)" in comparisons_table(cell)


def test_graded_rewards_have_intervals_and_stand_in_the_tables():
    rewards = (0.25, 0.5, 0.25, 0.25, 0.25, 1.0)
    cell = summary_of(every_arm(reward=rewards, success=[int(r == 1) for r in rewards]))
    assert cell.compare_reward["rag-base"] == Difference(diff=0.25, lo=0.25, hi=0.25)
    assert (cell.arms["rag"].reward_lo, cell.arms["rag"].reward_hi) == (0.5, 0.5)
    assert CellSummary.of_nested(cell.nested()) == cell
    head, rule, base, rag, *_ = arms_table(cell).splitlines()
    assert "score (95 %)" in head and "| 50.0 (50.0 to 50.0) | 0.0 (0.0 to 16.1) |" in rag
    assert len({line.count("|") for line in (head, rule, base)}) == 1
    head, rule, first, *_ = comparisons_table(cell).splitlines()
    start = (
        "| rag - base | +25.0 (+25.0 to +25.0) | +0.0 (-16.1 to +16.1) | 1.000 | 1.000 | 0 : 0 |"
    )
    assert first.startswith(start)
    assert len({line.count("|") for line in (head, rule, first)}) == 1
    whole = summary_of(every_arm(reward=[1.0] * 6, success=[1] * 6))
    assert "compare_reward" not in whole.nested() and "score" not in arms_table(whole)


def test_older_summaries_are_shown_with_what_they_have():
    cell = summary_of(every_arm(success=(0, 1, 0, 0, 0, 1), tokens=[5] * 6)).nested()
    for name, test in cell["compare"].items():
        cell["compare"][name] = {key: test[key] for key in ("diff", "lo", "hi", "p")}
    for arm in ARMS:
        cell[arm].pop("tokens_per_win", None)
    del cell["compare_won"]
    older = CellSummary.of_nested(cell)
    assert older.nested() == cell
    head, *_, last = comparisons_table(older).splitlines()
    assert head == "| difference | points (95 %) | p (McNemar) |" and last.startswith("| distilled")
    assert "tokens a win" not in arms_table(older)


def test_success_by_task_type():
    rows = [
        row_of("f/1", type="b", success=1), row_of("f/2", type="b", success=1),
        row_of("g/1", type="a"), row_of("g/1", arm="rag", type="a", success=1),
        row_of("f/1", arm="rag", type="b"), row_of("f/2", arm="rag", type="b", success=1),
    ]  # fmt: skip
    found = list(type_rows(rows))
    assert [(r.arm, r.type, r.n, r.success) for r in found] == [
        ("base", "a", 1, 0), ("base", "b", 2, 1), ("rag", "a", 1, 1), ("rag", "b", 2, 0.5)
    ]  # fmt: skip
    assert (found[1].lo, found[1].hi) == wilson(1, 1)  # both of one folder
    assert types_table(found).splitlines()[2:] == [
        "| a | 0.0 (0 of 1) | 100.0 (1 of 1) |",
        "| b | 100.0 (2 of 2) | 50.0 (1 of 2) |",
    ]


def test_arms_on_different_tasks_are_not_compared():
    with pytest.raises(UserError, match="rag"):
        check_same_tasks({"base": [episode_of("1")], "rag": [episode_of("2")]}, "eval")
    twice = [episode_of("1"), episode_of("1")]
    with pytest.raises(UserError, match="base"):
        check_same_tasks({"base": twice}, "eval")
    seeds = [episode_of(t, seed=s) for t in ("1", "2") for s in (0, 1)]
    one = [episode_of("1"), episode_of("2")]
    check_same_tasks({"base": one, "distilled": seeds}, "eval")
    with pytest.raises(UserError, match="distilled"):  # a seed that did not play all
        check_same_tasks({"base": one, "distilled": seeds[:-1]}, "eval")


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
        text = render_report([], model="m", split=split, seed=3)
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
