"""How large a model is."""

from dataclasses import dataclass
from math import prod

from retrieval.embedding.embedder import Embedder
from retrieval.embedding.encoder import EncoderEmbedder
from retrieval.embedding.locate import locate
from retrieval.embedding.weights import weight_files


@dataclass(frozen=True, slots=True)
class ModelSize:
    """The weight files in bytes, and how many numbers they hold; None where that is not known."""

    weight_bytes: int | None = None
    parameters: int | None = None


def model_size(embedder: Embedder) -> ModelSize:
    """The size of a model on this machine, which has been loaded before; nothing of another."""
    if not isinstance(embedder, EncoderEmbedder):
        return ModelSize()
    folder = next(locate(embedder.model)).folder
    files = weight_files(folder) if folder else []
    if not files:
        return ModelSize()
    size = sum(file.stat().st_size for file in files)
    if any(file.suffix != ".safetensors" for file in files):
        return ModelSize(size)
    from safetensors import safe_open

    parameters = 0
    for file in files:
        with safe_open(file, framework="np") as tensors:
            shapes = (tensors.get_slice(name).get_shape() for name in tensors.keys())  # noqa: SIM118
            parameters += sum(map(prod, shapes))
    return ModelSize(size, parameters)
