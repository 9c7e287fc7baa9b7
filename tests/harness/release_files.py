"""Builds the files that a release publishes: ``python -m tests.harness.release_files FOLDER``.

They are the wheel, the chart, all that crds/ holds as one file for `kubectl apply --server-side`, and SHA256SUMS. The same
commit gives the same bytes: times are the commit's, and the order of files is their names'.
"""

import argparse
import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.harness.chart_files import CHART
from tests.harness.helm import helm
from tests.harness.local_stack import CHECKOUT

SUMS = "SHA256SUMS"


def versions() -> dict[str, str]:
    """Return the version by each place that says one."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = re.search(r'^version = "(.*)"$', (CHECKOUT / "pyproject.toml").read_text(), re.MULTILINE)
    assert project, "pyproject.toml has no version"
    return {
        "pyproject.toml": project[1],
        "version of Chart.yaml": chart["version"],
        "appVersion of Chart.yaml": chart["appVersion"],
    }


def hindrances(tag: str = "", *, rehearsal: bool = False) -> Iterator[str]:
    """Yield what has to be done before the release of this checkout; a rehearsal needs no changelog."""
    said = versions()
    if len(set(said.values())) > 1:
        yield f"the versions differ: {said!r}"
    version = said["pyproject.toml"]
    if tag and tag != f"v{version}":
        yield f"the tag is {tag!r}, and the version {version!r}"
    if not rehearsal and f"\n## [{version}] - " not in (CHECKOUT / "CHANGELOG.md").read_text():
        yield f"CHANGELOG.md has no section '## [{version}] - DATE'"
    if changed := _git("status", "--porcelain").strip():
        yield f"the checkout has changes that are not committed:\n{changed}"


def build(folder: Path) -> list[Path]:
    """Write the files of a release into an empty folder, and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    version, time = versions()["pyproject.toml"], int(_git("log", "-1", "--format=%ct"))
    _build_wheel(folder, time)
    _package_chart(folder, time)
    (folder / f"rayllm-operator-{version}-crds.yaml").write_text(
        "".join(path.read_text() for path in sorted((CHECKOUT / "crds").glob("*.yaml")))
    )
    files = sorted(folder.iterdir())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / SUMS).write_text("".join(sums))
    return [*files, folder / SUMS]


def _build_wheel(folder: Path, time: int) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(time)}
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, stdout=subprocess.DEVNULL)


def _package_chart(folder: Path, time: int) -> None:
    """Let Helm package the chart, and pack it again: Helm's archive says when it was made."""
    with tempfile.TemporaryDirectory() as scratch:
        helm("package", str(CHART), "--destination", scratch)
        (package,) = Path(scratch).iterdir()
        with tarfile.open(package) as packed, (folder / package.name).open("wb") as file:
            members = sorted(packed.getmembers(), key=lambda member: member.name)
            # The name inside a gzip file is its own, and its time one of the commit's too.
            with gzip.GzipFile("", "wb", fileobj=file, mtime=time) as stream, _archive(stream) as archive:
                for member in members:
                    content = packed.extractfile(member)
                    assert content, f"{member.name} is no file"
                    member.mtime = time
                    archive.addfile(member, io.BytesIO(content.read()))


def _archive(stream: Any) -> tarfile.TarFile:
    return tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    return done.stdout


def main() -> None:
    """Build the files, unless something has to be done before."""
    parser = argparse.ArgumentParser(description="Build the files that a release publishes.")
    parser.add_argument("folder", type=Path, help="where to, such as dist; what is there stays")
    parser.add_argument("--tag", default="", help="what the release is tagged with; it has to be its version")
    parser.add_argument("--rehearsal", action="store_true", help="do without a section of the changelog")
    options = parser.parse_args()
    if found := list(hindrances(options.tag, rehearsal=options.rehearsal)):
        sys.exit("\n".join(f"release: {hindrance}" for hindrance in found))
    for path in build(options.folder):
        print(path)  # noqa: T201


if __name__ == "__main__":
    main()
