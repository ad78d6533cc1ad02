"""Official games: read from a folder laid out like ALFWorld's release, split, checked, pinned.

The folder is a look-alike, filled with generated games; tests of the release itself run where
ALFWORLD_DATA names one.
"""

import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT
from yaml_text import yaml_text

from hintdistill.core.errors import UserError
from hintdistill.core.files import read_jsonl
from hintdistill.core.panel import PanelParams, panel_sha256
from hintdistill.core.records import SPLITS, Game, Task, content_sha256
from hintdistill.core.yaml_file import read_yaml
from hintdistill.environments.alfworld.game import check
from hintdistill.environments.alfworld.game.env import AlfworldEnv
from hintdistill.environments.alfworld.game.goal import TASK_TYPES, instruction_of
from hintdistill.environments.alfworld.game.official import instruction_in
from hintdistill.environments.alfworld.game.panel import build_panel
from hintdistill.environments.alfworld.game.release import DATA_VARIABLE, SEEN, UNSEEN
from hintdistill.environments.alfworld.game.rooms import OFFICIAL_EVAL_ROOMS
from hintdistill.stages import panel as panel_stage

SIZES = {"warmstart": 7, "train": 6, "dev": 3, "eval": 12}
# Importing alfworld sets the variable where it was not: what counts is how the tests were started.
RELEASE = os.environ.get(DATA_VARIABLE)
with_release = pytest.mark.skipif(
    not (RELEASE and Path(RELEASE, "json_2.1.1/valid_unseen").is_dir()),
    reason=f"{DATA_VARIABLE} names no copy of ALFWorld's release",
)


class LookAlike:
    """A folder laid out like the release: 4 task folders a type in train, 2 in valid_unseen, each
    with two trials."""

    def __init__(self, folder: Path, games: list[tuple[Task, Game]]) -> None:
        self.folder = folder
        self.contents = {task.type: game.content for task, game in games}
        for task_type in TASK_TYPES:
            for room in (1, 2, 3, 301):
                self.add("train", f"{task_type}-Mug-None-Shelf-{room}")
            for room in OFFICIAL_EVAL_ROOMS[:2]:
                self.add("valid_unseen", f"{task_type}-Mug-None-Shelf-{room}")

    def part(self, name: str) -> Path:
        return self.folder / "json_2.1.1" / name

    def add(self, part: str, folder: str, **changes: object) -> None:
        content = self.contents[folder.split("-")[0]] | {"solvable": True} | changes
        for trial in ("trial_1", "trial_2"):
            path = self.part(part) / folder / trial / "game.tw-pddl"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(content))
            path.with_name("traj_data.json").write_text("{}")

    def first(self, part: str) -> Path:
        return min(self.part(part).glob("*/*/game.tw-pddl"))


@pytest.fixture
def release(tmp_path, monkeypatch, games) -> LookAlike:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "alf"))
    return LookAlike(tmp_path / "alf", games)


def read_panel(sizes=SIZES, seed=0, eval_games=UNSEEN):
    params = {"source": "official", "seed": seed, "panel_sha256": None, "eval_games": eval_games}
    return list(build_panel(PanelParams(**params, **sizes), workers=2))


def tasks_of(sizes=SIZES, seed=0, eval_games=UNSEEN):
    return [task for task, _ in read_panel(sizes, seed, eval_games)]


def test_splits_share_no_task_folder_and_eval_rooms_are_evals_own(release):
    tasks = tasks_of()
    assert Counter(task.split for task in tasks) == SIZES
    folders = {
        split: [t.task_id.split("/")[0] for t in tasks if t.split == split] for split in SIZES
    }
    learnt = folders["warmstart"] + folders["train"] + folders["dev"]
    assert len(learnt) == len(set(learnt))
    assert not set(learnt) & set(folders["eval"])
    unseen = {f"room {number}" for number in OFFICIAL_EVAL_ROOMS}
    for task in tasks:
        assert (task.group in unseen) == (task.split == "eval")
        assert task.task_id.startswith(task.type) and task.source == "official"
    for split in SPLITS:
        counts = Counter(task.type for task in tasks if task.split == split)
        assert max(counts.values()) <= min(counts[t] for t in TASK_TYPES) + 1
        ids = [task.task_id for task in tasks if task.split == split]
        assert ids == sorted(ids)


