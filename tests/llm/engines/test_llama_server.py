"""llama.cpp's server, as docs/serve_gguf.py starts it, with the real model."""

import subprocess
import sys
import time
import urllib.request
from contextlib import closing, contextmanager

import pytest
from conftest import ROOT, TYPE, envs_of
from loopback import free_port
from test_openai import arm_of, eval_tasks

from hintdistill.agents.episode.rollout import play_cohort
from hintdistill.core.files import read_jsonl
from hintdistill.core.records import Episode, Task
from hintdistill.hints.write.form import form_error
from hintdistill.hints.write.writers.extract import write_hints
from hintdistill.llm.engines.openai import OpenaiEngine
from hintdistill.llm.engines.openvino import OpenvinoEngine
from hintdistill.llm.model.weights import student_name
from hintdistill.llm.server.client import Server
from hintdistill.stages.shared.server import ServerBlock

MODEL, STUDENTS = "alfworld-react", ("alfworld-react-sft", "alfworld-react-distilled")


def names_in(folder):
    """By which engine openai asks for the model and the students of a finished run."""
    return [MODEL, *(student_name(folder / "models/adapters" / name) for name in STUDENTS)]


@pytest.fixture(scope="module")
def served(finished, tmp_path_factory):
    """The folder of files that `hintdistill gguf` writes."""
    folder = tmp_path_factory.mktemp("served")
    command = ["hintdistill", "gguf", "--env", "alfworld", "--agent", "react"]
    done = finished.run(*command, "--folder", str(folder))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in folder.iterdir()} == {
        f"{n}.gguf" for n in names_in(finished.folder)
    }
    return folder


@pytest.fixture
def serving(monkeypatch, tmp_path):
    """Names a file's server by the environment, while it runs; the client's cache is empty."""
    monkeypatch.setenv("OPENAI_MODEL", MODEL)
    monkeypatch.setenv("HINTDISTILL_RESPONSE_CACHE", str(tmp_path / "responses"))

    @contextmanager
    def start(file):
        port = str(free_port())
        program = [sys.executable, ROOT / "docs/serve_gguf.py", file, "--port", port]
        log = tmp_path / "server.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [*program, "--slots", "4", "--context", "16384"], stdout=output, stderr=output
            )
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                    break
                except OSError:
                    time.sleep(0.2)
            else:
                raise AssertionError(log.read_text())
            monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
            with closing(Server(ServerBlock.read().llm, "test")) as server:
                yield server
        finally:
            process.terminate()
            process.wait()

    return start


@pytest.mark.parametrize("student", [None, STUDENTS[1]])
def test_an_agent_plays_through_it(student, finished, served, serving, games, at_root):
    model = finished.folder / f"models/warm/{MODEL}"
    adapter = student and finished.folder / f"models/adapters/{student}"
    panel = {task.task_id: (task, game) for task, game in games}
    tasks = [task for task in eval_tasks(games, 6) if task.type == TYPE]
    local = OpenvinoEngine(model, adapter, {}, threads=2, max_new_tokens=24)
    name = student_name(adapter) if adapter else MODEL
    with serving(served / f"{name}.gguf") as server:
        remote = OpenaiEngine(
            model, adapter, server, max_new_tokens=24, seed=0, chat_template_kwargs={}
        )
        one, two = (
            play_cohort(tasks, envs_of(panel), engine, arm_of()) for engine in (remote, local)
        )
    # Both have 8-bit weights, so the first turns are the same, and maybe more.
    assert [e.messages[2].content for e in one] == [e.messages[2].content for e in two]
    assert all(e.tokens_prompt > e.tokens_prompt_new > 0 for e in one)


def test_it_writes_hints(finished, served, serving, at_root):
    """The small model writes poor ones: each of its texts is a hint in form, or refused."""
    data = finished.folder / "data/alfworld"
    tasks = {task.task_id: task for task in read_jsonl(data / "panel.jsonl", Task)}
    failed = [e for e in read_jsonl(data / "react/failures.jsonl", Episode) if not e.success][:2]
    with serving(served / f"{MODEL}.gguf") as server:
        found = write_hints(failed, tasks, lambda: server)
    told = {hint.episode.task_id for hint in found.hints} | {r.task_id for r in found.rejections}
    assert told == {episode.task_id for episode in failed}
    assert all(hint.writer == f"extract:{MODEL}" for hint in found.hints)
    assert not any(form_error(hint.text) for hint in found.hints)
