"""Fetching from a mirror and from a server that breaks off, ignores ranges or changes the file."""

import functools
import hashlib
import http.server
import io
import json
import os
import subprocess
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from camp import cli
from camp.data import sources
from camp.data.formats.rmd17 import extract_rmd17
from camp.data.readers import read_structures
from camp.data.sources import (
    Source,
    SourceUnavailable,
    fetch,
    find,
    git_blob_sha1,
    registry,
)
from camp.errors import InputError
from tests.conftest import fill_disk

CONTENT = np.random.default_rng(0).bytes(300_000)


@dataclass
class Behaviour:
    content: bytes = CONTENT
    etag: str = '"one"'
    ranges: bool = True
    break_after: list[int] = field(default_factory=list)  # bytes, one entry for each request
    status: list[int] = field(default_factory=list)  # errors to begin with
    asked: list[str] = field(default_factory=list)  # Range headers received


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, behaviour: Behaviour, *arguments):
        self.behaviour = behaviour
        super().__init__(*arguments)

    def do_GET(self):
        does = self.behaviour
        asked = self.headers.get("Range", "")
        does.asked.append(asked)
        if does.status:
            self.send_error(does.status.pop(0))
            return
        start = 0
        if asked and does.ranges and self.headers.get("If-Range", does.etag) == does.etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(does.content):
            self.send_error(416)
            return
        body = does.content[start:]
        self.send_response(206 if start else 200)
        if start:
            end = len(does.content)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        self.send_header("Content-Length", str(len(body)))
        if does.etag:
            self.send_header("ETag", does.etag)
        self.end_headers()
        self.wfile.write(body[: does.break_after.pop(0)] if does.break_after else body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(sources, "FIRST_PAUSE", 0.001)
    behaviour = Behaviour()
    handler = functools.partial(Handler, behaviour)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        behaviour.url = f"http://127.0.0.1:{running.server_port}/a/b/c/file.bin"
        yield behaviour
        running.shutdown()
        thread.join()


@pytest.fixture
def source(server):
    digest = hashlib.sha256(CONTENT).hexdigest()
    return Source("dataset", "some/file.bin", server.url, "", digest, "", len(CONTENT), "", "")


@pytest.fixture
def unhashed(source):
    return replace(source, sha256="", bytes=None)


def left_behind(folder):
    """Whatever a transfer should have cleared away."""
    return [path for path in folder.rglob("*") if ".part" in path.name]


def test_registry_names_every_file_once():
    known = {source.name: source for source in registry()}
    assert len(known) == len(registry())
    water = find("models/water/checkpoint.ckpt")
    assert water.bytes == 1985660
    assert water.git_blob_sha1 == "9eddef43c8fa2212a97876370b184c3634cba90e"
    assert known["MD17 aspirin"].file_name == "md17_aspirin.npz"
    assert known["LiPS (250001 frames)"].file_name == "lips.xyz"
    assert known["rMD17 (10 molecules, 5 published splits)"].file_name == "rMD17.zip"
    assert known["water_rdf/298K_case_b_goo.csv"].file_name == "water_rdf/298K_case_b_goo.csv"
    elastic = known["MatTen elastic tensors (10276 crystals)"]
    assert elastic.file_name == "crystal_elasticity_tensor.json"
    legacy = find("cacefit/legacy/fit-ethanol/best_model.pth")
    assert legacy.file_name == "cacefit/legacy/fit-ethanol/best_model.pth"
    assert "/legacy/" not in legacy.url
    files = [source.file_name for source in registry()]
    assert len(set(files)) == len(files)


def test_the_registry_says_how_every_file_is_verified():
    """What has no hash of its publisher says so, and nothing goes over the network in the clear."""
    for source in registry():
        hashes = {"git blob id": source.git_blob_sha1, "sha256": source.sha256}
        known = [name for name, value in hashes.items() if value]
        assert source.verification == (known[0] if known else "no publisher's hash"), source.name
        assert source.url.startswith("https://"), source.name


def test_a_misspelt_name_is_answered_with_similar_ones():
    with pytest.raises(InputError, match="did you mean 'MD17 aspirin'"):
        find("MD17 asprin")
    with pytest.raises(InputError, match=r"dataset/water/test_water\.json"):
        find("test_water")
    with pytest.raises(InputError, match="camp fetch --list"):
        find("§§§§")


def test_blob_id_is_that_of_git(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    git = subprocess.run(
        ["git", "hash-object", "--no-filters", path], capture_output=True, text=True, check=True
    )
    assert git_blob_sha1(path) == git.stdout.strip()


def test_fetches_verifies_and_does_not_fetch_again(tmp_path, server, source):
    path = fetch(source, tmp_path)
    assert path == tmp_path / "some" / "file.bin"
    assert path.read_bytes() == CONTENT
    fetch(source, tmp_path)
    assert server.asked == [""]
    assert left_behind(tmp_path) == []


def test_damaged_file_is_fetched_again(tmp_path, server, source):
    fetch(source, tmp_path).write_bytes(CONTENT[:-1])
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 2


@pytest.mark.parametrize("hashed", [True, False])
def test_broken_transfer_is_resumed(tmp_path, server, source, unhashed, hashed):
    server.break_after = [100_000, 50_000]
    path = fetch(source if hashed else unhashed, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=100000-", "bytes=150000-"]
    assert left_behind(tmp_path) == []


def test_transfer_resumes_in_a_later_run(tmp_path, server, source, monkeypatch):
    monkeypatch.setattr(sources, "ATTEMPTS", 1)
    server.break_after = [70_000]
    with pytest.raises(SourceUnavailable, match="broke off after 70000 of 300000 bytes"):
        fetch(source, tmp_path)
    assert not (tmp_path / "some" / "file.bin").exists()
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["", "bytes=70000-"]


def test_server_that_ignores_ranges_restarts(tmp_path, server, source):
    server.ranges = False
    server.break_after = [100_000]
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["", "bytes=100000-"]


def test_file_that_changes_between_two_attempts_is_not_joined(tmp_path, server, unhashed):
    server.break_after = [100_000]
    original = Handler.do_GET

    def change_then_answer(handler):
        if server.asked:
            server.content, server.etag = CONTENT[::-1], '"two"'
        original(handler)

    Handler.do_GET = change_then_answer
    try:
        assert fetch(unhashed, tmp_path).read_bytes() == CONTENT[::-1]
    finally:
        Handler.do_GET = original


def test_without_hash_and_mark_a_transfer_restarts(tmp_path, server, unhashed):
    server.etag = ""
    server.break_after = [100_000]
    assert fetch(unhashed, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["", ""]


def test_damaged_beginning_of_an_earlier_run_is_fetched_again(tmp_path, server, source):
    part = tmp_path / "some" / "file.bin.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 1000)
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    part.write_bytes(b"x" * 2 * len(CONTENT))
    (tmp_path / "some" / "file.bin").unlink()
    assert fetch(source, tmp_path).read_bytes() == CONTENT


def test_busy_server_is_asked_again_but_a_missing_file_is_not(tmp_path, server, source):
    server.status = [503, 429]
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    server.status = [404, 404]
    other = replace(source, name="other/file.bin")
    with pytest.raises(SourceUnavailable, match=r"other/file\.bin: http.*HTTP 404") as caught:
        fetch(other, tmp_path)
    assert "\n" not in str(caught.value)
    assert len(server.status) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "wrong sha256: expected 0{64}, got [0-9a-f]{64}"),
        ({"git_blob_sha1": "0" * 40}, "wrong git blob id: expected 0{40}, got [0-9a-f]{40}"),
        ({"bytes": 5}, "expected 5 bytes, got 300000"),
    ],
)
def test_wrong_file_is_refused_and_removed(tmp_path, source, change, message):
    with pytest.raises(InputError, match=f"was removed: {message}") as caught:
        fetch(replace(source, **change), tmp_path)
    assert not isinstance(caught.value, SourceUnavailable)
    assert not (tmp_path / "some" / "file.bin").exists()
    assert left_behind(tmp_path) == []


def test_first_hash_is_recorded_and_a_later_change_refused(tmp_path, server, unhashed):
    path = fetch(unhashed, tmp_path)
    record = json.loads((tmp_path / "hashes.json").read_text())
    assert record == {"some/file.bin": hashlib.sha256(CONTENT).hexdigest()}
    path.unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(InputError, match=r"not the file fetched first.*hashes\.json"):
        fetch(unhashed, tmp_path)
    assert not path.exists()
    server.content = CONTENT
    assert fetch(unhashed, tmp_path).read_bytes() == CONTENT


def test_unreachable_server(tmp_path, source, monkeypatch):
    monkeypatch.setattr(sources, "FIRST_PAUSE", 0.001)
    away = replace(source, url="http://127.0.0.1:9/file.bin")
    with pytest.raises(SourceUnavailable, match=r"some/file\.bin: http.*cannot be had"):
        fetch(away, tmp_path)
    with pytest.raises(SourceUnavailable, match="not in the mirror"):
        fetch(away, tmp_path / "out", mirror=tmp_path)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("place", ["b/some/file.bin", "some/file.bin"])
def test_mirror_is_preferred(tmp_path, server, source, place):
    mirror = tmp_path / "mirror"
    (mirror / place).parent.mkdir(parents=True)
    (mirror / place).write_bytes(CONTENT)
    assert fetch(source, tmp_path / "out", mirror=mirror).read_bytes() == CONTENT
    assert server.asked == []


def test_mirror_by_the_name_in_the_address(tmp_path, server, unhashed):
    (tmp_path / "file.bin").write_bytes(CONTENT)
    named = replace(unhashed, name="Some data")
    assert fetch(named, tmp_path / "out", mirror=tmp_path).name == "file.bin"
    assert server.asked == []


def test_wrong_file_in_the_mirror_is_refused_and_kept_there(tmp_path, server, source):
    mirrored = tmp_path / "mirror" / "some" / "file.bin"
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(CONTENT[::-1])
    with pytest.raises(InputError, match=r"mirror.*wrong sha256"):
        fetch(source, tmp_path / "out", mirror=tmp_path / "mirror")
    assert mirrored.exists()
    assert not (tmp_path / "out" / "some" / "file.bin").exists()
    with pytest.raises(InputError, match=r"mirror .* is not a folder"):
        fetch(source, tmp_path / "out", mirror=tmp_path / "none")


def test_unwritable_folder(tmp_path, source):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        fetch(source, tmp_path / "file" / "out")


def test_full_disk(small_disk, server, source):
    """The message names the file; with some space the transfer goes on where it was."""
    ballast = fill_disk(small_disk)
    os.truncate(ballast, ballast.stat().st_size - len(CONTENT) // 2)
    with pytest.raises(InputError, match=r"cannot write .*file\.bin: No space left on device"):
        fetch(source, small_disk)
    assert not (small_disk / "some" / "file.bin").exists()
    assert len(server.asked) == 1
    ballast.unlink()
    assert fetch(source, small_disk).read_bytes() == CONTENT
    assert server.asked[1].startswith("bytes=") and server.asked[1] != "bytes=0-"


def test_two_fetches_at_once_agree(tmp_path, server, unhashed):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(fetch(unhashed, tmp_path))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() == CONTENT for path in results] == [True] * 4
    assert server.asked == [""]


def archive(path, members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:bz2") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    with zipfile.ZipFile(path, "w") as outer:
        outer.writestr("rmd17.tar.bz2", packed.getvalue())
        outer.writestr("readme.txt", "data")


def rmd17_npz() -> bytes:
    content = io.BytesIO()
    forces = np.ones((2, 2, 3))
    np.savez(
        content,
        nuclear_charges=np.array([6, 1]),
        coords=np.arange(12.0).reshape(2, 2, 3),
        energies=np.array([1.0, 2.0]),
        forces=forces,
    )
    return content.getvalue()


def test_rmd17_archive(tmp_path):
    path = tmp_path / "data" / "rMD17.zip"
    path.parent.mkdir()
    members = {
        "rmd17/npz_data/rmd17_benzene.npz": b"",
        # An archive that tries to write elsewhere: only the content is taken.
        "../../rmd17_aspirin.npz": rmd17_npz(),
    }
    archive(path, members)
    npz = extract_rmd17(path, "aspirin")
    assert npz == tmp_path / "data" / "rmd17_aspirin.npz"
    assert len(read_structures(npz)) == 2
    assert sorted(p.name for p in tmp_path.rglob("*.npz")) == ["rmd17_aspirin.npz"]
    with pytest.raises(InputError, match="no molecule 'x'; it has aspirin, benzene"):
        extract_rmd17(path, "x")
    with pytest.raises(InputError, match="no molecule"):
        extract_rmd17(path, "../aspirin")
    whole = path.read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2], whole.replace(b"BZh9", b"BZh0")):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"rMD17\.zip"):
            extract_rmd17(path, "aspirin")


