"""Advice of the gradient checker, of the conformance card and of the plugin for pytest.
The functions under test are one product and the NumPy twin of an LSTM.
"""

from types import SimpleNamespace

import numpy as np

import minilstm as ml
from minilstm.functional.lstm import LSTMState, lstm_backward, lstm_forward
from minilstm.proof.engine.checks import find_layers
from minilstm.pytest_plugin import assert_gradients, pytest_configure
from minilstm.pytest_plugin import pytest_collection_modifyitems as look_at

INPUTS = {"x": np.array([0.5, -1.0]), "w": np.array([2.0, 3.0])}
COUNTS = iter(range(10**6))


def forward(x, w):
    """A product."""
    return x * w


def backward(dy, x, w):
    """Its gradients, by name."""
    return {"x": dy * w, "w": dy * x}


def real(x, w):
    """The same product in a buffer that takes no complex numbers."""
    out = np.empty(x.shape)
    out[:] = x * w
    return out


def loss(x, w):
    """The sum of the products, a loss."""
    return (x * w).sum()


def checked(f=forward, back=backward, inputs=INPUTS, **options):
    """The report of a check that has to pass."""
    return ml.gradcheck(f, back, inputs, **options).passed


def lstm(x, h0, c0, W, R, b):
    """The NumPy twin on one sequence."""
    h, state, cache = lstm_forward(x, h0[None], c0[None], W, R, b)
    return h, (state.hidden[0], state.cell[0]), cache


def lstm_back(dh, dstate, cache):
    """Its backward pass."""
    dstate = None if dstate is None else LSTMState(dstate[0][None], dstate[1][None])
    dx, g = lstm_backward(dh, dstate, cache)
    return dx, g.W, g.R, g.b, g.h0[0], g.c0[0]


def card(f=lstm, back=lstm_back, **options):
    """A card of the twin without a failed row."""
    return ml.conformance(f, back, **options).passed


def kept(x, w):
    """The product and a cache."""
    return x * w, (x, w)


def kept_back(dy, cache):
    """Its gradients from the cache."""
    x, w = cache
    return dy * w, dy * x


def alone(change):
    """The twin, and what it returns changed; the card fails its rows for what was raised."""
    row = ml.conformance(lambda *six: change(*lstm(*six)), lstm_back).rows[0]
    if row.passed is False:
        raise TypeError(row.detail)
    return row.passed


def in_test(f=forward, back=backward):
    """The fixture as a test calls it."""
    node = SimpleNamespace(
        stash={}, config=SimpleNamespace(getoption=lambda name: None), iter_markers=lambda name: []
    )
    fixture = getattr(assert_gradients, "__wrapped__", None) or assert_gradients._fixture_function
    return fixture(SimpleNamespace(node=node))(f, back, INPUTS).passed


def marked(*args, **keywords):
    """A test with the marker of the plugin is collected."""
    marker = SimpleNamespace(args=args, kwargs=keywords)
    look_at([SimpleNamespace(nodeid="test_it.py", iter_markers=lambda name: [marker])])


def session(path):
    """A run of pytest with --gradcheck-json begins."""
    options = {"gradcheck_json": path, "gradcheck_junit": None}
    pytest_configure(
        SimpleNamespace(
            addinivalue_line=lambda *line: None, getoption=options.get, stash={},
            option=SimpleNamespace(),
            pluginmanager=SimpleNamespace(register=lambda *plugin: None),
        )
    )  # fmt: skip


