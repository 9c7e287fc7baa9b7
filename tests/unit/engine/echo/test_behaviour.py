"""How an echo engine fails when it is told to."""

import subprocess
import sys
from pathlib import Path

import pytest

import rayllm_engine
from rayllm_engine.echo.behaviour import CRASH_EXIT_CODE, Behaviour, EchoError, EchoSettings, settings_from


async def test_without_settings_nothing_fails() -> None:
    behaviour = Behaviour(settings_from({}))
    await behaviour.start()
    for _ in range(3):
        behaviour.take_request()
    behaviour.check_health()


async def test_a_start_fails_with_the_given_message() -> None:
    with pytest.raises(EchoError, match=r"^CUDA out of memory$"):
        await Behaviour(settings_from({"RAYLLM_ECHO": '{"start_failure": "CUDA out of memory"}'})).start()


def test_the_health_check_fails_after_some_requests() -> None:
    behaviour = Behaviour(EchoSettings(unhealthy_after=2))
    behaviour.check_health()
    behaviour.take_request()
    behaviour.check_health()
    behaviour.take_request()
    with pytest.raises(EchoError, match="unhealthy after 2 requests"):
        behaviour.check_health()


def test_requests_of_the_warm_up_which_precede_the_first_health_check_do_not_count() -> None:
    behaviour = Behaviour(EchoSettings(crash_after=0, unhealthy_after=1))
    behaviour.take_request()
    behaviour.check_health()


def test_the_process_ends_with_the_request_that_is_one_too_many() -> None:
    program = "from rayllm_engine.echo.behaviour import Behaviour, EchoSettings\n"
    program += "b = Behaviour(EchoSettings(crash_after=1)); b.check_health()\n"
    program += "b.take_request(); print('answered', flush=True); b.take_request(); print('survived')"
    folder = Path(rayllm_engine.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (CRASH_EXIT_CODE, "answered\n"), done.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"crash": 1}', "crash: Extra inputs are not permitted.*settings are start_seconds"),
        ('{"token_seconds": -1}', "token_seconds: Input should be greater"),
        ("no JSON", "Invalid JSON"),
    ],
)
def test_wrong_settings_are_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(EchoError, match=complaint):
        settings_from({"RAYLLM_ECHO": text})
