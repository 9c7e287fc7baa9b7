"""Causes that a text of vLLM, Hugging Face, PyTorch or Python gives away.

The patterns are the words of vLLM 0.29, transformers 5 and torch 2.13, provoked on CPU by the end-to-end
tests where that is possible (the GPU's are from the sources). On GPUs Ray evaluates the engine's arguments in
another process and hands back text, so texts are all that can be relied on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REASONS = {
    "InvalidSettings": "the contract's section of the LLMConfig cannot be used",
    "InvalidEngineArguments": "vLLM refuses a value of `engine_kwargs`",
    "InvalidChatTemplate": "the chat template is no Jinja template, or its file is missing",
    "MirrorFailed": "a mirror's object cannot be had; `object` is its address",
    "HubUnauthorized": "the Hugging Face Hub refuses the token",
    "HubGated": "the Hub's model is gated, and the token has no access to it",
    "HubNotFound": "the Hub has no such model, or only for a token that may see it",
    "HubUnreachable": "the Hub does not answer, or the replica is offline, and the model is not in the cache",
    "ModelFilesMissing": "a path holds no model, or a model without weights",
    "ModelFilesDamaged": "a file of weights cannot be read",
    "UnsupportedModel": "this vLLM does not know the model's architecture",
    "TrustRemoteCodeNeeded": "the model needs code of its own",
    "ContextTooLong": "`max_model_len` is more than the model was made for; `longest` is what it allows",
    "NotEnoughMemory": "the KV cache does not hold one request of `max_model_len` tokens; `longest` fits",
    "GPUOutOfMemory": "CUDA ran out of memory while the engine loaded or warmed up",
    "EngineKilled": "the kernel ended a process of the engine, as it does when memory runs out",
    "EngineCrashed": "a signal other than SIGKILL ended a process of the engine; `signal` is its number",
    "CompilerMissing": "the image has no C++ compiler, which the engine's kernels need",
    "WarmUpFailed": "the engine started and refused the warm-up request",
    "EngineStartFailed": "anything else; the message is the exception's last line",
    "EngineDied": "an engine that was serving ended for an unknown cause",
}
"""The closed list of reasons, with what each says; docs/engine-contract.md holds the same list."""


CRASH_REMEDY = (
    "read the replica's log; signal 4 is an instruction that this CPU does not know, 6 an abort, 7 mostly a"
    " full /dev/shm (the pool's shmSize), 11 a wrong address"
)


@dataclass(frozen=True)
class Cause:
    """A recognised cause, in the words of the contract."""

    reason: str
    message: str
    remedy: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class _Rule:
    """A text that gives a cause away; the pattern's named groups are the facts, and fill the sentences."""

    reason: str
    pattern: str
    message: str
    remedy: str


