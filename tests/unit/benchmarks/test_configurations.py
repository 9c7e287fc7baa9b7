"""The peers differ in the path to the engine, and in nothing else."""

from pathlib import Path

import pytest

from benchmarks.datapath import configurations
from benchmarks.datapath.configurations import RayPeer
from rayllm_engine.echo import ENGINE_CLASS
from rayllm_operator.cli.local_application import LocalApplication, llm_config
from rayllm_operator.render.serve_config import DIRECT_BUILDER, RAY_BUILDER

PORT = 8123


@pytest.fixture
def application(tmp_path: Path) -> LocalApplication:
    (tmp_path / "tiny-llama").mkdir()
    return configurations.rendered(PORT, tmp_path)


def test_both_rays_get_the_same_engine_on_the_same_node(application: LocalApplication) -> None:
    ours, stock = configurations.ours(application), configurations.stock(application)
    for key in ("model_loading_config", "engine_kwargs", "placement_group_config"):
        assert llm_config(ours.serve_config)[key] == llm_config(stock.serve_config)[key]
    assert ours.node == stock.node


def test_ours_is_on_the_direct_path_and_stock_on_rays_default(application: LocalApplication) -> None:
    def switches(peer: RayPeer) -> set[str]:
        return {name for name in peer.environment if name.startswith("RAY_SERVE_")}

    ours, stock = configurations.ours(application), configurations.stock(application)
    assert "RAY_SERVE_ENABLE_HA_PROXY" in switches(ours)
    assert switches(stock) == set()
    builders = [peer.serve_config["applications"][0]["import_path"] for peer in (ours, stock)]
    assert builders == [DIRECT_BUILDER, RAY_BUILDER]


def test_the_echo_engine_is_the_image_s() -> None:
    assert set(configurations.ECHO_ENGINE.values()) == {ENGINE_CLASS}


def test_stock_has_nothing_of_ours(application: LocalApplication) -> None:
    stock = configurations.stock(application)
    assert "rayllm_engine" not in str(stock.serve_config)
    assert "deployments" not in stock.serve_config["applications"][0]


def test_vllm_alone_gets_the_same_arguments_as_options(application: LocalApplication) -> None:
    options = configurations.vllm_options(application)
    arguments = llm_config(application.serve_config)["engine_kwargs"]
    assert "--enforce-eager" in options
    assert options[options.index("--max-model-len") + 1] == str(arguments["max_model_len"])
    assert options[options.index("--chat-template") + 1] == arguments["chat_template"]
    assert options[options.index("--served-model-name") + 1] == configurations.model_id(application)
