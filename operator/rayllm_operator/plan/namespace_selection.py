"""Whether a pool is open to a namespace: Kubernetes' rules of label selectors."""

from collections.abc import Mapping

from rayllm_operator.api.gpu_node_pool import NamespaceSelector, SelectorRequirement


def selects(selector: NamespaceSelector, labels: Mapping[str, str]) -> bool:
    """Tell whether a selector matches labels: every one of its terms has to; one without terms matches all.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
    """
    return all(labels.get(name) == value for name, value in (selector.match_labels or {}).items()) and all(
        _meets(requirement, labels) for requirement in selector.match_expressions or ()
    )


def is_open_to_all(selector: NamespaceSelector | None) -> bool:
    """Tell whether there is nothing to match."""
    return selector is None or not (selector.match_labels or selector.match_expressions)


def _meets(requirement: SelectorRequirement, labels: Mapping[str, str]) -> bool:
    """Tell whether labels meet one requirement; a label that is absent is in no list of values."""
    value, values = labels.get(requirement.key), requirement.values or []
    match requirement.operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
