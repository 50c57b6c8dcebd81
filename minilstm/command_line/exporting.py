"""The command export: a model file in, a file of another kind out.
The file has been compared with the model before it is kept."""

from __future__ import annotations

import argparse
from typing import Any

from minilstm.command_line.models import load_model
from minilstm.paths import check_apart


def export_model(options: argparse.Namespace) -> dict[str, Any]:
    """Write MODEL as --to says, beside it or to --out."""
    from minilstm.exchange.export import export

    path = options.out
    if path is None:
        ending = "c" if options.to is None else options.to
        # A state dict must not take the place of the model.
        kept = "state-dict." if ending == "safetensors" else ""
        path = options.model.with_suffix(f".{kept}{ending}")
    elif options.to is not None and path.suffix.lower() != f".{options.to}":
        raise ValueError(
            f"--out is {str(path)!r}, but --to is {options.to!r}; leave one of them out, or let "
            f"the name end in .{options.to}."
        )
    check_apart(path, [options.model])
    net = load_model(options.model)
    report = export(
        net, path, name=options.name, weights=options.weights, window=options.window,
        check=not options.no_check, bits=options.bits, most_changed=options.most_changed,
    )  # fmt: skip
    print(report)
    facts = report._asdict()
    if report.quantisation is not None:
        facts["quantisation"] = report.quantisation._asdict()
    return {**facts, "files": [report.path]}
