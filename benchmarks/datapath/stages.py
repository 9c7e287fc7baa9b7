"""The two parts of the benchmark: with a real engine, and with one that costs nothing."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.datapath.load import Job
from benchmarks.datapath.peers import Peer, Workshop, bare_echo, bare_vllm, ours, stock
from benchmarks.datapath.report import of_bare, of_stock, share_of_overhead
from benchmarks.datapath.rounds import Measure, median_first_token
from benchmarks.ratios import Bar

CHAT = "/v1/chat/completions"
VLLM_TOKENS, ECHO_TOKENS = 16, 32
STOP = "### Instruction:"
"""A stop as RayLLM's files have it; vLLM holds back 15 characters to see whether it comes."""

PEERS = ("bare", "stock", "ours")


@dataclass(frozen=True)
class Stage:
    """Which peers are compared, in what, and what is expected of ours."""

    title: str
    peers: Sequence[Callable[[Workshop], AbstractContextManager[Peer]]]
    measures: Sequence[Measure]
    bars: Sequence[Bar]


def job(model_id: str, tokens: int, *, clients: int, requests: int, **fields: Any) -> Job:
    """Return a job of streaming chats that are answered with so many tokens; the port is still to be set."""
    body = {
        "model": model_id,
        "messages": [{"role": "user", "content": "Tell me about yourself."}],
        "max_tokens": tokens,
        "temperature": 0.0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
        **fields,
    }
    return Job(0, CHAT, body, tokens, clients, requests)


def vllm(model_id: str) -> Stage:
    """Return the stage with vLLM on CPUs."""
    chat = partial(job, model_id, VLLM_TOKENS)
    first, first_with_stop = "first token, 1 client, ms", "first token, 1 client, a stop, ms"
    answers = "answers/s, 8 clients"
    return Stage(
        f"vLLM on CPUs, streaming chats of {VLLM_TOKENS} tokens",
        (bare_vllm, partial(stock, echo=False), partial(ours, echo=False)),
        (
            Measure(first, chat(clients=1, requests=100), median_first_token),
            Measure(first_with_stop, chat(clients=1, requests=100, stop=[STOP]), median_first_token),
            Measure(answers, chat(clients=8, requests=400), lambda result: result.per_second),
        ),
        (
            Bar("added to the first token: ours / stock", first, share_of_overhead, 1 / 6, at_most=True),
            Bar("the same with a stop", first_with_stop, share_of_overhead, 1 / 6, at_most=True),
            Bar("answers/s: ours / bare", answers, of_bare, 0.9),
            Bar("answers/s: ours / stock", answers, of_stock, 2.5),
        ),
    )


def echo(model_id: str) -> Stage:
    """Return the stage with the echo engine."""
    chat = partial(job, model_id, ECHO_TOKENS)
    first, streams = "first token, 1 client, ms", "streams/s, 16 clients"
    return Stage(
        f"Echo engine, streaming chats of {ECHO_TOKENS} tokens",
        (bare_echo, partial(stock, echo=True), partial(ours, echo=True)),
        (
            Measure(first, chat(clients=1, requests=100), median_first_token),
            Measure(streams, chat(clients=16, requests=800), lambda result: result.per_second),
        ),
        (
            Bar("streams/s: ours / stock", streams, of_stock, 20),
            Bar("streams/s: ours / bare", streams, of_bare, 0.7),
        ),
    )


STAGES = {"vllm": vllm, "echo": echo}
