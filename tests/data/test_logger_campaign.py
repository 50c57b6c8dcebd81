"""Any mix of the ways in which files are written is read back, to the last bit.
Separators, decimal signs, encodings, headings, times, gaps and orders are drawn; so are quotes.
"""

import gzip

import numpy as np
import pytest
from campaigns import cases

from minilstm.data import read_sequences
from minilstm.errors import DataError

IDS = ["recording", "Sequence_ID", "trial", "Größe"]
LABELS = ["label", "Class", "activity", "what is done"]
START = 1_796_029_200_000  # milliseconds since 1970


def drawn_recordings(rng):
    """Two to four recordings: a name, x (T, D) with NaN for a gap, labels, milliseconds."""
    D, found = rng.integers(1, 4), []
    for k in range(rng.integers(2, 5)):
        T = rng.integers(4, 12)
        x = rng.normal(scale=10.0 ** rng.integers(-3, 6), size=(T, D)).round(rng.integers(1, 6))
        ms = START + 60_000 * k + 20 * np.arange(T)  # (T,)
        ms[rng.integers(1, T) :] += 20 * rng.integers(0, 3)  # lost rows
        found.append([f"r {k}", x, rng.choice(["auf", "ab", "größer"], T), ms])
    return found


def drawn_time(rng, ms):
    """Cells of a time column, and the options that it needs."""
    way = rng.choice(["none", "s", "ms", "us", "iso", "blank", "Z"])
    date = np.datetime_as_string(ms.astype("M8[ms]"))
    return {
        "none": (None, {}),
        "s": ([repr(m / 1000) for m in ms.tolist()], {"time_unit": "s"}),
        "ms": ([str(m) for m in ms.tolist()], {"time_unit": "ms"}),
        "us": ([str(1000 * m) for m in ms.tolist()], {"time_unit": "us"}),
        "iso": (date.tolist(), {}),
        "blank": ([d.replace("T", " ") for d in date.tolist()], {}),
        "Z": ([f"{d}Z" for d in date.tolist()], {}),
    }[str(way)]


def previous(x):
    """x with each gap filled by the value before it."""
    at = np.maximum.accumulate(np.where(np.isnan(x), 0, np.arange(len(x))[:, None]), axis=0)
    return np.take_along_axis(x, at, axis=0)


def drawn_file(rng, folder):
    """A file, the options that it needs, and its recordings without gaps."""
    recordings = drawn_recordings(rng)
    names = [f"Kanal {d}" for d in range(recordings[0][1].shape[1])]
    separator = str(rng.choice([",", ";", "\t", "|"]))
    decimal = str(rng.choice([".", ","])) if separator != "," else "."
    encoding = str(rng.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"]))
    id_name, label = str(rng.choice(IDS)), str(rng.choice(LABELS))
    options = {"id_column": id_name, "label_column": label, "separator": separator}
    options |= {"decimal": decimal, "encoding": encoding}
    if rng.random() < 0.5:
        options["fill"] = "previous"
        for one in recordings:
            x = one[1]
            x[1:][rng.random(x[1:].shape) < 0.2] = np.nan
    cells, given = drawn_time(rng, np.concatenate([ms for *_, ms in recordings]))
    head = [id_name, *(["Zeit"] if cells else []), *names, label]
    options |= given | ({"time_column": "Zeit"} if cells else {})

    rows = []
    for name, x, y, _ in recordings:
        for values, word in zip(x.tolist(), y.tolist(), strict=True):
            numbers = ["" if v != v else repr(v).replace(".", decimal) for v in values]
            time = [cells[len(rows)]] if cells else []
            time = [cell.replace(".", decimal) for cell in time] if given else time
            rows.append([name, *time, *numbers, word])
    if cells and rng.random() < 0.3:
        options["sort_by"] = "Zeit"
        rows = [rows[k] for k in rng.permutation(len(rows))]
    order = rng.permutation(len(head))
    quote = '"' if rng.random() < 0.3 else ""
    end = str(rng.choice(["\n", "\r\n"]))
    blank = str(rng.choice(["", " "]))
    lines = [
        (separator + blank).join(f"{quote}{row[k]}{quote}" for k in order) for row in [head, *rows]
    ]
    text = end.join(lines) + end * int(rng.integers(0, 3))
    packed = rng.random() < 0.2
    path = folder / f"drawn.csv{'.gz' * packed}"
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    whole = {name: (previous(x), y, ms) for name, x, y, ms in recordings}
    return path, options, [head[k] for k in order if head[k] in names], whole


def unless_asked(path, options):
    """What is read where half of the options that a reader may find out are left out."""
    free = ["encoding", "decimal", "separator", "id_column", "time_unit"]
    left = {name: options[name] for name in options if name not in free[:: 1 + len(options) % 2]}
    try:
        return read_sequences(path, **left)
    except DataError as error:
        assert any(f"{name}=" in str(error) for name in options.keys() - left.keys()), str(error)
        return None


@pytest.mark.campaign
def test_every_drawn_file_is_read_back(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(cases(10_000)):
        path, options, names, whole = drawn_file(rng, tmp_path)
        said = f"case {k}: {options}"
        data = unless_asked(path, options) or read_sequences(path, **options)
        assert sorted(data.ids) == sorted(whole), said
        assert data.feature_names == names, said
        at = [names.index(name) for name in sorted(names)]
        for name, x, y, times in zip(
            data.ids, data.x, data.y, data.times or [None] * len(data.x), strict=True
        ):
            x0, y0, ms = whole[name]
            assert np.array_equal(x[:, at], x0) and y.tolist() == y0.tolist(), said
            if "time_column" in options:
                seconds = (ms - ms[0]) / 1000
                np.testing.assert_allclose(times - times[0], seconds, atol=1e-6, err_msg=said)
            else:
                assert times is None, said
