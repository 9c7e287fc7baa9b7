"""A prompt format as the Jinja chat template that gives the same text.

The algorithm is RayLLM's (``PromptFormat.generate_prompt``), order of messages and oddities included:
there is at most one system message and it moves to the front; an explicitly empty one suppresses the
default; with ``system_in_user`` the system text is never stripped; roles may come in any order; tool
messages are skipped. A missing content counts as empty. What RayLLM answered with a server error
(an unknown role) is an error of the request here.

Only expressions are written, none of them preceded or followed by white space that counts, so the
engine's block-trimming options make no difference.
"""

from rayllm_operator.api.generation import INSTRUCTION, PromptFormat, template_fields

_PROLOGUE = """\
{%- set state = namespace(system=none, count=0) -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{%- set state.system = message['content'] or '' -%}
{%- set state.count = state.count + 1 -%}
{%- elif message['role'] not in ['user', 'assistant', 'tool'] -%}
{{- raise_exception('Unknown role ' ~ message['role'] ~ '; use system, user, assistant or tool.') -}}
{%- endif -%}
{%- endfor -%}
{%- if state.count > 1 -%}
{{- raise_exception('Only one system message can be specified.') -}}
{%- endif -%}
"""


def chat_template(prompt_format: PromptFormat) -> str:
    """Return the Jinja source that renders conversations as the prompt format does."""
    strip = prompt_format.strip_whitespace is None or prompt_format.strip_whitespace
    content = "(message['content'] or '')" + ("|trim" if strip else "")
    parts = [_PROLOGUE, _default_system(prompt_format)]
    if prompt_format.system_in_user:
        parts.append(_system_tag(prompt_format))
        user = _fill(prompt_format.user, content, system="state.tag") + "{%- set state.tag = '' -%}\n"
    else:
        parts.append(_leading_system(prompt_format, strip=strip))
        user = _fill(prompt_format.user, content)
    parts += [
        "{%- for message in messages -%}\n",
        "{%- if message['role'] == 'user' -%}\n",
        user,
        "{%- elif message['role'] == 'assistant' -%}\n",
        _fill(prompt_format.assistant, content),
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


def _system_tag(prompt_format: PromptFormat) -> str:
    tag = " ~ ".join(_terms(prompt_format.system, "state.system"))
    return f"{{%- set state.tag = '' if state.system is none else ({tag}) -%}}\n"


def _leading_system(prompt_format: PromptFormat, *, strip: bool) -> str:
    # Emptiness is judged before stripping: a message of blanks still writes its tags.
    condition = "state.system is not none"
    if not prompt_format.add_system_tags_even_if_message_is_empty:
        condition = "state.system"
    content = "state.system|trim" if strip else "state.system"
    return f"{{%- if {condition} -%}}\n{_fill(prompt_format.system, content)}{{%- endif -%}}\n"


def _fill(template: str, content: str, *, system: str = "''") -> str:
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
