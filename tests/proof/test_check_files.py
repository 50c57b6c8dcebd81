"""The backward passes of a file: which are found, on what they are tried, and what becomes of them.
The command `minilstm check` prints what is found here; its words are in tests/command_line."""

import textwrap

import numpy as np
import pytest

from minilstm.errors import DataError
from minilstm.proof.adapters.finding import comments_in
from minilstm.proof.checker.files import check_file, summary, to_junit

HEAD = "import numpy as np\nrng = np.random.default_rng(0)\ndef s(v): return 1 / (1 + np.exp(-v))\n"
# Pieces of files as people have them: what was taken for what, and whether it is right.
PIECES = {
    "CS231n": ("""
def affine_forward(x, w, b):
    return x @ w + b, (x, w, b)
def affine_backward(dout, cache):
    x, w, b = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)
""", "affine_forward, with affine_backward: x (4, 3), w (3, 5), b (5,)", True),
    "a wrong one": ("""
def relu_forward(x): return np.maximum(0, x), x
def relu_backward(dout, cache): return dout * cache
""", "relu_forward, with relu_backward: x (4, 3)", False),
    "f and df": ("""
def f(x): return (x**3).sum()
def df(x): return 3 * x**2
""", "f, with df: x (4, 3)", True),
    "a derivative of the output": ("""
def tanh(x): return np.tanh(x)
def tanh_derivative(y): return 1 - y**2
""", "tanh, with tanh_derivative: x (4, 3)", True),
    "a step of an LSTM": ("""
def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i, f, o, g = s(a[:, :H]), s(a[:, H:2*H]), s(a[:, 2*H:3*H]), np.tanh(a[:, 3*H:])
    c = f * prev_c + i * g
    return o * np.tanh(c), c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, c)
def lstm_step_backward(dh, dc, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, c = cache
    t = np.tanh(c)
    dc = dc + dh * o * (1 - t**2)
    da = [dc*g*i*(1-i), dc*prev_c*f*(1-f), dh*t*o*(1-o), dc*i*(1-g**2)]
    da = np.concatenate(da, axis=1)
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)
""", "lstm_step_forward, with lstm_step_backward: x (4, 3), prev_h (4, 5), prev_c (4, 5), Wx "
     "(3, 20), Wh (5, 20), b (20,); it is an LSTM with gates in the order i, f, o, g", True),
    "columns, and a dict": ("""
def cell_forward(xt, a_prev, parameters):
    z = parameters["Wax"] @ xt + parameters["Waa"] @ a_prev + parameters["ba"]
    return np.tanh(z), (np.tanh(z), a_prev, xt, parameters)
def cell_backward(da, cache):
    a, a_prev, xt, p = cache
    dz = da * (1 - a**2)
    return {"dxt": p["Wax"].T @ dz, "da_prev": p["Waa"].T @ dz, "dWax": dz @ xt.T,
            "dWaa": dz @ a_prev.T, "dba": dz.sum(axis=1, keepdims=True)}
""", "cell_forward, with cell_backward: xt (3, 4), a_prev (5, 4), parameters.Wax (5, 3), "
     "parameters.Waa (5, 5), parameters.ba (5, 1)", True),
    "shapes in a docstring": ("""
def project_forward(a, z):
    '''
    - a: of shape (N, 4*H)
    - z: of shape (4H, M)
    '''
    return a @ z
def project_backward(dy, a, z): return dy @ z.T, a.T @ dy
""", "project_forward, with project_backward: a (4, 20), z (20, 5)", True),
    "shapes in comments": ("""
def fwd(
    p,  # (T, B)
    q,  # q: (B, K7)
):
    q = q.reshape(q.shape)  # of other (B, 3) numbers
    return p @ q
def bwd(dy, p, q): return dy @ q.T, p.T @ dy
""", "fwd, with bwd: p (6, 4), q (4, 4)", True),
    "a loss with answers": ("""
def mse_forward(pred, target): return np.mean((pred - target) ** 2)
def mse_backward(pred, target): return 2 * (pred - target) / pred.size
""", "mse_forward, with mse_backward: pred (4, 3), target (4, 3)", True),
    "whole numbers by a docstring": ("""
def seek_forward(x, W):
    '''
    - x: Integer array of shape (N, T) giving indices of words.
    - W: Weight matrix of shape (V, D).
    '''
    return W[x], (x, W.shape)
def seek_backward(dout, cache):
    dW = np.zeros(cache[1])
    np.add.at(dW, cache[0], dout)
    return dW
""", "seek_forward, with seek_backward: x (4, 6), W (4, 3)", True),
    "a loss of sequences, and a mask": ("""
def time_loss(x, y, mask):
    '''
    - x: Input scores, of shape (N, T, V)
    - y: Ground-truth indices, of shape (N, T)
    - mask: Boolean array of shape (N, T)
    '''
    d = np.eye(x.shape[2])[y] * mask[:, :, None]
    return (d * x).sum(), d
""", "time_loss, by itself: x (4, 6, 4), y (4, 6), mask (4, 6)", True),
    "a second backward": ("""
def cube_forward(x): return x**3, x
def cube_backward(dout, cache): return 3 * dout * cache**2
def cube_backward_alt(dout, cache): return 2 * dout * cache**2
""", "cube_backward_alt, of cube_forward: x (4, 3)", False),
    "numbers between 0 and 1": ("""
def entropy_forward(p): return -(p * np.log(p) + (1 - p) * np.log(1 - p))
def entropy_backward(dy, p): return dy * np.log((1 - p) / p)
""", "entropy_forward, with entropy_backward: p (4, 3)", True),
    "loss and gradient": ("""
def svm_loss(x, y):
    m = np.maximum(0, x - x[range(len(x)), y][:, None] + 1.0)
    m[range(len(x)), y] = 0
    d = (m > 0) * 1.0
    d[range(len(x)), y] -= d.sum(axis=1)
    return m.sum(), d
""", "svm_loss, by itself: x (4, 3), y (4,)", True),
    "a class": ("""
class Dense:
    def __init__(self, n_in, n_out, bias=True):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)
    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.W + self.b)
    def backward(self, dout):
        dz = dout * (1 - np.tanh(self.x @ self.W + self.b) ** 2)
        self.dW, self.db = self.x.T @ dz, dz.sum(axis=0)
        return dz @ self.W.T
""", "Dense, an object of the class: x (4, 3)", True),
    "a comment with two names": ("""
# gradients: go, back
def go(x): return x**2
def back(dy, x): return 2 * x * dy
""", "go, with back: x (4, 3)", True),
    "a comment with an object, and inputs of the file": ("""
class Scale:
    def __init__(self, by): self.w = np.full(7, by)
    def forward(self, x): self.x = x; return x * self.w
    def backward(self, dy): self.dw = (dy * self.x).sum(axis=0); return dy * self.w
layer = Scale(2.0)  # gradients: layer
gradcheck_inputs = lambda: {"layer": {"x": np.ones((2, 7))}, "Scale": {"x": np.ones(7)}}
""", "layer, by itself: x (2, 7)", True),
    "no inputs": ("""
def odd_forward(x): return x.nothing
def odd_backward(dy, x): return dy
""", "odd_forward, with odd_backward", "no inputs were found that odd_forward takes; say the "
     "shapes in its docstring, as 'x: (T, B, D)', or give inputs in the file: gradcheck_inputs = "
     "{'odd_forward': {'x': ...}}."),
    "inputs of which none fits": ("""
def line_forward(X, w, b): return X @ w + b
def line_backward(dy, X, w, b): return dy @ w.T, X.T @ dy, dy.sum()
""", "line_forward, with line_backward: X (4, 3), w (3, 5), b (5,)", "no inputs were found for "
     "which the gradients have the shapes of their arrays (b (5,), its gradient ()); say the "
     "shapes in its docstring, as 'x: (T, B, D)', or give inputs in the file: gradcheck_inputs = "
     "{'line_forward': {'X': ..., 'w': ..., 'b': ...}}."),
    "a backward that breaks off": ("""
def half_forward(x): return x / 2
def half_backward(dy, x): return dy / {}["a"]
""", "half_forward, with half_backward: x (4, 3)", "line 6 raises KeyError: 'a'"),
    "a class that cannot be made": ("""
class Hidden:
    def __init__(self, settings): self.w = settings["w"]
    def forward(self, x): return x
    def backward(self, dy): return dy
""", "Hidden, by itself", "no object of Hidden could be made; make one in the file, and write "
     "'# gradients: layer' with its name."),
}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "mine.py"
        path.write_text(HEAD + textwrap.dedent(text))
        return path

    return write


