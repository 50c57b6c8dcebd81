"""One hash on every processor: the C file by several compilers, under QEMU, and in a browser.
Each test is left out where its tool is missing; `.ci/apt.sh` brings them all."""

import json
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from exported_nets import both_ways, can_run, plain

import minilstm as ml

BOARD = Path(__file__).parents[2] / "examples" / "deploy"
MAIN = "float model_self_test(void);\nint main(void) { return model_self_test() < 0.0f; }\n"
C99 = ["-std=c99", "-ffp-contract=off"]
STATIC = ["-static", "-O2"]
#: compiler and flags, and what runs the program
HOSTED = {
    "gcc -O0": (["gcc", "-O0"], []),
    "gcc -O3 -march=native": (["gcc", "-O3", "-march=native"], []),
    "clang -O3 -march=native": (["clang-19", "-O3", "-march=native"], []),
    "clang -O0": (["clang-19", "-O0"], []),
    "ARM, 32 bits": (["arm-linux-gnueabihf-gcc", *STATIC], ["qemu-arm"]),
    "RISC-V, 64 bits": (["riscv64-linux-gnu-gcc", *STATIC], ["qemu-riscv64"]),
    "PowerPC, big-endian": (["powerpc-linux-gnu-gcc", *STATIC], ["qemu-ppc"]),
}
#: flags of the processor, and the board that has it
BOARDS = {
    "Cortex-M0": (["-mcpu=cortex-m0"], "microbit"),
    "Cortex-M3": (["-mcpu=cortex-m3"], "mps2-an385"),
    "Cortex-M4": (["-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"], "mps2-an386"),
}
THUMB = ["arm-none-eabi-gcc", "-std=gnu99", "-mthumb", "-Os", "-ffp-contract=off"]
BARE = ["-ffreestanding", "-nostartfiles", "-nostdlib"]