def test_all_of_valid_unseen_or_one_of_every_folder_first(release):
    everything = {"/".join(path.parts[-2:]) for path in release.part("valid_unseen").glob("*/*")}
    assert {t.task_id for t in tasks_of(SIZES | {"eval": 24}) if t.split == "eval"} == everything
    few = [t.task_id.split("/")[0] for t in tasks_of() if t.split == "eval"]
    assert len(set(few)) == 12


def test_a_type_with_few_games_leaves_its_share_to_the_others(release):
    for path in release.part("valid_unseen").glob("pick_two*/trial_2/game.tw-pddl"):
        path.unlink()
    tasks = [t for t in tasks_of(SIZES | {"eval": 21}) if t.split == "eval"]
    assert Counter(t.type for t in tasks)["pick_two_obj_and_place"] == 2
    assert len(tasks) == 21


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_files(release, monkeypatch):
    tasks = tasks_of()
    glob = Path.glob

    def shuffled(self, pattern):
        found = list(glob(self, pattern))
        random.Random(1).shuffle(found)
        return iter(found)

    monkeypatch.setattr(Path, "glob", shuffled)
    assert tasks_of() == tasks
    assert {t.task_id for t in tasks_of(seed=1)} != {t.task_id for t in tasks}


def test_what_alfworld_skips_is_skipped(release):
    before = tasks_of()
    release.contents["pick_and_place_with_movable_recep"] = release.contents[TASK_TYPES[0]]
    release.add("train", "pick_and_place_with_movable_recep-Mug-Plate-Shelf-5")
    release.add("train", "pick_and_place_simple-AppleSliced-None-Shelf-6")
    release.add("train", "pick_and_place_simple-Mug-None-Shelf-10")  # a room of valid_unseen
    release.add("train", "pick_and_place_simple-Cup-None-Shelf-7", solvable=False, walkthrough=None)
    assert tasks_of() == before


def test_a_game_is_copied_unchanged_and_plays(release):
    for task, game in read_panel()[-2:]:
        original = json.loads(
            release.part("valid_unseen").joinpath(task.task_id, "game.tw-pddl").read_text()
        )
        assert game.content == {k: v for k, v in original.items() if k != "solvable"}
        assert task.content_sha256 == content_sha256(game.content)
        env = AlfworldEnv(task, game)
        assert instruction_of(env.reset()) == task.instruction
        assert [env.step(command) for command in game.content["walkthrough"]][-1].done
        env.close()


def test_a_sentence_that_cannot_be_read_safely():
    assert instruction_in('"rhs": "Your task is to: put some mug on shelf."') == (
        "put some mug on shelf."
    )
    twice = 'Your task is to: a."}, {"rhs": "Your task is to: b.'
    for rhs in ("Your task is to: #goal#", "Your task is to: ", "Task: c.", twice):
        assert instruction_in(f'"rhs": "{rhs}"') is None


def without(part):
    def spoil(release):
        release.part(part).rename(release.folder / "elsewhere")

    return spoil


def spoiled(part, text):
    return lambda release: release.first(part).write_text(text)


def changed(key, old, new):
    def spoil(release):
        for path in release.part("valid_unseen").glob("*/*/game.tw-pddl"):
            content = json.loads(path.read_text())
            content[key] = content[key].replace(old, new) if isinstance(old, str) else new
            path.write_text(json.dumps(content))

    return spoil


def no_look_games(release):
    for path in release.part("train").glob("look*/*/game.tw-pddl"):
        path.unlink()


@pytest.mark.parametrize(
    "spoil, say",
    [
        (without("train"), ["json_2.1.1/train", "alfworld-download"]),
        (without("valid_unseen"), ["json_2.1.1/valid_unseen", "alfworld-download"]),
        (without("."), ["json_2.1.1/train"]),
        (lambda r: [p.unlink() for p in r.part("train").glob("*/*/*")], ["found none", "train"]),
        (spoiled("train", '{"solvable": tr'), ["look_at", "trial_1", "JSON"]),
        (spoiled("valid_unseen", '{"solvable": true}'), ["look_at", "pddl_domain"]),
        (changed("walkthrough", None, [1]), ["walkthrough", "string"]),
        (changed("grammar", "move {o} to {r}", "put {o} in/on {r}"), ["alfworld >= 0.4", "put"]),
        (changed("grammar", "Your task is to: ", "Task: "), ["Your task is to: ", "grammar"]),
        (no_look_games, ["look_at_obj_in_light 0", "alfworld.warmstart"]),
        (lambda r: r.add("valid_unseen", "pick_and_place_simple-Mug-None-Bed-5"), ["room 5"]),
    ],
)
def test_data_that_is_not_the_release(release, spoil, say):
    spoil(release)
    with pytest.raises(UserError) as raised:
        tasks_of(SIZES | {"eval": 24})
    for words in say:
        assert words in str(raised.value)


