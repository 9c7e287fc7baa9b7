"""ValidatingAdmissionPolicies: what a CRD cannot refuse by name, refused at apply time without a webhook.

The CRDs keep keys that they do not know, and leave the unions of the registry format untyped. In a policy
the object is dynamically typed, so CEL can look at both: unknown keys at every level, prompt formats and
stopping sequences.

Each policy turns an object into a list of sentences, once for the new object and once for the old one, and
refuses an update only for sentences that are new. So an error that was there before never blocks another
change, and a delete is not looked at. Everything is written so that it cannot fail on a value of an
unexpected type: the CRD has its own word for that. Only what Kubernetes 1.30 understands is used.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from rayllm_operator.api import change_policy, exposure_policy, meta
from rayllm_operator.api.generation import (
    INSTRUCTION,
    NO_IMAGES,
    STOP_EXPLAINED,
    SYSTEM,
    TEMPLATES,
    TOKENIZERS_OWN,
    PromptFormat,
)
from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.policy_parts import value_at, writes_of
from rayllm_operator.api.structural_schema import structural_schema
from rayllm_operator.api.validation import holds_list, nested_model

_API_VERSION = "admissionregistration.k8s.io/v1"
_SHOWN = 5
"""Errors that one refusal names: the API server bounds a message's length and what it may cost."""

_EACH = "[*]"
"""Stands in a path for every entry of a list: CEL has no index to name the entry by."""


@dataclass(frozen=True)
class Section:
    """A mapping of the spec, or all mappings of one list."""

    path: tuple[str, ...]
    """Its keys from the top of the spec; a list's key ends in ``[*]``."""
    model: type[BaseModel]
    """What it may contain."""

    @property
    def keys(self) -> list[str]:
        """The keys that it may contain."""
        return [field.alias or name for name, field in self.model.model_fields.items()]


def sections(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[Section]:
    """Walk a model and yield every mapping in it whose keys are fixed."""
    if model.model_config.get("extra") != "forbid":
        return
    yield Section(path, model)
    for name, field in model.model_fields.items():
        if nested := nested_model(field.annotation):
            each = _EACH if holds_list(field.annotation) else ""
            yield from sections(nested, (*path, f"{field.alias or name}{each}"))


def admission_policies() -> list[dict[str, Any]]:
    """Return all policies, each followed by the binding that puts it in force."""
    refusals = {
        meta.LLM_MODELS: _refusals(
            meta.LLM_MODELS, LLMModelSpec, {"promptFormat": _PROMPT_FORMAT, "stops": _STOPS}
        ),
        meta.GPU_NODE_POOLS: _refusals(meta.GPU_NODE_POOLS, GPUNodePoolSpec, {}),
    }
    return [
        *(part for kind, spec in refusals.items() for part in _bound(f"{kind}.{meta.GROUP}", spec, "Deny")),
        *_bound(change_policy.NAME, change_policy.change_policy(), "Warn"),
        *_bound(exposure_policy.NAME, exposure_policy.exposure_policy(), "Warn"),
    ]


def _bound(name: str, policy: dict[str, Any], action: str) -> list[dict[str, Any]]:
    """Return a policy and its binding."""
    binding = {"policyName": name, "validationActions": [action]}
    return [
        _manifest("ValidatingAdmissionPolicy", name, policy),
        _manifest("ValidatingAdmissionPolicyBinding", name, binding),
    ]


def _refusals(plural: str, spec: type[BaseModel], further: dict[str, str]) -> dict[str, Any]:
    """Return the spec of the policy of one kind; ``further`` are lists of sentences for each spec."""
    lists = {"unknownKeys": _UNKNOWN_KEYS, **further}
    variables = {
        "specs": _SPECS,
        "sections": _sections_expression(spec),
        **lists,
        "findings": f"[0, 1].map(i, {' + '.join(f'variables.{variable}[i]' for variable in lists)})",
        "news": "variables.findings[0].filter(finding, !(finding in variables.findings[1]))",
    }
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [writes_of(plural, "CREATE", "UPDATE")]},
        "matchConditions": [
            {
                "name": "spec-changed",
                "expression": "dyn(oldObject) == null || dyn(object).?spec != dyn(oldObject).?spec",
            }
        ],
        "variables": [{"name": key, "expression": text} for key, text in variables.items()],
        "validations": [
            {
                "expression": "variables.news.size() == 0",
                "message": "the spec contains an unknown key or a value of the wrong type",
                "messageExpression": _MESSAGE,
            }
        ],
    }


