"""Advice that the command line gives, with its options in the place of arguments.
A command is parsed and run as in a shell, but its error comes as it is.
"""

import argparse
import io
import json
import shlex
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import minilstm as ml
from advice.computing import pip, without
from advice.csv_files import BODY, HEAD, put
from advice.network import two_inputs
from advice.recordings import folder
from advice.world import build, classifier, start
from minilstm.command_line.complaints import check_streams
from minilstm.command_line.outputs import save_model
from minilstm.command_line.words.parser import build_parser
from minilstm.network.card import data_facts, make_card


def command(words, lines=""):
    """What a command prints; its error, where it ends in one."""

    def refused(self, message):
        raise ValueError(message)

    stdin, out = io.StringIO(lines), io.StringIO()
    with ExitStack() as stack:
        for one in (
            patch.object(argparse.ArgumentParser, "error", refused), patch("sys.stdin", stdin),
            redirect_stdout(out), redirect_stderr(io.StringIO()),
        ):  # fmt: skip
            stack.enter_context(one)
        options = build_parser().parse_args(shlex.split(words))
        options.run(options)
    return out.getvalue()


def model(**options):
    """A small saved classifier."""
    return build(classes=["run", "walk"], features=2, **options).save("m.safetensors")


def images(**options):
    """A classifier of small images."""
    return start([ml.SequenceInput([2, 2, 1]), ml.Flatten(), *classifier()[1:]], **options)


def training(text, words=""):
    """A short training of a file of some text."""
    return command(f"train {put(text)} --epochs 1 --hidden 2 --quiet {words}")


def tested(text):
    """A second file, to test on."""
    return f"--test {put(text, 'test.csv')}"


def trained():
    """A model of the file that `put(HEAD + BODY)` gives, which knows it."""
    put(HEAD + BODY)
    x = ml.data.read_sequences("d.csv")
    net = build(classes=["run", "walk"], features=2)
    card = make_card(data={"training": data_facts(x.x, x.y)}, date=None)
    net.replace(about={"card": card}).save("m.safetensors")


def timed(shaping):
    """A model of 10 Hz."""
    model(about={"rate": 10, "shaping": shaping, "description": {"time_column": "time"}})


WHOLE = HEAD + "a,1,2,run\nb,3,4,walk\n"  # a label for each sequence
LONG = HEAD + "r1,1,2,run\nr1,3,4,walk\n"  # two steps of one sequence
SECONDS = "recording,time,ax,ay,label\nr1,0,1,2,run\nr1,1,3,4,walk\n"
PEOPLE = "recording,who,ax,label\nr1,p,1,run\nr1,p,3,walk\nr2,q,5,run\nr2,q,1,walk\n"
TENTHS = "recording,time,ax,ay\nr1,0,1,2\nr1,.1,3,4\n"
# What a run of the grid printed.
ROW = {"work": "training, 2, 3, 1, 4, 2, last", "engine": "minilstm", "unit": "ms", "median": 2.5}
GRID = json.dumps(
    {"machine": {}, "timings": [{**ROW, "low": 2, "high": 3, "ratio": None, "turns": [2.5]}]}
)

