"""Fixtures of the tests of mirrors; the server ``s3`` is each module's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.buckets import KEYS, S3Server, Wire, wire_to
from tests.harness.downloads import MirrorMachine


@pytest.fixture
def wire(s3: S3Server) -> Iterator[Wire]:
    with wire_to(s3.port) as wire:
        yield wire


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[MirrorMachine]:
    machine = MirrorMachine(tmp_path, dict(KEYS))
    yield machine
    machine.end()
