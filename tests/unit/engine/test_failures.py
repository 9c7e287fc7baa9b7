"""What a failed start becomes. The end-to-end test provokes these texts from vLLM; here are those of a GPU too."""

import json
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rayllm_engine.causes import REASONS
from rayllm_engine.failures import (
    LONGEST_TEXT,
    EngineFailedError,
    Failure,
    WarmUpError,
    death_of,
    reported,
    start_failure,
)
from rayllm_engine.mirror.errors import HubError, MirrorError
from rayllm_engine.settings import InvalidSettingsError

OTHER = RuntimeError(
    "Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}"
)
CORE = "(EngineCore pid=7) ERROR 11-25 00:12:21 [core.py:1374] "
WORKER = "\x1b[0;36m(Worker pid=9)\x1b[0;0m ERROR 11-25 00:12:19 [multiproc_executor.py:944] "
GPU = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.69 GiB"


def output(*lines: str) -> str:
    """Return what vLLM writes when the worker fails and the engine core follows."""
    follow_up = "Exception: WorkerProc initialization failed due to an exception in a background process. See stack trace for root cause."
    worker = ["Traceback (most recent call last):", '  File "worker.py", line 1, in run', *lines]
    return "\n".join(
        [
            "(EngineCore pid=7) INFO 11-25 00:12:18 [core.py:1] Error: this is no error record",
            *(WORKER + line for line in worker),
            *(CORE + line for line in ["EngineCore failed to start.", worker[0], follow_up]),
        ]
    )


@pytest.mark.parametrize(
    ("said", "reason", "facts"),
    [
        (GPU, "GPUOutOfMemory", {"asked": "2.00 GiB"}),
        (
            "RuntimeError: CUDA out of memory occurred when warming up sampler with 256 dummy requests.",
            "GPUOutOfMemory",
            {"asked": "sampler"},
        ),
        (
            "ValueError: Free memory on device cuda:0 (3.2/23.69 GiB) on startup is less than desired GPU memory utilization (0.9, 21.32 GiB).",
            "NotEnoughMemory",
            {"free_gib": 3.2, "total_gib": 23.69},
        ),
        ("ValueError: No available memory for the cache blocks. Try increasing", "NotEnoughMemory", {}),
        (
            "RuntimeError: Failed to find C compiler. Please specify via CC environment variable.",
            "CompilerMissing",
            {},
        ),
        (
            "SafetensorError: Error while deserializing header: header too large",
            "ModelFilesDamaged",
            {"said": "Error while deserializing header: header too large"},
        ),
    ],
)
def test_the_cause_is_found_in_the_engines_own_output(said: str, reason: str, facts: dict[str, Any]) -> None:
    failure = start_failure(OTHER, output(said))
    assert (failure.reason, failure.facts) == (reason, facts)


def test_an_unknown_cause_is_the_last_line_of_the_exception_that_came_first() -> None:
    failure = start_failure(OTHER, output("KeyError: 'inner'", "", "ValueError: the real cause"))
    assert failure == Failure(
        "EngineStartFailed", "ValueError: the real cause", "read the replica's log, in which the traceback is"
    )


def test_without_output_it_is_the_exception_itself_in_plain_text() -> None:
    error = ImportError("\x1b[31mlibnuma.so.1: cannot open shared object file\x1b[0m\n")
    assert start_failure(error, "").message == "ImportError: libnuma.so.1: cannot open shared object file"


def test_a_warning_about_another_cause_is_not_the_cause() -> None:
    warning = "WARNING 11-25 00:12:18 [hub.py:1] We couldn't connect to 'https://huggingface.co'\n"
    assert start_failure(OTHER, warning + output("ValueError: x")).reason == "EngineStartFailed"


def test_a_model_that_the_hub_does_not_show_is_not_found_although_it_answers_401() -> None:
    error = OSError(
        "org/m is not a local folder and is not a valid model identifier listed on 'https://hf.co'"
    )
    error.__cause__ = RuntimeError(
        "Client error '401 Unauthorized' for url 'https://hf.co/org/m/resolve/main/x'"
    )
    assert start_failure(error, "").reason == "HubNotFound"
    assert start_failure(error.__cause__, "").reason == "HubUnauthorized"


def test_a_process_that_the_kernel_killed_is_named() -> None:
    killed = RuntimeError("Engine core initialization failed. Failed core proc(s): {'EngineCore': -9}")
    assert start_failure(killed, "").reason == "EngineKilled"
    worker = "Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down executor."
    assert death_of([])(RuntimeError("dead"), CORE + worker).reason == "EngineKilled"


