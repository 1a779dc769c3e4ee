"""Files that are written in one step, and folders with one writer."""

import torch
from safetensors import safe_open

from camp.files import locked, save_tensors


def test_equal_content_is_equal_files(tmp_path):
    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 2, dtype=torch.int64)}
    for number in range(5):
        save_tensors(tmp_path / str(number), tensors, "header", 'some "text" in Å\n')
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    with safe_open(tmp_path / "0", framework="pt") as file:
        assert file.metadata() == {"header": 'some "text" in Å\n'}
        assert all(torch.equal(file.get_tensor(name), t) for name, t in tensors.items())


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    leftover, other = tmp_path / ".partial-123-last.ckpt", tmp_path / "last.ckpt"
    for path in (leftover, other):
        path.touch()
    with locked(tmp_path):
        assert other.exists() and not leftover.exists()
