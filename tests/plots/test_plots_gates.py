"""The pictures of gates and gradients: what each row, line and letter shows.
Axes are read back, as a reader sees them."""

from types import SimpleNamespace

import numpy as np
import pytest
from agreement import legend_texts, refuses_data

from minilstm import plots
from minilstm.plots.gates import unit_order

pytest.importorskip("matplotlib")

T, H = 30, 4


def record(seed=0, steps=T):
    rng = np.random.default_rng(seed)
    gates = {letter: rng.uniform(0, 1, (steps, H)) for letter in "ifo"}
    return SimpleNamespace(**gates, **{letter: rng.normal(size=(steps, H)) for letter in "gch"})


def test_a_map_has_a_row_a_unit_in_the_order_of_what_they_follow():
    x = np.stack([np.sin(np.arange(T)), np.cos(np.arange(T))], axis=1)
    gates = record()
    gates.c[:] = np.stack([-x[:, 1], x[:, 0], x[:, 1], -x[:, 0]], axis=1)
    axes = plots.plot_gates(gates, x, show="cf", names=["left", "right"])
    assert unit_order(gates.c, x).tolist() == [1, 3, 2, 0]
    assert len(axes) == 3 and legend_texts(axes[0]) == ["left", "right"]
    cell, forget = (ax.images[0] for ax in axes[1:])
    assert np.array_equal(cell.get_array(), gates.c[:, [1, 3, 2, 0]].T)
    assert np.array_equal(forget.get_array(), gates.f[:, [1, 3, 2, 0]].T)
    assert forget.get_clim() == (0.0, 1.0)
    assert cell.get_clim() == (-np.abs(gates.c).max(), np.abs(gates.c).max())
    assert axes[-1].get_xlabel() == "Time step" and "Forget gate" in axes[-1].get_ylabel()
    assert axes[0].get_title(loc="left") == "4 units, sorted by what they follow"


def test_a_long_map_is_thinned_to_means_and_keeps_its_time_axis():
    gates = record(steps=5000)
    [ax] = plots.plot_gates(gates, show="i")
    image = ax.images[0]
    assert image.get_array().shape == (H, 2000) and image.get_extent()[:2] == [-0.5, 4999.5]
    order = np.abs(gates.c).argmax(axis=0).argsort(kind="stable")
    assert np.allclose(image.get_array()[:, 0], gates.i[:2, order].mean(axis=0))


def test_a_unit_shows_its_gates_and_its_cell():
    gates = record()
    signal, doors, state = plots.plot_unit(gates, 2, np.zeros((T, 1)))
    assert [line.get_ydata().tolist() for line in doors.lines] == [
        getattr(gates, letter)[:, 2].tolist() for letter in "ifo"
    ]
    assert state.lines[0].get_ydata().tolist() == gates.c[:, 2].tolist()
    assert legend_texts(state) == ["Cell c", "Hidden state h"] and signal.get_title() == "Unit 2"


def test_a_text_stands_letter_by_letter_on_its_values():
    text = "a b\n" * 30  # 120 letters, 80 a line
    values = np.linspace(-1, 1, 120)
    ax = plots.plot_text(text, values)
    letters = [t.get_text() for t in ax.texts]
    assert len(letters) == 120 and letters[:4] == ["a", " ", "b", "¶"]
    assert ax.texts[80].get_position() == (0, 1)
    shown = ax.images[0].get_array()
    assert shown.shape == (2, 80) and shown[1, 39] == 1 and shown.mask[1, 40]


def test_the_flow_is_drawn_on_a_logarithmic_axis_without_its_zeros():
    flow = SimpleNamespace(spans=np.array([1.0, 0.1, 0.0, 0.0]))
    ax = plots.plot_gradient_flow({"b = 0": flow, "b = 1": SimpleNamespace(spans=np.ones(4))})
    assert ax.get_yscale() == "log" and legend_texts(ax) == ["b = 0", "b = 1"]
    assert ax.lines[0].get_xdata().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: plots.plot_gates(record(), show="cz"),
         "show is 'cz'; give letters of 'ifgoch', such as 'cf'."),
        (lambda: plots.plot_gates(record(), np.zeros((7, 2))),
         "x has 7 steps and the gates have 30; pass the sequence they are of."),
        (lambda: plots.plot_unit(record(), 4), "unit is 4; pass a number from 0 to 3."),
        (lambda: plots.plot_text("abc", [1.0]), "values has 1 entries and text has 3 letters; pass "
         "one value a letter, as gates.c[:, 3]."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(call, sentence):
    with refuses_data(sentence):
        call()
