"""The public files behind the paper: a registry, and fetching that verifies what it fetched.

``registry.csv`` lists every file with its address and, where there is one, its git blob id or
sha256. A file comes from a mirror folder when it is there, otherwise over HTTPS; it appears under
its name only after it was verified. Where the publisher gives no hash, that of the first download
is kept beside the files, and another content is refused from then on.
"""

import csv
import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from camp import __version__
from camp.errors import InputError
from camp.files import lock_file, read_json, write_json, writing

# Hashes that the publisher does not give, as first seen; beside the fetched files.
RECORD = "hashes.json"
CHUNK = 1 << 16  # bytes
ATTEMPTS = 4  # transfers that begin and break off
CONNECTION_ATTEMPTS = 2  # servers that do not answer at all
FIRST_PAUSE = 1.0  # seconds before the second attempt; doubled each time
TIMEOUT = 20.0  # seconds without a byte


class SourceUnavailable(InputError):  # noqa: N818
    """A public file that is neither in the mirror nor to be had from its address."""


class _TransferError(Exception):
    """A transfer that may succeed when it is tried again."""

    def __init__(self, reason: object, connected: bool):
        super().__init__(str(reason))
        self.connected = connected


@dataclass(frozen=True)
class Source:
    """One public file; empty strings and None where the publisher says nothing."""

    kind: str  # dataset, structure, checkpoint or reference
    name: str
    url: str
    git_blob_sha1: str
    sha256: str
    verification: str  # which of the two, or that the publisher gives none
    bytes: int | None
    format: str
    units: str

    @property
    def file_name(self) -> str:
        """Where the file goes below the folder it is fetched into."""
        if "/" in self.name:
            return self.name
        url = urllib.parse.urlsplit(self.url)
        given = urllib.parse.parse_qs(url.query).get("filename")
        name = PurePosixPath(given[0] if given else url.path).name
        # The address of an archive on figshare ends in its version.
        return name if "." in name else f"{self.name.split()[0]}.zip"

    @property
    def has_hash(self) -> bool:
        return bool(self.git_blob_sha1 or self.sha256)


@cache
def registry() -> tuple[Source, ...]:
    """All public files that the project knows."""
    text = files("camp.data").joinpath("registry.csv").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = list(csv.DictReader(text.splitlines()))
    return tuple(
        Source(**{**row, "bytes": int(row["bytes"]) if row["bytes"] else None}) for row in rows
    )


def find(name: str) -> Source:
    """The source of that name.

    :raises InputError: no such name; similar ones are listed.
    """
    by_name = {source.name: source for source in registry()}
    if name in by_name:
        return by_name[name]
    close = [known for known in by_name if name.lower() in known.lower()]
    close = (close or get_close_matches(name, by_name, n=4, cutoff=0.4))[:4]
    hint = f"did you mean {', '.join(map(repr, close))}?" if close else "see 'camp fetch --list'"
    raise InputError(f"no public file is called {name!r}; {hint}")


def fetch(
    source: Source,
    folder: str | Path,
    *,
    mirror: str | Path | None = None,
    progress: bool = False,
) -> Path:
    """Bring a public file into a folder, verified; nothing is done when it is there already.

    :param mirror: folder that holds files under ``<repository>/<name>``, ``<name>`` or the last
        part of the address.
    :param progress: show a progress bar on the terminal.
    :return: the path of the file, ``folder / source.file_name``.
    :raises SourceUnavailable: it is not in the mirror and its address does not give it.
    :raises InputError: a wrong hash, a folder that cannot be written, a mirror that is missing.
    """
    folder = Path(folder)
    if mirror is not None and not Path(mirror).is_dir():
        raise InputError(f"the mirror {mirror} is not a folder")
    target = folder / source.file_name
    with _locked(folder), writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            if _problem(source, target, folder) is None:
                return target
            target.unlink()
        part = target.with_name(target.name + ".part")
        origin = _in_mirror(source, mirror)
        continues = part.exists() and origin is None
        if origin is not None:
            shutil.copyfile(origin, part)
        else:
            _download(source, part, mirror, progress)
        problem = _problem(source, part, folder)
        if problem is not None and continues:
            # The beginning that an earlier run left may be to blame.
            part.unlink()
            _download(source, part, mirror, progress)
            problem = _problem(source, part, folder)
        if problem is not None:
            part.unlink()
            raise InputError(
                f"{source.name}: the file from {origin or source.url} was removed: {problem}"
            )
        if not source.has_hash:
            _record(source, part, folder)
        part.replace(target)
    return target


