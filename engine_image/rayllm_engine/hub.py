"""A model of the Hugging Face Hub, in the Hub's own cache on the machine that this runs on.

huggingface_hub downloads, resumes and honours HF_ENDPOINT, HF_HUB_OFFLINE and the token; what it lacks is
added: one download for a machine however many replicas start, a look at the disk first, progress, and the
cause of a failure in one sentence. ``python -m rayllm_engine.hub MODEL [REVISION]`` does the same by hand.
"""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from rayllm_engine.mirror.cache import ModelCache
from rayllm_engine.mirror.disk import check_free
from rayllm_engine.mirror.errors import HubError, MirrorError
from rayllm_engine.mirror.eviction import make_room
from rayllm_engine.mirror.fetch import hub_cache
from rayllm_engine.mirror.marks import in_use
from rayllm_engine.progress import Reporter, Sink

logger = logging.getLogger("ray.serve")

OTHER_FORMATS = (
    "*.h5",
    "*.msgpack",
    "*.onnx",
    "*.ot",
    "*.tflite",
    "*.gguf",
    "original/*",
    "onnx/*",
    "openvino/*",
)
"""Weights that vLLM does not load in its default format, as patterns of huggingface_hub."""
_OLDER_WEIGHTS = ("*.bin", "*.pt", "*.pth")
"""Not downloaded where there are safetensors, which vLLM prefers."""
_OFFICIAL, _CONVERTED = "consolidated*.safetensors", "model*.safetensors"
"""The weights of Mistral's models, in Mistral's own format and in that of transformers: many have both."""
_LOOK_SECONDS = 1.0
_LIBRARIES = {"huggingface_hub", "httpx", "httpx2", "hf_xet"}

_HELP = {
    401: "check the model's id, and set cluster_config.huggingFaceToken for a private or gated one",
    403: "accept the model's licence on its page with the account of the token, or check the token's rights",
    404: "check the model's id and revision",
    429: "the Hub refuses more requests for now; a token raises the limit",
}
"""What to do about an answer of the Hub, by HTTP status."""


def fetch_from_hub(
    model: str,
    revision: str | None = None,
    sink: Sink | None = None,
    *,
    load_format: str = "auto",
    evictable: bool = True,
) -> str:
    """Download what is not here yet of a model, and return the path of its snapshot.

    Parameters
    ----------
    model
        ``organization/model``.
    revision
        A branch, tag or commit. Default: the Hub's ``main``.
    sink
        Is told the progress, besides the log.
    load_format
        vLLM's, of those that it reads from files of safetensors.
    evictable
        Whether the model may be deleted for another once nobody has used it for a while.

    Raises
    ------
    HubError
        The model cannot be had: what the Hub said and what to do.
    MirrorError
        There is too little room on the disk.
    """
    cache = ModelCache(hub_cache(), model)
    try:
        with in_use(cache, evictable=evictable), cache.locked():
            return _fetch(cache, model, revision, sink, load_format)
    except MirrorError:
        raise
    except Exception as error:
        # huggingface_hub lets its own errors through, those of its HTTP client and those of the disk.
        if isinstance(error, OSError | ValueError) or type(error).__module__.split(".")[0] in _LIBRARIES:
            raise refusal(model, revision, error) from error
        raise


def _fetch(cache: ModelCache, model: str, revision: str | None, sink: Sink | None, load_format: str) -> str:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - what unit tests do needs no library

    download = partial(snapshot_download, model, revision=revision)
    try:
        listed = download(ignore_patterns=[*OTHER_FORMATS], dry_run=True)
    except Exception as error:
        here = None if _refused(error) else _complete_snapshot(download, load_format)
        if here is None:
            raise
        logger.warning("%s: %s; what is here is complete, and is used", _address(model), _first_line(error))
        return here
    unloaded = _unloaded([each.filename for each in listed], load_format)
    ignored = [*OTHER_FORMATS, *unloaded]
    total = sum(
        each.file_size or 0
        for each in listed
        if each.will_download and not any(fnmatchcase(each.filename, pattern) for pattern in unloaded)
    )
    if total:
        make_room(hub_cache(), total)
        check_free(cache.blobs, total, _address(model))
    with _progress(cache.blobs, _address(model), total, sink):
        path: str = download(ignore_patterns=ignored)
    return path


def _unloaded(files: Sequence[str], load_format: str) -> tuple[str, ...]:
    """Return patterns of the weights that vLLM passes over, because it has the same in a format it prefers.

    Source: ``DefaultModelLoader._prepare_weights`` of vLLM 0.29. With ``auto`` Mistral's own goes first.
    """
    weights = [file for file in files if file.endswith(".safetensors") and "/" not in file]
    if not weights:
        return ()
    official = [file for file in weights if fnmatchcase(file, _OFFICIAL)]
    if not official or len(official) == len(weights):
        return _OLDER_WEIGHTS
    _, passed_over = _formats(load_format)
    return (*_OLDER_WEIGHTS, passed_over)


