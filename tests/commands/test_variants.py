"""`hintdistill variants`, on the small pipeline: experiments, shared stages, stops, failures."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_pipeline import IDENTITY, PIPELINE, dvc, make_pipeline, run
from yaml_text import yaml_text

from hintdistill.commands import variants
from hintdistill.commands.accept import accept
from hintdistill.commands.check import find_problems
from hintdistill.commands.compare import write_comparison
from hintdistill.commands.shared.graph import stale_stages
from hintdistill.commands.variants import FOLDER, read_variants, run_variants
from hintdistill.core.errors import UserError
from hintdistill.core.records import Hint
from hintdistill.evaluation.figures import EpisodeRow
from hintdistill.evaluation.variants import bank_changes, flat_params
from hintdistill.llm.server.ledger import Ledger, Prices

CORES = "import os; open('cores.txt', 'w').write(str(sorted(os.sched_getaffinity(0))))"
# Fails once where k is 4, and takes a while where it is 5.
MOODY = """import pathlib, sys, time
k = pathlib.Path("params.yaml").read_text().split()[1]
once = pathlib.Path(".scratch/once")
once.parent.mkdir(exist_ok=True)
if k in "45" and not once.exists():
    once.touch()
    time.sleep(60) if k == "5" else sys.exit("k is 4")
pathlib.Path("moody.txt").write_text(k)
"""
TWO = "import shutil; [shutil.copy('panel.txt', out) for out in ('drawn.txt', 'drawn.json')]"
ADDED = {
    "drawn": {
        "cmd": f'python -c "{TWO}"',
        "deps": ["panel.txt"],
        "outs": ["drawn.txt", {"drawn.json": {"cache": False}}],
    },
    "cores": {"cmd": f'python -c "{CORES}"', "params": ["k"], "outs": ["cores.txt"]},
    "moody": {
        "cmd": "python moody.py",
        "deps": ["moody.py"],
        "params": ["k"],
        "outs": ["moody.txt"],
    },
}
TABLE = {"k2": {"k": 2}, "k3": {"k": 3}, "k4": {"k": 4}, "k5": {"k": 5}}


@pytest.fixture
def varied(small) -> Path:
    """The small pipeline with a table of variants, committed."""
    (small / "moody.py").write_text(MOODY)
    leaves = ["panel.txt", "moody.txt", "cores.txt", "drawn.txt"]
    report = {
        "cmd": f"python write.py report.txt {' '.join(leaves)}",
        "deps": [*leaves, "adapter"],
        "outs": ["report.txt"],
    }
    stages = {"stages": {**PIPELINE["stages"], **ADDED, "report": report}}
    (small / "dvc.yaml").write_text(yaml_text(stages))
    params = "k: 1 # a comment\n" + yaml_text({"variants": TABLE})
    (small / "params.yaml").write_text(params)
    (small / ".gitignore").write_text(".variants/\n.cache\n.scratch/\n*.txt\nadapter\n")
    run("git", "add", "-A")
    run("git", *IDENTITY, "commit", "-q", "-m", "variants")
    return small


def experiments() -> dict[str, int]:
    """Names and k of this repository's experiments."""
    shown = json.loads(dvc("exp", "show", "--json"))
    found = {}
    for baseline in shown:
        for experiment in baseline.get("experiments") or []:
            revision = experiment["revs"][0]
            found[revision["name"]] = revision["data"]["params"]["params.yaml"]["data"]["k"]
    return found


def ran(name: str) -> list[str]:
    lines = (FOLDER / f"{name}.log").read_text().splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage")]


def test_variants_become_experiments_and_share_what_they_share(varied):
    run_variants(["k2", "k3"], jobs=2)
    assert experiments() == {"k2": 2, "k3": 3}
    assert set(ran("k2")) == set(ran("k3")) == {"hints", "adapter", "cores", "moody", "report"}
    assert (varied / "params.yaml").read_text().startswith("k: 1 # a comment\n")
    assert (FOLDER / "k2/params.yaml").read_text().startswith("k: 2 # a comment\n")
    mine = sorted(os.sched_getaffinity(0))
    shares = [json.loads((FOLDER / name / "cores.txt").read_text()) for name in ("k2", "k3")]
    assert sorted({*shares[0], *shares[1]}) == mine
    assert len(mine) == 1 or not set(shares[0]) & set(shares[1])
    before = len(ran("k2"))
    run_variants(["k2"], jobs=1)
    assert len(ran("k2")) == before  # nothing ran again
    assert experiments() == {"k2": 2, "k3": 3}


