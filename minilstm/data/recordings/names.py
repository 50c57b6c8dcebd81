"""Names of columns that say what they may hold: persons, labels, recordings, channels, counters.
A name alone never settles what a column is; it says what to ask.
"""

from __future__ import annotations

import re

from minilstm.data.recordings.times import TIME_NAMES

GROUP_NAMES = re.compile(
    r"(?!feature_)(?:.*_)?(person|subject|subj|participant|user|patient|proband|volunteer|athlete|driver|animal|"
    r"machine|device|site|group|who)s?(?:[_ ]?(?:id|nr|no|number|name|code))?",
    re.IGNORECASE,
)
LABEL_NAMES = re.compile(
    r"(?!feature_)(activity|activities|state|target|condition|event|category|annotation|gesture|action|"
    r"movement|behaviou?r|task|fault|status|(?:.*_)(?:label|class|activity|state|target))",
    re.IGNORECASE,
)
RECORDING_NAMES = re.compile(
    r"(id|session|trial|run|file|filename|rec|record|episode|segment|take|bout|window|track|"
    r"measurement|experiment|series|(?:.*_)(?:id|session|trial|run|file|recording|sequence))",
    re.IGNORECASE,
)
# Counters of rows: a column of such a name that counts by one says nothing, and is left out.
COUNTER_NAMES = re.compile(r"(step|index|idx|frame|sample|row|counter|count|line|n|nr|no|i)", re.I)
CHANNEL_NAMES = re.compile(
    r"(channel|sensor|signal|variable|axis|key|feature|measure|metric|tag|name|quantity|parameter)"
    r"(?:[_ ]?(?:id|name))?",
    re.IGNORECASE,
)
VALUE_NAMES = re.compile(r"(value|values|reading|val|measurement)", re.IGNORECASE)


def read_as(name: str) -> str | None:
    """What a column of numbers is taken for by its name alone; None for a feature."""
    if TIME_NAMES.fullmatch(name):
        return "times"
    return (
        "persons"
        if GROUP_NAMES.fullmatch(name)
        else "labels"
        if LABEL_NAMES.fullmatch(name)
        else None
    )
