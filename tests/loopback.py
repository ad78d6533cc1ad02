"""A real HTTP server on loopback that answers as an OpenAI-compatible one does, or badly."""

import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from hintdistill.core.records import Message
from hintdistill.llm.server.client import ServerParams
from hintdistill.llm.server.completion import ChatRequest

HTML = "<html><body>Welcome</body></html>"
PARAMS = ServerParams(
    price_prompt=1.0, price_cached=0.1, price_completion=5.0, cap=None,
    refuses=[], concurrency=8, timeout=5.0, deadline=8.0,
)  # fmt: skip


def free_port() -> int:
    """A port that nothing listens on, for a server that has to be told one."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


class Reply(NamedTuple):
    """What is sent. `seconds`: before it, or with `drip` between its bytes; `cut`: half of it."""

    content: dict | bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    seconds: float = 0.0
    cut: bool = False
    drip: bool = False


def completion(text: str | None, prompt: int = 10, cached: int = 4, tokens: int = 2, **choice):
    """The JSON of a chat completion."""
    message = {"role": "assistant", "content": text}
    first = {"index": 0, "message": message, "finish_reason": "stop", **choice}
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": tokens,
        "total_tokens": prompt + tokens,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return {"id": "1", "object": "chat.completion", "choices": [first], "usage": usage}


def ask(text: str, **settings: Any) -> ChatRequest:
    """A request of one message."""
    return ChatRequest([Message(role="user", content=text)], **{"max_tokens": 8, **settings})


def echo(number: int, body: dict) -> dict:
    """Answers with the last message in capitals."""
    return completion(body["messages"][-1]["content"].upper())


def failure(status: int, message: str, headers: tuple = (), **error: Any) -> Reply:
    """An error as OpenAI's API says it."""
    return Reply({"error": {"message": message, **error}}, status, headers)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else head and body of a reply come 40 ms apart

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        models = self.server.models
        listed = {"object": "list", "data": [{"id": name} for name in models or []]}
        self._send(Reply(listed) if models is not None else failure(404, "Not Found"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server: Loopback = self.server
        if self.path.endswith("/load_lora_adapter"):
            self._send(server.load(body))
            return
        with server.lock:
            number = len(server.bodies)
            server.bodies.append(body)
            server.keys.append(self.headers["Authorization"])
            server.paths.append(self.path)
            server.running += 1
            server.most_at_once = max(server.most_at_once, server.running)
        try:
            reply = server.answer(number, body)
            reply = reply if isinstance(reply, Reply) else Reply(reply)
            self._send(reply)
        except OSError:
            self.close_connection = True  # the client has gone
        finally:
            with server.lock:
                server.running -= 1

    def _send(self, reply: Reply) -> None:
        content = reply.content
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        if not reply.drip:
            time.sleep(reply.seconds)
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if reply.drip:
            for i in range(len(data)):
                self.wfile.write(data[i : i + 1])
                time.sleep(reply.seconds)
        elif reply.cut:
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        else:
            self.wfile.write(data)


class Loopback(ThreadingHTTPServer):
    """Answers the n-th request (from 0) with `answer(n, body)`, and notes what it was asked.

    It lists `models` (None: it has no list), and loads adapters as vLLM does where that is allowed.
    """

    daemon_threads = True

    def __init__(self, answer: Callable[[int, dict], Reply | dict]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.lock = threading.Lock()
        self.bodies: list[dict] = []
        self.keys: list[str | None] = []
        self.paths: list[str] = []
        self.models: list[str] | None = ["small"]
        self.may_load = True
        self.loads: list[dict] = []
        self.running = self.most_at_once = 0
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def load(self, body: dict) -> Reply:
        """The reply to a request to load an adapter."""
        if not self.may_load:
            return Reply({"detail": "Not Found"}, 404)
        self.loads.append(body)
        self.models = [*(self.models or []), body["lora_name"]]
        return Reply(b"Success: LoRA adapter added successfully.")

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
