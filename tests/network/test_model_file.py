"""Model files: what is saved comes back bit for bit, and anything else is refused by name.
A file is written whole or not at all, and holds arrays and JSON only, never a pickle."""

import json
import os
import pickle
import re
import stat
import tempfile

import numpy as np
import pytest
from agreement import refuses
from record.models import contents
from safetensors.numpy import save_file

import minilstm as ml
from minilstm.functional import activations
from minilstm.network import model_file

pytestmark = pytest.mark.usefixtures("on_numpy")


def network(dtype="float32", classes=("a", "b"), mean=(1.0, 2.0, 3.0), seed=0):
    layers = [
        ml.SequenceInput(3, "none" if mean is None else "zerocenter", mean),
        ml.LSTM(2, "last", name="memory", bias_l2_factor=0.25),
        ml.FullyConnected(2, bias_learn_rate_factor=2.0),
        ml.Softmax(),
    ]
    return ml.Network(layers, rng=np.random.default_rng(seed), dtype=dtype, classes=classes)


@pytest.fixture
def saved(tmp_path):
    return network().save(tmp_path / "model.safetensors")


def rewrite(path, arrays, metadata):
    """A file as another program would leave it: the checksum is that of the old arrays."""
    save_file(arrays, path, metadata={"minilstm": json.dumps(metadata)})


def contents_of_a_network():
    with tempfile.TemporaryDirectory() as folder:
        return contents(network().save(os.path.join(folder, "model.safetensors")))[0]


def refused(path, message):
    pattern = f"^{re.escape(str(path))} {message}$"
    return pytest.raises(ml.ModelFileError, match=pattern)


def assert_equal(a, b):
    assert [repr(layer) for layer in a.layers] == [repr(layer) for layer in b.layers]
    assert a.dtype == b.dtype and a.parameters.keys() == b.parameters.keys()
    for key, value in a.parameters.items():
        assert value.tobytes() == b.parameters[key].tobytes(), key
        assert value.dtype == b.parameters[key].dtype
        assert value.flags.f_contiguous and b.parameters[key].flags.f_contiguous


# ---------------------------------------------------------------- round trips


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mean", [None, (0.1, -2e-7, 9.81)])
def test_a_network_comes_back_bit_for_bit(tmp_path, dtype, mean):
    net = network(dtype, mean=mean)
    path = net.save(str(tmp_path / "model.safetensors"))
    again = ml.load(path)
    assert_equal(again, net)
    if mean is not None:
        assert again.layers[0].mean.tolist() == list(mean)
    x = np.random.default_rng(1).standard_normal((9, 3))
    assert again.predict(x).tobytes() == net.predict(x).tobytes()
    assert ml.Network.load(str(path)).summary() == net.summary()


@pytest.mark.parametrize(
    "classes", [["Running", "Überholen, 走"], [-3, 2**40], [np.int64(0), np.int64(1)], None]
)
def test_classes_come_back_as_they_were(tmp_path, classes):
    net = network(classes=classes)
    again = ml.load(net.save(tmp_path / "model.safetensors"))
    if classes is None:
        assert again.classes is None
    else:
        assert again.classes.tolist() == classes
        assert again.classes.dtype == net.classes.dtype


def test_the_same_network_gives_the_same_bytes_also_after_loading(tmp_path):
    first = network().save(tmp_path / "first").read_bytes()
    assert network().save(tmp_path / "again").read_bytes() == first
    assert ml.load(tmp_path / "first").save(tmp_path / "loaded").read_bytes() == first
    assert network(seed=1).save(tmp_path / "other").read_bytes() != first


def test_a_network_trained_with_a_pair_of_functions_is_saved_loaded_and_saved_again(tmp_path):
    pair = (lambda y, t: ((y - t) ** 2).mean(), lambda y, t: 2 * (y - t) / y.size)
    net = network().replace(losses=[pair])
    net.save(tmp_path / "first.safetensors")
    loaded = ml.load(tmp_path / "first.safetensors")
    assert loaded.losses == (None,)
    loaded.save(tmp_path / "second.safetensors")
    assert ml.load(tmp_path / "second.safetensors").losses == (None,)


