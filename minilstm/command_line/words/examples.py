"""The lines that end the help of each command: every one is a command that can be typed.
Each command has its own, and none is left out.
"""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "demo": ("minilstm demo --quick", "minilstm demo --out my-demo --seed 3"),
    "train": (
        "minilstm train train.csv --test test.csv",
        "minilstm train train.csv --output-mode last --hidden 64 --epochs 100 --out model",
        "minilstm train train.npz --normalization zscore --solver sgdm --learn-rate 0.05",
    ),
    "predict": (
        "minilstm predict minilstm-train/model.safetensors new.csv",
        "minilstm predict minilstm-train/model.safetensors new.csv --out labels.csv",
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
    "completion": (
        "minilstm completion bash > ~/.local/share/bash-completion/completions/minilstm",
        "minilstm completion zsh > ~/.zfunc/_minilstm",
    ),
}
