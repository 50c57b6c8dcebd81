"""The lines that end the help of each command: every one is a command that can be typed.
Each command has its own, and none is left out.
"""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "demo": ("minilstm demo --quick", "minilstm demo --out my-demo --seed 3"),
    "train": (
        "minilstm train train.csv --test test.csv",
        "minilstm train recordings/ --file-pattern '{group}_*' --leave-one-group-out "
        "--window-length 2.56s",
        "minilstm train walks.csv --target-columns speed --test-share 0.25 --validation-share 0.2 "
        "--patience 10 --best",
        "minilstm train sensors.csv --task forecast --horizon 5 --hidden 64,32",
    ),
    "predict": (
        "minilstm predict minilstm-train/model.safetensors new.csv",
        "minilstm predict minilstm-train/model.safetensors new.csv --out labels.csv",
    ),
    "evaluate": (
        "minilstm evaluate minilstm-train/model.safetensors test.csv",
        "minilstm evaluate minilstm-train/model.safetensors recordings --group-column person "
        "--out report",
    ),
    "import": (
        "minilstm import model.keras --out model.safetensors",
        "minilstm import checkpoint.pt --layers bilstm:64:last,dense:5,softmax "
        "--out model.safetensors",
    ),
    "stream": (
        "minilstm stream minilstm-train/model.safetensors < live.csv",
        "tail -f live.csv | minilstm stream minilstm-train/model.safetensors --on-bad-line skip",
    ),
    "export": (
        "minilstm export minilstm-train/model.safetensors --to c",
        "minilstm export minilstm-train/model.safetensors --out walk.js --weights int8",
    ),
    "info": (
        "minilstm info",
        "minilstm info minilstm-train/model.safetensors --markdown > card.md",
    ),
    "plot": (
        "minilstm plot minilstm-train/model.safetensors",
        "minilstm plot minilstm-train/model.safetensors --out layers.svg",
        "minilstm plot minilstm-train/model.safetensors --gates test.csv --show ifc",
    ),
    "bench": (
        "minilstm bench",
        "minilstm bench --against torch,onnxruntime --works training,streaming",
        "minilstm bench --grid --shapes vowels,bilstm",
    ),
    "warmup": ("minilstm warmup", "minilstm warmup --dtype both --threads 2"),
    "gradcheck": (
        "minilstm gradcheck",
        "minilstm gradcheck --layer LSTM BiLSTM --junit checks.xml",
    ),
    "check": (
        "minilstm check my_lstm.py",
        "minilstm check my_lstm.py lstm_step_forward --watch",
    ),
    "learn": ("minilstm learn", "minilstm learn 1", "minilstm learn 1 --hint 2"),
    "completion": (
        "minilstm completion bash > ~/.local/share/bash-completion/completions/minilstm",
        "minilstm completion zsh > ~/.zfunc/_minilstm",
    ),
}
