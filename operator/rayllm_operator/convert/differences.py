"""Where a registry file means something else today than it did in RayLLM, or needs something besides it."""

from typing import Any

from rayllm_operator.api.cluster_config import TOKEN_VARIABLES
from rayllm_operator.convert.draft import Draft
from rayllm_operator.convert.notes import Kind
from rayllm_operator.convert.tree import Path

_GENERATION: Path = ("engine_config", "generation")
_FORMAT: Path = (*_GENERATION, "prompt_format")
_ADVICE = (
    "Ray's dashboard would show it: put it into a Secret and name that in "
    "cluster_config.huggingFaceToken: {secretName: ..., key: ...}"
)


def settle_differences(draft: Draft, *, older: bool) -> None:
    """Rewrite what meant something else, and note what now differs.

    Parameters
    ----------
    draft
        The file, in the keys of RayLLM 0.3 or later.
    older
        Whether the file is from before RayLLM 0.3, where generate_kwargs and token ids as stops worked.
    """
    _chat(draft)
    _pooling(draft)
    _deployment(draft, older=older)
    if not draft.mapping("scaling_config"):
        message = "RayLLM refused a file without it; here a replica is one worker with 1 GPU and 1 CPU"
        draft.note(Kind.DIFFERS, ("scaling_config",), message)
    _stops(draft, were_token_ids=older)
    kwargs = draft.mapping(*_GENERATION, "generate_kwargs")
    if kwargs and not older:
        message = "are now defaults that a request overrides, as documented; RayLLM 0.3 to 0.5 lost them"
        draft.note(Kind.DIFFERS, (*_GENERATION, "generate_kwargs"), message)
    _tokens(draft)
    _never_read(draft)


def _chat(draft: Draft) -> None:
    if draft.has(*_FORMAT):
        if draft.value(*_FORMAT) in (None, {}):
            written = "{}" if draft.value(*_FORMAT) == {} else "null"
            draft.note(Kind.REWRITTEN, _FORMAT, f"written as disabled: RayLLM 0.5 refused chat for {written}")
            draft.rewrite(_FORMAT, "disabled", "disabled")
    elif draft.value("engine_config", "type") == "EmbeddingEngine":
        return
    elif draft.mapping(*_GENERATION):
        message = (
            "is left out: RayLLM 0.5 failed on every request then; here chat uses the template of the "
            "model's tokenizer. Write disabled to refuse chat"
        )
        draft.note(Kind.DIFFERS, _FORMAT, message)
    else:
        message = "RayLLM refused a file without it; here chat uses the template of the model's tokenizer"
        draft.note(Kind.DIFFERS, _GENERATION, message)


def _pooling(draft: Draft) -> None:
    kind: Path = ("engine_config", "type")
    is_said = draft.value("engine_config", "engine_kwargs", "pooler_config") is not None
    if draft.value(*kind) == "EmbeddingEngine" and not is_said:
        message = (
            "RayLLM averaged the vectors of a text's tokens; here the model's own files say how they are "
            "pooled. engine_kwargs.pooler_config: {pooling_type: MEAN} averages"
        )
        draft.note(Kind.DIFFERS, kind, message)


def _deployment(draft: Draft, *, older: bool) -> None:
    deployment = draft.mapping("deployment_config")
    if not deployment:
        message = "RayLLM did not start without it; here one replica runs, whose own actor asks for 1 CPU"
        draft.note(Kind.DIFFERS, ("deployment_config",), message)
        return
    if not isinstance(deployment.get("ray_actor_options"), dict):
        message = "RayLLM did not start without it; here the replica actor asks for 1 CPU"
        draft.note(Kind.DIFFERS, ("deployment_config", "ray_actor_options"), message)
    if older:
        return
    if deployment.get("autoscaling_config") is None:
        message = (
            "is left out: RayLLM ran 1 to 10 replicas with a target of 10 requests; here one replica runs"
        )
        draft.note(Kind.DIFFERS, ("deployment_config", "autoscaling_config"), message)
    if all(deployment.get(key) is None for key in ("max_concurrent_queries", "max_ongoing_requests")):
        message = "is left out: RayLLM sent 20 requests to a replica; here it is two of the engine's batches"
        draft.note(Kind.DIFFERS, ("deployment_config", "max_concurrent_queries"), message)


def _stops(draft: Draft, *, were_token_ids: bool) -> None:
    path = (*_GENERATION, "stopping_sequences")
    stops = draft.value(*path)
    for index, stop in enumerate(stops if isinstance(stops, list) else ()):
        here = (*path, index)
        if isinstance(stop, bool | float):
            draft.note(Kind.REWRITTEN, here, f"written as text: RayLLM read {stop!r} as {str(stop)!r}")
            draft.rewrite(here, str(stop))
        elif not were_token_ids and (message := _stop_differs(stop)):
            draft.note(Kind.DIFFERS, here, message)


def _stop_differs(stop: Any) -> str:
    """Return how a stop was read by RayLLM 0.3 to 0.5, where that is not how it is read today."""
    if isinstance(stop, list):
        return "is now one stop spelt by these token ids, as documented; RayLLM 0.3 to 0.5 failed on it"
    if isinstance(stop, int):
        return f"is now a token id, as documented; RayLLM 0.3 to 0.5 stopped at the text {str(stop)!r}"
    try:
        read = str(int(stop))
    except (TypeError, ValueError):
        return ""
    return "" if read == stop else f"is now a stop as it is written; RayLLM stopped at the text {read!r}"


def _tokens(draft: Draft) -> None:
    propagated = draft.value("engine_config", "env_vars_to_propogate")
    for index, name in enumerate(propagated if isinstance(propagated, list) else ()):
        if name in TOKEN_VARIABLES and not draft.mapping("cluster_config").get("huggingFaceToken"):
            path = ("engine_config", "env_vars_to_propogate", index)
            draft.note(Kind.ACTION, path, f"{name} is not passed on. {_ADVICE}")
    for section in (("engine_config",), ("deployment_config", "ray_actor_options")):
        variables = (*section, "runtime_env", "env_vars")
        for name in sorted({*TOKEN_VARIABLES} & {*draft.mapping(*variables)}):
            draft.note(Kind.ACTION, (*variables, name), f"is left out. {_ADVICE}")
            draft.leave_out((*variables, name), "name a Secret instead", secret=True)


def _never_read(draft: Draft) -> None:
    if draft.value("multiplex_config") is not None:
        reason = "the open RayLLM never read it; LoRA adapters are not supported yet"
        draft.note(Kind.COMMENTED, ("multiplex_config",), reason)
        draft.leave_out(("multiplex_config",), reason)
