"""Writes a ``.npz`` file from arrays that arrive in chunks and need not fit into memory."""

import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from gammvae.system.writing import scratch


class NpzWriter:
    """Context manager that collects chunks of arrays in temporary files and packs them.

    Args:
        target: Path of the ``.npz`` file; the temporary files are kept in the same folder.
        length: Total length of every array along its first axis.
    """

    def __init__(self, target: Path, length: int) -> None:
        self.target = target
        self.length = length
        self._opened = ExitStack()
        self._files: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        self.folder = self._opened.enter_context(scratch(self.target))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()

    def append(self, chunk: Mapping[str, NDArray]) -> None:
        """Appends rows to every array.

        Args:
            chunk: The next rows of every array, by name.
        """
        for name, rows in chunk.items():
            if name not in self._files:
                file = (self.folder / f"{name}.npy").open("wb")
                self._files[name] = self._opened.enter_context(file)
                header = {
                    "descr": np.lib.format.dtype_to_descr(rows.dtype),
                    "fortran_order": False,
                    "shape": (self.length, *rows.shape[1:]),
                }
                np.lib.format.write_array_header_1_0(self._files[name], header)
            self._files[name].write(np.ascontiguousarray(rows).data)

    def pack(self, target: IO[bytes]) -> None:
        """Writes all arrays in the format of ``numpy.savez_compressed``."""
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in self._files.items():
                file.flush()
                archive.write(self.folder / f"{name}.npy", f"{name}.npy")
