"""Commands to be interrupted, beside what comes of them undisturbed."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.faults.small_commands import COMMANDS, Command, last_line, run


class Undisturbed(NamedTuple):
    command: Command
    folder: Path
    result: Any

    def arguments(self, out: Path) -> list[str]:
        return self.command.arguments(self.folder, out)

    def check(self, out: Path, log: Path) -> None:
        """Run the command to its end: the result must be that of the undisturbed run."""
        code = run(self.arguments(out), log)
        assert code == 0, f"exit code {code}: {last_line(log)}"
        assert self.command.result(out) == self.result


@pytest.fixture(scope="module", params=COMMANDS)
def undisturbed(request, tmp_path_factory) -> Undisturbed:
    if "TorchSim" in request.param:
        pytest.importorskip("torch_sim")
    folder, command = tmp_path_factory.mktemp("undisturbed"), COMMANDS[request.param]
    log = folder / "log"
    assert run(command.arguments(folder, folder / "out"), log) == 0, last_line(log)
    assert command.saved_steps(folder / "out") == command.steps
    return Undisturbed(command, folder, command.result(folder / "out"))
