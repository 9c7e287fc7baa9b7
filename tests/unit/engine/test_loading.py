"""Which files are downloaded before the engine starts, and which the engine fetches itself."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rayllm_engine.loading import Plan, plan_loading
from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.settings import MirrorSettings

MIRROR = MirrorSettings(model="org/model", uri="s3://bucket/m/")
EXTRA_ONLY = MirrorSettings(model="org/model")


@pytest.fixture
def _streamers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the image has both packages: they are not installed where unit tests run."""
    for name in ("runai_model_streamer", "tensorizer"):
        module = ModuleType(name)
        module.__spec__ = sys.__spec__
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize(
    ("model", "kwargs", "mirror", "plan"),
    [
        pytest.param("org/model", {}, None, Plan(hub="org/model"), id="an id of the Hub"),
        pytest.param(
            "org/model", {"revision": "v1"}, None, Plan(hub="org/model", revision="v1"), id="a revision"
        ),
        pytest.param(
            "org/model", {"load_format": "gguf"}, None, Plan(), id="a format that vLLM knows better"
        ),
        pytest.param("/models/m", {}, None, Plan(), id="a directory"),
        pytest.param("s3://bucket/m", {}, None, Plan(), id="an address"),
        pytest.param("org/model", {}, MIRROR, Plan(MIRROR), id="a mirror takes the Hub's place"),
        pytest.param(
            "org/model", {}, EXTRA_ONLY, Plan(EXTRA_ONLY, hub="org/model"), id="extra files come besides"
        ),
    ],
)
def test_files_come_from_the_mirror_or_else_from_the_hub(
    model: str, kwargs: dict[str, Any], mirror: MirrorSettings | None, plan: Plan
) -> None:
    assert plan_loading(model, kwargs, mirror) == plan


def test_a_directory_that_looks_like_an_id_is_a_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "org" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert plan_loading("org/model", {}, None) == Plan()


@pytest.mark.usefixtures("_streamers")
def test_streamed_weights_are_not_downloaded() -> None:
    kwargs = {"load_format": "runai_streamer"}
    assert plan_loading("org/model", kwargs, MIRROR) == Plan(EXTRA_ONLY, source="s3://bucket/m")
    assert plan_loading("org/model", kwargs, None) == Plan()
    mirror = plan_loading("org/model", {"load_format": "tensorizer"}, MIRROR).mirror
    assert mirror is not None
    assert mirror.uri == MIRROR.uri
    assert {"exclude": "*.safetensors"} in [each.model_dump(exclude_none=True) for each in mirror.filters]
    assert mirror.model != MIRROR.model, "a snapshot without weights would pass for the whole model"


@pytest.mark.parametrize("load_format", ["runai_streamer", "tensorizer"])
def test_an_image_without_the_streamer_says_so(load_format: str) -> None:
    with pytest.raises(MirrorError, match=f"load_format: '{load_format}' needs the package .* lacks"):
        plan_loading("org/model", {"load_format": load_format}, MIRROR)
