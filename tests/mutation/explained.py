"""What is not drawn, and which changes no test can catch, each with its reason in one line.
A change is named by file, function, line, edit and number, so that lines may move.
"""

# Start of a path, kind of change or "" for all, and why these are not drawn.
LEFT_OUT = (
    ("minilstm/bench/torch", "", "needs PyTorch, which the tests do not install"),
    ("minilstm/bench/onnx.py", "", "needs ONNX Runtime, which the tests do not install"),
)

# (path, function, line, old, new, number): reason
EXPLAINED: dict[tuple[str, str, str, str, str, int], str] = {}
