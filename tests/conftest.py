"""Fixtures: small generated games for most tests, one finished smoke run for the rest."""

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from loopback import PARAMS, Loopback
from small_pipeline import make_pipeline
from yaml_text import yaml_text

from hintdistill.agents.episode.registry import make_agent
from hintdistill.agents.episode.rollout import NO_HINTS, ArmSetup, Limits
from hintdistill.core.panel import Panel, PanelParams
from hintdistill.core.records import Game, Task
from hintdistill.core.yaml_file import read_yaml
from hintdistill.environments.alfworld.game.env import AlfworldEnv
from hintdistill.environments.alfworld.game.panel import build_panel
from hintdistill.environments.common.protocol import InProcess
from hintdistill.llm.server import patience
from hintdistill.llm.server.client import Server

ROOT = Path(__file__).parent.parent
NO_EXAMPLES = {"examples": 0}
TYPE = "pick_and_place_simple"
settings.register_profile("any-machine", deadline=None)  # a slow machine is no failure
settings.load_profile("any-machine")


def copy_checkout(target: Path) -> Path:
    """The repository's files (tracked, and new ones that git does not ignore) as a new repo."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "copy"]):
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, *command], cwd=target, check=True)
    return target


class Checkout:
    """A copy of the repository in which commands are run, with its own sources."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True
        )

    def start(self, *command: str, **options) -> subprocess.Popen:
        """In a process group of its own, so that it can be killed with its children."""
        return subprocess.Popen(
            command, cwd=self.folder, env=self.env, start_new_session=True, **options
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A fresh copy of the repository, nothing run in it."""
    return Checkout(copy_checkout(tmp_path / "checkout"))


def begun(log: Path) -> list[str]:
    """Stages that a `dvc repro` has begun, by what it has printed."""
    return [part.split("'")[0] for part in log.read_text().split("Running stage '")[1:]]


class Repro:
    """A `dvc repro` in a copy of the repository, beside the tests, since it takes minutes."""

    def __init__(self, folder: Path, *targets: str, cache: Path | None = None, **params) -> None:
        """Profile smoke, with other blocks or other keys of them, and another clone's cache."""
        self.checkout = Checkout(copy_checkout(folder))
        chosen = read_yaml(folder / "profiles/smoke.yaml")
        for name, value in params.items():
            chosen[name] = chosen[name] | value if isinstance(value, dict) else value
        (folder / "params.yaml").write_text(yaml_text(chosen))
        if cache:
            self.checkout.run("dvc", "cache", "dir", "--local", str(cache))
        self.log = folder.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = self.checkout.start(
                "dvc", "repro", *targets, stdout=log, stderr=subprocess.STDOUT
            )

    def has_begun(self, stage: str) -> bool:
        """Waits until a stage has begun; False if the run ends without it."""
        while stage not in begun(self.log):
            if self.process.poll() is not None:
                return False
            time.sleep(0.5)
        return True

    def result(self) -> Checkout:
        """Waits for its end, which must be a good one."""
        assert self.process.wait() == 0, self.log.read_text()[-6000:]
        return self.checkout

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


# A run of DVC, a clone of this repository, the real model, or ALFWorld's games: with these, tests
# take their time.
TAKES_ITS_TIME = {"finished", "shops", "small", "clone", "checkout", "base_model", "games"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a run beside them come last: the others pass while it is under way."""
    items.sort(key=lambda item: [name in item.fixturenames for name in ("shops", "finished")])
    for item in items:
        if not (TAKES_ITS_TIME & {*item.fixturenames} or item.get_closest_marker("long")):
            item.add_marker("quick")


@pytest.fixture(scope="session", autouse=True)
def smoke_run(request, tmp_path_factory) -> Iterator[Repro | None]:
    """Begun with the first test."""
    wanted = any("finished" in item.fixturenames for item in request.session.items)
    run = Repro(tmp_path_factory.mktemp("smoke")) if wanted else None
    yield run
    if run:
        run.stop()


@pytest.fixture(scope="session")
def finished(smoke_run: Repro, request) -> Checkout:
    """A copy in which profile smoke has been run to its end, with the real small model."""
    checkout = smoke_run.result()
    if any("shops" in item.fixturenames for item in request.session.items):
        request.getfixturevalue("shop_run")
    return checkout


@pytest.fixture(scope="session")
def shop_run(smoke_run: Repro, tmp_path_factory) -> Iterator[Repro]:
    """WebShop and StateAct up to the students' rows, with the smoke run's base model as it is."""
    run = Repro(
        tmp_path_factory.mktemp("shops"),
        "strip@webshop-stateact",
        cache=smoke_run.checkout.folder / ".dvc/cache",
        envs=["webshop"],
        agents=["stateact"],
        model={"path_suffix": "/../../base"},
        webshop={"train": 3, "step_limit": 3},
        stateact={"max_new_tokens": 30},
    )
    yield run
    run.stop()


@pytest.fixture(scope="session")
def shops(finished: Checkout, shop_run: Repro) -> Repro:
    """That run at its end."""
    shop_run.result()
    return shop_run


@pytest.fixture(scope="session")
def small_finished(tmp_path_factory) -> Path:
    return make_pipeline(tmp_path_factory.mktemp("small"))


@pytest.fixture
def small(small_finished, tmp_path, monkeypatch) -> Path:
    """A copy of the finished small pipeline, in which commands are run."""
    folder = shutil.copytree(small_finished, tmp_path / "clone", symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    return folder


@pytest.fixture(scope="session")
def base_model(smoke_run: Repro | None, tmp_path_factory) -> Path:
    """The folder of the real base model; the smoke run's, if there is one, once it is made."""
    if smoke_run and smoke_run.has_begun("demos@alfworld-react"):
        return smoke_run.checkout.folder / "models/base"
    from hintdistill.training.base import make_base

    folder = tmp_path_factory.mktemp("base")
    source = read_yaml(ROOT / "params.yaml")["base"]["source"]
    make_base(source, folder, "# base\n")
    return folder


@pytest.fixture(scope="session")
def games() -> list[tuple[Task, Game]]:
    """One generated game of each type for warm start, train, dev and eval."""
    params = PanelParams(
        source="generated", seed=7, panel_sha256=None, warmstart=6, train=6, dev=1, eval=6
    )
    return list(build_panel(params, workers=2))


def envs_of(panel: Panel) -> InProcess[Task]:
    """Environments of a panel's games in this process."""
    return InProcess(lambda task: AlfworldEnv(*panel[task.task_id]))


@pytest.fixture
def at_root(monkeypatch) -> None:
    """Run in the repository's root, where prompts/ is."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Starts servers on loopback, each named by the environment; cache and ledger are fresh."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts").symlink_to(ROOT / "prompts")
    for name in ("OPENAI_BASE_URL", "HINTDISTILL_RESPONSE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_MODEL", "small")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-0123456789")
    started = []

    def start(answer) -> Loopback:
        started.append(Loopback(answer))
        monkeypatch.setenv("OPENAI_BASE_URL", started[-1].url)
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def client(serve, monkeypatch):
    """Opens clients of the server with changed settings, and closes them; they pause briefly."""
    importlib.import_module("openai.resources.chat.completions")  # else in the first call's time
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.02)
    opened = []

    def open_client(**changes) -> Server:
        opened.append(Server(PARAMS.model_copy(update=changes), "stage@cell"))
        return opened[-1]

    yield open_client
    for server in opened:
        server.close()


@pytest.fixture
def base_arm(at_root) -> ArmSetup:
    """Arm base, as the smoke profile plays it."""
    agent = make_agent("react", "alfworld", NO_EXAMPLES)
    return ArmSetup("base", agent, NO_HINTS, Limits(turn_limit=30, repeat_limit=3), 20, 0)
