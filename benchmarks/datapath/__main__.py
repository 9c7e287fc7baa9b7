"""``make bench-datapath``: run the benchmark, print a report in Markdown, and fail if a bar is missed."""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.datapath.load import Job
from benchmarks.datapath.peers import Peer, Workshop, bare_echo, bare_vllm, ours, stock
from benchmarks.datapath.rounds import Bench, Measure, load, median_first_token
from rayllm_operator.cli.progress import Progress
from tests.harness.local_stack import make_model

def chat(tokens: int, words: str, **fields: object) -> dict[str, object]:
    return {
        "messages": [{"role": "user", "content": words}],
        "max_tokens": tokens,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
        **fields,
    }

def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", type=Path)
    parser.add_argument("--stage", choices=["vllm", "echo"])
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as d, Progress() as progress, contextlib.ExitStack() as stack:
        w = Workshop(a.python, Path(d), Path(d) / "models")
        make_model(w.models / "tiny-llama", a.python)
        floor_peer = stack.enter_context(bare_echo(w))
        body = lambda n, **f: {"model": w.model_id, **chat(n, "one two three", **f)}
        P = "/v1/chat/completions"
        fjob = Job(floor_peer.port, P, body(32), 32, 16, 1500)
        echo = a.stage == "echo"
        peers = []
        for start in ((lambda: bare_echo(w)) if echo else (lambda: bare_vllm(w)), lambda: stock(w, echo=echo), lambda: ours(w, echo=echo)):
            t = time.monotonic()
            p = stack.enter_context(start())
            progress.say(f"{p.name} up in {time.monotonic()-t:.0f}")
            time.sleep(3)
            c = p.cpu_seconds(); time.sleep(5); progress.say(f"{p.name}: idle {(p.cpu_seconds()-c)/5:.3f} cores, {len(p.processes())} processes")
            peers.append(p)
            p.stop()
        if echo:
            ms = [Measure("ttft", Job(0, P, body(32), 32, 1, 40), median_first_token),
                  Measure("rps", Job(0, P, body(32), 32, 16, 300), lambda r: r.per_second)]
        else:
            ms = [Measure("ttft", Job(0, P, body(16), 16, 1, 15), median_first_token),
                  Measure("ttft-stop", Job(0, P, body(16, stop=["### Instruction:"]), 16, 1, 15), median_first_token),
                  Measure("rps", Job(0, P, body(16), 16, 8, 64), lambda r: r.per_second)]
        bench = Bench(a.python, peers, ms, lambda: load(a.python, fjob).per_second, progress.say)
        for r in bench.run(a.rounds, a.rounds + 3):
            print(json.dumps(r.values), r.floor, r.failures, flush=True)

if __name__ == "__main__":
    main()
