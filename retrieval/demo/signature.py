"""Call signatures as a reader wants them: names and plain defaults, on one line."""

import inspect

LONGEST = 100
LONGEST_DEFAULT = 24
PLAIN = (type(None), bool, int, float, str, bytes)


class _Elided:
    """Stands for a default whose text is long, or differs between runs."""

    def __repr__(self) -> str:
        return "..."


def signature(value: object) -> str:
    """Return `(path, mode='r', *, key=...)` for a callable, or nothing where Python cannot tell."""
    try:
        found = inspect.signature(value)  # type: ignore[arg-type]
    except Exception:  # it evaluates what C code wrote about itself, with any outcome
        return ""
    parameters = [_plain(parameter) for parameter in found.parameters.values()]
    if parameters and parameters[0].name in ("self", "cls"):
        del parameters[0]
    text = str(inspect.Signature(parameters))
    return "" if text == "(*args, **kwargs)" else _shortened(text)


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    default = parameter.default
    if default is not inspect.Parameter.empty and not _is_plain(default):
        default = _Elided()
    return parameter.replace(annotation=inspect.Parameter.empty, default=default)


def _is_plain(default: object) -> bool:
    """Tell what reads well and is the same everywhere from paths, addresses and long texts."""
    if isinstance(default, str) and any(separator in default for separator in "/\\"):
        return False
    return type(default) in PLAIN and len(repr(default)) <= LONGEST_DEFAULT


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST].rpartition(", ")[0] + ", ...)"
