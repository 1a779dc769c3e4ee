"""``camp label``: what people read beside a result, which stays what it is."""

import json

import pytest

from camp.cli import main


def label(folder, content, *options):
    (folder / "result.json").write_text(json.dumps(content), encoding="utf-8")
    code = main(["label", str(folder / "result.json"), str(folder / "labelled.json"), *options])
    return code, folder / "labelled.json"


def test_labels_take_their_place_and_numbers_stay(tmp_path):
    content = {"data": None, "note": "", "metrics": {"forces_mae": 0.1}}
    options = ["--data-label", "real", "--note", "small – 5 %", "--title", "Water"]
    code, file = label(tmp_path, content, *options)
    found = json.loads(file.read_text(encoding="utf-8"))
    assert code == 0
    assert found == {**content, "data": "real", "note": "small – 5 %", "title": "Water"}


def test_every_record_of_a_list_is_labelled_and_others_are_as_before(tmp_path):
    code, file = label(tmp_path, [{"a": 1, "note": "old"}, {"a": 2}], "--data-label", "real")
    assert code == 0
    assert json.loads(file.read_text(encoding="utf-8")) == [
        {"a": 1, "note": "old", "data": "real"},
        {"a": 2, "data": "real"},
    ]


@pytest.mark.parametrize("content", [3, ["a"], "text"])
def test_what_is_no_result_is_refused_in_one_line(tmp_path, capsys, content):
    code, file = label(tmp_path, content, "--note", "x")
    assert code == 2 and not file.exists()
    assert "result.json: not a result" in capsys.readouterr().err
