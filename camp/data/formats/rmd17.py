"""The rMD17 archive: a zip that holds a tar of one npz for each molecule."""

import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from camp.errors import InputError
from camp.files import atomic_path


def extract_rmd17(archive: str | Path, molecule: str) -> Path:
    """Take the npz of one molecule out of the rMD17 archive; it is written beside the archive.

    :param archive: zip that holds ``rmd17.tar.bz2``.
    :raises InputError: a damaged or foreign archive, or a molecule that it does not hold.
    """
    archive = Path(archive)
    wanted, found = f"rmd17_{molecule}.npz", []
    try:
        with zipfile.ZipFile(archive) as outer:
            inner = next((n for n in outer.namelist() if n.endswith(".tar.bz2")), None)
            if inner is None:
                raise InputError(f"{archive}: holds no .tar.bz2; not the rMD17 archive")
            with outer.open(inner) as stream, tarfile.open(fileobj=stream, mode="r|bz2") as tar:
                for member in tar:
                    name = PurePosixPath(member.name).name
                    # Only the content is used: the archive cannot choose where it goes.
                    content = tar.extractfile(member) if name == wanted else None
                    if content is not None:
                        target = archive.with_name(wanted)
                        with atomic_path(target) as temporary, temporary.open("wb") as file:
                            shutil.copyfileobj(content, file)
                        return target
                    if name.startswith("rmd17_") and name.endswith(".npz"):
                        found.append(name.removeprefix("rmd17_").removesuffix(".npz"))
    except FileNotFoundError:
        raise InputError(f"{archive}: no such file") from None
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        OSError,
        RuntimeError,
    ) as error:
        raise InputError(f"{archive}: damaged or not the rMD17 archive ({error})") from None
    raise InputError(f"{archive}: no molecule {molecule!r}; it has {', '.join(sorted(found))}")
