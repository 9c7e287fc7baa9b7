"""What RayLLM's models (pydantic 1.10) made of values of another type: ``"2"`` is 2, ``"no"`` is false.

Source of the rules: pydantic 1.10's validators of int, float, bool and str. A value that they refused is
left alone, for the API's own checks to name it.
"""

from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

_FALSE = {"0", "off", "f", "false", "n", "no"}
_TRUE = {"1", "on", "t", "true", "y", "yes"}


def types_of(annotation: Any) -> list[Any]:
    """Return the members of an annotation without null and metadata: models, scalars, lists, mappings."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return types_of(get_args(annotation)[0])
    if origin in (list, dict, Literal) or isinstance(annotation, type):
        return [] if annotation is type(None) else [annotation]
    return [member for argument in get_args(annotation) for member in types_of(argument)]


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """Return the models among an annotation's members."""
    return [
        member
        for member in types_of(annotation)
        if isinstance(member, type) and get_origin(member) is None and issubclass(member, BaseModel)
    ]


def item_type(annotation: Any, container: type) -> Any:
    """Return what a list or mapping holds, or None where the annotation holds no such container."""
    for member in types_of(annotation):
        if get_origin(member) is container:
            return get_args(member)[-1]
    return None


def coerced(annotation: Any, value: Any) -> Any:
    """Return what RayLLM made of a value for a field of one scalar type; else the value itself."""
    members = types_of(annotation)
    if len(members) != 1 or isinstance(value, dict | list) or value is None:
        return value
    convert = {bool: _bool, int: _int, float: _float, str: _str}.get(members[0], lambda value: value)
    return convert(value)


def _bool(value: Any) -> Any:
    text = value.lower() if isinstance(value, str) else value
    if text in _FALSE or text == 0:
        return False
    if text in _TRUE or text == 1:
        return True
    return value


def _int(value: Any) -> Any:
    try:
        return int(value)
    except (ValueError, OverflowError):
        return value


def _float(value: Any) -> Any:
    if isinstance(value, float):
        return value
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return value
    return int(number) if number.is_integer() else number


def _str(value: Any) -> Any:
    return value if isinstance(value, str) else str(value)
