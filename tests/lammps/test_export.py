"""What camp lammps writes and refuses."""

import ctypes
import hashlib
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms

from camp.cli import main
from camp.errors import InputError
from camp.lammps import export as exporting
from camp.lammps.data_file import box_of, write_data
from camp.lammps.export import SOURCES, exported_network, write_example
from camp.lammps.installation import WHEELS, find_lammps
from camp.potential.saving import save
from camp.runtime import library
from tests.lammps.running import header, thermo
from tests.models.cace.runtime.test_tabulated import make_potential as make_cace
from tests.models.camp.test_network import make_potential
from tests.models.carnet.potentials import make_potential as make_carnet
from tests.physics import random_structure

DIGITS = "thermo_style custom step pe press\nthermo_modify format float %.17g\nrun 0\n"


@pytest.mark.skipif(library.compiler() is None, reason="needs a C++ compiler")
def test_checksum_is_sha256(tmp_path):
    """Of C++ against Python's, around every length at which blocks begin."""
    source = tmp_path / "digest.cpp"
    source.write_text(
        '#include "sha256.hpp"\nextern "C" void digest(const char *bytes, long size, char *out) {'
        " std::memcpy(out, camp::sha256(bytes, size).c_str(), 65); }\n"
    )
    code = library.load(source, torch.float64)
    for size in (*range(130), 1000, 100_001):
        content, room = np.random.default_rng(size).bytes(size), ctypes.create_string_buffer(65)
        code.digest(content, ctypes.c_long(size), room)
        assert room.value.decode() == hashlib.sha256(content).hexdigest()


def test_command_and_its_example(lammps, tmp_path):
    """The example runs as it is, on two ranks; a second export changes nothing but the files."""
    save(make_potential(species=(1, 8), max_rank=1), tmp_path / "model.safetensors")
    prefix = lammps.mpirun.parents[1]
    arguments = ["lammps", str(tmp_path / "model.safetensors"), "--out", str(tmp_path / "out")]
    for precision in ("double", "single"):
        assert main([*arguments, "--lammps", str(prefix), "--precision", precision]) == 0
    names = {"model.camp", "model.so", "campplugin.so", "in.example", "example.data"}
    assert {file.name for file in (tmp_path / "out").iterdir()} == names
    command = [lammps.mpirun, "-n", "2", lammps.program, "-in", "in.example"]
    done = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True, check=True)
    assert "camp single" in done.stdout and "Total wall time" in done.stdout


def test_potential_is_left_alone(lammps, tmp_path):
    potential = make_potential(species=(1, 8), max_rank=1)
    exported_network(potential, torch.float32)
    assert potential.dtype == torch.float64


def test_what_is_not_supported_is_refused():
    """In one line, that of the compiled code where there is none."""
    with pytest.raises(InputError, match="features of the oldest CACE models are not compiled"):
        exported_network(make_cace(triples_of_pairs=True), torch.float64)
    with pytest.raises(InputError, match="predicts no energy"):
        exported_network(make_carnet("dipole"), torch.float64)


# What docs/lammps.md says to copy into a source tree of LAMMPS.
COPIED = [
    *(SOURCES / name for name in ("pair_camp.h", "pair_camp.cpp")),
    *(library.HEADERS / name for name in ("model.hpp", "model_file.hpp", "sha256.hpp")),
]
# A program with the style in it, as force.cpp of LAMMPS takes styles from the list of headers that
# its build makes.
PROGRAM = """#include <mpi.h>
#include "force.h"
#include "input.h"
#include "lammps.h"
#include "pair_camp.h"
using namespace LAMMPS_NS;
template <typename Style> Pair *creator(LAMMPS *lmp) { return new Style(lmp); }
int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    {
        LAMMPS lmp(argc, argv, MPI_COMM_WORLD);
        Force::PairCreatorMap *pair_map = lmp.force->pair_map;
#define PAIR_CLASS
#define PairStyle(key, Class) (*pair_map)[#key] = &creator<Class>;
#include "pair_camp.h"
        lmp.input->file();
    }
    MPI_Finalize();
}
"""


def test_style_in_a_source_tree(lammps, runner, model, potential):
    """The copied files alone, without the plugin, in a program with LAMMPS' own library: the same
    numbers.
    """
    lammps_library = lammps.headers[0].parents[1] / "liblammps.so"
    if not lammps_library.is_file():
        pytest.skip("needs the shared library of LAMMPS")
    tree, program = runner.folder / "src", runner.folder / "lmp"
    tree.mkdir()
    for file in COPIED:
        shutil.copy(file, tree)
    (tree / "main.cpp").write_text(PROGRAM)
    folders = [lammps_library.parent, lammps.mpirun.parents[1] / "lib"]
    command = [library.compiler(), "-std=c++17", "-Wall", f"-DLAMMPS_{lammps.integers}"]
    command += [f"-I{folder}" for folder in (tree, *lammps.headers)]
    command += [str(tree / name) for name in ("main.cpp", "pair_camp.cpp")]
    command += ["-o", str(program), str(lammps_library), str(folders[1] / "libmpi.so"), "-ldl"]
    command += [f"-Wl,-rpath,{folder}" for folder in folders]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    write_data(runner.folder / "data", random_structure(potential, atoms=20), ["H", "O"])
    text = header(model, "data", ["H", "O"]) + DIGITS
    own = replace(runner, installation=replace(lammps, program=program))
    alone = own.run("".join(re.split(r"plugin load .*\n", text)), 2)
    np.testing.assert_array_equal(thermo(alone), thermo(runner.run(text, 2)))