def test_in_a_clone_that_has_pulled_shared_stages_do_not_run_again(varied, monkeypatch):
    """A figure that git has is in no cache, so that DVC could not restore its stage from there."""
    dvc("repro", "-q")
    run("git", "add", "-A")
    run("git", *IDENTITY, "commit", "-q", "-m", "run")
    dvc("push", "-q", "--run-cache")
    run("git", "clone", "-q", ".", "../other")
    monkeypatch.chdir("../other")
    dvc("pull", "-q", "--run-cache")
    run_variants(["k2"], jobs=1)
    assert experiments() == {"k2": 2}
    assert set(ran("workspace")) == set()
    assert set(ran("k2")) == {"hints", "adapter", "cores", "moody", "report"}


def test_one_that_fails_is_named_and_keeps_no_other_back(varied):
    with pytest.raises(UserError, match=r"variants that failed: k4\. See \.variants/k4\.log"):
        run_variants(["k4", "k2"], jobs=1)
    assert experiments() == {"k2": 2}
    run_variants(["k4"], jobs=1)
    assert experiments() == {"k2": 2, "k4": 4}
    assert ran("k4").count("hints") == 1  # it went on where it had stopped


def test_stopped_ones_leave_no_process_and_go_on(varied):
    code = "from hintdistill.cli import main; import sys; sys.argv[1:] = ['variants', 'k5']; main()"
    running = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not (FOLDER / "k5/.scratch/once").exists():
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=30) != 0
    listed = subprocess.run(["pgrep", "-f", "moody.py"], capture_output=True, text=True)
    assert not listed.stdout.split()
    assert experiments() == {}
    run_variants(["k5"], jobs=1)
    assert experiments() == {"k5": 5} and ran("k5").count("hints") == 1


def test_code_that_is_not_committed_is_not_run(varied):
    with (varied / "dvc.yaml").open("a") as file:
        file.write("# a comment\n")
    with pytest.raises(UserError, match=r"dvc\.yaml.*Commit it, or stash"):
        run_variants([], jobs=1)
    assert not FOLDER.exists()


@pytest.mark.parametrize(
    ("table", "names", "said"),
    [
        (None, [], "expected a table `variants`"),
        ({"a": {"no.such": 1}}, [], r"variants\.a: there is no parameter 'no\.such'"),
        ({"a": {"k.deeper": 1}}, [], "there is no parameter"),
        ({"../up": {"k": 1}}, [], r"variants\.\.\./up: expected `name"),
        ({"a": 3}, [], "got 3"),
        ({"workspace": {"k": 1}}, [], "not `workspace`"),
        ({"a": {"k": 1}}, ["b"], r"expected some of \['a'\], got \['b'\]"),
    ],
)
def test_wrong_tables_are_errors(tmp_path, monkeypatch, table, names, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml_text({"k": 1, "variants": table}))
    with pytest.raises(UserError, match=said):
        read_variants(names)


# Ten tasks; arm rag wins as many as k, arm base one; the bank's last two hints depend on k.
COLUMNS = ",".join(EpisodeRow._fields)
EPISODES = f"""import json, pathlib
from hintdistill.core.params import read_params
k = read_params()["hints"]["k"]
rows = ["{COLUMNS}"]
for arm, wins, tokens in (("base", 1, 100), ("rag", k, 100 * k)):
    for task in range(10):
        won = int(task < wins)
        end = f"{{won}},{{won}}.0,5,6,{{tokens}},9,done"
        rows.append(f"alfworld,react,{{arm}},0,t{{task}},heat,{{end}}")
for name in ("metrics", "data/alfworld/react"):
    pathlib.Path(name).mkdir(parents=True, exist_ok=True)
pathlib.Path("metrics/episodes.csv").write_text("\\n".join(rows) + "\\n")
texts = ["Open it.", f"Look {{k}} times at every shelf.", "Go." if k == 2 else "Eat!"]
hints = [
    dict(hint_id=text, type="heat", text=text, mentions=1, writer="diagnose", env="alfworld",
         source_task_ids=["t"], source_episode_ids=["e"], schema="hint/1")
    for text in texts
]
lines = "".join(json.dumps(hint) + "\\n" for hint in hints)
pathlib.Path("data/alfworld/react/hints.jsonl").write_text(lines)
"""


def hint(text, kind="heat") -> Hint:
    return Hint(
        hint_id=text, env="alfworld", type=kind, text=text, writer="diagnose", mentions=1,
        source_task_ids=["t"], source_episode_ids=["e"],
    )  # fmt: skip


