"""llama.cpp's server, where it is installed: the recipe of docs/servers.md, with the real model."""

import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from conftest import TYPE, envs_of
from test_openai import arm_of, eval_tasks

from hintdistill.agents.rollout import play_cohort
from hintdistill.llm.openai import OpenaiEngine
from hintdistill.llm.openvino import OpenvinoEngine
from hintdistill.llm.server import Server
from hintdistill.stages._server import ServerBlock

PROGRAM = shutil.which("llama-server")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs llama.cpp's llama-server")
NAMES = ("alfworld-react", "alfworld-react-sft", "alfworld-react-distilled")


@pytest.fixture
def address(finished, tmp_path):
    """A server of the three files that `hintdistill gguf` writes."""
    folder = tmp_path / "served"
    command = ["hintdistill", "gguf", "--env", "alfworld", "--agent", "react"]
    done = finished.run(*command, "--folder", str(folder))
    assert done.returncode == 0, done.stderr
    assert sorted(path.stem for path in folder.iterdir()) == sorted(NAMES)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    options = ["--models-dir", folder, "--models-max", "1", "-np", "4", "-kvu", "-c", "8192"]
    server = subprocess.Popen(
        [PROGRAM, *options, "-t", "2", "--port", port, "--no-ui"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.2)
        yield f"{url}/v1"
    finally:
        server.terminate()
        server.wait()


def test_arms_are_played_through_it(finished, games, address, at_root, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    monkeypatch.setenv("OPENAI_MODEL", NAMES[0])
    monkeypatch.setenv("HINTDISTILL_RESPONSE_CACHE", str(tmp_path / "responses"))
    model = finished.folder / "models/warm/alfworld-react"
    adapter = finished.folder / "models/adapters/alfworld-react-distilled"
    panel = {task.task_id: (task, game) for task, game in games}
    tasks = [task for task in eval_tasks(games, 6) if task.type == TYPE]
    server = Server(ServerBlock.read().llm, "test")
    for folder in (None, adapter):
        served = OpenaiEngine(model, folder, server, max_new_tokens=24, seed=0)
        local = OpenvinoEngine(model, folder, threads=2, max_new_tokens=24)
        one, two = (
            play_cohort(tasks, envs_of(panel), engine, arm_of()) for engine in (served, local)
        )
        # Both have 8-bit weights, so the first turns are the same, and maybe more.
        assert [e.messages[2].content for e in one] == [e.messages[2].content for e in two]
        assert all(e.tokens_prompt > e.tokens_prompt_new > 0 for e in one)
    server.close()