def _manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": _API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


_SPECS = "[dyn(object), dyn(oldObject)].map(whole, whole == null ? dyn({}) : whole.?spec.orValue({}))"
"""The new spec and the old one, which is empty where there is none."""


def _sections_expression(spec: type[BaseModel]) -> str:
    """Return CEL for, of each spec, a list of sections: path, known keys, and the values found there."""
    lines = ",\n".join(_section_expression(section) for section in sections(spec))
    return f"variables.specs.map(spec, [\n{lines}\n])"


def _section_expression(section: Section) -> str:
    prefix = "".join(f"{key}." for key in section.path)
    known = textwrap.fill(", ".join(f"'{key}'" for key in section.keys), 100, subsequent_indent="    ")
    return f"""\
  {{'path': dyn('{prefix}'),
   'known': dyn([{known}]),
   'found': dyn({_found_expression(section.path)})}}"""


def _found_expression(path: tuple[str, ...]) -> str:
    """Return CEL for the list of values at a path of ``spec``, null where a key is absent."""
    lists = [index for index, key in enumerate(path) if key.endswith(_EACH)]
    if not lists:
        return f"[{value_at('spec', path)}]"
    (index,) = lists
    entries = value_at("spec", (*path[:index], path[index].removesuffix(_EACH)))
    found = f"(type({entries}) == list ? {entries} : [])"
    below = path[index + 1 :]
    return f"{found}.map(entry, {value_at('entry', below)})" if below else found


_UNKNOWN_KEYS = """\
variables.sections.map(sections, sections.map(section,
  section.found.filter(found, type(found) == map).map(found,
    found.filter(key, !(key in section.known))
      .map(key, section.path + '\\t' + key.replace('\\n', ' ').replace('\\t', ' '))
      .join('\\n')).join('\\n')).join('\\n').split('\\n').filter(finding, finding.contains('\\t')))"""
"""The keys that their sections do not know, each with a tab between the section's path and the key.

They are joined and split because CEL cannot flatten a list of lists.
"""

_PLAIN = "lowerAscii().replace('_', '').replace('-', '')"
_POSITIONS = ", ".join(str(position) for position in range(41))
_MESSAGE = f"""\
{list(range(_SHOWN))}.filter(i, i < variables.news.size()).map(i,
  !variables.news[i].contains('\\t') ? variables.news[i] :
  variables.news[i].replace('\\t', '') + ': unknown key; ' + variables.sections[0]
    .filter(section, section.path == variables.news[i].split('\\t')[0]).map(section,
      [section.known.filter(known,
        [[variables.news[i].split('\\t')[1].{_PLAIN}, known.{_PLAIN}]].exists(pair,
          pair[0] == pair[1]
          || (pair[0].size() > 5 && pair[1].size() > 5
              && (pair[1].startsWith(pair[0]) || pair[0].startsWith(pair[1])
                  || pair[1].endsWith(pair[0]) || pair[0].endsWith(pair[1])))
          || [{_POSITIONS}]
            .exists(i, i <= pair[0].size() && i <= pair[1].size()
              && pair[0].substring(0, i) == pair[1].substring(0, i)
              && ((i < pair[0].size() && pair[0].substring(i + 1) == pair[1].substring(i))
                  || (i < pair[1].size() && pair[0].substring(i) == pair[1].substring(i + 1))
                  || (i < pair[0].size() && i < pair[1].size()
                      && pair[0].substring(i + 1) == pair[1].substring(i + 1))))))
      ].map(near, near.size() == 0
        ? 'known keys: ' + section.known.join(', ')
        : 'did you mean ' + near.join(' or ') + '?')[0])[0]
).join(' / ')
+ (variables.news.size() > {_SHOWN} ? ' / and ' + string(variables.news.size() - {_SHOWN}) + ' more' : '')"""
"""The first new errors in words.

An unknown key is followed by the known keys that were probably meant (written with other capitals or
underscores, the beginning or end of the other, or one letter away), or else by all known keys.
"""

