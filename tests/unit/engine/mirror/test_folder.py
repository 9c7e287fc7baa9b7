"""Which objects are taken, and which folders are no model."""

import pytest

from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.folder import check_is_model, check_paths, select
from rayllm_engine.mirror.settings import Filter, split_uri
from rayllm_engine.mirror.store import StoredObject
from tests.unit.engine.mirror.shelf import Shelf


def objects(*paths: str) -> list[StoredObject]:
    return [StoredObject(path, 1, "v", 0) for path in paths]


def taken(paths: list[str], *filters: str) -> list[str]:
    """Return what is left of the paths; a filter is written as on aws's command line, without the dashes."""
    parsed = [Filter.model_validate({each.split()[0]: each.split()[1]}) for each in filters]
    return [each.path for each in select(objects(*paths), parsed)]


FOLDER = ["a.bin", "b.safetensors", "config.json", "onnx/model.bin"]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        pytest.param([], FOLDER, id="no filter takes everything"),
        pytest.param(["include *.bin"], FOLDER, id="an include alone leaves nothing out"),
        pytest.param(["exclude *.bin"], ["b.safetensors", "config.json"], id="a star matches slashes too"),
        pytest.param(["exclude *", "include *.json"], ["config.json"], id="the last that matches decides"),
        pytest.param(["include *.json", "exclude *"], [], id="and so the order counts"),
        pytest.param(["exclude onnx/*"], FOLDER[:3], id="a pattern is relative to the folder"),
        pytest.param(["exclude [ab].*"], FOLDER[2:], id="a set of characters"),
        pytest.param(["exclude ?.bin"], FOLDER[1:], id="a question mark is one character"),
        pytest.param(["exclude CONFIG.JSON"], FOLDER, id="upper case is another name"),
    ],
)
def test_filters_mean_what_they_mean_to_aws(filters: list[str], left: list[str]) -> None:
    assert taken(FOLDER, *filters) == left


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("s3://bucket/models/a", ("s3", "bucket", "models/a/")),
        ("s3://bucket/models/a/", ("s3", "bucket", "models/a/")),
        ("s3://bucket//models/a//", ("s3", "bucket", "models/a/")),
        ("gs://bucket", ("gs", "bucket", "")),
        ("gs://bucket/", ("gs", "bucket", "")),
    ],
)
def test_a_folder_ends_where_its_name_ends(uri: str, folder: tuple[str, str, str]) -> None:
    assert split_uri(uri) == folder


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "a//b", "./a", "a\0b"])
def test_a_name_that_is_no_path_below_the_folder_is_refused(path: str) -> None:
    with pytest.raises(MirrorError, match="no file can have this name"):
        check_paths(Shelf({}), objects("config.json", path))


def test_an_object_cannot_be_a_file_and_a_directory() -> None:
    with pytest.raises(MirrorError, match="'a' is an object too"):
        check_paths(Shelf({}), objects("a", "a/b"))


@pytest.mark.parametrize(
    ("found", "filters", "message"),
    [
        pytest.param([], [], r"s3://bucket/folder/: the folder is empty; check bucket_uri", id="nothing"),
        pytest.param(["hash"], [], "has no config.json; there are hash; bucket_uri names", id="no model"),
        pytest.param(
            ["main/config.json"], [], r"did you mean s3://bucket/folder/main/\?", id="one folder too high"
        ),
        pytest.param(["config.json"], ["exclude *"], "s3_sync_args leave it out", id="left out"),
    ],
)
def test_a_folder_without_a_model_is_refused(found: list[str], filters: list[str], message: str) -> None:
    kept = objects(*taken(found, *filters))
    with pytest.raises(MirrorError, match=message):
        check_is_model(Shelf({}), objects(*found), kept)
