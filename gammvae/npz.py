"""A ``.npz`` file from arrays that come in chunks and need not fit into memory."""

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray


class NpzWriter:
    """Collects chunks of arrays in files, to be packed together; a context manager.

    Args:
        folder: For the files, emptied first and removed at the end.
        length: Of every array along its first axis, all chunks together.
    """

    def __init__(self, folder: Path, length: int) -> None:
        self.folder = folder
        self.length = length
        self._files: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        shutil.rmtree(self.folder, ignore_errors=True)  # a killed process may have left some
        self.folder.mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def append(self, chunk: Mapping[str, NDArray]) -> None:
        """Adds the next rows of every array, by its name."""
        for name, rows in chunk.items():
            if name not in self._files:
                self._files[name] = (self.folder / f"{name}.npy").open("wb")
                header = {
                    "descr": np.lib.format.dtype_to_descr(rows.dtype),
                    "fortran_order": False,
                    "shape": (self.length, *rows.shape[1:]),
                }
                np.lib.format.write_array_header_1_0(self._files[name], header)
            self._files[name].write(np.ascontiguousarray(rows).data)

    def pack(self, target: IO[bytes]) -> None:
        """Writes all arrays as ``numpy.savez_compressed`` would."""
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in self._files.items():
                file.flush()
                archive.write(self.folder / f"{name}.npy", f"{name}.npy")