def _formats(load_format: str) -> tuple[str, str]:
    """Return which of Mistral's two formats is loaded where both are there, and which is passed over."""
    return (_OFFICIAL, _CONVERTED) if load_format == "auto" else (_CONVERTED, _OFFICIAL)


def _complete_snapshot(download: Callable[..., str], load_format: str) -> str | None:
    """Return the snapshot that the cache holds whole, None where it does not."""
    from huggingface_hub.errors import LocalEntryNotFoundError  # noqa: PLC0415

    loaded, unloaded = _formats(load_format)
    # What has to be there for the rest to be passed over.
    for present, passed_over in (
        ("*", ()),
        ("*.safetensors", _OLDER_WEIGHTS),
        (loaded, (*_OLDER_WEIGHTS, unloaded)),
    ):
        try:
            path = download(ignore_patterns=[*OTHER_FORMATS, *passed_over], local_files_only=True)
        except LocalEntryNotFoundError:
            continue
        if any(Path(path).glob(present)):
            return path
    return None


def refusal(model: str, revision: str | None, error: Exception) -> HubError:
    """Return the cause of a failure: an answer of the Hub among the exceptions, else the first of them."""
    address = _address(model) + (f" at {revision!r}" if revision else "")
    answered = _answered(error)
    if answered is not None:
        status = answered.response.status_code
        said = getattr(answered, "server_message", None) or _first_line(answered)
        help_ = _HELP.get(status, "check the Hub, and then restart the model")
        return HubError(f"{address}: the Hub answered {status}: {said}; {help_}", model, _reason(answered))
    if _is_a(error, "OfflineModeIsEnabled"):
        words = "the replica is offline (HF_HUB_OFFLINE), and the model is not in the cache"
        help_ = "unset HF_HUB_OFFLINE, fill the cache, or use a mirror"
        return HubError(f"{address}: {words}; {help_}", model, "HubUnreachable")
    first = _first_line(_causes(error)[-1])
    help_ = "check HF_ENDPOINT, the pod's network and the disk of the cache"
    return HubError(f"{address}: {first}; {help_}", model, "HubUnreachable")


def _reason(answered: BaseException) -> str:
    """Return what an answer of the Hub means; a token sees neither what is not there nor what is hidden."""
    if _is_a(answered, "GatedRepoError"):
        return "HubGated"
    if _is_a(answered, "RepositoryNotFoundError") or _is_a(answered, "RevisionNotFoundError"):
        return "HubNotFound"
    refused = answered.response.status_code in {401, 403}  # type: ignore[attr-defined]
    return "HubUnauthorized" if refused else "HubUnreachable"


def _is_a(error: BaseException, name: str) -> bool:
    """Return whether the error, or one that led to it, is of huggingface_hub's class of this name."""
    kinds = {kind.__name__ for each in _causes(error) for kind in type(each).__mro__}
    return name in kinds


def _answered(error: BaseException) -> Any:
    """Return the error among the causes that carries an answer of the Hub, None where it never answered."""
    return next((each for each in _causes(error) if getattr(each, "response", None) is not None), None)


def _refused(error: BaseException) -> bool:
    """Return whether the Hub said that the model may not be had, and not only that it cannot answer now."""
    answered = _answered(error)
    return answered is not None and answered.response.status_code not in {429, *range(500, 600)}


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error and what led to it, the last first."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    return causes


def _address(model: str) -> str:
    return f"{os.environ.get('HF_ENDPOINT', 'https://huggingface.co').rstrip('/')}/{model}"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


@contextlib.contextmanager
def _progress(blobs: Path, address: str, total: int, sink: Sink | None) -> Iterator[None]:
    """Report by what the cache's files hold: the Hub's clients (HTTP, Xet) each have bars of their own."""
    if total == 0:
        yield
        return
    before, over = _held(blobs), threading.Event()
    reporter = Reporter("downloading", address, total, sink)

    def watch() -> None:
        counted = 0
        while not over.wait(_LOOK_SECONDS):
            held = min(max(_held(blobs) - before, counted), total)
            reporter.add(held - counted)
            counted = held

    watcher = threading.Thread(target=watch, daemon=True, name="hub-progress")
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    reporter.finish()


def _held(blobs: Path) -> int:
    """Return the bytes of disk that the files take; those that vanish meanwhile take none."""
    held = 0
    with contextlib.suppress(FileNotFoundError):
        for each in os.scandir(blobs):
            with contextlib.suppress(FileNotFoundError):
                held += each.stat(follow_symlinks=False).st_blocks * 512
    return held


def main(arguments: Sequence[str]) -> int:
    """Fetch the model that the command line names, and print the path of its snapshot."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    settings: tuple[Any, ...] = tuple(arguments)
    try:
        print(fetch_from_hub(*settings, evictable=False))  # noqa: T201 (its output is its purpose)
    except MirrorError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
