"""What may be larger than the memory: kept in files without a name, which are mapped into it.

Such a file goes when nothing looks at it any longer, also where the process is killed.
"""

import copy
import mmap
import pickle
import tempfile
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from camp.files import writing

# Bytes that are collected before they are written.
_BUFFER = 2**20


class MappedRows:
    """An array that grows by some rows at a time.

    :param folder: of the file; by default where the system has temporary files.
    :raises InputError: the folder cannot be written.
    """

    def __init__(self, folder: Path | None = None):
        self._folder = folder or Path(tempfile.gettempdir())
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=_BUFFER)  # noqa: SIM115
        self._dtype, self._shape = np.dtype(np.uint8), (0,)

    def append(self, rows: Tensor) -> None:
        """:raises InputError: the disk is full."""
        values = rows.contiguous().numpy()
        self._dtype, self._shape = values.dtype, (self._shape[0] + len(values), *values.shape[1:])
        with writing(self._folder):
            self._file.write(values.data)

    def tensor(self) -> Tensor:
        """All rows, at least one, in memory that is mapped to the file.

        :raises InputError: the disk is full.
        """
        with writing(self._folder):
            self._file.flush()
        # Pages that are written to are copied, and the file stays as it is.
        return torch.from_numpy(np.memmap(self._file, self._dtype, "c", shape=self._shape))


class StoredStructures(Sequence[Atoms]):
    """Structures of which each is made anew when it is asked for: changes to it are lost.

    They lie where the system has temporary files (``TMPDIR``), and take 16 bytes of memory each.

    :raises InputError: the disk is full.
    """

    def __init__(self, structures: Iterable[Atoms]):
        ends = array("q", [0])
        with writing(tempfile.gettempdir()), tempfile.TemporaryFile(buffering=_BUFFER) as file:
            for atoms in structures:
                # Nobody else can write what is unpickled here: the file has no name.
                content = pickle.dumps(atoms, pickle.HIGHEST_PROTOCOL)
                file.write(content)
                ends.append(ends[-1] + len(content))
            file.flush()
            self._content = mmap.mmap(file.fileno(), ends[-1], access=mmap.ACCESS_READ)
        self._places = np.lib.stride_tricks.sliding_window_view(np.array(ends), 2)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Atoms: ...
    @overload
    def __getitem__(self, index: slice) -> "StoredStructures": ...
    def __getitem__(self, index: int | slice) -> "Atoms | StoredStructures":
        if isinstance(index, slice):
            return self.chosen(range(len(self))[index])
        begin, end = self._places[index]
        return pickle.loads(self._content[begin:end])

    def chosen(self, indices: Sequence[int]) -> "StoredStructures":
        """Some of the structures, in the order given, in the same file."""
        return self._at(self._places[np.asarray(indices, dtype=np.int64)])

    def __add__(self, others: "StoredStructures") -> "StoredStructures":
        """These and others of the same file."""
        assert others._content is self._content
        return self._at(np.concatenate([self._places, others._places]))

    def _at(self, places: np.ndarray) -> "StoredStructures":
        some = copy.copy(self)
        some._places = places
        return some