def git_blob_sha1(path: str | Path) -> str:
    """The id that git gives to the content of a file."""
    size = Path(path).stat().st_size
    return _digest(path, hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False))


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    return _digest(path, hashlib.sha256())


# Verification


def _digest(path: str | Path, digest) -> str:
    with Path(path).open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _problem(source: Source, path: Path, folder: Path) -> str | None:
    """What is wrong with a file; None for nothing."""
    size = path.stat().st_size
    if source.bytes is not None and size != source.bytes:
        return f"expected {source.bytes} bytes, got {size}"
    if source.git_blob_sha1:
        return _difference("git blob id", source.git_blob_sha1, git_blob_sha1(path))
    if source.sha256:
        return _difference("sha256", source.sha256, sha256(path))
    recorded = _records(folder).get(source.file_name)
    if recorded is None:
        return None
    difference = _difference("sha256", recorded, sha256(path))
    if difference is None:
        return None
    return (
        f"{difference}; it is not the file fetched first, whose hash stands in {folder / RECORD} "
        "(remove that entry to accept the change)"
    )


def _difference(what: str, expected: str, got: str) -> str | None:
    return None if expected == got else f"wrong {what}: expected {expected}, got {got}"


def _records(folder: Path) -> dict[str, str]:
    path = folder / RECORD
    records = read_json(path) if path.exists() else {}
    if not isinstance(records, dict):
        raise InputError(f"{path}: expected {{file: sha256}}; remove it to record anew")
    return records


def _record(source: Source, path: Path, folder: Path) -> None:
    records = {**_records(folder), source.file_name: sha256(path)}
    write_json(folder / RECORD, dict(sorted(records.items())))


# Transfer


def _in_mirror(source: Source, mirror: str | Path | None) -> Path | None:
    if mirror is None:
        return None
    # raw.githubusercontent.com/<owner>/<repository>/<commit>/<path>
    repository = [*urllib.parse.urlsplit(source.url).path.split("/"), "", "", ""][2]
    candidates = [Path(repository, source.name), Path(source.name), Path(source.file_name)]
    return next((Path(mirror, c) for c in candidates if Path(mirror, c).is_file()), None)


def _download(source: Source, part: Path, mirror: str | Path | None, progress: bool) -> None:
    """Transfer into ``part``, going on where an earlier transfer broke off."""
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(FIRST_PAUSE * 2 ** (attempt - 1))
        try:
            _transfer(source, part, progress)
            return
        except _TransferError as error:
            reason = str(error)
            if not error.connected and attempt + 1 >= CONNECTION_ATTEMPTS:
                break
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.unlink(missing_ok=True)
            elif error.code < 500 and error.code != http.HTTPStatus.TOO_MANY_REQUESTS:
                break
    where = f"not in the mirror {mirror}, and " if mirror is not None else ""
    raise SourceUnavailable(f"{source.name}: {where}{source.url} cannot be had ({reason})")


def _transfer(source: Source, part: Path, progress: bool) -> None:
    validator = part.with_name(part.name + ".validator")
    request = urllib.request.Request(
        source.url, headers={"User-Agent": f"camp-repro/{__version__}"}
    )
    have = part.stat().st_size if part.exists() else 0
    known = validator.read_text() if validator.exists() else ""
    # Without a hash and without a mark of the version, two versions might be joined.
    if have and (known or source.has_hash):
        request.add_header("Range", f"bytes={have}-")
        if known:
            request.add_header("If-Range", known)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise _TransferError(getattr(error, "reason", error), connected=False) from None
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink()
            raise _TransferError("the server sent another range than asked for", connected=True)
        if not resumed:
            have = 0
            _keep_validator(validator, response.headers)
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else None
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(
                desc=PurePosixPath(source.file_name).name,
                total=total,
                initial=have,
                unit="B",
                unit_scale=True,
                disable=not progress,
            ) as bar,
        ):
            while chunk := _receive(response):
                file.write(chunk)
                have += len(chunk)
                bar.update(len(chunk))
    if total is not None and have != total:
        raise _TransferError(f"it broke off after {have} of {total} bytes", connected=True)
    validator.unlink(missing_ok=True)


def _receive(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _TransferError(f"it broke off: {error}", connected=True) from None


def _keep_validator(path: Path, headers) -> None:
    """Note the mark by which the server can tell whether the file changed in between."""
    etag = headers.get("ETag", "")
    mark = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
    if mark:
        path.write_text(mark)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One fetch at a time in a folder: two must not write the same file or the record."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a")
    with lock:
        lock_file(lock, wait=True)
        yield
