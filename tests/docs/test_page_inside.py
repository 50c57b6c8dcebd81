"""The page that shows a network at work, in a headless Chromium: its numbers are the engine's.
It answers to pointers, keys and screen readers, on wide and narrow screens, whatever the signal."""

import json
import re
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from browser import Browser

import minilstm as ml
from minilstm.exchange.proving.evaluator import run_rows
from minilstm.exchange.step.program import program_of
from minilstm.functional.lstm import LSTMState, lstm_backward, lstm_forward

MAKE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "make_page.py"))
NET = ml.load(MAKE["MODEL"])
H = 24


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    folder = tmp_path_factory.mktemp("chromium")
    browser = Browser(folder)
    browser.file = folder / "inside.html"
    browser.file.write_text(MAKE["make_page"](), "utf-8")
    yield browser
    browser.close()


@pytest.fixture
def page(chromium):
    """The page, opened anew at step 200; nothing was thrown and nothing was asked of a network."""
    chromium.open(chromium.file)
    chromium.run("lab.seek(200)")
    yield chromium
    for event in chromium.events:
        assert event["method"] not in ("Runtime.exceptionThrown", "Log.entryAdded"), event
        if event["method"] == "Network.requestWillBeSent":
            assert event["params"]["request"]["url"].startswith(("file:", "data:"))