def test_too_few_games_and_no_variable(release, monkeypatch):
    with pytest.raises(UserError, match=r"25 games of all types for alfworld\.eval.*simple 4"):
        tasks_of(SIZES | {"eval": 25})
    monkeypatch.delenv(DATA_VARIABLE)
    with pytest.raises(UserError, match="variable is not set"):
        tasks_of()


def run_stage(folder, pin, monkeypatch):
    params = read_yaml(ROOT / "profiles/official.yaml")
    params["alfworld"] |= {**SIZES, "panel_sha256": pin}
    (folder / "params.yaml").write_text(yaml_text(params))
    monkeypatch.chdir(folder)
    return CliRunner().invoke(panel_stage.command, ["--env", "alfworld"])


def test_the_stage_pins_and_names_no_folder(release, tmp_path, monkeypatch):
    pin = panel_sha256(tasks_of())
    assert run_stage(tmp_path, pin, monkeypatch).exception is None
    tasks = read_jsonl(tmp_path / "data/alfworld/panel.jsonl", Task)
    games = (tmp_path / "data/alfworld/games.jsonl").read_text()
    assert panel_sha256(reversed(tasks)) == pin
    assert str(tmp_path) not in games
    changed("grammar", "You arrive at", "You are at")(release)
    error = run_stage(tmp_path, pin, monkeypatch).exception
    assert isinstance(error, UserError)
    found = panel_sha256(tasks_of())
    assert found != pin
    for words in (pin, found, "alfworld.panel_sha256", "official"):
        assert words in str(error)
    assert (tmp_path / "data/alfworld/games.jsonl").read_text() == games
    assert run_stage(tmp_path, None, monkeypatch).exception is None


def edited(old, new):
    """Changes the problem file of one game."""

    def spoil(path):
        content = json.loads(path.read_text())
        assert old in content["pddl_problem"]
        content["pddl_problem"] = content["pddl_problem"].replace(old, new, 1)
        path.write_text(json.dumps(content))

    return spoil


def keyed(**changes):
    """Changes keys of one game's file; None takes one away."""

    def spoil(path):
        content = json.loads(path.read_text()) | changes
        kept = {key: value for key, value in content.items() if value is not None}
        path.write_text(json.dumps(kept))

    return spoil


FACT = "(atLocation agent1 loc_bar_0)"
BROKEN = {
    "not JSON": (lambda path: path.write_text('{"solvable": tr'), "expected JSON"),
    "a list": (lambda path: path.write_text("[]"), "`solvable` to be true or false, got None"),
    "no mark": (keyed(solvable=None), "`solvable` to be true or false, got None"),
    "a mark of text": (keyed(solvable="yes"), "`solvable` to be true or false, got 'yes'"),
    "no trajectory": (lambda path: path.with_name("traj_data.json").unlink(), "no traj_data.json"),
    "no problem": (keyed(pddl_problem=None), "pddl_problem Field required"),
    "an empty problem": (keyed(pddl_problem=""), "alfworld can't parse it: "),
    "an object twice": (
        edited("agent1 - agent", "agent1 - agent\nagent1 - agent"), "duplicate object 'agent1'"
    ),
    "an open bracket": (edited("(:init", "(:init ("), "alfworld can't parse it: "),
    "no such type": (edited("agent1 - agent", "agent1 - agnt"), "type agnt, which is none"),
    "no such predicate": (edited(FACT, "(isAt agent1 loc_bar_0)"), "(isat agent1 loc_bar_0)"),
    "no such object": (edited(FACT, "(atLocation agent1 moon)"), "moon is no object of the game"),
    "too few arguments": (edited(FACT, "(atLocation agent1)"), "fact (atlocation agent1): "),
    "a goal of nothing": (edited("(:goal", "(:gaol"), "alfworld can't parse it: "),
    "another grammar": (keyed(grammar="grammar :: x"), "grammar of alfworld >= 0.4"),
}  # fmt: skip


