"""Serve one GGUF file at 127.0.0.1 as an OpenAI-compatible server: llama.cpp's, from a wheel.

    pip install xllamacpp && python docs/serve_gguf.py served/alfworld-react.gguf --port 8123

For machines without `llama-server`; see servers.md. It answers with this file under any name, and
lists the file's own as that of its only model.
"""

import argparse
import signal
from pathlib import Path

import xllamacpp


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--slots", type=int, default=16, help="requests at once")
    parser.add_argument("--context", type=int, default=65536, help="tokens of all slots together")
    options = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = options.file
    params.model_alias = {Path(options.file).stem}
    params.port = options.port
    params.n_parallel = options.slots
    params.n_ctx = options.context
    params.kv_unified = True  # slots share the context
    server = xllamacpp.Server(params)
    print(f"{options.file} at {server.listening_address}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