def test_a_process_that_crashed_is_named_by_its_signal() -> None:
    """The exception of the process that waits for it says no more than "cancelled"."""
    worker = "Worker proc VllmWorker-0 died unexpectedly (exit code: -4), shutting down executor.\n"
    failure = start_failure(RuntimeError("cancelled"), CORE + worker + output("RuntimeError: cancelled"))
    assert (failure.reason, failure.message) == ("EngineCrashed", "A process of the engine crashed: signal 4")
    assert failure.facts == {"signal": 4}


def test_an_engine_that_died_for_an_unknown_cause() -> None:
    failure = death_of([])(RuntimeError("EngineCore encountered an issue."), "")
    assert (failure.reason, failure.message) == (
        "EngineDied",
        "RuntimeError: EngineCore encountered an issue.",
    )


@pytest.mark.parametrize(
    ("exit_code", "reason", "words"),
    [
        (-9, "EngineKilled", "EngineCore was killed by SIGKILL"),
        (-11, "EngineCrashed", "killed by SIGSEGV"),
        (3, "EngineDied", "exit code 3"),
    ],
)
def test_a_process_that_ended_without_a_word_says_how(exit_code: int, reason: str, words: str) -> None:
    running, ended = Ended("Other", None), Ended("EngineCore", exit_code)
    failure = death_of([running, ended])(RuntimeError("EngineCore encountered an issue."), "")
    assert failure.reason == reason
    assert words in failure.message


@dataclass
class Ended:
    """A process as `multiprocessing` shows it."""

    name: str
    exitcode: int | None


def test_a_mirror_names_the_object_the_answer_and_what_to_do() -> None:
    error = RuntimeError("start")
    error.__cause__ = MirrorError(
        "s3://b/m/config.json: the store answered 403: Access Denied; check the role"
    )
    failure = start_failure(error, "")
    assert failure == Failure(
        "MirrorFailed",
        "s3://b/m/config.json: the store answered 403: Access Denied",
        "check the role",
        {"object": "s3://b/m/config.json"},
    )


def test_the_hubs_answer_keeps_its_reason_on_the_way_through_other_processes() -> None:
    error = pickle.loads(pickle.dumps(HubError("hub/m: the Hub answered 403: gated; ask", "m", "HubGated")))  # noqa: S301 (its own bytes)
    failure = start_failure(error, "")
    assert failure == Failure("HubGated", "hub/m: the Hub answered 403: gated", "ask", {"model": "m"})


def test_invalid_settings_and_a_refused_warm_up_have_reasons_of_their_own() -> None:
    assert (
        start_failure(InvalidSettingsError("experimental_configs.rayllm.x: unknown key"), "").reason
        == "InvalidSettings"
    )
    assert start_failure(WarmUpError("no"), "").reason == "WarmUpFailed"


def test_the_exception_ends_with_one_line_of_json() -> None:
    failure = Failure("EngineStartFailed", "two\nlines", "r" * 2 * LONGEST_TEXT, {"longest": 5})
    *_, last = str(EngineFailedError(failure)).splitlines()
    assert json.loads(last) == {
        "rayllm_failure": 1,
        "reason": "EngineStartFailed",
        "message": "two lines",
        "remedy": "r" * (LONGEST_TEXT - 3) + "...",
        "longest": 5,
    }


def test_the_line_has_no_signature_of_a_url() -> None:
    url = "https://bucket.s3.amazonaws.com/m?X-Amz-Signature=0123456789abcdef"
    assert "0123456789" not in Failure("EngineStartFailed", f"cannot get {url}", "").line()


def test_the_exception_survives_the_way_between_processes() -> None:
    error = EngineFailedError(Failure("EngineDied", "m", "r", {"a": 1}))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    assert (str(again), again.failure) == (str(error), error.failure)


def test_a_failure_that_was_reported_is_not_reported_as_another() -> None:
    with pytest.raises(EngineFailedError) as outer, reported(start_failure), reported(start_failure):
        raise WarmUpError("no")
    assert outer.value.failure.reason == "WarmUpFailed"


def test_the_contract_lists_the_reasons() -> None:
    page = (Path(__file__).parents[3] / "docs" / "engine-contract.md").read_text()
    rows = re.findall(r"^\| `([A-Z]\w+)` \| (.*) \|$", page, re.MULTILINE)
    assert dict(rows) == REASONS


def test_every_reason_is_on_the_closed_list() -> None:
    causes = (OTHER, WarmUpError("x"), MirrorError("x"), InvalidSettingsError("x"))
    seen = {start_failure(cause, "").reason for cause in causes} | {death_of([])(OTHER, "").reason}
    assert seen <= set(REASONS)
