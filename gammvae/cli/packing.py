"""Modules of torch as the content of a file, and back: ``torch.export`` and ONNX.

Notation: ``B`` batch.
"""

import io
import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import Dim, ExportedProgram

from gammvae.errors import InputError
from gammvae.evaluation.elementary import DECOMPOSITIONS
from gammvae.evaluation.programs import ClusterProgram, DecoderProgram

# What the program is about, in JSON: the name of a file inside .pt2, and of a property of ONNX.
ABOUT = "gammvae.json"
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


class Packed(NamedTuple):
    """A program.

    Attributes:
        content: Of its file.
        run: Computes the outputs of an array ``(B, ...)`` by the program that was read from the
            content again.
    """

    content: bytes
    run: Callable[[NDArray], list[NDArray]]


def pack(
    kind: str, program: ClusterProgram | DecoderProgram, example: Tensor, about: Mapping[str, Any]
) -> Packed:
    """Writes a module as a program for batches of any size.

    Args:
        kind: ``.pt2`` or ``.onnx``.
        program: The module.
        example: Some input ``(B, ...)`` of it.
        about: Stored with the program, as JSON.
    """
    with torch.no_grad():
        size = {0: Dim("batch", min=1)}
        traced = torch.export.export(
            program.eval(), (example,), dynamic_shapes=(size,), strict=False
        )
    return PACKERS[kind](traced, program, json.dumps(about))


def pack_torch(
    traced: ExportedProgram, program: ClusterProgram | DecoderProgram, about: str
) -> Packed:
    """A program of ``torch.export``, for ``torch.export.load``."""
    file = io.BytesIO()
    torch.export.save(traced, file, extra_files={ABOUT: about})
    content = file.getvalue()
    module = torch.export.load(io.BytesIO(content)).module()

    def run(values: NDArray) -> list[NDArray]:
        with torch.no_grad():
            outputs = module(torch.from_numpy(values))
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        return [one.numpy() for one in several]

    return Packed(content, run)


def pack_onnx(
    traced: ExportedProgram, program: ClusterProgram | DecoderProgram, about: str
) -> Packed:
    """A program in ONNX, which has no special functions: they become elementary ones."""
    import onnxruntime

    elementary = traced.run_decompositions(
        {**torch.export.default_decompositions(), **DECOMPOSITIONS}
    )
    made: Any = torch.onnx.export(
        elementary,
        dynamo=True,
        verbose=False,
        input_names=program.INPUTS,
        output_names=program.OUTPUTS,
    )
    made.model.metadata_props[ABOUT] = about
    content = made.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return Packed(content, lambda values: session.run(None, {program.INPUTS[0]: values}))


def check_packages(target: Path) -> None:
    """Refuses a file that needs packages which are not installed.

    Raises:
        InputError: One is missing.
    """
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if target.suffix.lower() == ".onnx" and missing:
        raise InputError(f"out={target} needs {', '.join(missing)}: pip install 'gammvae[onnx]'")


PACKERS = {".pt2": pack_torch, ".onnx": pack_onnx}
