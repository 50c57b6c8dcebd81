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
from builders import ABOUT, two_in_two_out
from record.models import contents
from safetensors.numpy import save_file

import minilstm as ml
from minilstm.functional import activations
from minilstm.network.model_contents import checksum

pytestmark = pytest.mark.usefixtures("on_numpy")


def network(dtype="float32", classes=("a", "b"), mean=(1.0, 2.0, 3.0), seed=0):
    layers = [
        ml.SequenceInput(3, "none" if mean is None else "zerocenter", mean),
        ml.LSTM(2, "last", name="memory", bias_l2_factor=0.25),
        ml.FullyConnected(2, bias_learn_rate_factor=2.0),
        ml.Softmax(),
    ]
    return ml.Network(layers, rng=np.random.default_rng(seed), dtype=dtype, classes=classes)


SCORES = "self_test/scores"


@pytest.fixture
def saved(tmp_path):
    return network().save(tmp_path / "model.safetensors")


def rewrite(path, arrays, metadata, sealed=True, **others):
    """A file as another program would write it; not `sealed`: the checksum is the old one."""
    if sealed and isinstance(metadata, dict):
        found = checksum(arrays, metadata, others)
        metadata = {**metadata, "sha256": found}
    save_file(arrays, path, metadata={"minilstm": json.dumps(metadata), **others})


def without(mapping, key):
    return {k: v for k, v in mapping.items() if k != key}


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
    assert metadata["format_version"] == 3 and metadata["gate_layout"] == "ifgo"
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
        "is a safetensors file, but holds arrays alone, as a state dict does; read it with "
        "ml\\.from_pytorch\\(path, layers\\), or make a model file of it with minilstm import\\."
    )
    for metadata in (None, {"format": "pt"}, {"minilstm": "Written by minilstm 0.1.0."}):
        save_file({"weight": np.zeros(3, np.float32)}, path, metadata=metadata)
        with refused(path, foreign):
            ml.load(path)


def test_a_file_of_states_is_told_from_a_network(tmp_path):
    layers = [ml.SequenceInput(3), ml.LSTM(2)]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    said = (
        "holds states that save_state wrote, not a network; load the network itself, and give this "
        "file to load_state of its stream\\(\\) or pool\\(\\)\\."
    )
    for part in (net.stream(), net.pool()):
        part.save_state(tmp_path / "states")
        with refused(tmp_path / "states", said):
            ml.load(tmp_path / "states")


def test_a_pickle_is_refused_and_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ml.ModelFileError, match="is not a whole safetensors file"):
        ml.load(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("version", [0, 4, 99, "1", None, True, 3.0])
def test_another_format_version_is_refused(saved, version):
    arrays, metadata = contents(saved)
    rewrite(saved, arrays, {**metadata, "format_version": version})
    message = (
        f"has format version {version!r}, but this minilstm reads versions up to 3; update minilstm"
    )
    with refused(saved, f"{message} to read it\\."):
        ml.load(saved)


DAMAGED = (
    r"is not as it was saved \(its checksum differs\); copy it again, or save the model again\."
)
CHANGED = r"it was changed after saving, so save the model again\."


@pytest.mark.parametrize("key", sorted(contents_of_a_network()))
def test_one_changed_bit_in_any_array_is_refused(saved, key):
    arrays, metadata = contents(saved)
    changed = bytearray(arrays[key].tobytes())
    changed[0] ^= 1  # the last bit of the first value, far below any tolerance
    arrays[key] = np.frombuffer(bytes(changed), arrays[key].dtype).reshape(arrays[key].shape)
    rewrite(saved, arrays, metadata, sealed=False)
    with refused(saved, DAMAGED):
        ml.load(saved)


def changed_everywhere(value):
    """Copies of nested JSON, each with one change: another number, word or order, one item less."""
    if isinstance(value, dict):
        yield from ({**value, k: new} for k, v in value.items() for new in changed_everywhere(v))
        yield from (without(value, k) for k in value)
    elif isinstance(value, list):
        for n, one in enumerate(value):
            yield from ([*value[:n], new, *value[n + 1 :]] for new in changed_everywhere(one))
        yield from ([value[1:], value[::-1]] if len(value) > 1 else [value * 2])
    else:
        yield value + "x" if isinstance(value, str) else 7.5 if value is None else value + 1


def test_any_change_of_the_metadata_is_refused(saved):
    arrays, metadata = contents(network().replace(about=ABOUT).save(saved))
    version = metadata.pop("format_version")  # of which another sentence speaks
    changes = [new for new in changed_everywhere(metadata) if new != metadata]
    assert len(changes) > 100
    for new in changes:
        new = {**new, "format_version": version}
        rewrite(saved, arrays, new, sealed=False)
        with refused(saved, DAMAGED if "sha256" in new else f".*'sha256' is missing.*{CHANGED}"):
            ml.load(saved)
    rewrite(saved, arrays, {**metadata, "format_version": version}, sealed=False, more="words")
    with refused(saved, DAMAGED):
        ml.load(saved)
    rewrite(saved, arrays, {**metadata, "format_version": version}, more="words")
    assert_equal(ml.load(saved), network())
    assert ml.load(saved).about == ABOUT


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
        r"though the file is intact; minilstm or NumPy computes something else here: save the "
        r"model again, or load it with self_test=False\.",
    ):
        ml.load(path)
    assert_equal(ml.load(path, self_test=False), network(dtype))
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with refused(path, DAMAGED):
        ml.load(path, self_test=False)
    with refuses("self_test is 'no'; give True or False."):
        ml.load(path, self_test="no")