TABLE = [
    ("training(HEAD + BODY, '--hidden 0')", r"a whole number from (\d+) to",
     "'accuracy' in training(HEAD + BODY, '--hidden $1')"),
    ("training(HEAD + BODY, '--memory-budget lots')", r"size such as (\w+), nor (auto)",
     "training(HEAD + BODY, '--memory-budget $1'); training(HEAD + BODY, '--memory-budget $2')"),
    ("command(\"train d.csv --out ''\")", "the name of a file or folder",
     "training(HEAD + BODY, '--out folder'); os.path.isdir('folder')"),
    ("open('o', 'w').close(); training(HEAD + BODY, '--out o')", "choose another name",
     "training(HEAD + BODY, '--out p')"),
    ("os.makedirs('o/history.csv'); training(HEAD + BODY, '--out o')",
     "take it away, or choose another --out", "training(HEAD + BODY, '--out p'); "
     "os.makedirs('o'); training(HEAD + BODY, '--out o')"),
    ("save_model(build(), Path('no/m'))",
     r"the trained model is in '(.*)', so move it",
     "os.replace('$1', 'm'); ml.load('m').input_size == 3"),
    ("with patch('sys.stdin', None): check_streams(True)", "input is closed, .*; leave it open",
     "check_streams(True)"),
    ("with without('matplotlib', 'minilstm.command_line.commands'): command('demo')",
     r"(pip install .*)\.", "pip(\"$1\")"),
    ("command('bench --crossover --long')", "leave out --against, --works, --long and --grid",
     "vars(build_parser().parse_args(['bench', '--crossover']))['long'] is False"),
    ("command('bench --picture p.png')", "(--picture) are of the grid; add (--grid)",
     "put(GRID, 'r'); command('bench $2 --read r $1 p.svg'); os.path.isfile('p.svg')"),
    ("put(GRID, 'r'); command('bench --grid --shapes vowels --read r')",
     "leave out --against and --shapes",
     "put(GRID, 'r'); '2.50' in command('bench --grid --read r')"),
    ("trained(); command('evaluate m.safetensors d.csv')", "too good; test it on others",
     "trained(); 'accuracy' in command('evaluate m.safetensors ' + put(HEAD + 'r1,5,2,run\\n'))"),
    ("model(); put('ax,ay\\n1,2\\n', 'd.csv'); command('evaluate m.safetensors d.csv --id-column "
     "\\'\\'')", "compare with; add them, or use the command (predict)",
     "model(); put('ax,ay\\n1,2\\n', 'd.csv'); command('$1 m.safetensors d.csv --id-column "
     "\\'\\''); 'accuracy' in command('evaluate m.safetensors ' + put(HEAD + BODY))"),
    ("training('recording,ax\\nr1,1\\nr1,2\\n')", "but a classifier learns from labels; add them",
     "training(HEAD + BODY)"),
    ("training(HEAD + BODY, '--output-mode last --label-per step')",
     "train with (--output-mode sequence)", "training(HEAD + BODY, '$1')"),
    ("training(HEAD + BODY, '--drop ax,,ay')", "no list of columns such as (ax),ay",
     "training(HEAD + BODY, '--drop $1')"),
    ("training(WHOLE, '--output-mode sequence --label-per sequence')",
     "train with (--output-mode last)", "training(WHOLE, '$1 --label-per sequence')"),
    ("training(WHOLE.replace('walk', 'run'))", "check that the right labels were read",
     "training(WHOLE)"),
    ("training(HEAD + 'a,1,2,0.5\\na,1,2,1.5\\n')", "number the classes from 1, write their",
     "training(HEAD + 'a,1,2,1\\na,1,2,2\\n'); training(HEAD + BODY)"),
    ("training(HEAD + BODY, '--out .'); os.rename('history.csv', 'h'); "
     "os.symlink(os.path.abspath('d.csv'), 'history.csv'); training(HEAD + BODY, '--out .')",
     "choose another name", "training(HEAD + BODY, '--out elsewhere')"),
    ("training('who' + HEAD[9:] + BODY)",
     r"such as id_column=('who'), or say id_column=('') where",
     "training('who' + HEAD[9:] + BODY, '--id-column ' + $1);"
     "training(HEAD[10:] + '1,2,run\\n3,4,walk\\n', \"--id-column ''\")"),
    ("training(HEAD + BODY, '--missing-labels \\'\\' ' + tested(HEAD + 'q1,1,2,\\n'))",
     "check which labels are ignored",
     "training(HEAD + BODY, '--missing-labels \\'\\' ' + tested(HEAD + 'q1,1,2,run\\n'))"),
    ("images(classes=['a', 'b']).save('m'); command('stream m', '1,2,3,4\\n')",
     r"call (net.stream\(\)) in Python",
     "net = images(); $1.step(np.ones((2, 2, 1))).shape == (2,)"),
    ("model(); command('stream m.safetensors', '1,2\\n1,x\\n')", "mend the line",
     "model(); command('stream m.safetensors', '1,2\\n1,3\\n').count('\\n') == 2"),
    ("model(); command('stream m.safetensors', '1,2\\n1,1e99\\n')",
     "of float32; mend the line, or leave such lines out with (--on-bad-line skip)",
     "model(); command('stream m.safetensors', '1,2\\n1,1e9\\n').count('\\n') == 2; "
     "command('stream m.safetensors $1', '1,2\\n1,1e99\\n')"),
    ("model(); command('stream m.safetensors', '1,2\\0\\n')", r"(iconv -f UTF-16) -t UTF-8",
     "model(); command('stream m.safetensors', '1,2\\n').count('\\n') == 1"),
    ("model(); options = build_parser().parse_args(['stream', 'm.safetensors'])\n"
     "with patch('sys.stdin', None): options.run(options)", "pipe them in",
     "model(); command('stream m.safetensors', '1,2\\n').count('\\n') == 1"),
    ("model(); command('predict ' + put(HEAD + BODY) + ' m.safetensors')",
     "are MODEL and DATA swapped", "model(); command('predict m.safetensors ' + put(HEAD + BODY))"),
    ("model(); command('plot m.safetensors --show c')", "add (--gates) DATA",
     "model(); command('plot m.safetensors --show c $1 ' + put(HEAD + BODY))"),
    ("model(); command('plot m.safetensors --sequence b --gates ' + put(HEAD + BODY))",
     r"the data have '(\w+)', .*; name one of them",
     "model(); command('plot m.safetensors --sequence $1 --gates ' + put(HEAD + BODY))"),
    ("ml.assemble([ml.SequenceInput(2), ml.FullyConnected(2, weights=[[1, 0], [0, 1]], "
     "bias=[0, 0])]).save('m.safetensors')\n"
     "command('plot m.safetensors --gates ' + put(HEAD + BODY))", "no gates; leave --gates out",
     "ml.assemble([ml.SequenceInput(2), ml.FullyConnected(2, weights=[[1, 0], [0, 1]], "
     "bias=[0, 0])]).save('m.safetensors')\n"
     "command('plot m.safetensors')"),
    ("command('info --markdown')", "name its file",
     "model(); command('info m.safetensors --markdown').startswith('# m.safetensors')"),
    ("model(about={'description': {'time_column': 't'}, 'shaping': {'window_length': 2}})\n"
     "command('stream m.safetensors', 't,a,b\\nnow,1,2\\n')", "ISO time was wanted; mend the line",
     "model(about={'description': {'time_column': 't'}, 'shaping': {'window_length': 2}})\n"
     "command('stream m.safetensors', 't,a,b\\n0,1,2\\n1,1,2\\n').startswith('0,')"),
    ("model(); command('predict m.safetensors ' + put(HEAD + BODY) + ' --rate-in 50')",
     "needs no rate; leave it out",
     "model(); command('predict m.safetensors ' + put(HEAD + BODY))"),
    ("model(about={'shaping': {'rate': 50}})\n"
     "command('stream m.safetensors --rate-in 20', '1,2\\n')",
     "send lines at that rate, or use the command (predict)",
     "model(about={'shaping': {'rate': 50}}); "
     "command('stream m.safetensors --rate-in 50', '1,2\\n').count('\\n') == 1; "
     "command('$1 m.safetensors ' + put((HEAD + BODY).replace('r2', 'r1')) + ' --rate-in 20')"),
    ("command('info ' + put(HEAD + BODY))", "name a file that train wrote",
     "training(HEAD + BODY, '--out o'); command('info o/model.safetensors')"),
    ("training(HEAD + BODY, '--out d.csv')", "choose another name",
     "training(HEAD + BODY, '--out o')"),
    ("model(); command('train m.safetensors')", r"ends in (.csv), .npz, .mat or .ts",
     "training(HEAD + BODY)"),
    ("training(HEAD + BODY + 'r3,1,1e39,run\\n')", "or train with (--dtype float64)",
     "training(HEAD + BODY + 'r3,1,1e39,run\\n', '$1')"),
    ("model(); command('stream m.safetensors', 'ax,ay,az\\n')",
     "the columns that it was trained on",
     "model(); command('stream m.safetensors', 'ax,ay\\n1,2\\n').count('\\n') == 1"),
    ("model(); command('stream m.safetensors', 'ax;ay\\n1;2\\n')", "say (--separator ';')",
     "model(); command('stream m.safetensors --separator ;', 'ax;ay\\n1;2\\n').count('\\n') == 1"),
    ("two_inputs().replace(classes=['a', 'b']).save('m'); command('predict m ' + put(HEAD + BODY))",
     "call (predict) in Python", "two_inputs().$1([x, t])"),
    ("training(HEAD + BODY, '--best')", "add (--validation-share 0.2), or",
     "training(HEAD + BODY, '--best $1')"),
    ("training(HEAD + BODY, '--horizon 1')", "it is of (--task forecast); add that",
     "training((HEAD + BODY).replace('r2,5', 'r1,5'), '--horizon 1 $1')"),
    ("training(HEAD + BODY, '--task forecast --target-columns ax')",
     "say (--task regress), or leave --target-columns out",
     "training(HEAD + BODY, '--drop label --target-columns ax $1'); "
     "training((HEAD + BODY).replace('r2,5', 'r1,5'), '--task forecast')"),
    ("training(HEAD + BODY, '--task regress')", "name them with (--target-columns)",
     "training(HEAD + BODY, '--task regress --drop label $1 ay')"),
    ("training(HEAD + BODY, '--target-columns ay --drop label --task classify')",
     "name them with (--label-column), or leave --task out",
     "training(HEAD + BODY, '$1 label --task classify')"),
    ("training(HEAD + BODY, '--task forecast')", "leave it out, or lower --horizon",
     "training((HEAD + BODY).replace('r2,5,6,run\\n', ''), '--task forecast')"),
    ("training(HEAD + BODY, '--leave-one-group-out')", "name them with (--group-column), or",
     "training(PEOPLE, '--leave-one-group-out $1 who')"),
    ("np.savez('a.npz', x=np.ones((3, 4, 2)), y=np.ones((3, 4))); "
     "np.savez('b.npz', x=np.ones((3, 4, 2)), y=np.ones(3)); command('train a.npz --task regress "
     "--epochs 1 --hidden 2 --quiet --test b.npz')", "give it numbers of the same columns",
     "[np.savez(f, x=np.ones((3, 4, 2)), y=np.ones((3, 4))) for f in ('a.npz', 'b.npz')]; command("
     "'train a.npz --task regress --epochs 1 --hidden 2 --quiet --test b.npz')"),
    ("with patch.dict('sys.modules', shtab=None): command('completion bash')",
     "(pip install '.*'), or shtab alone", "pip(\"$1\")"),
    ("training(LONG, '--task forecast --output-mode last')", "leave it out",
     "training(LONG, '--task forecast')"),
    ("training(HEAD + BODY, '--target-columns ay --drop label --class-weights balanced')",
     "for classes; leave it out", "training(HEAD + BODY, '--target-columns ay --drop label')"),
    ("training(HEAD + BODY, '--loss mae')", "for numbers; leave it out", "training(HEAD + BODY)"),
    ("training(HEAD + BODY, '--metrics acuracy')", r"among (\w+), .* mean '(\w+)'",
     "training(HEAD + BODY, '--metrics $1'); training(HEAD + BODY, '--metrics $2')"),
    ("training(WHOLE, '--test-share 0.5 --output-mode last')", "hold out less, or record more",
     "training(WHOLE); training(WHOLE + 'c,1,2,run\\nd,3,4,walk\\n', '--test-share 0.5')"),
    ("command('train ' + folder(('u_run_1.csv', 'ax\\n1\\n'), ('u_walk_1.csv', 'ax\\n2\\n')))",
     r"as --file-pattern '(.*)' does", "command('train ' + folder(('u_run_1.csv', 'ax\\n1\\n'), "
     "('u_walk_1.csv', 'ax\\n2\\n')) + ' --epochs 1 --hidden 2 --quiet --file-pattern $1')"),
    ("training(LONG, '--window-length 1 --output-mode sequence')",
     "leave --output-mode out, or cut no windows", "training(LONG, '--window-length 1'); "
     "training(LONG, '--output-mode sequence')"),
    *((f"timed({shaping}); command('predict m.safetensors ' + put(SECONDS))",
       r"bring the data to that rate, or train with (--rate 1),",
       f"timed({shaping}); command('predict m.safetensors ' + put(TENTHS)); "
       "training(SECONDS, '$1')") for shaping in ("{}", "{'window_length': 2}")),
    ("model(about={'description': {'id_column': 'who'}}); command('stream m.safetensors', "
     "'who,ax,ay\\na,1,2\\nb,1,2\\na,1,2\\n')", r"leave such lines out with (.*)\.",
     "model(about={'description': {'id_column': 'who'}}); command('stream m.safetensors', "
     "'who,ax,ay\\na,1,2\\na,1,2\\nb,1,2\\n'); command('stream m.safetensors $1', "
     "'who,ax,ay\\na,1,2\\nb,1,2\\na,1,2\\n')"),
    ("training(PEOPLE, '--id-column recording --id-column who')",
     "leave one out, or say (--group-column) for the other",
     "training(PEOPLE, '--id-column recording --drop who'); "
     "training(PEOPLE, '--id-column recording $1 who')"),
]  # fmt: skip