KEPT = "card(kept, kept_back"
TABLE = [
    ("gradcheck(3, backward, INPUTS)",
     "pass f, backward and inputs, or an object with both methods and its inputs, or a network",
     "checked(); net = build(); gradcheck(train(x, y), x, y).passed"),
    ("checked(upstream='ones')", "pass ('random'), or (None) where f is a loss",
     "checked(upstream=$1) and checked(loss, lambda x, w: {'x': w, 'w': x}, upstream=$2)"),
    ("checked(inputs={'x': np.arange(2), 'w': np.arange(2)})", "a dict of (float64) arrays by name",
     "checked(inputs={'x': np.arange(2, dtype='$1'), 'w': np.ones(2, '$1')})"),
    ("checked(axes={'z': ('time',)})", r"the inputs are (.*), (.*)\.",
     "checked(axes={'x': ('time',), 'w': ('time',)}) and '$1 $2' == 'x w'"),
    ("checked(axes={'x': 'time'})", "a tuple with a word, or a tuple of labels, for each axis",
     "checked(axes={'x': ('time',)}) and checked(axes={'x': (('i', 'f'),)})"),
    ("checked(lambda x, w: None)", "with cached=True its last result is taken as the cache",
     "checked(lambda x, w: (x * w, (x, w)), lambda dy, c: (dy * c[1], dy * c[0]), cached=True)"),
    ("checked(lambda x, w: x * w + 1j)", "the real and the imaginary parts as two arrays",
     "checked(lambda x, w: (x * w, 2 * x), lambda dy, x, w: (dy[0] * w + 2 * dy[1], dy[0] * x))"),
    ("checked(lambda x, w: x * w * np.inf)", "choose other inputs", "checked()"),
    ("checked(upstream=None)", "leave (upstream) at ('random')", "checked($1=$2)"),
    ("checked(back=lambda dy, x, w: [dy, dy, dy])", "return one for each in this order, or a dict "
     "by name, or name those that are to be compared in (wrt)=",
     "checked(back=lambda dy, x, w: [dy * w, dy * x]) and checked() and checked(back=lambda dy, x, "
     "w: dy * w, $1='x')"),
    ("checked(back=lambda dy, x, w: ['a', dy * x])", "return an array of numbers",
     "checked(back=lambda dy, x, w: [dy * w, dy * x])"),
    ("checked(lambda x, w: x * w, cached=True)", "a tuple of the output, or several, and the cache",
     "checked(lambda x, w: (x * w, 2 * x, w), lambda dy, dz, w: (dy * w + 2 * dz, dy * "
     "INPUTS['x']), cached=True)"),
    ("checked(inputs={'a': INPUTS['x'], 'b': INPUTS['w']})", "name them as f does, or pass a list",
     "checked() and checked(inputs=[*INPUTS.values()])"),
    ("checked(method='exact')", "choose one of (.*)", "checked(method=$each)"),
    ("checked(real, method='complex')",
     "buffers in the dtype of the inputs, or choose ('.*' or '.*')",
     "checked(method='complex') and checked(real, method=$each)"),
    ("checked(tolerance=0)", "has to be above 0, or (None)",
     "checked(tolerance=$1) and checked(tolerance=1e-9)"),
    ("checked(directions=0)", "has to be at least (1)", "checked(directions=$1)"),
    ("checked(back=lambda dy, x, w: [2 * dy * w, dy * x])", "likely cause: .* counted (twice)",
     "checked()"),
    ("checked(back=lambda dy, x, w: {'x': dy * w})", "return one, or name in (wrt)= the arrays",
     "checked() and checked(back=lambda dy, x, w: {'x': dy * w}, $1='x')"),
    ("checked(lambda x, w: x * w.real + 1e15)",
     "let f take complex numbers without abs, conj or .real, or make this array's part of the loss "
     "larger", "checked() and checked(lambda x, w: x * w.real)"),
    ("checked(wrt='z')", r"the arrays of floating-point numbers are (.*)\.",
     "checked(wrt='$1'.split(', '))"),
    ("checked(lambda x, w: 0 * x * w, lambda dy, x, w: (0 * x, 0 * w))",
     "choose other inputs, or a function whose outputs do not add up to a constant", "checked()"),
    ("checked(lambda x, w: np.where(x == INPUTS['x'], x * w, np.nan))",
     "choose inputs inside the domain of f", "checked()"),
    ("checked(back=lambda dy, x, w: None)", "return one for each input", "checked()"),
    ("checked(lambda x, w: x * w * next(COUNTS))", "seed what is random in it and keep no state",
     "checked()"),
    # ------------------------------------------------------------ conformance
    ("card(gate_order='ifco')", "give the letters (i), (f), (g) and (o) in order",
     "card(gate_order='$1$2$3$4')"),
    ("card(orientation='C')", "choose ('rows') or ('columns')", "card(orientation=$1) and card("
     "lambda x, h0, c0, W, R, b: lstm(x, h0, c0, W.T, R.T, b), lambda *up: (lambda g: (g[0], "
     "g[1].T, g[2].T, *g[3:]))(lstm_back(*up)), orientation=$2)"),
    ("card(batch_axis=2)", "choose (None), ", "card(batch_axis=$1)"),
    ("card(dtype=int)", "choose (np.float64) or (np.float32)", "card(dtype=$1); card(dtype=$2)"),
    ("card(lstm, 3)", "has to be a function", "card(lstm, lstm_back)"),
    ("conformance(lstm, lstm_back)['gradient of Q']", "the rows are (.*)",
     "c = conformance(lstm, lstm_back); all(c[n] for n in '$1'.strip('\"').split(', '))"),
    ("conformance(lstm, lambda *up: None).raise_for_failures()", "FAILED",
     "conformance(lstm, lstm_back).raise_for_failures()"),
    ("alone(lambda h, state, cache: h)",
     r"return (\(h, \(hT, cT\), cache\)), or (\(h, None, cache\))",
     "alone(lambda h, s, cache: (lambda hT, cT: $1)(*s)) and card(lambda *six: (lambda h, s, "
     "cache: $2)(*lstm(*six)), initial_state=True)"),
    ("alone(lambda h, state, cache: (h, (*state, 0), cache))", r"return (\(hT, cT\)) or (None)",
     "alone(lambda h, s, cache: (h, (lambda hT, cT: $1)(*s), cache))"),
    ("find_layers(['gru'])", r"choose among (.*)\.", "len(find_layers('$1'.split(', '))) > 10"),
    ("card(arrays=INPUTS)", 'arrays are for (cell="step")', f"{KEPT}, $1, arrays=INPUTS)"),
    (f"{KEPT}, cell='rnn', arrays=INPUTS)", "choose 'lstm', 'gru', ('step')",
     f"{KEPT}, cell=$1, arrays=INPUTS)"),
    (f"{KEPT}, cell='gru', arrays=INPUTS)", "leave arrays out", "conformance(kept, kept_back, "
     "cell='gru')"),
    (f"{KEPT}, cell='step')", "give the arguments of forward as arrays by name",
     f"{KEPT}, cell='step', arrays=INPUTS)"),
    # ------------------------------------------------------------ the plugin
    ("in_test(back=lambda dy, x, w: [2 * dy * w, dy * x])", "wrong", "in_test()"),
    ("in_test(back=lambda dy, x, w: None)", "return one for each input", "in_test()"),
    ("session('no/such.json')", "create it first or choose another",
     "os.mkdir('no'); session('no/such.json')"),
    ("marked(sead=3)", "takes the keywords (.*)\\.",
     "marked(**dict.fromkeys('$1'.split(', '), 1))"),
]  # fmt: skip
