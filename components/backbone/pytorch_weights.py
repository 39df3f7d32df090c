"""Reads a PyTorch weights file of the old (pre-zip) kind without PyTorch."""

import collections
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np

_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a state dictionary by name; scalars (counters) are left out.

    The file is three pickled headers, the pickled state dictionary whose tensors name a storage,
    the pickled order of the storages, and then each storage: a count and its raw values.

    Raises:
      pickle.UnpicklingError: the file names anything but tensors; nothing of it is run.
    """
    with open(path, "rb") as f:
        for _ in range(3):  # a magic number, the protocol's version, the writer's system
            _Unpickler(f).load()
        state, keys = _Unpickler(f).load(), _Unpickler(f).load()
        kinds = {tensor.storage.key: tensor.storage.dtype for tensor in state.values()}
        storages = {}
        for key in keys:
            (count,) = struct.unpack("<q", f.read(8))
            storages[key] = np.frombuffer(f.read(count * kinds[key].itemsize), kinds[key])
    return {name: tensor.view(storages) for name, tensor in state.items() if tensor.size}


class _Storage(collections.namedtuple("_Storage", "key dtype")):
    """Where a tensor's values lie."""


class _Tensor(collections.namedtuple("_Tensor", "storage offset size stride")):
    """A window onto a storage; offset and stride count values, not bytes."""

    def view(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        values = storages[self.storage.key][self.offset :]
        strides = [step * values.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(values, self.size, strides).copy()


class _Unpickler(pickle.Unpickler):
    """Knows the few names of a state dictionary, so that a file cannot run anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: _Tensor(storage, offset, size, stride)
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a weights file")

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, *_ = pid
        return _Storage(key, dtype)
