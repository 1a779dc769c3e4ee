"""Pickled torch modules and checkpoints read as data: nothing that the file names is looked up,
imported or called.

A small interpreter of the operations of pickle that such files have. Tensors become numpy arrays;
whatever else a file would construct becomes a :class:`Foreign` that only remembers what the file
says of it. Other operations are refused, and there is nothing here that could run code.
"""

import pickletools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Published files stay far below.
MOST_BYTES = 256 * 2**20  # of a file
MOST_PICKLED = 8 * 2**20  # bytes of its pickle
MOST_ENTRIES = 10_000  # of its archive
MOST_MODULES = 10_000  # of a model, counted wherever they are used
DEEPEST_MODULE = 30
MOST_AXES = 8  # of a tensor

STORAGES = {
    "torch DoubleStorage": "<f8",
    "torch FloatStorage": "<f4",
    "torch HalfStorage": "<f2",
    "torch LongStorage": "<i8",
    "torch IntStorage": "<i4",
    "torch ShortStorage": "<i2",
    "torch CharStorage": "<i1",
    "torch ByteStorage": "<u1",
    "torch BoolStorage": "|b1",
}
NUMBERS = {"f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1"}


class NotReadableError(Exception):
    """What a file says that cannot be read as data."""


@dataclass(frozen=True)
class Name:
    """A class or function that a file names: module and name with a space between them."""

    name: str


@dataclass(eq=False, repr=False)
class Foreign:
    """An object of a file: what it would be made with, from what, and the state it is given."""

    name: str
    arguments: tuple = ()
    state: Any = None


@dataclass(frozen=True)
class Storage:
    """The numbers that tensors share, before they are read."""

    dtype: str
    key: str
    count: int


class Archive:
    """The zip in which torch keeps a pickle and the storages beside it.

    :raises NotReadableError: not such an archive, or one made to be harmful.
    """

    def __init__(self, path: Path):
        if path.stat().st_size > MOST_BYTES:
            raise NotReadableError(f"larger than {MOST_BYTES >> 20} MiB")
        self.zip = zipfile.ZipFile(path)
        entries = self.zip.infolist()
        names = [entry.filename for entry in entries]
        roots = {name.partition("/")[0] for name in names}
        if len(roots) != 1 or len(names) > MOST_ENTRIES or len(set(names)) < len(names):
            raise NotReadableError("not one folder of different files")
        (self.root,) = roots
        if any(part in ("", "..") for name in names for part in name.split("/")):
            raise NotReadableError("names outside its folder")
        # torch never packs; and no entry may be another one once more.
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise NotReadableError("packed")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise NotReadableError("its parts are larger than the whole")
        if self._has("byteorder") and self._read("byteorder") != b"little":
            raise NotReadableError("not in little-endian order")

    def pickle(self) -> bytes:
        """The pickle of the object itself."""
        if self.zip.getinfo(f"{self.root}/data.pkl").file_size > MOST_PICKLED:
            raise NotReadableError(f"a pickle of more than {MOST_PICKLED >> 20} MiB")
        return self._read("data.pkl")

    def numbers(self, storage: Storage) -> np.ndarray:
        """All numbers of a storage."""
        content = self._read(f"data/{storage.key}")
        numbers = np.frombuffer(content, np.dtype(storage.dtype))
        if len(numbers) != storage.count:
            raise NotReadableError(f"storage {storage.key} has another size than the file says")
        return numbers

    def _has(self, name: str) -> bool:
        return f"{self.root}/{name}" in self.zip.NameToInfo

    def _read(self, name: str) -> bytes:
        return self.zip.read(f"{self.root}/{name}")


def read_pickle(archive: Archive) -> Any:
    """The object in an archive: dictionaries, lists, tuples, texts, numbers, numpy arrays for
    tensors, and :class:`Foreign`. Keys of dictionaries other than texts and numbers are left out.

    :raises NotReadableError: operations that torch's files do not have, or a tensor that does not
        lie in its storage.
    """
    return _Interpreter(archive).run()


