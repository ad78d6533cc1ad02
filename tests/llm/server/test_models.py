"""A server's list of models, and students that are there, can be loaded, or are missing."""

import pytest
from loopback import Reply, completion, failure

from hintdistill.core.errors import UserError
from hintdistill.llm.server.models import is_among, listed

NAME = "alfworld-react-sft-1a2b3c4d"


def look(number, body):
    return completion("look")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "models/adapters/alfworld-react-sft"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "names", [[NAME], ["small", f"{NAME}:latest"], [f"served/{NAME}.gguf"], [f"C:\\m\\{NAME}.gguf"]]
)
def test_a_student_that_is_there_is_not_loaded(serve, client, folder, names):
    server = serve(look)
    server.models = names
    client().require_student(NAME, folder)
    assert server.loads == []


def test_a_student_is_loaded_where_the_server_allows_it(serve, client, folder):
    server = serve(look)
    server.models = ["small", "alfworld-react-sft", "alfworld-react-sft-00000000"]
    client().require_student(NAME, folder)
    assert server.loads == [{"lora_name": NAME, "lora_path": str(folder.resolve())}]


def refused(body):
    return failure(404, "No adapter found for /somewhere", type="NotFoundError")


@pytest.mark.parametrize(
    "models, load, say",
    [
        (["small", "alfworld-react-sft"], None, ["got small, alfworld-react-sft;", "404"]),
        (["small"], refused, ["No adapter found"]),
        (["small"], lambda body: Reply(completion("what?")), ["no error"]),
        (["small"], lambda body: failure(400, "rank 64 > max_lora_rank"), ["max_lora_rank"]),
        ([f"m{i}" for i in range(9)], None, ["m4 and 4 more"]),
        ([], None, ["got none;"]),
        (None, None, ["got no list of models;"]),
    ],
)
def test_a_missing_student_is_an_error_that_says_how_to_load_it(
    serve, client, folder, models, load, say
):
    server = serve(look)
    server.models, server.may_load = models, False
    if load:
        server.load = load
    with pytest.raises(UserError) as error:
        client().require_student(NAME, folder)
    how = [f"--lora-modules {NAME}={folder}", "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"]
    for words in (server.url, NAME, f"{NAME}.gguf", "same path", *how, *say):
        assert words in str(error.value)
    assert server.bodies == [] and len(str(error.value).splitlines()) == 1


def test_a_server_that_is_loading_is_waited_for(serve, client, folder):
    server = serve(look)
    replies = [failure(503, "Loading model"), failure(503, "Loading model")]
    server.load_now = server.load
    server.load = lambda body: replies.pop() if replies else server.load_now(body)
    client().require_student(NAME, folder)
    assert [loaded["lora_name"] for loaded in server.loads] == [NAME]


def test_a_server_that_is_not_there_is_said_before_anything_is_played(serve, client, folder):
    server = serve(look)
    server.stop()
    with pytest.raises(UserError, match="ConnectError"):
        client(timeout=0.5, deadline=0.6).require_student(NAME, folder)


@pytest.mark.parametrize(
    "models, warned",
    [
        (["other", "another"], True),
        (["small"], False),
        (["small:latest"], False),
        (["served/small.gguf"], False),
        ([], False),
        (None, False),
        ([f"vendor/m{i}" for i in range(500)], False),
    ],
)
def test_a_model_that_is_not_listed_is_warned_of(serve, client, caplog, models, warned):
    server = serve(look)
    server.models = models
    client().look_for_model()
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert bool(told) == warned
    if warned:
        assert "lists other, another, and not OPENAI_MODEL, which is small" in told[0]


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"data": null}', b'{"data": [], "has_more": true}', b"\xff"]
)
def test_what_is_no_list_is_none(body):
    assert listed(body) is None


def test_entries_without_a_name_are_left_out():
    assert listed(b'{"data": [{"id": "a"}, {"id": 3}, {}, "b"]}') == ["a"]
    assert not is_among("a", ["A", "a-1", "b/a"])