def test_command_fetches_what_it_can_and_names_the_rest(tmp_path, capsys, monkeypatch, server):
    monkeypatch.setattr(sources, "CONNECTION_ATTEMPTS", 1)
    good = Source("dataset", "good/file.bin", server.url, "", "", "", None, "", "")
    away = replace(good, name="away/file.bin", url="http://127.0.0.1:9/file.bin")
    monkeypatch.setattr(sources, "registry", lambda: (away, good))
    names = ["away/file.bin", "nonsense", "good/file.bin"]
    assert cli.main(["fetch", *names, "--out", str(tmp_path)]) == 2
    assert (tmp_path / "good" / "file.bin").read_bytes() == CONTENT
    problems = [line for line in capsys.readouterr().err.splitlines() if "camp: error" in line]
    assert len(problems) == 2
    assert problems[0].startswith("camp: error: away/file.bin: ")
    assert "'nonsense'" in problems[1]


def test_command_lists(capsys):
    assert cli.main(["fetch", "--list"]) == 0
    assert "models/water/checkpoint.ckpt" in capsys.readouterr().out
    assert cli.main(["fetch"]) == 2


def test_published_files_agree_with_the_registry(tmp_path, shared_data):
    mirror = shared_data / "mirror"
    mirrored = {source: sources._in_mirror(source, mirror) for source in registry()}
    found = {source: path for source, path in mirrored.items() if path is not None}
    assert {source.kind for source in found} >= {"checkpoint", "structure", "reference"}
    for source, path in found.items():
        assert fetch(source, tmp_path, mirror=mirror).read_bytes() == path.read_bytes()