_RULES = (
    _Rule(
        "HubGated",
        r"Cannot access gated repo for url \S+?//[^/]+/(?P<model>\S+?)/resolve/",
        "The Hugging Face model {model} is gated, and the token has no access to it (403)",
        "ask for access on the model's page, and set cluster_config.huggingFaceToken to a token that has it",
    ),
    _Rule(
        "HubNotFound",
        r"(?P<model>\S+) is not a local folder and is not a valid model identifier",
        "The Hugging Face Hub has no model {model} that this token, or nobody, may see",
        "check hf_model_id; for a private model set cluster_config.huggingFaceToken",
    ),
    # After HubNotFound: what a token may not see is a 401 as well.
    _Rule(
        "HubUnauthorized",
        r"(?P<status>401 Unauthorized|403 Forbidden)' for url '\S+?//[^/]+/(?P<model>\S+?)/resolve/",
        "The Hugging Face Hub refused {model}: {status}",
        "set cluster_config.huggingFaceToken to a valid token that may read it",
    ),
    _Rule(
        "HubUnreachable",
        r"We couldn't connect to '(?P<hub>[^']+)'",
        "The Hugging Face Hub at {hub} cannot be reached, and the model is not in the cache",
        "check the pods' network, proxy and HF_ENDPOINT, or use a mirror",
    ),
    _Rule(
        "HubUnreachable",
        r"outgoing traffic has been disabled",
        "The replica is offline (HF_HUB_OFFLINE), and the model is not in the cache",
        "unset HF_HUB_OFFLINE, fill the cache, or use a mirror",
    ),
    _Rule(
        "ModelFilesMissing",
        r"Repo id must be in the form [^:]*: '(?P<path>/[^']*)'",
        "There is no directory {path} in the replica's pod",
        "check hf_model_id and cluster_config.modelVolume",
    ),
    _Rule(
        "ModelFilesMissing",
        r"Cannot find any model weights with `(?P<path>[^`]+)`",
        "{path} holds no weights that vLLM can load",
        "add the model's *.safetensors files",
    ),
    _Rule(
        "ModelFilesMissing",
        r"Invalid repository ID or local directory specified: '(?P<path>[^']+)'",
        "{path} holds no config.json",
        "check hf_model_id, and that the directory holds a whole model",
    ),
    _Rule(
        "ModelFilesDamaged",
        r"SafetensorError: (?P<said>.+)",
        "A file of weights cannot be read: {said}",
        "download the model again; its size or its header is wrong",
    ),
    _Rule(
        "TrustRemoteCodeNeeded",
        r"The repository (?P<model>\S+) contains custom code which must be executed",
        "The model {model} needs code of its own to be loaded",
        "set engine_kwargs.trust_remote_code if you trust that code",
    ),
    _Rule(
        "TrustRemoteCodeNeeded",
        r"consider setting `trust_remote_code=True`",
        "The model needs code of its own to be loaded",
        "set engine_kwargs.trust_remote_code if you trust that code",
    ),
    _Rule(
        "UnsupportedModel",
        r"Model architectures \[(?P<architecture>[^\]]+)\] are not supported for now",
        "vLLM does not know the model's architecture {architecture}",
        "use a newer engine image, or another model",
    ),
    _Rule(
        "UnsupportedModel",
        r"has model type `(?P<architecture>[^`]+)` but Transformers does not recognize this architecture",
        "transformers does not know the model's type {architecture}",
        "use a newer engine image, or another model",
    ),
    _Rule(
        "ContextTooLong",
        r"max_model_len \((?P<max_model_len>\d+)\) is greater than the derived max_model_len"
        r" \((?:max_position_embeddings|\w+)=(?P<longest>\d+)",
        "max_total_tokens is {max_model_len}, and the model was made for {longest} tokens",
        "set max_total_tokens to {longest} or less",
    ),
    _Rule(
        "NotEnoughMemory",
        r"model's max seq len \((?P<max_model_len>\d+)\), \((?P<needed_gib>[\d.]+) GiB KV cache is needed,"
        r" which is larger than the available KV cache memory \((?P<available_gib>[\d.]+) GiB\)"
        r"[^\n]*?the estimated maximum model length is (?P<longest>\d+)",
        "One request of {max_model_len} tokens needs {needed_gib} GiB of KV cache;"
        " {available_gib} GiB are left beside the weights",
        "set max_total_tokens to {longest} or less, or use more or larger GPUs",
    ),
    _Rule(
        "NotEnoughMemory",
        r"No available memory for the cache blocks",
        "The weights leave no memory for the KV cache",
        "use more or larger GPUs, or raise engine_kwargs.gpu_memory_utilization",
    ),
    _Rule(
        "NotEnoughMemory",
        r"Free memory on device \S+ \((?P<free_gib>[\d.]+)/(?P<total_gib>[\d.]+) GiB\)"
        r" on startup is less than",
        "{free_gib} of the GPU's {total_gib} GiB are free, less than gpu_memory_utilization asks for",
        "find out what else uses this GPU, or lower engine_kwargs.gpu_memory_utilization",
    ),
    _Rule(
        "GPUOutOfMemory",
        r"OutOfMemoryError: CUDA out of memory\.(?: Tried to allocate (?P<asked>[\d.]+ \wiB))?",
        "CUDA ran out of memory when {asked} more were asked for",
        "use more or larger GPUs, a quantised model, or a lower engine_kwargs.gpu_memory_utilization",
    ),
    _Rule(
        "GPUOutOfMemory",
        r"CUDA out of memory occurred when warming up (?P<asked>sampler|pooler)",
        "CUDA ran out of memory when vLLM warmed its {asked} up",
        "lower engine_kwargs.max_num_seqs or engine_kwargs.gpu_memory_utilization",
    ),
    _Rule(
        "CompilerMissing",
        r"No working C\+\+ compiler found|Failed to find C compiler",
        "The image has no C++ compiler, and the engine compiles its kernels when it starts",
        "use an engine image with g++ (CC and CXX name another compiler)",
    ),
    _Rule(
        "InvalidChatTemplate",
        r"TemplateSyntaxError: (?P<said>.+)",
        "The chat template is no valid Jinja template: {said}",
        "correct engine_kwargs.chat_template",
    ),
    _Rule(
        "InvalidChatTemplate",
        r"The supplied chat template \((?P<path>.+?)\) (?:looks like a file path|appears path-like)",
        "The chat template {path} is a path, and there is no such file",
        "correct engine_kwargs.chat_template, or write the template itself there",
    ),
    _Rule(
        "EngineKilled",
        r"(?:Failed core proc\(s\): \{[^}]*: -9\b|died unexpectedly \(exit code: -9\))",
        "A process of the engine was killed (SIGKILL), as the kernel does when memory runs out",
        "give the model's workers more memory",
    ),
    _Rule(
        "EngineCrashed",
        r"(?:Failed core proc\(s\): \{[^}]*: -|died unexpectedly \(exit code: -)(?P<signal>\d+)\b",
        "A process of the engine crashed: signal {signal}",
        CRASH_REMEDY,
    ),
    _Rule(
        "InvalidEngineArguments",
        r"Failed to create vLLM engine config: \d+ validation errors? for \w+\s+Value error, "
        r"(?P<said>[^\n]+?)(?: \[type=|\n|$)",
        "vLLM refuses an engine argument: {said}",
        "correct engine_kwargs",
    ),
    _Rule(
        "InvalidEngineArguments",
        r"Failed to create vLLM engine config: \d+ validation errors? for \w+\n(?P<argument>[\w]+)[^\n]*\n"
        r"\s+(?P<said>[^\n]+?)(?: \[type=|\n|$)",
        "vLLM refuses engine_kwargs.{argument}: {said}",
        "correct engine_kwargs.{argument}",
    ),
)


def find_cause(text: str) -> Cause | None:
    """Return the first cause on the list that the text gives away, None if it gives away none."""
    for rule in _RULES:
        found = re.search(rule.pattern, text)
        if found is not None:
            facts = {name: _number(value) for name, value in found.groupdict().items() if value is not None}
            words = {"asked": "some", **facts}
            return Cause(rule.reason, rule.message.format(**words), rule.remedy.format(**words), facts)
    return None


def _number(value: str) -> int | float | str:
    """Return a number as such."""
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