def test_all_broken_games_are_named_at_once_each_with_its_reason(release, monkeypatch):
    """Whether the listing finds them or the parser, in both parts, though only a few are wanted."""
    every = [p for part in ("train", "valid_unseen") for p in sorted(
        release.part(part).glob("*/*/game.tw-pddl"))]  # fmt: skip
    chosen = dict(zip(every[::4], BROKEN, strict=False))
    assert len(chosen) == len(BROKEN)
    for path, name in chosen.items():
        BROKEN[name][0](path)
    few = dict.fromkeys(SIZES, 1)
    with pytest.raises(UserError, match=r"alfworld: .*15 can't: .*; and 5 more\. They are in"):
        tasks_of(few)
    monkeypatch.setattr(check, "SHOWN", 15)
    with pytest.raises(UserError) as raised:
        tasks_of(few)
    assert len(str(raised.value).splitlines()) == 1
    for path, name in chosen.items():
        said = str(raised.value).split(f"{path.relative_to(release.folder / 'json_2.1.1')}: ")[1]
        assert BROKEN[name][1] in said.split("game.tw-pddl")[0], name


def test_one_broken_game_of_those_drawn_is_named(release):
    path = release.first("valid_unseen")
    BROKEN["an object twice"][0](path)
    with pytest.raises(UserError, match=f"1 can't: valid_unseen/{path.parts[-3]}"):
        tasks_of(SIZES | {"eval": 24})


def test_games_that_are_left_out_are_counted(release, caplog):
    caplog.set_level("INFO")
    release.add("valid_unseen", "pick_and_place_simple-Pen-None-Shelf-10", solvable=False)
    release.add("valid_unseen", "pick_and_place_simple-AppleSliced-None-Shelf-10")
    release.first("valid_unseen").unlink()
    release.add("train", "pick_and_place_simple-Pen-None-Shelf-10")
    few = tasks_of(SIZES)
    assert sum(task.split == "eval" for task in few) == SIZES["eval"]
    assert "train: 48 games; left out: 2 in rooms of valid_unseen" in caplog.messages
    said = (
        "valid_unseen: 23 games; left out: 2 unsolvable, "
        "2 with movable receptacles or sliced objects, 1 without game.tw-pddl"
    )
    assert said in caplog.messages
    with pytest.raises(UserError, match=r"24 games of all types for alfworld\.eval.*2 unsolvable"):
        tasks_of(SIZES | {"eval": 24})


def test_eval_may_be_valid_seen(release):
    with pytest.raises(UserError, match=r"expected the folder json_2\.1\.1/valid_seen"):
        tasks_of(eval_games=SEEN)
    for task_type in TASK_TYPES:
        release.add(SEEN, f"{task_type}-Cup-None-Shelf-1")
        release.add(SEEN, f"{task_type}-Mug-None-Shelf-2")  # which train has too
    tasks = tasks_of(SIZES | {"train": 1}, eval_games=SEEN)
    folders = {split: {t.task_id.split("/")[0] for t in tasks if t.split == split}
               for split in SPLITS}  # fmt: skip
    assert {t.group for t in tasks if t.split == "eval"} == {"room 1", "room 2"}
    assert not folders["eval"] & (folders["warmstart"] | folders["train"] | folders["dev"])
    without(UNSEEN)(release)
    assert tasks_of(SIZES | {"train": 1}, eval_games=SEEN) == tasks
    release.add(SEEN, "pick_and_place_simple-Mug-None-Shelf-10")
    with pytest.raises(UserError, match="room 10 is in valid_seen"):
        tasks_of(eval_games=SEEN)
    with pytest.raises(UserError, match=r"alfworld\.eval_games: expected one of .*'valid_all'"):
        tasks_of(eval_games="valid_all")


@with_release
def test_the_release_gives_the_panel_that_the_profile_pins(monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, RELEASE)
    params = read_yaml(ROOT / "profiles/official.yaml")["alfworld"]
    panel = read_panel({split: params[split] for split in SPLITS}, params["seed"])
    assert panel_sha256(task for task, _ in panel) == params["panel_sha256"]
    assert sum(task.split == "eval" for task, _ in panel) == 134
    for task, game in panel[::265]:
        env = AlfworldEnv(task, game)
        assert instruction_of(env.reset()) == task.instruction
        assert [env.step(command) for command in game.content["walkthrough"]][-1].done
        env.close()
