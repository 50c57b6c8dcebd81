"""What is said of words that are no command, and what --help, completion and the log say.
Every example that ends a help is parsed, and every option has its default in it.
"""

import json
import logging
import shlex
import subprocess
import sys
import warnings

import numpy as np
import pytest
from builders import two_movements

import minilstm as ml
from minilstm.checks import did_you_mean
from minilstm.command_line.cli import main
from minilstm.command_line.words.examples import EXAMPLES
from minilstm.command_line.words.parser import SHELLS, build_parser
from minilstm.data import write_csv

COMMANDS = build_parser().commands()
FAULTS = {
    "trian": "there is no command 'trian' (did you mean 'train'?); the commands are "
    f"{', '.join(COMMANDS)}.",
    "train": "TRAIN is missing; see `minilstm train --help`.",
    "predict": "MODEL and DATA is missing; see `minilstm predict --help`.",
    "train x --epocs=3": "there is no option --epocs (did you mean --epochs?); see `minilstm "
    "train --help`.",
    "info a b": "'b' is more than the command takes; see `minilstm info --help`.",
    "warmup --zzz": "there is no option --zzz; see `minilstm warmup --help`.",
    "train x --solver adm": "--solver is 'adm'; choose one of adam, sgdm, rmsprop (did you mean "
    "'adam'?).",
    "info --backend cuda": "--backend is 'cuda'; choose one of auto, numpy, numba, cupy.",
    "info --threads": "--threads wants one value; see `minilstm info --help`.",
    "gradcheck --layer": "--layer wants at least one value; see `minilstm gradcheck --help`.",
    "train x --wi 3": "--wi may be --window-length or --window-step or --window-label; write one "
    "of them in full.",
    "predict a b --id-column session --id-column who": "--id-column: it names 'session' and 'who', "
    "but one column was wanted; leave one out, or say --group-column for the other.",
    "predict a b --missing-labels a --no-missing-labels": "--no-missing-labels cannot stand beside "
    "--missing-labels; leave one of them out.",
    "info --json=1": "--json: ignored explicit argument '1'.",
    "completion fish": "SHELL is 'fish'; choose one of bash, zsh, tcsh.",
}


@pytest.mark.parametrize("line", FAULTS)
def test_a_fault_of_what_was_typed_is_one_sentence(line, capsys):
    assert main(line.split()) == 2
    assert capsys.readouterr() == ("", f"minilstm: {FAULTS[line]}\n")
    assert main([*line.split(), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said == {"error": FAULTS[line], "exit_code": 2}


def options_of(command):
    return [a for a in COMMANDS[command]._actions if a.option_strings and a.dest != "help"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_every_default_and_examples_that_parse(command, capsys):
    assert main([command, "--help"]) == 0
    said = capsys.readouterr().out
    for action in options_of(command):
        assert action.help, action.option_strings
    flat = " ".join(said.split())
    for action in options_of(command):
        if action.nargs != 0 and action.default not in (None, "", []):
            assert f"(default: {action.default})" in flat
    *_, examples = said.partition("examples:\n")
    assert examples.splitlines() == [f"  {line}" for line in EXAMPLES[command]]
    assert 2 <= len(EXAMPLES[command]) <= 4
    for line in EXAMPLES[command]:
        words = shlex.split(line.rpartition(" | ")[2])
        end = next((n for n, word in enumerate(words) if word in "<>"), len(words))
        parsed = build_parser().parse_args(words[1:end])
        assert (words[0], parsed.command) == ("minilstm", command)


# ---------------------------------------------------------------- completion


def test_completion_is_of_every_command(capsys):
    pytest.importorskip("shtab")
    for shell in SHELLS:
        assert main(["completion", shell]) == 0
        script = capsys.readouterr().out
        assert all(command in script for command in COMMANDS)


def test_bash_completes(tmp_path, capsys):
    pytest.importorskip("shtab")
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    for words, found in (
        ("tra", "train"),
        ("train --ep", "--epochs"),
        ("train --solver s", "sgdm"),
    ):
        cut = words.split()
        before = ["minilstm", *cut][-2]
        code = (
            f"source {tmp_path / 'script'}; COMP_WORDS=(minilstm {words}); "
            f"COMP_CWORD={len(cut)}; _shtab_minilstm minilstm {cut[-1]} {before}; "
            "echo ${COMPREPLY[@]}"
        )
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
        assert done.stdout.split() == [found]


def test_completion_names_what_it_lacks(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert capsys.readouterr().err == (
        "minilstm: tab completion is written by shtab, which is not installed: pip install "
        "'minilstm[all]', or shtab alone.\n"
    )


# ---------------------------------------------------------------- the log


def test_the_log_level_says_what_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = two_movements(0)
    write_csv("train.csv", [a + 1e9 for a in x], y)  # float32 holds no difference
    words = ["train", "train.csv", "--epochs", "1", "--hidden", "2", "--backend", "numpy"]
    said = {}
    for level in ("info", "warning", "error"):
        run = [sys.executable, "-m", "minilstm", *words, "--log-level", level]
        said[level] = subprocess.run(run, capture_output=True, text=True).stderr.splitlines()
    told = "minilstm: info: training on numpy: 3 sequences, 46 learnables, 1 iterations"
    assert told in said["info"] and told not in said["warning"]
    warned = [line for line in said["warning"] if line.startswith("minilstm: warning: ")]
    assert len(warned) == 1 and "loses its differences" in warned[0]
    assert warned[0] in said["info"] and set(said["warning"]) - set(said["error"]) == set(warned)


def test_the_log_is_silent_until_a_program_asks(caplog, capsys):
    x = np.zeros((2, 5, 1))
    layers = [ml.SequenceInput(1), ml.FullyConnected(1)]
    options = ml.TrainingOptions(max_epochs=1, verbose=False)
    assert main(["info", "--log-level", "debug"]) == 0  # nothing stays after a command
    capsys.readouterr()
    ml.train(x, [np.zeros((5, 1))] * 2, layers, "mse", options)
    assert capsys.readouterr() == ("", "") and not caplog.records
    with caplog.at_level(logging.INFO, "minilstm"):
        ml.train(x, [np.zeros((5, 1))] * 2, layers, "mse", options)
    assert [record.levelname for record in caplog.records] == ["INFO"]
    before = warnings.formatwarning
    main(["info", "nothing"])
    assert warnings.formatwarning is before


# ---------------------------------------------------------------- misspelt names


def test_the_nearest_word_is_told():
    wanted = {
        lambda: ml.losses.find_loss("crossentopy"): "'crossentropy'",
        lambda: ml.TrainingOptions(metrics=["acuracy"]): "'accuracy'",
        lambda: ml.TrainingOptions("ADAM"): "'adam'",
        lambda: ml.TrainingOptions(learn_rate_schedule="picewise"): "'piecewise'",
        lambda: ml.LSTM(2, input_weights_initializer="glorott"): "'glorot'",
    }
    for do, name in wanted.items():
        with pytest.raises(ValueError, match=rf" \(did you mean {name}\?\)\.$"):
            do()
    assert did_you_mean("tpu", ["cpu", "gpu"]) == did_you_mean(5, ["5"]) == ""


def test_a_misspelt_layer_is_told_by_python():
    with pytest.raises(AttributeError) as error:
        ml.Lstm  # noqa: B018
    assert (error.value.name, error.value.obj) == ("Lstm", ml)  # so a traceback ends with LSTM


def test_a_misspelt_layer_of_gradcheck(capsys):
    assert main(["gradcheck", "--layer", "Softmx"]) == 2
    assert capsys.readouterr().err.endswith("(did you mean 'Softmax'?).\n")
