"""From tables to recordings: units, dates of other forms, holes in time, ids within a group.
Each of them was once read wrong in silence, so a right value or a whole sentence is wanted."""

import numpy as np
import pytest
from agreement import refusal

from minilstm.data import read_sequences


@pytest.fixture
def csv(tmp_path):
    def write(text, name="a.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def lines(head, rows):
    return "\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n"


WAVE = [0.5, -1.25, 3.0, 0.25, -2.0, 1.5]


def wave(k):
    """A number that neither rises nor falls."""
    return WAVE[k % 6]


def test_a_line_of_units_and_all_comments_are_named(csv):
    path = csv("recording,time,ax,label\n,s,m/s2,\na,0,1,u\na,0.1,2,v\n")
    assert refusal(path) == (
        "line 2 of FILE has 'm/s2' in column 'ax', but a finite number was wanted: remove the "
        "line, or say on_bad_line='skip' to leave it out where it holds units, and not a step."
    )
    data = read_sequences(path, on_bad_line="skip")
    assert [x.tolist() for x in data.x] == [[[1], [2]]] and data.facts.skipped == 1
    for notes, said in ((["# a b"], "line 1"), (["# a b", "#c", "# d, e"], "lines 1 to 3")):
        assert refusal(csv("\n".join([*notes, "recording,ax", "a,1\n"]))) == (
            "path FILE starts with the line '# a b', which is a comment, but a header of column "
            f"names was wanted: remove {said}."
        )


# ---------------------------------------------------------------- dates of other forms


@pytest.mark.parametrize("name", ["time", "uhr"])
def test_dates_with_the_day_first_and_dots_are_read(csv, name):
    stamps = ["01.03.2024 23:59:59.980", "2.3.2024 0:00:00.000", "02.03.2024 00:00:00.020"]
    path = csv(lines(f"recording,{name},ax", [("a", t, wave(k)) for k, t in enumerate(stamps)]))
    data = read_sequences(path, time_column=name)
    day = float(np.datetime64("2024-03-02", "s").astype(int))
    assert np.allclose(data.times[0] - day, [-0.02, 0, 0.02], rtol=0, atol=1e-6)
    if name == "uhr":  # it is asked, and never a label
        assert refusal(path).endswith("say time_column='uhr', or drop=['uhr'].")


UNSURE = {
    "03/01/2024": "whose day and month may stand either way",
    "03/01/2024 10:00:00.020": "whose day and month may stand either way",
    "3-1-24 10:00": "whose day and month may stand either way",
    "10:00:02 pm": "with hours up to 12",
    "2024-03-01 1:00:02 PM": "with hours up to 12",
}


@pytest.mark.parametrize("cell", UNSURE)
def test_dates_that_may_be_read_two_ways_are_refused_as_times(csv, cell):
    for name in ("time", "when"):
        path = csv(f"recording,{name},ax\na,{cell},1\n")
        assert refusal(path, time_column=name) == (
            f"line 2 of FILE has {cell!r} in the time column {name!r}, {UNSURE[cell]}: write times "
            "as 2024-03-01T14:00:00 (in pandas, to_datetime with its format=), as 01.03.2024 "
            "14:00:00 (the day first), or in seconds."
        )
        assert "label_column" not in refusal(path)


def test_a_date_and_a_time_of_day_in_two_columns_are_to_be_joined(csv):
    for head, row in (("date,time", "{d},{t}"), ("time,date", "{t},{d}")):
        for day in ("2024-03-01", "01.03.2024", "03/01/2024"):
            rows = [row.format(d=day, t=f"10:00:0{k}") for k in range(3)]
            path = csv(lines(f"recording,{head},ax", [("a", r, 1) for r in rows]))
            assert refusal(path) == (
                "FILE has dates in column 'date' and times of day in column 'time', but one column "
                "with both was wanted: join them, such as 2026-11-30T14:00:00, or say "
                "time_column='time' where no recording passes midnight."
            )
            data = read_sequences(path, time_column="time")
            assert data.times[0].tolist() == [36000, 36001, 36002]
            assert data.feature_names == ["ax"]


# ---------------------------------------------------------------- holes in time


def test_the_longest_step_of_time_is_told_where_it_is_a_hole(csv):
    def facts(hole, step=0.02, rows=3000):
        times = [k * step + (hole if k > 500 else 0) for k in range(rows)]
        data = [("a", f"{t:.2f}", wave(k)) for k, t in enumerate(times)]
        return read_sequences(csv(lines("recording,time,ax", data))).facts

    found = facts(3576 - 0.02)
    assert found.longest_step == pytest.approx(3576) and found.to_plain()["longest_step"] > 3575
    assert (
        "time column 'time' (in s): 50 Hz, under 0.1% of the steps are uneven, longest step 3,576 s"
    ) in found.lines()
    assert found.hints == (
        "a recording has a step of 3,576 s, 178,800 times the usual one: split it there with "
        "gap_seconds=1",
    )
    assert facts(0.3).hints[0].endswith("gap_seconds=0.2")
    assert facts(100, 1.0).hints[0].endswith("gap_seconds=10")
    short = facts(0.1)
    assert (short.longest_step, short.hints) == (None, ())
    assert short.lines()[2] == (
        "time column 'time' (in s): 50 Hz, under 0.1% of the steps are uneven"
    )


# ---------------------------------------------------------------- ids within a group


def sessions(order, names="session,subject"):
    """Two people with a session 0 and a session 1 each, whose clocks begin anew."""
    rows = [
        (s, who, k / 50, wave(k + p + s), "up")
        for p, who in enumerate(["Ann", "Bob"]) for s in range(2) for k in range(12)
    ]  # fmt: skip
    return lines(f"{names},time,ax,label", sorted(rows, key=order))


BY_SUBJECT, BY_SESSION, BY_TIME = (lambda r: r[1::-1]), (lambda r: r[:2]), (lambda r: r[2])


@pytest.mark.parametrize(
    ("order", "more"), [(BY_SUBJECT, {}), (BY_SESSION, {}), (BY_TIME, {"sort_by": "time"})]
)
def test_an_id_and_a_group_together_name_a_recording(csv, order, more):
    how = {"id_column": "session", "group_column": "subject"}
    data = read_sequences(csv(sessions(order)), **how, **more)
    found = {
        i: (x[:, 0].tolist(), g) for i, x, g in zip(data.ids, data.x, data.groups, strict=True)
    }
    assert found == {
        f"{who}/{s}": ([wave(k + p + s) for k in range(12)], who)
        for p, who in enumerate(["Ann", "Bob"]) for s in range(2)
    }  # fmt: skip
    told = "ids repeat over the groups: both name a recording, such as 'Ann/0'"
    assert told in data.facts.told
    one = read_sequences(csv("s,p,time,ax\n1,a,0,1\n1,a,1,2\n1,b,0,3\n"), id_column="s",
                         group_column="p")  # fmt: skip
    assert one.ids == ["a/1", "b/1"]


def test_doubled_times_are_never_left_out_where_ids_repeat(csv):
    same = "but each time was wanted once in a recording: say"
    for order in (BY_SUBJECT, BY_SESSION):
        path = csv(sessions(order, "session,mouse"))
        for more in ({}, {"sort_by": "time"}):
            said = refusal(path, id_column="session", **more)
            assert said.partition(" of FILE")[2] == (
                " has the time of another line, as each name in column 'session' stands for "
                f"several 'mouse', {same} group_column='mouse', so that both together name a "
                "recording."
            )
    slow = lines("session,mouse,time,ax", [(0, m, k, wave(k)) for m in (1, 2) for k in range(9)])
    for more in ({}, {"sort_by": "time"}):  # whole seconds are not spread either
        assert refusal(csv(slow), id_column="session", **more).endswith(
            f"several 'mouse', {same} group_column='mouse', so that both together name a recording."
        )
    path = csv(sessions(BY_SUBJECT))
    assert refusal(path, id_column="subject", drop=["session"]).endswith(
        f"{same} group_column='subject' and id_column='session', so that both together name a "
        "recording."
    )
    path = csv("recording,time,ax\n" + "a,0.5,1\na,1,2\n" * 12)
    assert refusal(path, sort_by="time") == (
        "line 4 of FILE has the time of the line before it (0.5), but each time was wanted once: "
        "remove the line, or say group_column= with the column that tells recordings apart, or "
        "time_column='' where it is no time."
    )
