"""What is not drawn, and which changes no test can catch, each with its reason in one line.
A change is named by file, function, line, edit and number, so that lines may move.
"""

# Start of a path, kind of change or "" for all, and why these are not drawn.
LEFT_OUT = (
    ("minilstm/bench/torch", "", "needs PyTorch, which the tests do not install"),
    ("minilstm/bench/onnx.py", "", "needs ONNX Runtime, which the tests do not install"),
)

# (path, function, line, old, new, number): reason
EXPLAINED = {
    (
        "minilstm/losses/base.py", "Loss.functions",
        "def functions(self, backend: Backend, fused: bool = False) -> Functions:",
        "False", "True", 1,
    ): "an abstract method: every loss has a default of its own",
    (
        "minilstm/network/network.py", "Network.forward",
        "return outputs[0] if len(outputs) == 1 else outputs, done.state, done.caches",
        "0", "-1", 1,
    ): "of one output the first is the last",
}  # fmt: skip