def make_episodes(folder: Path) -> None:
    """A pipeline of one stage, which writes episodes and a bank, with two variants."""
    (folder / "episodes.py").write_text(EPISODES)
    outs = ["data/alfworld/react/hints.jsonl", {"metrics/episodes.csv": {"cache": False}}]
    stage = {"cmd": "python episodes.py", "params": ["hints.k"], "outs": outs}
    stage["deps"] = ["episodes.py"]
    (folder / "dvc.yaml").write_text(yaml_text({"stages": {"report": stage}}))
    table = {"k8": {"hints.k": 8}, "same": {"hints.bank": "/../react"}}
    params = {"hints": {"k": 2, "bank": ""}, "variants": table}
    (folder / "params.yaml").write_text(yaml_text(params))
    (folder / ".gitignore").write_text(".variants/\n.cache\n.scratch/\n/data\n")
    run("git", "rm", "-q", "-f", "--cached", "dvc.lock")
    Path("dvc.lock").unlink()
    run("git", "add", "-A")
    run("git", *IDENTITY, "commit", "-q", "-m", "episodes")


def test_a_comparison_is_paired_and_says_what_differs(small, monkeypatch):
    make_episodes(small)
    with pytest.raises(UserError, match="it has none"):
        write_comparison([])
    run_variants([], jobs=2)
    prices = Prices(price_prompt=2, price_cached=None, price_completion=0)
    monkeypatch.setenv("HINTDISTILL_RUN", "k8")
    Ledger().reserve("hints@alfworld-react", "m", (1_000_000, 10), prices, None)
    page = write_comparison([]).read_text()
    assert "| k8 | `hints.k: 8` | 3 |  | 2.0000 |" in page
    assert "| workspace |  | 3 |  |  |" in page
    assert "Arm `base`: the same episodes in all, 10.0 % of 10." in page
    assert "| workspace | 10 | 20.0 (5.7 to 51.0) |  |  | 5.0 | 200 | 9 |" in page
    assert (
        "| k8 | 10 | 80.0 (49.0 to 94.3) | +60.0 (+15.6 to +83.2) | 0.031 | 5.0 | 800 | 9 |" in page
    )
    assert "| same | 10 | 20.0 (5.7 to 51.0) | +0.0 (-27.8 to +27.8) | 1.000 |" in page
    assert "- reworded, heat: Look 2 times at every shelf. -> Look 8 times at every shelf." in page
    assert "- added, heat: Eat!" in page and "- dropped, heat: Go." in page
    with pytest.raises(UserError, match=r"\['k8', 'same'\], got \['k9'\]"):
        write_comparison(["k9"])


def test_in_a_folder_of_a_repository_with_blanks_and_other_letters(tmp_path, monkeypatch):
    """Where git's paths are not this folder's, and where DVC could not write the path of a cache.

    Every command that asks git or DVC is called there.
    """
    repository = tmp_path / "prüfung 你好"
    folder = make_pipeline(repository / "sub dir" / "étude", repository)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    make_episodes(folder)
    run_variants(["k8"], jobs=1)
    assert (FOLDER / "k8/sub dir/étude/metrics/episodes.csv").is_file()
    run("git", "add", "-A")
    page = write_comparison([]).read_text()
    assert "| k8 | `hints.k: 8` | 3 |" in page and "- added, heat: Eat!" in page
    assert find_problems(remote=False) == [] and stale_stages() == set()
    assert {p.stage for p in find_problems(remote=True)} == {"report"}
    dvc("push", "-q")
    assert find_problems(remote=True) == []
    (folder / "episodes.py").write_text(f"{EPISODES}# a comment\n")
    with pytest.raises(UserError, match=r"this differs from it: M .*étude"):
        monkeypatch.setattr(variants, "CODE", ["episodes.py"])
        run_variants([], jobs=1)
    assert accept() == ["report"]
    assert find_problems(remote=False) == []


def test_changes_of_banks_are_by_type():
    old = [hint("Open the fridge."), hint("Use the lamp.", "look")]
    new = [hint("Open the fridge!"), hint("Use the lamp.", "heat")]
    assert bank_changes(old, new) == [
        "- reworded, heat: Open the fridge. -> Open the fridge!",
        "- added, heat: Use the lamp.",
        "- dropped, look: Use the lamp.",
    ]
    assert bank_changes(old, old) == []


def test_parameters_are_compared_by_key():
    params = {"hints": {"k": 1, "prune": []}, "envs": ["alfworld"], "variants": {"a": {"k": 1}}}
    assert flat_params(params) == {"hints.k": 1, "hints.prune": [], "envs": ["alfworld"]}