def test_a_new_file_replaces_an_old_one_and_has_ordinary_permissions(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("old")
    assert network().save(path) == path
    assert ml.load(path).classes.tolist() == ["a", "b"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_the_file_is_arrays_and_json_that_others_can_read(saved):
    arrays, metadata = contents(saved)
    assert metadata["format_version"] == 2 and metadata["gate_layout"] == "ifgo"
    assert [layer["kind"] for layer in metadata["layers"]] == [
        "sequence_input", "lstm", "fully_connected", "softmax",
    ]  # fmt: skip
    assert arrays["memory/input_weights"].tolist() == (
        network().parameters["memory/input_weights"].tolist()
    )
    assert arrays["self_test/input"].shape == (16, 3)


# ---------------------------------------------------------------- files that are refused


def test_a_file_cut_at_any_byte_is_refused(saved):
    whole = saved.read_bytes()
    cut = saved.with_name("cut.safetensors")
    for count in range(len(whole)):
        cut.write_bytes(whole[:count])
        with pytest.raises(ml.ModelFileError, match="is not a whole safetensors file") as error:
            ml.load(cut)
    assert str(error.value).startswith(f"{cut} is not a whole safetensors file (")
    assert str(error.value).endswith(
        "); it may be truncated: copy it again, or save the model again."
    )
    cut.write_bytes(whole + b"\0")
    with pytest.raises(ml.ModelFileError, match="is not a whole safetensors file"):
        ml.load(cut)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "other"
    for content in (b"hello", b"PK\x03\x04" + b"\0" * 100, b"\x89PNG\r\n\x1a\n" + b"x" * 1000):
        path.write_bytes(content)
        with pytest.raises(ml.ModelFileError, match="is not a whole safetensors file"):
            ml.load(path)
    foreign = (
        "is a safetensors file, but not one that minilstm wrote \\(no 'minilstm' metadata\\); only "
        "files made by net\\.save can be loaded\\."
    )
    for metadata in (None, {"format": "pt"}):
        save_file({"weight": np.zeros(3, np.float32)}, path, metadata=metadata)
        with refused(path, foreign):
            ml.load(path)


def test_a_pickle_is_refused_and_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ml.ModelFileError, match="is not a whole safetensors file"):
        ml.load(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("version", [0, 3, 99, "1", None])
def test_another_format_version_is_refused(saved, version):
    arrays, metadata = contents(saved)
    rewrite(saved, arrays, {**metadata, "format_version": version})
    message = (
        f"has format version {version}, but this minilstm reads versions up to 2; update minilstm"
    )
    with refused(saved, f"{message} to read it\\."):
        ml.load(saved)


CHANGED = r"it was changed after saving, so save the model again\."


@pytest.mark.parametrize("key", sorted(contents_of_a_network()))
def test_one_changed_bit_in_any_array_is_refused(saved, key):
    arrays, metadata = contents(saved)
    changed = bytearray(arrays[key].tobytes())
    changed[0] ^= 1  # the last bit of the first value, far below any tolerance
    arrays[key] = np.frombuffer(bytes(changed), arrays[key].dtype).reshape(arrays[key].shape)
    rewrite(saved, arrays, metadata)
    reason = r"\(its arrays are not those that were saved\)"
    with refused(saved, f"does not describe a network {reason}; {CHANGED}"):
        ml.load(saved)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_other_than_the_saved_ones_fail_the_self_test(tmp_path, monkeypatch, dtype):
    path = network(dtype).save(tmp_path / "model.safetensors")
    usual = activations.GATE_ACTIVATIONS["sigmoid"]
    allowed = "1e-04" if dtype == "float32" else "1e-10"

    def compute_with_sigmoid_times(factor):
        changed = usual._replace(forward=lambda z: usual.forward(z) * z.dtype.type(factor))
        monkeypatch.setitem(activations.GATE_ACTIVATIONS, "sigmoid", changed)

    compute_with_sigmoid_times(1 + 1e-14)
    ml.load(path)  # rounding is no difference
    compute_with_sigmoid_times(1.05)
    with refused(
        path,
        rf"fails its self-test: scores differ from the saved ones by \S+ \(allowed {allowed}\) "
        r"though its arrays are intact; its layers were changed, or NumPy computes differently "
        r"here: save the model again\.",
    ):
        ml.load(path)


def without(mapping, key):
    return {k: v for k, v in mapping.items() if k != key}


def no_input(metadata):
    connections = metadata["connections"][1:]
    return {**metadata, "layers": metadata["layers"][1:], "connections": connections}


def with_layer(metadata, n, **changes):
    layers = [dict(layer) for layer in metadata["layers"]]
    layers[n].update(changes)
    return {**metadata, "layers": layers}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda a, m: (a, []), "list indices must be"),
        (lambda a, m: (a, without(m, "format_version")), "'format_version'"),
        (lambda a, m: (a, without(m, "layers")), "'layers'"),
        (lambda a, m: (a, without(m, "sha256")), "'sha256'"),
        (
            lambda a, m: (without(a, "input/mean"), {**m, "layers": []}),
            "no layer 'input' in the graph",
        ),
        (lambda a, m: (without(a, "input/mean"), no_input(m)), "1 test inputs for 0 inputs"),
        (lambda a, m: (a, with_layer(m, 1, kind="gru")), "unknown layer kind 'gru'"),
        (lambda a, m: (a, with_layer(m, 1, num_hidden_units=3)), "its layer wants (12, 3)"),
        (lambda a, m: (a, with_layer(m, 1, output_mode="first")), "output_mode is 'first'"),
        (lambda a, m: (a, with_layer(m, 1, peepholes=True)), "'peepholes'"),
        (lambda a, m: (a, {**m, "gate_layout": "ifog"}), "gate layout 'ifog', not 'ifgo'"),
        (lambda a, m: (a, {**m, "dtype": "float16"}), "dtype 'float16', not one of"),
        (lambda a, m: (a, {**m, "dtype": "float64"}), "is float32, not float64"),
        (lambda a, m: (a, {**m, "dtype": None}), "dtype None"),
        (lambda a, m: (a, {**m, "classes": 5}), "classes 5, not a list"),
        (lambda a, m: (a, {**m, "classes": [0.5, 1.5]}), "classes [0.5, 1.5], not a list"),
        (lambda a, m: (a, without(m, "connections")), "'connections'"),
        (lambda a, m: (a, {**m, "connections": [["input/out"]]}), "not enough values"),
        (lambda a, m: (a, {**m, "connections": [["in/out", "fc/in"]]}), "no layer 'in'"),
        (lambda a, m: (a, {**m, "connections": m["connections"] * 2}), "already fed"),
        (lambda a, m: (a, {**m, "connections": m["connections"][1:]}), "fed by nothing"),
        (lambda a, m: (without(a, "fc/bias"), m), "mend ['fc/bias']"),
        (lambda a, m: ({**a, "extra": a["fc/bias"]}, m), "mend ['extra']"),
        (lambda a, m: (without(a, "self_test/input"), m), "'self_test/input'"),
        (lambda a, m: ({**a, "self_test/input": a["fc/weights"]}, m), "(2, 2), not (16, 3)"),
        (lambda a, m: ({**a, "input/mean": np.zeros(2)}, m), "mean has shape (2,)"),
    ],
)
def test_a_file_whose_parts_do_not_fit_together_is_refused(saved, damage, reason):
    arrays, metadata = damage(*contents(saved))
    if "sha256" in metadata:  # as if it had been written so
        metadata["sha256"] = model_file._checksum(arrays)
    rewrite(saved, arrays, metadata)
    with refused(saved, rf"does not describe a network \(.*{re.escape(reason)}.*\); {CHANGED}"):
        ml.load(saved)


