"""How long a campaign runs: a tenth of its cases in every test run, all of them in `make campaign`.
A campaign draws its cases from a seed, so the tenth is always the same one.
"""

import os

WHOLE = os.environ.get("MINILSTM_CAMPAIGN") == "whole"


def cases(whole):
    """How many of the cases to run."""
    return whole if WHOLE else max(1, whole // 10)
