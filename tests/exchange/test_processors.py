"""One hash on every processor: the C file by several compilers, under QEMU, and in a browser.
Each test is left out where its tool is missing; `.ci/apt.sh` brings them all."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from exported_nets import can_run, plain

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


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_has_the_bits(board, folder):
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
    said = done.stdout + done.stderr
    assert "the bits of the network\nafter 10 steps the highest score is that of" in said


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
const rows = "ay,ax,az\\n" + "1,2,3\\n".repeat(30), event = new DataTransfer();
event.items.add(new File([rows], "a.csv"));
addEventListener("load", () => setTimeout(() =>
  document.dispatchEvent(new DragEvent("drop", {dataTransfer: event, cancelable: true})), 200));
</script>"""
MOTION = """<script>
DeviceMotionEvent.requestPermission = async () => "granted"; // nobody is there to be asked
addEventListener("load", () => setTimeout(async () => {
  document.getElementById("motion").click();
  await new Promise(r => setTimeout(r, 100));
  for (let n = 0; n < 7; n++) dispatchEvent(new DeviceMotionEvent("devicemotion",
    {accelerationIncludingGravity: {x: 9.80665, y: 0, z: 1}}));
}, 200));
</script>"""


@pytest.fixture
def page(tmp_path):
    """A page, and what a browser makes of it after something was done to it."""
    needs("chromium", "node")
    features = [{"name": name, "unit": "g"} for name in ("ax", "ay", "az")]
    net = plain(32, classes=["stand", "</script>", "run", "sit"]).replace(
        about={"features": features}
    )
    report = ml.export(net, tmp_path / "page.html")

    def seen(after=""):
        file = tmp_path / "seen.html"
        file.write_text((tmp_path / "page.html").read_text() + after)
        words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
                 "--virtual-time-budget=20000", f"--user-data-dir={tmp_path}"]  # fmt: skip
        done = subprocess.run([*words, str(file)], capture_output=True, text=True, timeout=100)
        return dict(re.findall(r'<\w+ id="(\w+)"[^>]*>([^<]*)</', done.stdout))

    return report, seen, net


def test_a_page_in_a_browser_has_the_bits(page):
    report, seen, _ = page
    found = seen()
    assert found["test"].startswith(f"Self-test: bits {report.bits}, at most")
    assert found["width"] == "ax, ay, az" and found["said"] == ""
    assert re.fullmatch(
        r"\S+ 0\.\d{3} after 24 steps", found["best"].replace("&lt;/script&gt;", "x")
    )


def test_a_table_dropped_on_a_page_runs_by_the_names_of_its_columns(page):
    _, seen, net = page
    scores = net.predict(np.tile(np.float32([2, 1, 3]), (30, 1)))[-1]
    word = ["stand", "&lt;/script&gt;", "run", "sit"][int(scores.argmax())]
    assert seen(DROP)["best"] == f"{word} {scores.max():.3f} after 30 steps"


def test_a_phone_that_moves_feeds_a_page(page):
    _, seen, net = page
    row = np.float32([1, 0, 1 / 9.80665])
    found = seen(MOTION)
    assert found["best"].endswith(
        f" {net.predict(np.tile(row, (7, 1)))[-1].max():.3f} after 7 steps"
    ), found["said"]


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
