"""What a release publishes: the same bytes from the same commit, and nothing that is not ready."""

import hashlib
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.harness import release_files
from tests.harness.chart_files import CHART
from tests.harness.helm import helm, objects, options
from tests.harness.release_files import SUMS, build, hindrances, versions

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build the files twice."""
    folders = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    for folder in folders:
        build(folder)
    return folders


def test_the_same_commit_gives_the_same_bytes(built: tuple[Path, Path]) -> None:
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in built)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_the_sums_are_of_all_files(built: tuple[Path, Path]) -> None:
    folder, _ = built
    said = {line[66:]: line[:64] for line in (folder / SUMS).read_text().splitlines()}
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != SUMS}
    assert said == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert len(said) == 3


def test_the_package_is_the_chart(built: tuple[Path, Path]) -> None:
    (package,) = built[0].glob("*.tgz")
    text = [helm("template", "rayllm", chart, *options()) for chart in (str(package), str(CHART))]
    assert list(objects(text[0]))
    assert text[0] == text[1]


def test_the_crds_are_one_file_of_all_that_is_in_crds(built: tuple[Path, Path]) -> None:
    (path,) = built[0].glob("*-crds.yaml")
    kinds = [document["kind"] for document in yaml.safe_load_all(path.read_text())]
    assert kinds.count("CustomResourceDefinition") == 2
    assert "ValidatingAdmissionPolicy" in kinds


def test_the_wheel_holds_the_program_and_what_it_reads(built: tuple[Path, Path]) -> None:
    (wheel,) = built[0].glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "rayllm_operator/cli/main.py" in names
    assert any(name.startswith("rayllm_operator/plan/engine_tables/") for name in names)


def test_a_release_says_the_same_version_everywhere_and_the_changelog_knows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(set(versions().values())) == 1, versions()
    monkeypatch.setattr(release_files, "versions", lambda: {"pyproject.toml": "9.9.9", "chart": "9.9.8"})
    said = "\n".join(hindrances())
    assert "the versions differ: {'pyproject.toml': '9.9.9', 'chart': '9.9.8'}" in said
    assert "CHANGELOG.md has no section '## [9.9.9] - DATE'" in said


def test_a_release_is_tagged_with_its_version_and_a_rehearsal_needs_no_changelog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(release_files, "versions", lambda: {"pyproject.toml": "9.9.9"})
    said = "\n".join(hindrances("v9.9.8"))
    assert "the tag is 'v9.9.8', and the version '9.9.9'" in said
    assert "CHANGELOG.md" in said
    assert "CHANGELOG.md" not in "\n".join(hindrances("v9.9.9", rehearsal=True))
