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
    (
        "minilstm/proof/checker/comparison.py", "compare",
        "entries = [t for t in trials if t.index and not t.beyond(tolerance) <= 1]",
        "<=", "<", 1,
    ): "measured errors are never exactly as large as the tolerance",
    (
        "minilstm/plots/layout.py", "_across", "for number in range(SWEEPS + 1):", "+", "-", 1,
    ): "two rounds less of a search that has come to rest before",
    (
        "minilstm/plots/confusion.py", "_lay_out",
        'text.set(rotation=90 if size > 8 else 40, ha="right", rotation_mode="anchor")',
        ">", ">=", 1,
    ): "at eight classes the names stay apart at either angle",
    (
        "minilstm/plots/confusion.py", "_lay_out",
        'ax.set(xlim=(-0.02, span + 0.02), ylim=(span + 0.02, -0.02), aspect="equal")',
        "0.02", "0.01", 1,
    ): "a margin that eyes judge: either shows the outer edges",
    (
        "minilstm/proof/engine/single.py", "softmax_cross_entropy", "targets[3] = -1", "3", "2", 1,
    ): "a problem for the checks: any row may be the one without a class",
    (
        "minilstm/command_line/demo.py", "_vowels",
        "max_epochs=QUICK_VOWEL_EPOCHS if quick else 100,", "100", "101", 1,
    ): "how long the long demonstration trains is a choice",
    (
        "minilstm/command_line/models.py", "with_ignored_labels",
        "given = net.losses[0] if net.losses is not None else None", "0", "-1", 1,
    ): "of one output the first is the last",
    (
        "minilstm/bench/gpu.py", "training", 'if "torch" in against:',
        '"torch" in against', "False", 1,
    ): "needs PyTorch, which the tests do not install",
    (
        "minilstm/bench/works.py", "<module>", "FEATURES, CLASSES, HIDDEN = 3, 5, 200",
        "200", "199", 1,
    ): "the size of a benchmark is a choice",
    (
        "minilstm/bench/works.py", "training", 'if "torch" in against:',
        '"torch" in against', "False", 1,
    ): "needs PyTorch, which the tests do not install",
    (
        "minilstm/bench/gpu.py", "<module>",
        "BATCH_HIDDEN, BATCH_STEPS = 512, 1000  # units and steps of a large batch",
        "1000", "999", 1,
    ): "the size of a benchmark is a choice",
}  # fmt: skip
