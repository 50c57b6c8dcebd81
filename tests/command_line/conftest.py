"""What tests of commands share: a folder of their own, and a command run within the process.
The NumPy backend computes, as these networks are small.
"""

import pytest

from minilstm.command_line.cli import main


@pytest.fixture
def own_folder(tmp_path, monkeypatch, on_numpy):
    """Work in an empty folder, on NumPy, in processes that are started as well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINILSTM_BACKEND", "numpy")


@pytest.fixture
def run(capsys):
    """Exit code, printed lines and complaint lines of a command."""

    def command(*words):
        code = main([*map(str, words)])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return command
