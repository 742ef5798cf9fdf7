"""Lets another library, or a lower precision, compute the transformer inside of an encoder.

Tokenizer, pooling and what else an encoder has stay those of sentence-transformers. Importing
this imports PyTorch.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.embedding.backend import Backend
from retrieval.embedding.exports import check_packages, exported, fingerprint
from retrieval.embedding.locate import one_line
from retrieval.embedding.quiet import quiet
from retrieval.errors import ModelUnavailable

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], NDArray[Any]]

# Two, as a batch of one may be taken for the only one; and then others of another shape.
EXAMPLES = ["an example", "A second one, of a few more words."]
CHECKED = ["Is it?", "What was exported must compute the same for other texts.", "Yes"]
LEAST_COSINE = 0.9

EXPORTERS_LOGGERS = ("", "torch.onnx")


def use_backend(encoder: Any, backend: Backend) -> None:
    """Replace the transformers of an encoder; ModelUnavailable, a reason alone, if it cannot be.

    An export is checked against the transformer that it was made from.
    """
    from sentence_transformers.base.modules import Transformer

    check_packages(backend)
    found = [each for each in encoder.modules() if isinstance(each, Transformer)]
    if not found or not all(_is_text(each) for each in found):
        raise ModelUnavailable("it is no transformer that reads text, and only such ones are run")
    for each in found:
        expected = _output(each, CHECKED)
        try:
            with quiet(), _quiet_exporters():
                each.model = _replacement(each, backend)
        except ModelUnavailable:
            raise
        except Exception as error:  # whatever the libraries meet in a model they cannot take
            raise ModelUnavailable(f"it cannot be exported: {one_line(error)}") from error
        _check(_output(each, CHECKED), expected)


class Replaced(torch.nn.Module):
    """What an encoder calls instead of its transformer; `run` computes the one output it needs."""

    def __init__(self, model: Any, output: str, run: Callable[[dict[str, Any]], Any]) -> None:
        super().__init__()
        self.config = model.config
        self._output = output
        self._run = run

    def forward(self, **inputs: Any) -> dict[str, Any]:
        return {self._output: self._run(inputs)}


class _InBFloat16(torch.nn.Module):
    def __init__(self, model: Any, output: str) -> None:
        super().__init__()
        self.model = model.to(torch.bfloat16)
        self.config = model.config
        self._output = output

    def forward(self, **inputs: Any) -> dict[str, Any]:
        return {self._output: self.model(**inputs)[self._output].float()}


class _OneOutput(torch.nn.Module):
    """A transformer as exporters want it: arguments by position, one result."""

    def __init__(self, model: Any, names: Sequence[str], output: str) -> None:
        super().__init__()
        self._model = model
        self._names = names
        self._output = output

    def forward(self, *inputs: Any) -> Any:
        given = dict(zip(self._names, inputs, strict=True))
        return self._model(**given, return_dict=True)[self._output]


def _replacement(transformer: Any, backend: Backend) -> Any:
    model, output = transformer.model.eval(), _output_name(transformer)
    if backend == "torch-bfloat16":
        return _InBFloat16(model, output)
    features = transformer.preprocess(EXAMPLES)
    names = [each for each in transformer.tokenizer.model_input_names if each in features]
    example = tuple(features[name] for name in names)
    whole = _OneOutput(model, names, output)
    name = fingerprint(model, names, output)
    if backend.startswith("onnx"):
        run = _onnx(whole, example, names, name, backend == "onnx-int8")
    else:
        run = _openvino(whole, example, names, name, backend == "openvino-bfloat16")

    def compute(inputs: dict[str, Any]) -> Any:
        return torch.from_numpy(run({each: inputs[each].numpy() for each in names}))

    return Replaced(model, output, compute)


def _onnx(whole: Any, example: Any, names: Sequence[str], name: str, int8: bool) -> Run:
    import onnxruntime

    folder = exported(
        f"{name}-onnx", ["model.onnx"], lambda to: _to_onnx(whole, example, names, to)
    )
    if int8:
        source = folder / "model.onnx"
        folder = exported(f"{name}-onnx-int8", ["model.onnx"], lambda to: _to_int8(source, to))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.enable_mem_pattern = False  # one for each shape, and every batch has another
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    return lambda inputs: session.run(None, inputs)[0]


def _to_onnx(whole: Any, example: Any, names: Sequence[str], folder: Path) -> None:
    any_size = torch.export.Dim.DYNAMIC
    torch.onnx.export(
        whole,
        example,
        folder / "model.onnx",
        input_names=names,
        dynamic_shapes=(tuple({0: any_size, 1: any_size} for _ in names),),
        dynamo=True,
        verbose=False,
    )


def _to_int8(source: Path, folder: Path) -> None:
    """Weights as int8, what is computed quantised as it comes.

    Seven bits of the eight, as processors without VNNI overflow with all of them; and not the
    table of embeddings, which in seven bits costs quality and saves no time.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        folder / "model.onnx",
        per_channel=True,
        reduce_range=True,
        op_types_to_quantize=["MatMul", "Gemm"],
        weight_type=QuantType.QInt8,
    )


def _openvino(whole: Any, example: Any, names: Sequence[str], name: str, bfloat16: bool) -> Run:
    import openvino

    def export(folder: Path) -> None:
        shapes = [(each, openvino.PartialShape([-1, -1])) for each in names]
        model = openvino.convert_model(
            whole, example_input=example, input=[shape for _, shape in shapes]
        )
        openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)

    folder = exported(f"{name}-openvino", ["model.xml", "model.bin"], export)
    compiled = openvino.Core().compile_model(
        folder / "model.xml",
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
        },
    )
    # one for all threads: it has all cores anyway, and each one more would hold its own buffers
    request, lock = compiled.create_infer_request(), Lock()

    def run(inputs: Arrays) -> NDArray[Any]:
        with lock:
            results = request.infer(dict(enumerate(inputs[each] for each in names)))
            return np.array(results[0])

    return run


def _is_text(transformer: Any) -> bool:
    said = transformer.modality_config.get("text", {})
    return said.get("method") == "forward" and transformer.tokenizer is not None


def _output_name(transformer: Any) -> str:
    named = transformer.modality_config["text"]["method_output_name"]
    if isinstance(named, str):
        return named
    (name,) = named
    return str(name)


def _output(transformer: Any, texts: list[str]) -> NDArray[Any]:
    features = transformer.preprocess(texts)
    device = next((each.device for each in transformer.parameters()), torch.device("cpu"))
    features = {
        name: value.to(device) if hasattr(value, "to") else value
        for name, value in features.items()
    }
    mask = features["attention_mask"].bool()
    with torch.no_grad():
        computed = transformer(features)[transformer.module_output_name]
    return np.asarray(computed[mask].float().cpu().numpy())


def _check(found: NDArray[Any], expected: NDArray[Any]) -> None:
    """Raise ModelUnavailable where the vectors of tokens are not about the expected ones."""
    products = np.sum(found * expected, axis=1)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    if not (products / lengths).mean() >= LEAST_COSINE:
        raise ModelUnavailable("its export computes other vectors")


@contextmanager
def _quiet_exporters() -> Iterator[None]:
    """Hide what exporters log; one does so by the root logger, and would set it up by that."""
    loggers = [logging.getLogger(name) for name in EXPORTERS_LOGGERS]
    levels, handler = [each.level for each in loggers], logging.NullHandler()
    for each in loggers:
        each.addHandler(handler)
        each.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.removeHandler(handler)
            each.setLevel(level)
