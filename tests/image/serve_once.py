"""Run inside a container of the engine image: serve one application, ask it once, print the answers as JSON.

The application is read from standard input, as the operator renders it under ``applications``.
"""

import json
import sys
import urllib.request
from typing import Any

import ray
from ray import serve

from rayllm_engine.application import build

QUESTION = {"prompt": "x", "max_tokens": 6, "temperature": 0}


def ask(url: str, body: dict[str, Any] | None = None) -> Any:
    """Return the JSON that a GET, or a POST with a body, is answered with."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def main() -> None:
    """Serve on the port named on the command line."""
    port = int(sys.argv[1])
    application = json.load(sys.stdin)
    ray.init(num_cpus=4, include_dashboard=False, object_store_memory=256 * 1024 * 1024)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(build(application["args"]), name="image", route_prefix="/")
    url = f"http://127.0.0.1:{port}/v1"
    (card,) = ask(f"{url}/models")["data"]
    completion = ask(f"{url}/completions", {"model": card["id"], **QUESTION})
    serve.shutdown()
    ray.shutdown()
    # Last: until its end Ray prints lines of its own.
    sys.stdout.write(json.dumps({"model": card["id"], "text": completion["choices"][0]["text"]}) + "\n")


if __name__ == "__main__":
    main()
