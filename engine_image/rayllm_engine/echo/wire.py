"""Echo answers in the shapes of the OpenAI API, as plain dictionaries."""

import base64
import json
import struct
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rayllm_engine.echo.answers import (
    DEFAULT_COMPLETION_TOKENS,
    Answer,
    BadRequestError,
    answer,
    chat_text,
    prompt_texts,
    tokens_of,
)

Kind = Literal["chat", "completions"]

EMBEDDING = (0.5, -0.5, 0.5, -0.5)
"""The embedding of every text; its norm is 1."""

FINGERPRINT = f"echo-{uuid.uuid4().hex}"
"""The ``system_fingerprint`` of every answer: it tells the engines of a model's replicas apart."""

DONE = "data: [DONE]\n\n"
"""The event that ends a stream."""


@dataclass(frozen=True)
class Reply:
    """The answers to one request that generates text."""

    kind: Kind
    model_id: str
    answers: Sequence[Answer]
    """One for each choice."""
    echoed: Sequence[str]
    """What stands before each choice's text: its prompt where a completion asked for it."""
    usage: Mapping[str, int]
    include_usage: bool

    def whole(self) -> dict[str, Any]:
        """Return the answer of a request that does not stream."""
        choices = [self._whole_choice(index) for index in range(len(self.answers))]
        return {**self._head(chunk=False), "choices": choices, "usage": dict(self.usage)}

    def events(self) -> Iterator[str]:
        """Return the server-sent events of a request that streams: one for each token, and a last one."""
        head = self._head(chunk=True)
        for index, each in enumerate(self.answers):
            if self.kind == "chat":
                yield _event(head, self._part(index, {"role": "assistant", "content": ""}))
            for token in (self.echoed[index], *each.tokens):
                if token:
                    yield _event(head, self._part(index, token))
            last: Any = {} if self.kind == "chat" else ""
            yield _event(head, self._part(index, last, each.finish_reason, each.stop_reason))
        if self.include_usage:
            yield f"data: {json.dumps({**head, 'choices': [], 'usage': dict(self.usage)})}\n\n"
        yield DONE

    def _head(self, *, chunk: bool) -> dict[str, Any]:
        prefix = "chatcmpl" if self.kind == "chat" else "cmpl"
        chat = "chat.completion.chunk" if chunk else "chat.completion"
        return {
            "id": f"{prefix}-{uuid.uuid4().hex}",
            "object": chat if self.kind == "chat" else "text_completion",
            "created": int(time.time()),
            "model": self.model_id,
            "system_fingerprint": FINGERPRINT,
        }

    def _part(
        self, index: int, part: Any, finish: str | None = None, stop: str | None = None
    ) -> dict[str, Any]:
        key = "delta" if self.kind == "chat" else "text"
        if key == "delta" and isinstance(part, str):
            part = {"content": part}
        return {"index": index, key: part, "finish_reason": finish, "stop_reason": stop}

    def _whole_choice(self, index: int) -> dict[str, Any]:
        each = self.answers[index]
        choice = {"index": index, "finish_reason": each.finish_reason, "stop_reason": each.stop_reason}
        if self.kind == "chat":
            return {**choice, "message": {"role": "assistant", "content": each.text}}
        return {**choice, "text": self.echoed[index] + each.text}


def reply(kind: Kind, request: Mapping[str, Any], *, model_id: str, context: int) -> Reply:
    """Return the reply to a request.

    Parameters
    ----------
    kind
        Which endpoint was asked.
    request
        The fields of the request, nested ones as mappings or as objects with attributes.
    model_id
        The id that the reply gives.
    context
        Tokens of the longest prompt and answer together.

    Raises
    ------
    BadRequestError
        The request cannot be answered.
    """
    chat = kind == "chat"
    prompts = [chat_text(request.get("messages"))] if chat else prompt_texts(request.get("prompt"))
    default = None if chat else DEFAULT_COMPLETION_TOKENS
    answers = [answer(prompt, request, context=context, default_tokens=default) for prompt in prompts]
    generated, repeats = sum(len(each.tokens) for each in answers), request.get("n") or 1
    prompt_tokens, completion_tokens = sum(each.prompt_tokens for each in answers), generated * repeats
    echo = not chat and request.get("echo")
    return Reply(
        kind=kind,
        model_id=model_id,
        answers=[each for each in answers for _ in range(repeats)],
        echoed=[prompt if echo else "" for prompt in prompts for _ in range(repeats)],
        usage={
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
        include_usage=_include_usage(request.get("stream_options")),
    )


def embeddings(request: Mapping[str, Any], *, model_id: str) -> dict[str, Any]:
    """Return the answer of an embedding request: the same vector for every text.

    Raises
    ------
    BadRequestError
        The input is neither a text, nor token ids, nor a list of either.
    """
    try:
        texts = prompt_texts(request.get("input"))
    except BadRequestError as error:
        raise BadRequestError(str(error).replace("prompt", "input", 1)) from None
    packed = base64.b64encode(struct.pack(f"<{len(EMBEDDING)}f", *EMBEDDING)).decode()
    vector = packed if request.get("encoding_format") == "base64" else list(EMBEDDING)
    tokens = sum(len(tokens_of(text)) for text in texts)
    return {
        "id": f"embd-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": model_id,
        "data": [{"index": index, "object": "embedding", "embedding": vector} for index in range(len(texts))],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def error(message: str, code: int) -> dict[str, Any]:
    """Return the body of an error."""
    kind = {404: "NotFoundError"}.get(code, "BadRequestError")
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _event(head: Mapping[str, Any], choice: Mapping[str, Any]) -> str:
    return f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"


def _include_usage(options: Any) -> bool:
    found = (
        options.get("include_usage")
        if isinstance(options, Mapping)
        else getattr(options, "include_usage", False)
    )
    return bool(found)