def test_metadata_that_is_not_json_is_refused(saved):
    save_file(contents(saved)[0], saved, metadata={"minilstm": "{'a': 1}"})
    with refused(saved, r"does not describe a network \(.*\); it was changed after saving, .*"):
        ml.load(saved)


def test_a_missing_file_or_folder_is_named(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        message = f"path is {str(path)!r}, but there is no such file; check its name."
        with refuses(message, FileNotFoundError):
            ml.load(path)
    path, folder = tmp_path / "no" / "model.safetensors", tmp_path / "no"
    message = (
        f"path is {str(path)!r}, but the folder {str(folder)!r} does not exist; create it first "
        "or choose another."
    )
    with refuses(message, FileNotFoundError):
        network().save(path)
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------- whole or not at all


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    path = tmp_path / "model.safetensors"
    net = network()
    nan = net.replace(parameters={**net.parameters, "fc/bias": [np.nan, 0]})
    with pytest.raises(ValueError, match=r"^the network gives NaN or infinite scores, so its file"):
        nan.save(path)
    with pytest.raises(ValueError, match=r"^the network is complex128; only float32 and float64"):
        net.replace(dtype=np.complex128).save(path)
    with pytest.raises(
        ValueError, match=r"^the network's classes have dtype float64; only strings"
    ):
        network(classes=[0.5, 1.5]).save(path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("where", ["minilstm.files.os.replace", "safetensors.numpy.save"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(saved, monkeypatch, where, error):
    before = saved.read_bytes()

    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(where, fail)
    with pytest.raises(type(error)):
        network(seed=1).save(saved)
    with pytest.raises(type(error)):
        network(seed=1).save(saved.with_name("new.safetensors"))
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == ["model.safetensors"]


def test_the_final_name_appears_only_when_the_file_is_whole(tmp_path, monkeypatch):
    path, seen = tmp_path / "model.safetensors", []
    real = os.replace

    def replace(source, target):
        assert not path.exists() and os.path.dirname(source) == str(tmp_path)
        seen.append(os.path.getsize(source))
        real(source, target)

    monkeypatch.setattr("minilstm.files.os.replace", replace)
    network().save(path)
    assert seen == [path.stat().st_size]