class _Interpreter:
    """The machine of pickle: a stack, marks in it, and a memory of objects."""

    def __init__(self, archive: Archive):
        self.archive = archive
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # stacks under the marks
        self.memory: dict[int, Any] = {}
        self.storages: dict[Storage, np.ndarray] = {}

    def run(self) -> Any:
        for operation, argument, _ in pickletools.genops(self.archive.pickle()):
            self._do(operation.name, argument)
        return self.stack.pop()

    def _do(self, operation: str, argument: Any) -> None:
        push, pop = self.stack.append, self.stack.pop
        match operation:
            case "PROTO" | "STOP":
                pass
            case "MARK":
                self.below.append(self.stack)
                self.stack = []
            case "BINPUT" | "LONG_BINPUT":
                self.memory[argument] = self.stack[-1]
            case "BINGET" | "LONG_BINGET":
                push(self.memory[argument])
            case "NONE":
                push(None)
            case "NEWTRUE" | "NEWFALSE":
                push(operation == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                push(argument)
            case "EMPTY_LIST":
                push([])
            case "EMPTY_DICT":
                push({})
            case "EMPTY_TUPLE":
                push(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(operation[-1])
                items = tuple(self.stack[-count:])
                del self.stack[-count:]
                push(items)
            case "TUPLE":
                items = tuple(self._items())
                self.stack.append(items)
            case "APPEND":
                self._extend([pop()])
            case "APPENDS":
                self._extend(self._items())
            case "SETITEM":
                value, key = pop(), pop()
                self._set([key, value])
            case "SETITEMS":
                self._set(self._items())
            case "GLOBAL":
                push(Name(argument))
            case "NEWOBJ" | "REDUCE":
                arguments, made_with = pop(), pop()
                if not isinstance(made_with, Name) or not isinstance(arguments, tuple):
                    raise NotReadableError("calls what it made itself")
                push(self._made(made_with.name, arguments))
            case "BUILD":
                state = pop()
                if isinstance(self.stack[-1], Foreign):
                    self.stack[-1].state = state
            case "BINPERSID":
                push(_storage(pop()))
            case _:
                raise NotReadableError(f"the operation {operation}")

    def _items(self) -> list[Any]:
        """What lies above the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise NotReadableError("appends to something else than a list")
        self.stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise NotReadableError("sets items of something else than a dictionary")
        pairs = zip(items[::2], items[1::2], strict=True)
        self.stack[-1].update({k: value for k, value in pairs if isinstance(k, str | int | float)})

    def _made(self, name: str, arguments: tuple) -> Any:
        match name, arguments:
            case "collections OrderedDict", ():
                return {}
            case "torch Size", (list() | tuple() as sizes,):
                return tuple(sizes)
            case "_codecs encode", (str() as text, "latin1"):
                return text.encode("latin1")
            case "torch._utils _rebuild_tensor_v2", (Storage() as storage, *layout):
                return self._tensor(storage, *layout[:3])
            case "torch._utils _rebuild_parameter", (np.ndarray() as tensor, *_):
                return tensor
            case (
                "numpy.core.multiarray scalar" | "numpy._core.multiarray scalar",
                (Foreign("numpy dtype", (str() as kind, *_), (_, "<" | "|", *_)), bytes() as whole),
            ) if kind in NUMBERS and len(whole) == int(kind[1]):
                return np.frombuffer(whole, f"<{kind}").item()
        return Foreign(name, arguments)

    def _tensor(self, storage: Storage, offset: Any, size: Any, stride: Any) -> np.ndarray:
        if storage not in self.storages:
            self.storages[storage] = self.archive.numbers(storage)
        numbers = self.storages[storage]
        whole = [offset, *size, *stride]
        if not all(type(number) is int and number >= 0 for number in whole):
            raise NotReadableError("a tensor whose place is no whole number of at least zero")
        if len(size) != len(stride) or len(size) > MOST_AXES:
            raise NotReadableError("a tensor without a layout")
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        count = 1
        for n in size:
            count *= n
        # It may lie in its storage and yet repeat its numbers as often as it says.
        if count and not (last < len(numbers) and count <= len(numbers)):
            raise NotReadableError("a tensor that does not lie in its storage")
        if not count:
            return np.zeros(size, numbers.dtype)
        strides = [step * numbers.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(numbers[offset:], size, strides, writeable=False)


def _storage(said: Any) -> Storage:
    match said:
        case ("storage", Name(name), str() as key, str(), int() as count) if name in STORAGES:
            return Storage(STORAGES[name], key, count)
    raise NotReadableError("a storage of an unknown kind")


@dataclass(frozen=True)
class Module:
    """What a file says of a torch module."""

    kind: str  # its class, as in :class:`Name`
    attributes: Mapping[str, Any]  # plain ones
    modules: Mapping[str, "Module"]
    parameters: Mapping[str, np.ndarray]
    buffers: Mapping[str, np.ndarray]  # those that belong to the state

    def state(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Parameters and buffers under the names of torch's state dict."""
        own = {**self.parameters, **self.buffers}
        found = {prefix + name: value for name, value in own.items()}
        for name, module in self.modules.items():
            found |= module.state(f"{prefix}{name}.")
        return found


def read_module(archive: Archive) -> Module:
    """The module in an archive. A module used in two places is the same object in both.

    :raises NotReadableError: see :func:`read_pickle`; something else than a module.
    """
    known: dict[int, Module] = {}
    used = 0

    def module(said: Any, depth: int) -> Module:
        nonlocal used
        used += 1
        if used > MOST_MODULES or depth > DEEPEST_MODULE:
            raise NotReadableError("more modules than any model has")
        if not isinstance(said, Foreign) or not isinstance(said.state, dict):
            raise NotReadableError("something else than a module")
        attributes = {key: value for key, value in said.state.items() if isinstance(key, str)}
        inner = _members(attributes, "_modules")
        modules = {name: module(value, depth + 1) for name, value in inner.items()}
        if id(said) not in known:
            passing = attributes.get("_non_persistent_buffers_set")
            names = passing.arguments[:1] if isinstance(passing, Foreign) else ()
            left_out = names[0] if names and isinstance(names[0], list) else []
            buffers = _tensors(attributes, "_buffers")
            known[id(said)] = Module(
                kind=said.name,
                attributes=attributes,
                modules=modules,
                parameters=_tensors(attributes, "_parameters"),
                buffers={name: buffers[name] for name in buffers if name not in left_out},
            )
        return known[id(said)]

    return module(read_pickle(archive), 0)


def _members(attributes: Mapping[str, Any], kind: str) -> dict[str, Any]:
    members = attributes.get(kind, {})
    if not isinstance(members, dict) or not all(isinstance(name, str) for name in members):
        raise NotReadableError(f"{kind} without names")
    return {name: value for name, value in members.items() if value is not None}


def _tensors(attributes: Mapping[str, Any], kind: str) -> dict[str, np.ndarray]:
    members = _members(attributes, kind)
    for name, value in members.items():
        if not isinstance(value, np.ndarray):
            raise NotReadableError(f"{name} is no tensor")
    return members