def text(page, name):
    """What an element says after the next picture."""
    page.run("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
    return page.run(f"document.getElementById('{name}').textContent")


def signal(page):
    return np.float32(page.run("lab.signal()")).reshape(-1, 3)  # (T, 3)


def numbers(page, steps=200):
    """Gates i, f, g, o, cells c and outputs h, each (T, H), and scores (T, 5), as drawn."""
    page.run("new Promise(r => { const w = () => lab.ready ? r() : setTimeout(w, 5); w(); })")
    shown = np.float32(page.run(f"lab.steps(0, {steps})"))
    return [*np.split(shown[:, : 6 * H], 6, axis=1), shown[:, 6 * H :]]


def test_its_numbers_are_those_of_the_engine(page):
    x = signal(page)[:200]
    *inside, scores = numbers(page)
    assert (scores == run_rows(program_of(NET), x)).all()  # the bits of the exported files
    assert np.abs(scores - NET.predict(x)).max() < 1e-5
    for name, found in zip("ifgoch", inside, strict=True):
        assert np.abs(found - getattr(NET.gates(x, "lstm"), name)).max() < 1e-5, name
    assert text(page, "test").startswith("Self-test: bits ")
    page.run("lab.seek(1078)")  # far on, and back: the same numbers again
    numbers(page, 1)
    page.run("lab.seek(200)")
    assert (numbers(page)[-1] == scores).all()


#: what is clicked; rows of the bias that change, and what is added: a sigmoid of a million is 1
CHANGES = {
    "no forgetting": ("[name=hold-f][value='1'] + span", slice(24, 48), 1e6),
    "nothing let in": ("[name=hold-i][value='0'] + span", slice(0, 24), -1e6),
    "all put out": ("[name=hold-o][value='1'] + span", slice(72, 96), 1e6),
    "one unit": ("[name=hold-f][value='0'] + span", slice(24 + 6, 24 + 7), -1e6),
    "forget bias": ("#bias", slice(24, 48), -2.5),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_gate_is_that_of_the_equations(case, page):
    chosen, rows, more = CHANGES[case]
    if case == "one unit":
        page.run("document.getElementById('unit').onchange({target: {value: 7}})")
        page.click("[name=scope][value=one] + span")
    page.click(chosen)
    if case == "forget bias":
        page.run("const b = document.getElementById('bias'); b.value = -2.5; b.oninput()")
    names = ("input_weights", "recurrent_weights", "bias")
    W, R, bias = (NET.parameters[f"lstm/{name}"].copy() for name in names)
    bias[rows] += more
    first, zero = NET.layers[0], np.zeros((1, H), np.float32)
    x = np.float32((signal(page)[:200] - first.mean) / first.standard_deviation)
    h, _, cache = lstm_forward(x, zero, zero, W, R, bias)
    *gates, c, found, _ = numbers(page)
    assert np.abs(found - h).max() < 2e-5
    assert (np.abs(c - cache.c[1:]) <= 2e-5 * np.maximum(1, np.abs(c))).all()
    assert np.abs(np.concatenate(gates, axis=1) - cache.gates).max() < 2e-5
    assert text(page, "effect").startswith("As trained it says Walking")
    page.click("#undo")
    assert page.run("document.getElementById('undo').disabled")


def test_two_units_have_the_numbers_and_gradients_of_the_engine(page):
    page.click("#tab-sums")
    page.run("document.getElementById('small-at').oninput({target: {value: 32}})")
    small, found = page.run("lab.SMALL"), page.run("lab.all")
    x, W, R, b = (np.array(small[name], float) for name in "xWRb")
    x, W, zero = x[:, None], W[:, None], np.zeros((1, 2))
    h, _, cache = lstm_forward(x, zero, zero, W, R, b)
    dh = LSTMState((h[-1] - small["y"])[None], zero)
    dx, grads = lstm_backward(None, dh, cache)
    # The gradient of a state is that of the steps after it.
    after = [lstm_forward(x[t:], cache.h[[t]], cache.c[[t]], W, R, b)[2] for t in (1, 2)]
    dhs = [*(lstm_backward(None, dh, steps)[1].h0[0] for steps in after), dh.hidden[0]]
    for ours, theirs in (
        (found["dx"], dx[:, 0]), (found["dW"], grads.W[:, 0]), (found["dR"], grads.R),
        (found["db"], grads.b), (found["dh0"], grads.h0[0]), (found["dc0"], grads.c0[0]),
        (found["v"]["c"], cache.c[1:]), (found["v"]["h"], h), (found["d"]["h"], dhs),
        (np.concatenate([found["v"][k] for k in "ifgo"], axis=1), cache.gates),
    ):  # fmt: skip
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-15)
    shown = page.run("document.getElementById('h-1-0').innerText").replace("−", "-").split()
    assert shown == [f"{h[1, 0]:.3f}", f"{dhs[1][0]:.3f}"]


def test_lines_are_walked_forward_and_then_in_reverse(page):
    page.click("#tab-sums")
    seen = []
    for _ in range(32):
        page.key("ArrowRight")
        seen.append(page.run("document.querySelector('#line b').textContent"))
    ahead = [f"Forward, step {t}, line ({n})" for t in (1, 2, 3) for n in range(1, 6)]
    back = [f"Backward, step {t}, line ({n})" for t in (3, 2, 1) for n in range(5, 0, -1)]
    assert seen == [*ahead, "The loss, and where backward starts", *back, "The weights"]
    assert page.run("document.querySelectorAll('#table td small').length") == 63
    page.run("const e = document.querySelector('#inputs input'); e.value = ''; e.oninput()")
    assert text(page, "small-said") == "x of step 1 is no number from −100 to 100; 1.000 stays."


def test_keys_alone_reach_everything(page):
    reached = []
    for _ in range(14):
        page.key("Tab")
        reached.append(
            page.run("""((e, seen) => getComputedStyle(seen).outlineStyle === "solid" &&
          (e.id || e.name || e.tagName))(...(e => [e, e.type === "radio" ? e.nextElementSibling : e]
          )(document.activeElement))""")
        )
    wanted = "tab-watch signal shake SUMMARY pen hold-i hold-f hold-o unit scope bias back play on"
    assert reached == wanted.split()
    page.run("document.activeElement.blur()")
    for name in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        page.key(name)
    assert page.run("lab.t") == 201
    page.key("Space")
    assert text(page, "play") == "Pause"
    page.key("Space")
    page.key("Home")
    assert (text(page, "play"), page.run("lab.t")) == ("Play", 0)


def test_screen_readers_are_told_what_is_seen(page):
    page.run("new Promise(r => setTimeout(r, 600))")
    assert re.fullmatch(r"Walking \d+ %, 20.0 seconds", text(page, "spoken"))
    nodes = [n for n in page.ask("Accessibility.getFullAXTree")["nodes"] if not n["ignored"]]
    named = {(n["role"]["value"], n.get("name", {}).get("value", "").strip()) for n in nodes}
    roles = {"button", "tab", "radio", "slider", "combobox", "spinbutton", "image"}
    assert roles <= {role for role, _ in named}
    assert not [role for role, name in named if role in roles and not name]


#: a signal as text; steps that it gives, and what the page says
SIGNALS = {
    "empty": ("", 1078, "The text is empty; give a row a step, as 2.1, -98.4, 11.0."),
    "no number": (
        "NaN,NaN,NaN\n1,2", 1078,
        "Line 1 holds no three finite numbers, nor does any other; a row is x, y, z.",
    ),
    "a NaN": (
        "x,y,z\n1,2,3\n1,NaN,3\n1,1e39,2\n4 5 6", 2,
        "Line 3 and 1 more of 5 left out: no three finite numbers.",
    ),
    "constant": ("0 -98 11\n" * 500, 500, ""),
    "huge": ("3e38 -3e38 3e38\n" * 50, 50, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", SIGNALS)
def test_a_bad_signal_is_told_in_a_sentence(case, page):
    given, steps, said = SIGNALS[case]
    page.run(f"document.getElementById('rows').value = {json.dumps(given)}")
    page.run("document.getElementById('run').onclick()")
    assert (page.run("lab.T"), text(page, "said")) == (steps, said)
    page.run(f"lab.seek({steps})")
    assert np.isfinite(numbers(page, min(steps, 100))[-1]).all()


def test_a_million_steps_leave_the_page_awake(page):
    page.run("""window.gap = 0; let was = performance.now(); setInterval(() => {
      gap = Math.max(gap, performance.now() - was); was = performance.now(); }, 1)""")
    assert page.run("lab.take('1.5,-98,11\\n'.repeat(1e6)).then(() => lab.T)") == 1_000_000
    page.run("lab.seek(60000)")
    assert np.isfinite(numbers(page, 1)[-1]).all()
    assert text(page, "clock") == "60,000 / 1,000,000"
    page.run("lab.seek(1e6)")
    page.run("new Promise(r => setTimeout(r, 300))")
    assert re.fullmatch(r"computing \d+ %", text(page, "clock"))
    assert page.run("gap") < 500  # milliseconds, on a machine that does other work too


def test_a_pen_draws_over_the_signal_and_an_empty_one(page):
    old = signal(page)
    view = "document.getElementById('signal-view').getBoundingClientRect()"
    x, y = page.run(f"(r => [r.x, r.y])({view})")
    page.drag(*[(x + 200 + 10 * k, y + 60) for k in range(10)])
    new = signal(page)
    changed = np.flatnonzero((new != old).any(axis=1))
    assert (new[:, [0, 2]] == old[:, [0, 2]]).all() and 20 < len(changed) < 60
    assert len(set(new[changed, 1])) == 1
    page.run("document.getElementById('signal').onchange({target: {value: 'none'}})")
    assert (page.run("lab.T"), text(page, "best")) == (0, "Before the first step")
    page.drag(*[(x + 70 + 10 * k, y + 40 + 5 * k) for k in range(10)])
    assert page.run("lab.T") > 20 and np.isfinite(numbers(page, 20)[-1]).all()


def test_a_phone_feeds_it(page):
    page.run("DeviceMotionEvent.requestPermission = async () => 'granted'; 1")
    page.run("""document.getElementById('shake').onclick().then(() => new Promise(r => {
      setInterval(() => dispatchEvent(new DeviceMotionEvent("devicemotion",
        {accelerationIncludingGravity: {x: 0, y: 9.80665, z: 0}})), 20);
      setTimeout(r, 1000); }))""")
    assert page.run("lab.T") >= 3 and signal(page)[0].tolist() == [0, -100, 0]


@pytest.mark.parametrize(("wide", "dark"), [(1200, True), (360, False)])
def test_it_fits_its_window(wide, dark, chromium):
    chromium.open(chromium.file, wide, dark)
    paper = chromium.run("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 24, 30)" if dark else "rgb(255, 255, 255)")
    for tab in ("#tab-watch", "#tab-sums"):
        chromium.click(tab)
        assert chromium.run("document.documentElement.scrollWidth") <= wide


@pytest.mark.alone
def test_it_is_seen_within_a_second_and_a_frame_takes_less_than_a_sixtieth(page):
    first = []
    for _ in range(3):
        page.open(page.file)
        text(page, "best")
        first.append(page.run("firstPicture"))
    assert min(first) < 1000  # milliseconds
    page.click("[name=hold-f][value='1'] + span")  # two networks run then
    page.click("#play")
    page.run("new Promise(r => setTimeout(r, 1500))")
    work = np.array(page.run("lab.work"))
    assert len(work) > 20 and np.median(work) < 16, np.percentile(work, [50, 95])


def test_it_is_one_small_file_that_asks_nothing(chromium):
    made = chromium.file.read_text("utf-8")
    assert len(made.encode()) < 300_000 and "default-src 'none'" in made
    assert not re.search(r"fetch\(|XMLHttp|import[ (]|src=|https?://(?!www\.w3\.org)", made)
