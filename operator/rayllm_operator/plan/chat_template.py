"""A prompt format as the Jinja chat template that gives the same text.

The algorithm is RayLLM's (``PromptFormat.generate_prompt``), order of messages and oddities included:
there is at most one system message and it moves to the front; an explicitly empty one suppresses the
default; with ``system_in_user`` the system text is never stripped; roles may come in any order; tool
messages are skipped. What RayLLM answered with a server error, or wrote as the word "None", is an error
of the request here: a role that it did not know, and a content that is no text.

The engine would change two things before the template sees them. It turns ``developer`` messages into
system messages, unless the template has that word. And it joins several parts of a content, and makes an
empty text of a null, unless it is told to hand over the parts (``chat_template_content_format: openai``).

Only expressions are written, none of them preceded or followed by white space that counts, so the
engine's block-trimming options make no difference.
"""

from rayllm_operator.api.generation import INSTRUCTION, PromptFormat, template_fields

CONTENT_FORMAT = "openai"
"""How the engine is to hand contents over: as a list of parts, also where the request has one text."""

_PROLOGUE = """\
{%- macro text(message) -%}
{%- set content = message['content'] -%}
{%- if content is string -%}
{{- content -}}
{%- elif content is sequence and content|length == 1 and content[0]['type'] == 'text' -%}
{{- content[0]['text'] -}}
{%- else -%}
{{- raise_exception('The content of a message with the role ' ~ message['role'] ~ ' must be one text.') -}}
{%- endif -%}
{%- endmacro -%}
{%- set state = namespace(system=none, count=0, holder=none) -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{%- set state.system = text(message) -%}
{%- set state.count = state.count + 1 -%}
{%- elif message['role'] == 'user' -%}
{%- set state.holder = HOLDER -%}
{%- elif message['role'] == 'developer' -%}
{{- raise_exception('The role developer is not supported; use system.') -}}
{%- elif message['role'] not in ['assistant', 'tool'] -%}
{{- raise_exception('Unknown role ' ~ message['role'] ~ '; use system, user, assistant or tool.') -}}
{%- endif -%}
{%- endfor -%}
{%- if state.count > 1 -%}
{{- raise_exception('Only one system message can be specified.') -}}
{%- endif -%}
"""
"""Gathers the system message, and which user message holds it where user messages do."""

_FIRST = "loop.index0 if state.holder is none else state.holder"
_LAST = "loop.index0"


def chat_template(prompt_format: PromptFormat) -> str:
    """Return the Jinja source that renders conversations as a prompt format with templates does."""
    system, assistant, user = (
        template or "" for template in (prompt_format.system, prompt_format.assistant, prompt_format.user)
    )
    strip = prompt_format.strip_whitespace is None or prompt_format.strip_whitespace
    content = "text(message)" + ("|trim" if strip else "")
    in_user = bool(prompt_format.system_in_user)
    parts = [
        _PROLOGUE.replace("HOLDER", _LAST if prompt_format.system_in_last_user else _FIRST),
        _default_system(prompt_format),
        _expression(_quote(prompt_format.bos or "")),
        "" if in_user else _leading_system(prompt_format, system, strip=strip),
        "{%- for message in messages -%}\n",
        "{%- if message['role'] == 'user' -%}\n",
        _fill(user, content, _held_system(system) if in_user else "''"),
        "{%- elif message['role'] == 'assistant' -%}\n",
        _fill(assistant, content),
        "{%- endif -%}\n{%- endfor -%}\n",
        "{%- if add_generation_prompt -%}\n",
        _expression(_quote(prompt_format.trailing_assistant or "")),
        "{%- endif -%}",
    ]
    return "".join(parts)


def _default_system(prompt_format: PromptFormat) -> str:
    """Set ``state.system`` where the conversation has none; it stays none where nothing is to be written."""
    default = prompt_format.default_system_message or ""
    if not default and not prompt_format.add_system_tags_even_if_message_is_empty:
        return ""
    return f"{{%- if state.system is none -%}}{{%- set state.system = {_quote(default)} -%}}{{%- endif -%}}\n"


def _held_system(template: str) -> str:
    """Return the term that is the system text in the user message that holds it, and empty in the others."""
    text = " ~ ".join(_terms(template, "state.system"))
    return f"({text} if state.system is not none and loop.index0 == state.holder else '')"


def _leading_system(prompt_format: PromptFormat, template: str, *, strip: bool) -> str:
    # Emptiness is judged before stripping: a message of blanks still writes its tags.
    condition = "state.system is not none"
    if not prompt_format.add_system_tags_even_if_message_is_empty:
        condition = "state.system"
    content = "state.system|trim" if strip else "state.system"
    return f"{{%- if {condition} -%}}\n{_fill(template, content)}{{%- endif -%}}\n"


def _fill(template: str, content: str, system: str = "''") -> str:
    return _expression(" ~ ".join(_terms(template, content, system)))


def _terms(template: str, content: str, system: str = "''") -> list[str]:
    """Return the Jinja terms whose concatenation is the filled-in template."""
    terms = []
    for literal, field in template_fields(template):
        if literal:
            terms.append(_quote(literal))
        if field is not None:
            terms.append(f"({content})" if field == INSTRUCTION else system)
    return terms


def _expression(expression: str) -> str:
    return f"{{{{- {expression} -}}}}\n"


def _quote(text: str) -> str:
    r"""Return a Jinja string literal.

    Line ends are escaped because Jinja normalises them in its source; other characters stay as they
    are, because ``\u`` escapes of surrogate pairs would not survive.
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"