@pytest.mark.parametrize("piece", PIECES)
def test_what_is_found_in_a_file_is_told_and_checked(piece, write):
    text, taken_for, outcome = PIECES[piece]
    checked = list(check_file(write(text)))
    found = next(one for one in checked if one.taken_for.startswith(taken_for.split(",")[0] + ","))
    assert found.taken_for == taken_for
    if isinstance(outcome, bool):
        assert (found.passed, found.fault) == (outcome, "")
    else:
        assert (found.passed, found.fault) == (None, outcome)


def test_all_of_a_file_in_its_order_and_the_same_twice(write):
    text = "".join(text for text, _, outcome in PIECES.values() if isinstance(outcome, bool))
    path = write(text + "\nif __name__ == '__main__':\n    raise SystemExit('not run')\n")
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    first, second = list(check_file(path)), list(check_file(path))
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert [one.line for one in first] == sorted(one.line for one in first)
    assert summary(first) == "19 backward passes: 17 right, 2 wrong"
    assert [str(a.report) for a in first] == [str(b.report) for b in second]
    named = list(check_file(path, ["f", "Dense"]))
    assert [one.name for one in named] == ["f", "Dense"]
    text = to_junit(first).decode()
    assert text.count("<failure") == 2 and 'name="relu_forward" tests="1" failures="1"' in text


