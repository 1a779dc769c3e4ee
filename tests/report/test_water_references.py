"""Published O–O distribution functions: their known first peaks, and what is no such file."""

import numpy as np
import pytest

from camp.errors import InputError
from camp.report.water_references import LABELS, read_water_reference

FILES = {
    "xray-2014": "exp-gor-water.txt",
    "xray-2013": "Ambient_water_xray_data.txt",
    "neutron": "soper2013_dist_funcs",
    "revpbe0": "goo.gdr",
}


@pytest.mark.parametrize(
    ("name", "position", "height"),
    [
        # what the publications state, to the sampling of the files
        ("xray-2014", 2.80, 2.57),
        ("xray-2013", 2.80, 2.57),
        ("neutron", 2.79, 2.50),
        ("revpbe0", 2.826, 2.735),
    ],
)
def test_first_peak(shared_data, name, position, height):
    reference = read_water_reference(name, shared_data / "mirror" / "water_rdf" / FILES[name])
    assert reference.label == LABELS[name]
    assert reference.profile.peak[:2] == pytest.approx((position, height), abs=0.011)
    assert reference.profile.mean[0] == 0.0
    # a liquid: no order far away
    assert reference.profile.mean[-1] == pytest.approx(1.0, abs=0.1)


def test_columns_of_each_format(tmp_path):
    files = {name: tmp_path / file for name, file in FILES.items()}
    files["xray-2014"].write_text(
        '"# head"\t\t\nT(K) =\t254.1\terr\t295.1\terr\nr\ta\ta\tb\tb\n'
        "2.7\t9\t9\t2.0\t0.1\n2.8\t9\t9\t2.5\t0.2\n"
    )
    files["xray-2013"].write_text(
        "# head\nQ\tI\tS\tr\tg\terror\n(unit)\t\t\t\t\t\n"
        "0\t9\t9\t2.7\t2.0\t0.1\n1\t9\t9\t2.8\t2.5\t0.2\n"
    )
    files["neutron"].write_text("#head\n#r O_O err O_H\n2.7 2.0 0.1 9\n2.8 2.5 0.2 9\n")
    for name in ("xray-2014", "xray-2013", "neutron"):
        profile = read_water_reference(name, files[name]).profile
        assert profile.x.tolist() == [2.7, 2.8]
        assert profile.mean.tolist() == [2.0, 2.5]
        assert profile.std.tolist() == [0.1, 0.2]
    files["revpbe0"].write_text("1.0 0.0\n2.0 1.5\n")
    profile = read_water_reference("revpbe0", files["revpbe0"]).profile
    # one Bohr is 0.529177 Å
    assert profile.x == pytest.approx(np.array([0.529177, 1.058354]), abs=1e-6)


def test_refusals(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(InputError, match="no reference 'aimd'; choose one of xray-2014"):
        read_water_reference("aimd", path)
    with pytest.raises(InputError, match=r"file: no such file"):
        read_water_reference("neutron", path)
    for text in ("", "no numbers\n", "1 2 3\n", "2 1 0\n1 1 0\n"):
        path.write_text(text)
        for name in LABELS:
            with pytest.raises(InputError, match=f"file: not the published file of {name}"):
                read_water_reference(name, path)
