"""Which plain YAML scalars are not text for kubectl and KubeRay (go-yaml, by sigs.k8s.io/yaml).

PyYAML decides otherwise for some: ``y`` is true there, ``1e-4`` a number and ``010`` eight. What is
written has to be quoted for both readers, what is read has to be read as kubectl would.
"""

import re

import yaml

TAG = "tag:yaml.org,2002:"
TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")

NUMBER = re.compile(
    r"[-+]?(?:0[xX][0-9a-fA-F_]*[0-9a-fA-F][0-9a-fA-F_]*|0[oO][0-7_]*[0-7][0-7_]*|0[bB][01_]*[01][01_]*"
    r"|(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?)$"
)
NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$")
BOOLEAN = re.compile(f"(?:{'|'.join(TRUE + FALSE)})$")
_NULL = re.compile(r"(?:~|null|Null|NULL|)$")


def add_scalars(resolver: type[yaml.resolver.BaseResolver]) -> None:
    """Teach a PyYAML class these scalars, besides those that it knows."""
    resolver.add_implicit_resolver(f"{TAG}bool", BOOLEAN, list("yYnNtTfFoO"))
    resolver.add_implicit_resolver(f"{TAG}int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))
    resolver.add_implicit_resolver(f"{TAG}float", NUMBER, list("-+.0123456789"))
    resolver.add_implicit_resolver(f"{TAG}float", NOT_FINITE, list("-+."))
    resolver.add_implicit_resolver(f"{TAG}null", _NULL, ["~", "n", "N", ""])