REFUSED = [
    ("x = 1\n", (), "mine.py has no backward pass that was found; call its functions f_forward and "
     "f_backward, or write the comment '# gradients: forward, backward'."),
    (PIECES["f and df"][0], ("g",),
     "mine.py has no backward pass called 'g'; those that were "
     "found are f."),
    ("def f(x) return x\n", (), "{path}, line 4, is no Python (SyntaxError: expected ':'); correct "
     "it."),
    ("a = 1\nb = c\n", (), "{path} stops in line 5 (NameError: name 'c' is not defined); correct "
     "it, or put what is no function below `if __name__ == '__main__':`."),
    ("def mean_loss(x): return x.mean(), len(x)\n", (), "mine.py has no backward pass that was "
     "found; call its functions f_forward and f_backward, or write the comment "
     "'# gradients: forward, backward'."),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_a_file_that_cannot_be_checked_is_one_sentence(number, write):
    text, names, sentence = REFUSED[number]
    path = write(text)
    with pytest.raises(DataError) as error:
        list(check_file(path, names))
    assert str(error.value) == sentence.format(path=path)


BREAKS = {
    "a wrong comment": ("# gradients: f, dff\n", 6, "f, dff", "{path}, line 6: the comment names "
     "'dff', which the file does not have (did you mean 'df'?); write '# gradients: forward, "
     "backward' with two of its functions, or '# gradients: layer' with one object."),
    "an exit": ("import sys\nsys.exit(3)\ndef later(x): return x\n", 7, "mine.py",
     "{path} stops in line 7 (SystemExit: 3); correct it, or put what is no function below "
     "`if __name__ == '__main__':`."),
    "its arguments": ("import sys\nn = sys.argv[1]\n", 7, "mine.py", "{path} stops in line 7 "
     "(IndexError: list index out of range); correct it, or put what is no function below "
     "`if __name__ == '__main__':`."),
}  # fmt: skip


@pytest.mark.parametrize("what", BREAKS)
def test_what_breaks_in_a_file_leaves_the_rest_of_it_checked(what, write):
    text, line, name, fault = BREAKS[what]
    path = write(PIECES["f and df"][0].lstrip() + text)
    right, broken = check_file(path)
    assert (right.name, right.passed) == ("f", True)
    assert (broken.line, broken.name, broken.passed) == (line, name, None)
    assert broken.fault == fault.format(path=path)


def test_a_notebook_is_told_how_to_become_a_file(tmp_path):
    with pytest.raises(DataError) as error:
        list(check_file(tmp_path / "my.ipynb"))
    assert str(error.value) == (
        f"{tmp_path / 'my.ipynb'} is no Python file; first `jupyter nbconvert --to script "
        "my.ipynb`, then check what it writes."
    )


def test_a_helper_that_is_called_like_a_loss_is_passed_over(write):
    text = PIECES["f and df"][0] + "def mean_loss(x): return x.mean(), len(x)\n"
    assert [one.name for one in check_file(write(text))] == ["f"]
    (one,) = check_file(write(text), ["mean_loss"])
    assert one.fault == "mean_loss returns no loss with gradients"


def test_a_comment_is_one_only_where_python_has_one(write):
    path = write('text = """\n# gradients: f, g\n"""\ndef f(x): return x\n# gradients: f , g\n')
    assert comments_in(path) == [(8, "f , g")]
    assert comments_in(write("f = 1\n# gradients: see the docs\n# gradients: dW, db\n")) == []
    assert comments_in(write("# gradients: f\n(")) == []


def test_functions_of_torch_in_a_file(write):
    pytest.importorskip("torch")
    text = """
    import torch
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3
        @staticmethod
        def backward(ctx, dy):
            return 3 * dy * ctx.saved_tensors[0]
    class Net(torch.nn.Linear):
        pass
    """
    (found,) = check_file(write(text))
    assert (found.taken_for, found.passed) == ("Cube, by itself: x (4, 3)", False)
