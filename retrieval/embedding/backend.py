"""What computes the vectors of a model: PyTorch, or another library by an export of the model."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from retrieval.errors import InvalidInput
from retrieval.settings import Settings

Backend = Literal["torch", "torch-bfloat16", "onnx", "onnx-int8", "openvino", "openvino-bfloat16"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)

# By the first part of a backend's name: what it imports; the extras have the same names.
PACKAGES = {"torch": (), "onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino",)}

INT8 = {"precision": "int8"}


def checked_backend(backend: str | None) -> Backend:
    """Return a backend as it is, None as that of the settings; InvalidInput for anything else."""
    name = "RETRIEVAL_BACKEND" if backend is None else "backend"
    chosen = Settings().backend if backend is None else backend
    for known in BACKENDS:
        if chosen == known:
            return known
    raise InvalidInput(f"{name} must be one of {', '.join(BACKENDS)}, not {chosen!r}")


def library_of(backend: Backend) -> str:
    """Return the library of a backend, which is also the name of its extra."""
    return backend.partition("-")[0]


def precision_of(backend: Backend) -> Mapping[str, Any]:
    """Return what a backend adds to the options of a signature.

    Vectors by bfloat16 differ less from those by float32 than an index notices, and are the same
    for a signature; those by int8 are not.
    """
    return INT8 if backend.endswith("-int8") else {}


def backend_for(signature: Mapping[str, Any]) -> Backend:
    """Return the backend of the settings, or the one next to it whose vectors fit a signature."""
    chosen = checked_backend(None)
    is_int8 = INT8.items() <= (signature.get("options") or {}).items()
    if is_int8:
        return "onnx-int8"
    return "onnx" if chosen == "onnx-int8" else chosen