def test_unknown_processor_is_refused(lammps, tmp_path):
    with pytest.raises(InputError, match=r"failed: .*-march"):
        exporting.export(
            make_potential(species=(1, 8), max_rank=1), tmp_path, lammps, march="abacus"
        )


class TestInstallations:
    """What is missing is one line that says what to install."""

    def test_no_lammps(self, tmp_path):
        with pytest.raises(InputError, match=re.escape(WHEELS)):
            find_lammps(tmp_path)

    def test_no_mpi(self, source_tree, monkeypatch):
        monkeypatch.setattr("camp.lammps.installation.MPI_FOLDERS", ())
        monkeypatch.setattr("camp.lammps.installation.shutil.which", lambda name: None)
        with pytest.raises(InputError, match=r"no mpi\.h"):
            find_lammps(source_tree)

    def test_source_tree(self, source_tree):
        (source_tree / "include").mkdir()
        (source_tree / "include" / "mpi.h").touch()
        found = find_lammps(source_tree)
        assert (found.date, found.number, found.integers) == ("29 Aug 2024", 20240829, "SMALLBIG")
        assert found.headers[0] == source_tree / "src"

    def test_too_old(self, source_tree):
        (source_tree / "include").mkdir()
        (source_tree / "include" / "mpi.h").touch()
        version = source_tree / "src" / "version.h"
        version.write_text('#define LAMMPS_VERSION "29 Sep 2021"\n')
        with pytest.raises(InputError, match=r"29 Sep 2021 .* is too old"):
            find_lammps(source_tree)

    def test_without_plugins(self, source_tree):
        (source_tree / "include").mkdir()
        (source_tree / "include" / "mpi.h").write_text("#define MPICH_VERSION 1\n")
        self.program(source_tree, "Simulator - 29 Aug 2024\nMPICH\n-DLAMMPS_BIGBIG\nMANYBODY")
        with pytest.raises(InputError, match="without the package PLUGIN"):
            find_lammps(source_tree)
        self.program(source_tree, "Simulator - 29 Aug 2024\nMPICH\n-DLAMMPS_BIGBIG\nPLUGIN")
        assert find_lammps(source_tree).integers == "BIGBIG"

    def test_mpi_of_another_kind_is_not_taken(self, source_tree, monkeypatch):
        monkeypatch.setattr("camp.lammps.installation.MPI_FOLDERS", ())
        monkeypatch.setattr("camp.lammps.installation.shutil.which", lambda name: None)
        (source_tree / "include").mkdir()
        (source_tree / "include" / "mpi.h").write_text("#define OMPI_MAJOR_VERSION 4\n")
        self.program(source_tree, "Simulator - 29 Aug 2024\nMPICH\nPLUGIN")
        with pytest.raises(InputError, match=r"no mpi\.h of MPICH found"):
            find_lammps(source_tree)

    def test_program_that_does_not_run(self, source_tree):
        program = source_tree / "build" / "lmp"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\necho 'libmpi.so.12: not found' >&2\nexit 127\n")
        program.chmod(0o755)
        with pytest.raises(InputError, match=r"does not run \(libmpi.so.12: not found\)"):
            find_lammps(source_tree)

    @pytest.fixture
    def source_tree(self, tmp_path):
        (tmp_path / "src").mkdir()
        (tmp_path / "src" / "pair.h").touch()
        (tmp_path / "src" / "version.h").write_text('#define LAMMPS_VERSION "29 Aug 2024"\n')
        return tmp_path

    def program(self, tree, text):
        program = tree / "build" / "lmp"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        program.chmod(0o755)


class TestBoxes:
    """A structure in LAMMPS' frame is the same structure."""

    @pytest.mark.parametrize("seed", range(4))
    def test_distances_stay(self, seed):
        rng = np.random.default_rng(seed)
        cell = 6 * np.eye(3) + rng.uniform(-2, 2, (3, 3))
        atoms = Atoms("H5", rng.uniform(0, 6, (5, 3)), cell=cell, pbc=True)
        box = box_of(atoms)
        assert (np.triu(box.cell, 1) == 0).all() and (np.diag(box.cell) > 0).all()
        turned = Atoms("H5", box.positions, cell=box.cell, pbc=True)
        np.testing.assert_allclose(
            turned.get_all_distances(mic=True), atoms.get_all_distances(mic=True), atol=1e-12
        )
        np.testing.assert_allclose(box.positions @ box.rotation.T, atoms.positions, atol=1e-12)

    def test_what_leans_out_of_its_plane_is_refused(self):
        cell = [[5, 0, 0], [0, 5, 0], [1, 0, 20]]
        with pytest.raises(InputError, match="leans in a direction that is not periodic"):
            box_of(Atoms("H", [[0, 0, 0]], cell=cell, pbc=(True, True, False)))

    def test_elements_that_the_model_lacks_are_refused(self, tmp_path):
        with pytest.raises(InputError, match="does not know Xe"):
            write_example(tmp_path, ("H", "O"), Atoms("HXe", [[0, 0, 0], [2, 0, 0]]))