def needs(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


@pytest.fixture(scope="module", params=["float32", "int16", "int8"])
def folder(request, tmp_path_factory):
    """A folder with model.c, whose self-test compares bits with those of the evaluator."""
    made = tmp_path_factory.mktemp("c")
    ml.export(plain(32), made / "model.c", weights=request.param, check=False)
    (made / "main.c").write_text(MAIN)
    for file in BOARD.iterdir():
        shutil.copy(file, made)
    return made


def run(words, folder):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("machine", HOSTED)
def test_a_machine_has_the_bits(machine, folder):
    compiler, runner = HOSTED[machine]
    needs(compiler[0], *runner)
    run([*compiler, *C99, "model.c", "main.c", "-o", "model"], folder)
    run([*runner, "./model"], folder)


def on_board(board, folder):
    """What the start file says of model.c."""
    flags, machine = BOARDS[board]
    needs(THUMB[0], "qemu-system-arm")
    image = ["-T", "board.ld", "start.c", "-lgcc", "-o", "model.elf"]
    run([*THUMB, *flags, *BARE, *image], folder)
    how = ["-nographic", "-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(
        ["qemu-system-arm", "-M", machine, *how, "-kernel", "model.elf"],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0
    return done.stdout + done.stderr


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_has_the_bits(board, folder):
    said = "the bits of the network\nafter 10 steps the highest score is that of"
    assert said in on_board(board, folder)


@pytest.mark.parametrize("mode", ["last", "sequence"])
def test_a_board_takes_windows(mode, tmp_path):
    net = both_ways(mode)
    with ml.use_backend("numpy"):
        best = np.atleast_2d(net.predict(np.zeros((20, 3))))[-1].argmax()
    ml.export(net, tmp_path / "model.c", window=20, check=False)
    for file in BOARD.iterdir():
        shutil.copy(file, tmp_path)
    said = f"the bits of the network\nafter a window the highest score is that of class {best}\n"
    assert said in on_board("Cortex-M4", tmp_path)


#: bytes of an object for Cortex-M4: code, and code with constants
SIZES = {"float32": (2000, 23_000), "int16": (2000, 14_500), "int8": (2000, 10_000)}


@pytest.mark.parametrize("weights", SIZES)
def test_the_object_for_a_cortex_m4_is_small(weights, tmp_path):
    needs(THUMB[0])
    layers = [ml.SequenceInput(3), ml.LSTM(32), ml.FullyConnected(5), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    ml.export(net, tmp_path / "m.c", weights=weights, check=False)
    code, whole = SIZES[weights]
    found = []
    for more in ([], ["-DMODEL_NO_SELF_TEST"]):
        run([*THUMB, *BOARDS["Cortex-M4"][0], *more, "-c", "m.c", "-o", "m.o"], tmp_path)
        told = run(["arm-none-eabi-size", "-A", "m.o"], tmp_path)
        found.append({k: int(v) for k, v in re.findall(r"^\.(\w+) +(\d+)", told, re.M)})
    with_test, without = found
    assert without["text"] <= code
    assert sum(with_test[part] for part in ("text", "rodata", "data")) <= whole
    (tmp_path / "s.c").write_text('#include "m.c"\nint size[sizeof(model_state)];\n')
    run([*THUMB, "-c", "s.c", "-o", "s.o"], tmp_path)
    told = run(["arm-none-eabi-nm", "-S", "s.o"], tmp_path)
    state = int(re.search(r"(\w+) \w size", told)[1], 16) // 4
    assert state <= 4 * (2 * 32 + 8 * 32)  # h and c, and 8H floats beside them


# ---------------------------------------------------------------- a page in a browser

DROP = """<script>
const tables = TABLES, seen = [], at = id => document.getElementById(id).textContent;
addEventListener("load", async () => {
  for (const rows of tables) {
    const event = new DataTransfer();
    event.items.add(new File([], "a.csv"));
    Blob.prototype.text = async () => rows; // a true read takes true time, and the clock is none
    document.dispatchEvent(new DragEvent("drop", {dataTransfer: event, cancelable: true}));
    await new Promise(r => setTimeout(r, 100));
    seen.push([at("best"), at("said")]);
  }
  document.getElementById("about").textContent = encodeURIComponent(JSON.stringify(seen));
});
</script>"""
MOTION = """<script>
DeviceMotionEvent.requestPermission = async () => "granted"; // nobody is there to be asked
addEventListener("load", () => setTimeout(async () => {
  document.getElementById("motion").click();
  await new Promise(r => setTimeout(r, 100));
  for (let n = 0; n < 7; n++) dispatchEvent(new DeviceMotionEvent("devicemotion",
    {accelerationIncludingGravity: {x: 9.80665, y: 0, z: 1}, acceleration: {x: 4, y: 5, z: 6},
      rotationRate: {alpha: 180, beta: 20, gamma: null}}));
}, 200));
</script>"""


def seen_in_chromium(folder, after=""):
    """What a browser makes of a page after something was done to it: text by id."""
    file = folder / "seen.html"
    file.write_text((folder / "page.html").read_text() + after)
    words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
             "--virtual-time-budget=20000", f"--user-data-dir={folder}"]  # fmt: skip
    done = subprocess.run([*words, str(file)], capture_output=True, text=True, timeout=100)
    return dict(re.findall(r'<\w+ id="(\w+)"[^>]*>([^<]*)</', done.stdout))


@pytest.fixture
def page(tmp_path):
    """A page, and what a browser makes of it after something was done to it."""
    needs("chromium", "node")
    features = [{"name": name, "unit": "g"} for name in ("ax", "ay", "az")]
    net = plain(32, classes=["stand", "</script>", "run", "sit"]).replace(
        about={"features": features, "description": {"id_column": "walk"}}
    )
    report = ml.export(net, tmp_path / "page.html")
    return report, partial(seen_in_chromium, tmp_path), net


def test_a_page_in_a_browser_has_the_bits(page):
    report, seen, _ = page
    found = seen()
    assert found["test"].startswith(f"Self-test: bits {report.bits}, at most")
    assert found["width"] == "ax, ay, az"
    assert found["said"] == "These rows are made up: put your own in their place."
    assert re.fullmatch(
        r"\S+ 0\.\d{3} after 24 steps", found["best"].replace("&lt;/script&gt;", "x")
    )


TAKES = "the model takes 3: ax, ay, az"
ROWS = "1,2,3\n" * 4
MANY = f"columns without names, but {TAKES}; send these alone, or with a heading."
#: a table; the row that the network saw and how often, or None; what the page says
TABLES = {
    "by name": ("ay,ax,az\n" + ROWS, [2, 1, 3], 4, ""),
    "misspelt": (
        "ax,Ay,az\n" + ROWS, None, 0,
        f"The columns are ax, Ay, az, but {TAKES} (missing: ay; unknown: Ay); "
        "rename, add or drop columns.",
    ),
    "twice": (
        "ax,ay,az,ax\n1,2,3,4", None, 0,
        f"The columns are ax, ay, az, ax, but {TAKES} (twice: ax); rename, add or drop columns.",
    ),
    "another column": (
        "ax,ay,az,battery\n1,2,3,4", None, 0,
        f"The columns are ax, ay, az, battery, but {TAKES} (unknown: battery); "
        "rename, add or drop columns.",
    ),
    "too many": ("1,2,3,4\n5,6,7,8", None, 0, f"The first line has 4 {MANY}"),
    "too few": ("1,2\n5,6", None, 0, f"The first line has 2 {MANY}"),
    "not features": (
        ',timestamp,ax,ay,az,label\n' + '0,"1,5",1,2,3,"a, ""b"""\n' * 4, [1, 2, 3], 4,
        "Columns not used: (no name), timestamp, label.",
    ),
    "recordings": (
        "recording;ax;ay;az\n" + "a;9;9;9\n" * 5 + "b;1,0;2;3\n" * 4, [1, 2, 3], 4,
        "2 recordings; b, the last, is shown.",
    ),
    "learned id": (
        "walk,ax,ay,az\n" + "a,9,9,9\n" * 5 + "b,1,2,3\n", [1, 2, 3], 1,
        "2 recordings; b, the last, is shown.",
    ),
    "apart": (
        "id\tax\tay\taz\na\t1\t2\t3\nb\t1\t2\t3\na\t1\t2\t3", None, 0,
        "Line 4 goes back to a, but the lines of a recording have to come together; sort them.",
    ),
    "not finite": (
        "ax,ay,az\n" + ROWS + "\n1,nan,3\n1e39,2,3\n1,2\n" + ROWS, [1, 2, 3], 8,
        "Line 7 and 2 more of 12 left out: no row of 3 numbers.",
    ),
}  # fmt: skip


def test_a_table_dropped_on_a_page_is_read_by_name_or_refused(page):
    _, seen, net = page
    found = seen(DROP.replace("TABLES", json.dumps([t[0] for t in TABLES.values()])))
    found = json.loads(unquote(found["about"]))
    for (case, (_, row, T, said)), answer in zip(TABLES.items(), found, strict=True):
        best = ""
        if row is not None:
            scores = net.predict(np.tile(np.float32(row), (T, 1)))[-1]
            best = f"{net.classes[scores.argmax()]} {scores.max():.3f} after {T} steps"
        assert answer == [best, said], case


def test_a_page_without_names_of_features_counts_columns(tmp_path):
    needs("chromium", "node")
    tables = ["u,i,n\n" + ROWS, "time,u,v,w\n1,1,2,3\n", "time,u,v\n", "u,v,w,k\n1,2,3,4"]
    ml.export(plain(8), tmp_path / "page.html")
    found = seen_in_chromium(tmp_path, DROP.replace("TABLES", json.dumps(tables)))["about"]
    bests, said = zip(*json.loads(unquote(found)), strict=True)
    assert [best[-7:] for best in bests] == ["4 steps", "1 steps", "", ""]
    unknown = "The model does not know the names of its features, so the columns are taken by "
    assert said == (
        unknown + "position: u, i, n.",
        unknown + "position: u, v, w. Columns not used: time.",
        "There are no rows below the heading.",
        "The columns are u, v, w, k, but the model takes 3: x1, x2, x3 (4 features); rename, add "
        "or drop columns.",
    )


def test_a_phone_that_moves_feeds_a_page(page):
    _, seen, net = page
    row = np.float32([1, 0, 1 / 9.80665])
    found = seen(MOTION)
    assert found["best"].endswith(
        f" {net.predict(np.tile(row, (7, 1)))[-1].max():.3f} after 7 steps"
    ), found["said"]


REST = "; name each as one of ax, linear acceleration x or gyro x."
#: features with their units; what each is filled with, or None; what the page says of it
SENSORS = {
    "turned": (
        ["gyro_x rad/s", "az ", "linear acceleration y g"], [np.pi, 1, 5 / 9.80665],
        "Motion sensor: gyro_x = rotation alpha, rad/s; az = acceleration with gravity z, m/s²; "
        "linear acceleration y = acceleration without gravity y, g",
    ),
    "other words": (
        ["accX m/s^2", "rotationRate.beta deg/s", "body_acc_z "], [9.80665, 20, 6],
        "Motion sensor: accX = acceleration with gravity x, m/s²; rotationRate.beta = rotation "
        "beta, °/s; body_acc_z = acceleration without gravity z, m/s²",
    ),
    "no motion": (
        ["ax ", "mag_y ", "gravity x "], None,
        "A motion sensor has nothing for mag_y, gravity x; it fills features named as ax, "
        "linear acceleration x or gyro x.",
    ),
    "twice": (["ax ", "acc_x ", "ay "], None, "Two features want the same sensor as acc_x" + REST),
    "silent": (["ax ", "ay ", "gz "], None, "The sensor of this device gives nothing for gz."),
    "no names": (
        None, [9.80665, 0, 1], "Motion sensor: x1 = acceleration with gravity x, m/s²; x2 = "
        "acceleration with gravity y, m/s²; x3 = acceleration with gravity z, m/s²",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SENSORS)
def test_a_motion_sensor_fills_features_by_name(case, tmp_path):
    needs("chromium", "node")
    named, row, says = SENSORS[case]
    net = plain(8, classes=["a", "b", "c", "d"])
    if named is not None:
        pairs = [text.rpartition(" ")[::2] for text in named]
        features = [{"name": name, "unit": unit or None} for name, unit in pairs]
        net = net.replace(about={"features": features})
    ml.export(net, tmp_path / "page.html")
    found = seen_in_chromium(tmp_path, MOTION)
    assert found["felt" if row else "said"] == says
    if row:
        best = net.predict(np.tile(np.float32(row), (7, 1)))[-1].max()
        assert found["best"].endswith(f" {best:.3f} after 7 steps")


def test_a_page_asks_no_server_and_is_small(tmp_path):
    ml.export(plain(32), tmp_path / "m.html", check=False)
    ml.export(plain(32), tmp_path / "m.js", check=False)
    text = (tmp_path / "m.html").read_text()
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|fetch\(|XMLHttp|import |src=|href=", text)
    weights = sum(map(len, re.findall(r'numbers\(\w+, "([^"]*)"', text)))
    assert len(text) - weights < 30_000


def test_wasm_has_the_bits_of_javascript(tmp_path):
    can_run(".wasm")
    for weights in ("float32", "int8"):
        one, two = (
            ml.export(plain(32), tmp_path / f"m.{k}", weights=weights) for k in ("js", "wasm")
        )
        assert (one.bits, one.proved_by) == (two.bits, "node")
    module = json.loads(run(["node", "-e", IMPORTS], tmp_path))
    assert module == []  # nothing is asked from outside


IMPORTS = (
    "const m = new WebAssembly.Module(require('fs').readFileSync('m.wasm'));"
    "console.log(JSON.stringify(WebAssembly.Module.imports(m)))"
)
