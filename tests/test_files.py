"""Files that are written in one step, and folders with one writer."""

import errno
import fcntl
import os
import stat

import pytest
import torch
from safetensors import safe_open

from camp.errors import InputError
from camp.files import locked, read_checkpoint, save_tensors


def test_equal_content_is_equal_files(tmp_path):
    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 2, dtype=torch.int64)}
    for number in range(5):
        save_tensors(tmp_path / str(number), tensors, "header", 'some "text" in Å\n')
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    with safe_open(tmp_path / "0", framework="pt") as file:
        assert file.metadata() == {"header": 'some "text" in Å\n'}
        assert all(torch.equal(file.get_tensor(name), t) for name, t in tensors.items())


def test_models_are_as_readable_as_other_files(tmp_path):
    """Also for colleagues on a cluster, where the system lets them."""
    before = os.umask(0o027)
    try:
        save_tensors(tmp_path / "model", {"a": torch.ones(1)}, "header", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o640


class NotTensors:
    """A class that a pickle would import."""


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"10\nC 0 0 0\n", "Unsupported operand 49"),
        (NotTensors(), "Unsupported global: GLOBAL tests.test_files.NotTensors was not an allowed"),
        (
            os.system,
            "Trying to load unsupported GLOBAL posix.system whose module posix is blocked",
        ),
    ],
)
def test_what_is_no_checkpoint_is_refused_without_torchs_advice(tmp_path, content, reason):
    path = tmp_path / "a.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save({"a": content}, path)
    with pytest.raises(InputError) as error:
        read_checkpoint(path)
    said = str(error.value)
    assert said.startswith(f"{path}: not a checkpoint that can be read safely ({reason}")
    assert "\n" not in said and "weights_only" not in said


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    leftover, other = tmp_path / ".partial-123-last.ckpt", tmp_path / "last.ckpt"
    for path in (leftover, other):
        path.touch()
    with locked(tmp_path):
        assert other.exists() and not leftover.exists()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_work_goes_on_with_a_warning(
    tmp_path, monkeypatch, capsys, number
):
    def flock(*_):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path):
        (tmp_path / "result").touch()
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path) in line and "has no locks" in line


def test_what_else_a_lock_may_fail_of_is_one_line(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(InputError, match=f"cannot lock {tmp_path}: Input/output error"):
        locked(tmp_path).__enter__()
