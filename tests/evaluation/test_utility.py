"""What hints are worth on split dev, and the bank without those that are worth nothing."""

import csv
import shutil

import pytest
from conftest import ROOT
from dvc.repo import Repo
from records_of import episode_of, hint
from yaml_text import yaml_text

from hintdistill.commands.utility import write_utility
from hintdistill.core.errors import UserError
from hintdistill.core.files import write_jsonl
from hintdistill.core.records import HintRef
from hintdistill.core.yaml_file import read_yaml
from hintdistill.environments.alfworld.hints import texts
from hintdistill.evaluation.utility import MIN_TASKS, not_worth, utilities
from hintdistill.hints.write.curate import DuplicateParams, prune

GOOD, BAD = "Open every closed {container}.", "Sit down and wait for {object}."
BANK = [hint(GOOD), hint(GOOD.upper(), "b"), hint(BAD), hint("Sing.", "b")]


def played(hint_of, wins):
    """Episodes of arm rag: the hint that each task's prompt had, and the tasks that were won."""
    return [
        episode_of(task_id, arm="rag", success=int(task_id in wins), hints=[ref(of)])
        for task_id, of in hint_of.items()
    ]


def ref(of):
    return HintRef(hint_id=of.hint_id, text=of.text)


@pytest.fixture
def arms():
    """Ten tasks with the good hint, in two types' wordings, and ten with the bad one.

    The good one wins 9 of 10 where base won 2, the bad one 1 where base won 8.
    """
    good = {f"g{i}": BANK[i % 2] for i in range(10)}
    bad = {f"x{i}": BANK[2] for i in range(10)}
    base_wins = {"g0", "g1", *(f"x{i}" for i in range(8))}
    rag = played(good | bad, {*(f"g{i}" for i in range(9)), "x9"})
    base = [episode_of(t, success=int(t in base_wins)) for t in (good | bad)]
    return base, rag


def test_hints_and_clusters_have_the_figures_of_their_own_tasks(arms):
    rows = utilities(BANK, *arms)
    assert [(r.level, r.type, r.text, r.n) for r in rows] == [
        ("cluster", "", GOOD, 10),  # of both types
        ("cluster", "", BAD, 10),
        ("hint", "a", GOOD, 5),
        ("hint", "b", GOOD.upper(), 5),
        ("hint", "a", BAD, 10),
    ]
    good, bad = rows[0], rows[1]
    assert (good.base, good.rag) == (0.2, 0.9) and good.diff == pytest.approx(0.7)
    assert 0 < good.lo < good.diff < good.hi <= 1 and good.p < 0.05
    assert bad.hi < 0 and bad.diff == pytest.approx(-0.7)
    assert utilities(BANK[::-1], arms[0][::-1], arms[1][::-1]) == rows


def test_a_cluster_whose_interval_ends_below_the_bound_is_pruned_from_all_types(arms):
    rows = utilities(BANK, *arms)
    assert not_worth(rows, 0.0) == [BAD]
    assert not_worth(rows, 1.1) == [GOOD, BAD]
    assert not_worth(rows, -0.99) == []
    assert prune(BANK, [BAD]) == [h for h in BANK if h.text != BAD]
    assert prune(BANK, [GOOD.upper()]) == BANK[2:]
    assert prune(BANK, []) == BANK


def test_advice_for_two_types_that_is_only_worded_alike_is_two_clusters():
    clean, cool = texts.TRANSFORMATION["clean"], texts.TRANSFORMATION["cool"]
    assert DuplicateParams(duplicate_ratio=0.85, duplicate_cosine=None).same(clean, cool)
    bank = [hint(clean, "a"), hint(cool, "b")]
    rag = played({"1": bank[0], "2": bank[1]}, {"1"})
    rows = utilities(bank, [episode_of("1"), episode_of("2")], rag)
    assert [(row.text, row.rag) for row in rows[:2]] == [(clean, 1.0), (cool, 0.0)]
    assert prune(bank, [cool]) == bank[:1]


def test_few_tasks_condemn_no_hint():
    tasks = {f"x{i}": BANK[2] for i in range(MIN_TASKS)}
    base = [episode_of(t, success=1) for t in tasks]
    assert not_worth(utilities(BANK, base, played(tasks, set())), 0.0) == [BAD]
    fewer = {t: tasks[t] for t in list(tasks)[1:]}
    assert not_worth(utilities(BANK, base, played(fewer, set())), 0.0) == []


def test_the_command_writes_a_table_of_dev_only(tmp_path, monkeypatch, arms):
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True)
    params = read_yaml(ROOT / "params.yaml")
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    with pytest.raises(UserError, match=r"utility: expected eval\.split dev"):
        write_utility("alfworld", "react", 0.0)
    params["eval"]["split"] = "dev"
    (tmp_path / "params.yaml").write_text(yaml_text(params))
    data = tmp_path / "data/alfworld/react"
    write_jsonl(data / "hints.jsonl", BANK)
    for arm in ("placebo_wrong_type", "placebo_constant", "sft", "distilled", "base"):
        write_jsonl(data / f"eval/{arm}.jsonl", arms[0])
    write_jsonl(data / "eval/rag.jsonl", arms[1])
    path, unwanted = write_utility("alfworld", "react", 0.0)
    assert str(path) == "metrics/alfworld/react/utility.csv" and unwanted == [BAD]
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["text"] for row in rows if row["level"] == "cluster"] == [GOOD, BAD]
    assert rows[1]["n"] == "10" and rows[1]["diff"] == "-0.7"
