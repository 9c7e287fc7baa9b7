"""Requests to pods and Services from inside the cluster."""

from pathlib import Path

import yaml
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from rayllm_operator.kube.client import ServiceAccess, connect
from rayllm_operator.kube.port import PodPort


async def test_each_has_a_connection_of_its_own(tmp_path: Path) -> None:
    """A kept one stays with the pod that it reached first: the version before would prove the new one."""
    clients = set()

    async def answer(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        clients.add(request.transport.get_extra_info("peername"))
        return web.Response(text="ok")

    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(KUBECONFIG))
    async with (
        RawTestServer(answer) as server,
        connect(ServiceAccess.DIRECT, kubeconfig=str(kubeconfig)) as api,
    ):
        target = PodPort("chat", "tiny-head", "127.0.0.1", server.port or 0)
        answers = [await api.pod_request(target, "/") for _ in range(3)]
    assert [each.text for each in answers] == ["ok"] * 3
    assert len(clients) == 3


KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "nobody", "user": {}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "nobody"}}],
    "current-context": "none",
}