def test_metadata_that_is_not_json_is_refused(saved):
    save_file(contents(saved)[0], saved, metadata={"minilstm": "{'a': 1}"})
    with refused(saved, r"does not describe a network \(.*\); it was changed after saving, .*"):
        ml.load(saved)


def test_a_missing_file_or_folder_is_named(tmp_path):
    path = tmp_path / "none.safetensors"
    message = f"path is {str(path)!r}, but there is no such file; check its name."
    with refuses(message, FileNotFoundError):
        ml.load(path)
    message = (
        f"path is {str(tmp_path)!r}, which is a folder, but a file was wanted; name a regular file."
    )
    with refuses(message, ml.DataError):
        ml.load(tmp_path)
    path, folder = tmp_path / "no" / "model.safetensors", tmp_path / "no"
    message = (
        f"path is {str(path)!r}, but the folder {str(folder)!r} does not exist; create it first "
        "or choose another."
    )
    with refuses(message, FileNotFoundError):
        network().save(path)
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------- whole or not at all


def test_classes_of_one_output_of_two_are_saved(tmp_path):
    net = ml.Network(two_in_two_out(), rng=np.random.default_rng(0), classes=["a", "b"])
    assert ml.load(net.save(tmp_path / "m")).classes.tolist() == ["a", "b"]


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    path = tmp_path / "model.safetensors"
    net = network()
    nan = net.replace()
    nan.parameters["fc/bias"][0] = np.nan
    with refuses("fc/bias of the network holds NaN or infinity; give it finite numbers."):
        nan.save(path)
    large = net.replace(parameters={k: np.full_like(p, 3e38) for k, p in net.parameters.items()})
    with refuses(
        "the network gives NaN or infinite scores, so its file would not pass the self-test; train "
        "it, or give its SequenceInput a mean."
    ):
        large.save(path)
    with refuses("the network has 3 classes for 2 scores of 'softmax'; mend that before saving."):
        ml.Network(net.layers, net.parameters, classes=["a", "b", "c"]).save(path)
    with refuses(
        "a name or a class of the network holds '\\ud800', which is no letter; name it anew."
    ):
        net.replace(classes=["a", "\ud800"]).save(path)
    with pytest.raises(ValueError, match=r"^the network is complex128; only float32 and float64"):
        net.replace(dtype=np.complex128).save(path)
    with pytest.raises(
        ValueError, match=r"^the network's classes have dtype float64; only strings"
    ):
        network(classes=[0.5, 1.5]).save(path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("where", ["files.os.replace", "network.model_file.write_safetensors"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(saved, monkeypatch, where, error):
    before = saved.read_bytes()

    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(f"minilstm.{where}", fail)
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


def test_a_file_that_must_not_be_read_is_said_to_be_that(saved, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", denied)
    message = (
        f"path is {str(saved)!r}, but it could not be read (Permission denied); free some space, "
        "change the permissions, or choose another place."
    )
    with refuses(message, PermissionError):
        ml.load(saved)
    message = f"path is {str(saved)!r}, which this user may not read; change its permissions."
    monkeypatch.setattr("minilstm.paths.os.access", lambda path, how: False)
    with refuses(message, PermissionError):
        ml.load(saved)