_GENERATION = "engine_config.generation"
_PROMPT_FORMAT_PATH = f"{_GENERATION}.prompt_format"
_STOPS_PATH = f"{_GENERATION}.stopping_sequences"


def _prompt_format_expression() -> str:
    """Return CEL for what is wrong with the prompt format of each spec."""
    properties = structural_schema(PromptFormat, preserve_unknown=False)["properties"]
    templates = list(TEMPLATES)
    texts = [name for name, schema in properties.items() if schema["type"] == "string"]
    switches = [name for name, schema in properties.items() if schema["type"] == "boolean"]
    beside = [name for name in properties if name != TOKENIZERS_OWN]
    bare = "format[key].replace('{{', '').replace('}}', '')"
    return f"""\
variables.specs.map(spec, [{value_at("spec", tuple(_PROMPT_FORMAT_PATH.split(".")))}].map(format,
  format == null || format == 'disabled' ? [] :
  type(format) != map ? [": must be a mapping or the word 'disabled'"] :
  {texts}
    .filter(key, key in format && type(format[key]) != string && format[key] != null)
    .map(key, '.' + key + ': must be text')
  + {switches}
    .filter(key, key in format && type(format[key]) != bool && format[key] != null)
    .map(key, '.' + key + ': must be true or false')
  + ({_is_true("vision")} ? [': {NO_IMAGES}'] : [])
  + ({_is_true(TOKENIZERS_OWN)} ?
  {beside}.filter(key, key in format && format[key] != null)
    .map(key, ': {TOKENIZERS_OWN} is true, so ' + key + ' must be left out') :
  {templates}.filter(key, !(key in format) || format[key] == null)
    .map(key, ': ' + key + ' is required, unless {TOKENIZERS_OWN} is true')
  + {templates}
    .filter(key, key in format && type(format[key]) == string && !{bare}.contains('{{{INSTRUCTION}}}'))
    .map(key, ': ' + key + ' must contain {{{INSTRUCTION}}}')
  + {templates}
    .filter(key, key in format && type(format[key]) == string && {bare}.replace('{{{INSTRUCTION}}}', '')
      .replace(key == 'user' && {_is_true("system_in_user")} ? '{{{SYSTEM}}}' : '{{}}', '')
      .matches('[{{}}]'))
    .map(key, ': ' + key + ' contains a brace that is no field (write {{{{ and }}}} for literal braces)')
  + ['user']
    .filter(key, {_is_true("system_in_user")} && type(format.?user.orValue(null)) == string
      && !{bare}.contains('{{{SYSTEM}}}'))
    .map(key, ': system_in_user is true, so user must contain {{{SYSTEM}}}')
  + ({_is_true("system_in_last_user")} && !({_is_true("system_in_user")}) ?
    [': system_in_last_user is true, so system_in_user must be true'] : []))
)[0].map(text, '{_PROMPT_FORMAT_PATH}' + text))"""


def _is_true(switch: str) -> str:
    return f"format.?{switch}.orValue(false) == true"


_PROMPT_FORMAT = _prompt_format_expression()

_STOPS = f"""\
variables.specs.map(spec, [{value_at("spec", tuple(_STOPS_PATH.split(".")))}].filter(stops,
  type(stops) == list && stops.map(stop, type(stop) == list ? stop : [stop]).exists(parts,
    parts.size() == 0 || parts.exists(part,
      type(part) == string ? part.size() == 0 : type(part) == int ? part < 0 : true)))
  .map(stops, '{_STOPS_PATH}{_EACH}: {STOP_EXPLAINED}'))"""
