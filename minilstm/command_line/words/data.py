"""The words that say how a file of sequences is to be read.
They are the same for every command that reads data.
"""

from __future__ import annotations

import argparse


def data_options() -> argparse.ArgumentParser:
    """A parent of every command that reads a file of sequences."""
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--id-column", help="CSV: column that names the sequence; '' for one sequence"
    )
    data.add_argument("--label-column", help="CSV: column with the label; '' for none")
    data.add_argument("--label-per", choices=("step", "sequence"), help="CSV: whose label it is")

    missing = data.add_mutually_exclusive_group()
    missing.add_argument(
        "--missing-labels",
        action="append",
        metavar="WORD",
        help="word, such as NA or '', for labels that count nowhere; once for each word",
    )
    missing.add_argument(
        "--no-missing-labels",
        action="store_const",
        const=[],
        dest="missing_labels",
        help="all words are classes, also those such as NA",
    )
    data.add_argument("--layout", help="MAT, npz, ts: a letter for each axis, such as CT or BTC")
    data.add_argument("--x-name", help="MAT: the variable with the sequences")
    data.add_argument("--y-name", help="MAT: the variable with the labels; '' for none")

    return data
