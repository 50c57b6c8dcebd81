"""Advice about what a network knows of its data: facts that do not fit, and the day of a card.
A file that holds such facts is refused with the same words.
"""

import minilstm as ml
from advice.world import start
from minilstm.network.card import utc_day

FEATURES = [{"name": name, "unit": "g"} for name in ("ax", "ay", "az")]


def knowing(**about):
    """A small network that knows something."""
    from advice.world import build

    return build(about=about)


def day(text):
    """The day of a card where the variable is set to a text."""
    from unittest.mock import patch

    with patch.dict("os.environ", {"SOURCE_DATE_EPOCH": text}):
        return utc_day()


TABLE = [
    ("build(about=3)", "give a dict, or (None)", "build(about=$1).about is None; build(about={})"),
    ("build(about={'units': 1})", "it may have features, targets, forecast, (rate), ",
     "knowing($1=50)"),
    ("build(about={1: 2})", "give names as text", "build(about={'rate': 2})"),
    ("knowing(rate='50 Hz')", "give steps a second, or (None)",
     "knowing(rate=50); knowing(rate=$1)"),
    ("knowing(card=[])", "give a dict, or (None)", "knowing(card=$1); knowing(card={})"),
    ("knowing(card={'limits': {}})", r"give a (list), or (None)",
     "knowing(card={'limits': $1()}); knowing(card={'limits': $2})"),
    ("knowing(card={'loss': float('nan')})", "give text, finite numbers of Python, lists and dicts",
     "knowing(card={'loss': [None, {'a': 1.5, 'b': 'text'}]})"),
    ("deep = []\nfor _ in range(30): deep = [deep]\nknowing(card={'a': deep})",
     "deeper than 20 levels; make it flatter", "knowing(card={'a': [[[]]]})"),
    ("knowing(description={'fill': 'x'})", r"'(previous)', 'linear' or 'split' was wanted",
     "knowing(description={'fill': '$1'})"),
    ("knowing(features=FEATURES[:2])", "give a list of 3 dicts", "knowing(features=FEATURES)"),
    ("knowing(features=['ax', 'ay', 'az'])", "give a dict with a name, and a unit or (None)",
     "knowing(features=[{'name': n, 'unit': $1} for n in 'xyz'])"),
    ("knowing(features=FEATURES[:1] * 3)", "give different names", "knowing(features=FEATURES)"),
    ("knowing(targets=['a', 'a'])", "give 2 different names, or (None)",
     "knowing(targets=['a', 'b']); knowing(targets=$1)"),
    ("knowing(forecast={'horizon': 0})", r"give \{'horizon': (1)\} or more steps, or (None)",
     "start([ml.SequenceInput(2), ml.LSTM(2)], about={'forecast': {'horizon': $1}}); "
     "knowing(forecast=$2)"),
    ("knowing(forecast={'horizon': 1})", "leave it out, as this one does not",
     "knowing(rate=50); start([ml.SequenceInput(2), ml.LSTM(2)], about={'forecast': "
     "{'horizon': 1}})"),
    ("day('today')", "set it to the seconds since (1970), or not at all",
     "day('0').startswith('$1') and day('') > '2026'"),
]  # fmt: skip
