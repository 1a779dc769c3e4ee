"""Hostile files: whatever a pickle asks for, nothing of it runs, and it is refused in one line."""

import builtins
import os
import pickle
import struct
import subprocess
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from camp.errors import InputError
from camp.models.cace import pickles
from camp.models.cace.pickles import Archive, NotReadableError, read_module, read_pickle
from camp.models.cace.published import read
from tests.models.cace import published_module as published


def text(value):
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def whole(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def module(**attributes):
    """A module with these attributes, given as pickles; its class says what the file is."""
    items = b"".join(text(name) + value for name, value in attributes.items())
    return named("cace.models", "Model") + b")\x81}(" + items + b"ub"


def tensor(offset=0, size=(2,), stride=(1,), *, count=2, kind="FloatStorage", key="0"):
    """A tensor as torch writes it."""
    storage = text("storage") + named("torch", kind) + text(key) + text("cpu") + whole(count)
    numbers = (b"(" + b"".join(map(whole, axes)) + b"t" for axes in (size, stride))
    return b"".join(
        [
            named("torch._utils", "_rebuild_tensor_v2"),
            b"((" + storage + b"tQ",
            whole(offset),
            *numbers,
            b"\x89" + named("collections", "OrderedDict") + b")R",
            b"tR",
        ]
    )


def write(path, content, *, entries=None, root="model", packed=False):
    """An archive as torch writes it, around a pickle."""
    entries = {"data/0": np.zeros(2, np.float32).tobytes()} if entries is None else entries
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr(f"{root}/data.pkl", b"\x80\x02" + content + b".")
        for name, value in entries.items():
            archive.writestr(f"{root}/{name}", value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pth"


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "marker"


class Calls:
    """Asks for a call when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def asks(*call):
    """The pickle of a module-like dictionary with a call in it, without its two ends."""
    return pickle.dumps({"a": Calls(*call)}, protocol=2)[2:-1]


def code(marker):
    command = f"touch {marker}"
    shell = named("os", "system") + b"(" + text(command)
    getattr_chain = (
        named("builtins", "getattr")
        + b"("
        + named("builtins", "__import__")
        + b"("
        + text("os")
        + b"tR"
        + text("system")
        + b"tR("
        + text(command)
        + b"tR"
    )
    evaluated = f"open({str(marker)!r}, 'w')"
    return {
        "system": asks(os.system, command),
        "popen": asks(subprocess.Popen, ["touch", str(marker)]),
        "eval": asks(eval, evaluated),
        "exec": asks(exec, evaluated),
        "open": asks(builtins.open, str(marker), "w"),
        "getattr chain": getattr_chain,
        "reduce": shell + b"tR",
        "inst": b"(" + text(command) + b"ios\nsystem\n",
        "obj": b"(" + named("os", "system") + text(command) + b"o",
        "newobj": named("subprocess", "Popen") + b"(" + text(command) + b"t\x81",
        "newobj_ex": b"\x8c\x02os\x8c\x06system\x93(" + text(command) + b"t}\x92",
        "stack global": b"\x8c\x02os\x8c\x06system\x93(" + text(command) + b"tR",
        "build": named("os", "_wrap_close") + b")\x81}" + text("x") + shell + b"tRsb",
        "build of slots": named("os", "_wrap_close") + b")\x81N}" + text("x") + shell + b"tRs\x86b",
        "extension 1": b"\x82\x01",
        "extension 2": b"\x83\x01\x01",
        "extension 4": b"\x84\x01\x01\x01\x01",
        "persistent text": b"Pos.system\n",
        "storage of a function": b"("
        + text("storage")
        + named("os", "system")
        + text("0")
        + text("cpu")
        + whole(2)
        + b"tQ",
    }


@pytest.mark.parametrize("kind", code(""))
def test_nothing_runs(path, marker, monkeypatch, kind):
    """Neither a call, nor the import of a module that the file names."""
    monkeypatch.syspath_prepend(path.parent)
    (path.parent / "imported_by_pickle.py").write_text(f"open({str(marker)!r}, 'w')")
    write(path, module(a=named("imported_by_pickle", "anything"), b=code(marker)[kind]))
    with pytest.raises(InputError, match=r"model\.pth: ") as said:
        read(path, {})
    assert "\n" not in str(said.value)
    assert not marker.exists()


def test_nothing_runs_in_a_whole_model(monkeypatch, path, marker):
    """Calls among the attributes and hooks of a model that is otherwise right are not made."""
    torch.manual_seed(0)
    model = published.potential(published.classes(monkeypatch))
    torch.save(model, path)
    expected = read(path, {}).parameters
    model._forward_hooks["evil"] = Calls(os.system, f"touch {marker}")
    model.representation.zs = Calls(eval, f"open({str(marker)!r}, 'w')")
    torch.save(model, path)
    found = read(path, {}).parameters
    assert not marker.exists()
    for name, value in expected.items():
        assert torch.equal(found[name], value)


def bad_tensors():
    large = 2**62
    return {
        "beyond its storage": tensor(offset=1),
        "offset beyond": tensor(offset=large),
        "negative offset": tensor(offset=-1),
        "negative stride": tensor(offset=1, stride=(-1,)),
        "negative size": tensor(size=(-2,)),
        "repeating one number": tensor(size=(large,), stride=(0,)),
        "repeating in two axes": tensor(size=(2, large), stride=(1, 0)),
        "overflow": tensor(size=(3, large), stride=(large, large)),
        "many axes": tensor(size=(1,) * 40, stride=(1,) * 40),
        "axes without strides": tensor(size=(1, 1), stride=(1,)),
        "huge storage": tensor(size=(large,), count=large),
        "storage shorter than said": tensor(count=3),
        "storage longer than said": tensor(size=(1,), count=1),
        "absent storage": tensor(key="7"),
        "storage elsewhere": tensor(key="../data.pkl"),
        "unknown numbers": tensor(kind="QInt8Storage"),
    }


@pytest.mark.parametrize("kind", bad_tensors())
def test_tensors_that_do_not_lie_in_their_storage(path, kind):
    write(path, module(a=bad_tensors()[kind]))
    with pytest.raises((NotReadableError, KeyError)):
        read_pickle(Archive(path))
    with pytest.raises(InputError, match=r"model\.pth: "):
        read(path, {})


def bad_pickles():
    return {
        "memory of objects far away": b"Nr\xff\xff\xff\xff",
        "recall of nothing": b"h\x05",
        "mark without items": b"(u",
        "key without value": b"}(" + text("x") + b"u",
        "item of a list": b"]" + text("x") + b"Ns",
        "append to a dictionary": b"}Na",
        "call of an object": named("a", "b") + b")R)R",
        "other arguments": named("a", "b") + b"NR",
        "truncated": b"X\xff\xff\xff\x7fabc",
        "no operation": b"\xff",
        "no module": b"}",
    }


@pytest.mark.parametrize("kind", bad_pickles())
def test_pickles_that_torch_does_not_write(path, kind):
    write(path, module(a=bad_pickles()[kind]))
    with pytest.raises(InputError, match=r"model\.pth: "):
        read(path, {})


def test_modules_that_multiply_or_never_end(path):
    """A module in itself, a chain of thousands, and each ten times in the next, thirty times."""

    def parent(*members):
        items = (text(str(k)) + member for k, member in enumerate(members))
        return module(_modules=b"}(" + b"".join(items) + b"u")

    itself = parent(b"h\x01").replace(b"\x81", b"\x81q\x01")
    chain = laughs = module()
    for level in range(30):
        for _ in range(30):
            chain = parent(chain)
        laughs = parent(laughs + b"q" + bytes([level]), *[b"h" + bytes([level])] * 9)
    for content in (itself, chain, laughs):
        write(path, content)
        with pytest.raises(InputError, match="more modules than any model has"):
            read(path, {})


def test_keys_that_take_forever_to_hash_are_left_out(path):
    """A tuple of the tuple below it twice, a hundred levels deep, as a key."""
    key = text("x")
    for _ in range(100):
        key += b"q\x01h\x01\x86"
    write(path, b"}" + key + b"Ns")
    assert read_pickle(Archive(path)) == {}


def archives(path):
    """Makers of archives that are none of torch's."""

    def outside():
        write(path, module(), entries={"../../evil": b"x"})

    def elsewhere():
        write(path, module())
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("other/data/0", b"x")

    def twice():
        write(path, module())
        with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("model/data/0", b"x")

    def bomb():
        write(path, module(), entries={"data/0": bytes(300_000_000)}, packed=True)

    def packed():
        write(path, module(a=text("x" * 1000)), packed=True)

    def big_endian():
        write(path, module(a=tensor()), entries={"data/0": bytes(8), "byteorder": b"big"})

    def many():
        write(path, module(), entries={f"data/{k}": b"" for k in range(pickles.MOST_ENTRIES + 1)})

    def long_pickle():
        write(path, module() + b"N" * pickles.MOST_PICKLED)

    def damaged():
        write(path, module(a=tensor()), entries={"data/0": b"12345678"})
        path.write_bytes(path.read_bytes().replace(b"12345678", b"12345679"))

    return [outside, elsewhere, twice, bomb, packed, big_endian, many, long_pickle, damaged]


@pytest.mark.parametrize("number", range(9))
def test_archives_that_torch_does_not_write(path, number):
    archives(path)[number]()
    with pytest.raises(InputError, match=r"model\.pth: "):
        read(path, {})
    assert not (path.parent.parent / "evil").exists()


def test_files_larger_than_any_model(path, monkeypatch):
    write(path, b"}")
    monkeypatch.setattr(pickles, "MOST_BYTES", 10)
    with pytest.raises(NotReadableError, match="larger than"):
        Archive(path)


def test_truncated_files_are_no_archives(monkeypatch, path):
    torch.save(published.potential(published.classes(monkeypatch)), path)
    content = path.read_bytes()
    for length in range(0, len(content), 997):
        path.write_bytes(content[:length])
        assert read(path, {}) is None


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_every_changed_byte_of_the_pickle_is_refused_or_harmless(monkeypatch, path, marker):
    """Whatever a byte is changed to, the reader ends, with weights or with one line."""
    model = published.potential(published.classes(monkeypatch))
    torch.save(model, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (name for name in entries if name.endswith("data.pkl"))
    rng = np.random.default_rng(0)
    for _ in range(150):
        content = bytearray(entries[name])
        content[rng.integers(len(content))] = rng.integers(256)
        with zipfile.ZipFile(path, "w") as archive:
            for other, value in {**entries, name: bytes(content)}.items():
                archive.writestr(other, value)
        try:
            read(path, {})
        except InputError as error:
            assert "\n" not in str(error)


def test_reads_what_torch_writes(path):
    """Tensors of all kinds of numbers, views of one storage and shared modules, as torch does."""

    class Inner(nn.Module):
        pass

    base = torch.arange(24.0).view(4, 6)
    tensors = {
        "strided": base[1:3, ::2],
        "transposed": base.T,
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "whole": torch.tensor([[1, -2], [3, 4]]),
        "small": torch.tensor([1, 255], dtype=torch.uint8),
        "half": torch.tensor([0.5, 2.0], dtype=torch.float16),
        "truth": torch.tensor([True, False]),
    }
    torch.save({"cace.models": 1, **tensors}, path)
    found = read_pickle(Archive(path))
    for name, expected in tensors.items():
        np.testing.assert_array_equal(found[name], expected.numpy())
        assert found[name].dtype == expected.numpy().dtype

    linear = nn.Linear(2, 3)
    sequential = nn.Sequential(linear, nn.ModuleList([linear]), nn.BatchNorm1d(3))
    torch.save(sequential, path)
    module = read_module(Archive(path))
    assert module.modules["0"] is module.modules["1"].modules["0"]
    state = sequential.state_dict()
    assert module.state().keys() == state.keys()
    for name, value in module.state().items():
        np.testing.assert_array_equal(value, state[name].numpy())
