"""llama.cpp's server, as docs/serve_gguf.py starts it: a tiny model, and slow the real one."""

import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, contextmanager

import pytest
from conftest import ROOT, TYPE, Checkout, envs_of
from families import template, tokenizer_of, write_model
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


def gguf_files_of(run, folder, target):
    """The files that `hintdistill gguf` writes of a run, by the names that are asked for."""
    command = ["hintdistill", "gguf", "--env", "alfworld", "--agent", "react"]
    done = run(*command, "--folder", str(target))
    assert done.returncode == 0, done.stderr
    names = [MODEL, *(student_name(folder / "models/adapters" / name) for name in STUDENTS)]
    assert {path.name for path in target.iterdir()} == {f"{name}.gguf" for name in names}
    return target


@pytest.fixture(scope="module")
def served(finished, tmp_path_factory):
    return gguf_files_of(finished.run, finished.folder, tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with a tiny random model, and adapters that change it."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, LlamaConfig

    folder = tmp_path_factory.mktemp("tiny")
    shutil.copy(ROOT / "profiles/smoke.yaml", folder / "params.yaml")
    config = LlamaConfig(
        hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=4096,
    )  # fmt: skip
    model = write_model(folder / f"models/warm/{MODEL}", tokenizer_of(template("qwen2_5")), config)
    lora = LoraConfig(r=2, init_lora_weights=False, target_modules=["q_proj", "down_proj"])
    for name in STUDENTS:
        student = get_peft_model(AutoModelForCausalLM.from_pretrained(model), lora)
        student.save_pretrained(folder / "models/adapters" / name)
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
def test_it_encodes_and_answers_as_the_local_engine_asks(
    student, tiny, serving, games, at_root, tmp_path
):
    served = gguf_files_of(Checkout(tiny).run, tiny, tmp_path / "served")
    adapter = student and tiny / f"models/adapters/{student}"
    name = student_name(adapter) if adapter else MODEL
    one, two = play_both(tiny, adapter, served / f"{name}.gguf", serving, games, turns=1)
    assert [e.tokens_prompt for e in one] == [e.tokens_prompt for e in two]
    assert all(e.n_turns == 1 for e in one)


def play_both(folder, adapter, file, serving, games, turns):
    """The same games through the server and in this process."""
    model = folder / f"models/warm/{MODEL}"
    panel = {task.task_id: (task, game) for task, game in games}
    tasks = [task for task in eval_tasks(games, 6) if task.type == TYPE]
    local = OpenvinoEngine(model, adapter, {}, threads=2, max_new_tokens=24)
    with serving(file) as server:
        remote = OpenaiEngine(
            model, adapter, server, max_new_tokens=24, seed=0, chat_template_kwargs={}
        )
        return [
            play_cohort(tasks, envs_of(panel), engine, arm_of(turns=turns))
            for engine in (remote, local)
        ]


@pytest.mark.slow
@pytest.mark.parametrize("student", [None, STUDENTS[1]])
def test_an_agent_plays_through_it(student, finished, served, serving, games, at_root):
    adapter = student and finished.folder / f"models/adapters/{student}"
    name = student_name(adapter) if adapter else MODEL
    file = served / f"{name}.gguf"
    one, two = play_both(finished.folder, adapter, file, serving, games, turns=4)
    # Both have 8-bit weights, so the first turns are the same, and maybe more.
    assert [e.messages[2].content for e in one] == [e.messages[2].content for e in two]
    assert all(e.tokens_prompt > e.tokens_prompt_new > 0 for e in one)


@pytest.mark.slow
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
