"""Files: what a writer may replace, what it leaves when it fails, and paths that are none.
Devices, pipes and links are made in a temporary folder, never taken from the machine."""

import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading

import pytest

import minilstm as ml
from minilstm.files import write_atomically
from minilstm.paths import as_path, check_folder, check_readable, check_target, make_folder

resource = pytest.importorskip("resource", reason="POSIX alone has limits of a process")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX nodes and modes")
NO_PATH = "give a path as text or as a pathlib.Path."


def put(path, content=b"new"):
    return write_atomically(path, lambda file: file.write(content))


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old"
    path.write_bytes(b"old")
    path.chmod(0o640)
    return path


def only(folder, *names):
    """Nothing else lies in the folder, hidden or not."""
    return sorted(os.listdir(folder)) == sorted(names)


# ---------------------------------------------------------------- what is at the path


@pytest.mark.parametrize("umask", [0o022, 0o077])
@pytest.mark.parametrize("before", [None, 0o600, 0o640, 0o777, 0o200])
def test_an_old_file_keeps_its_mode_and_a_new_one_has_that_of_the_umask(tmp_path, umask, before):
    path = tmp_path / "a"
    if before is not None:
        path.write_bytes(b"old")
        path.chmod(before)
    mask = os.umask(umask)
    try:
        assert put(path) == path
    finally:
        os.umask(mask)
    assert mode(path) == (0o666 & ~umask if before is None else before)
    path.chmod(0o600)
    assert path.read_bytes() == b"new" and only(tmp_path, "a")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="not root")
def test_an_old_file_keeps_its_owner(old):
    os.chown(old, 12345, 23456)
    old.chmod(0o4750)  # a mode that a change of the owner would cut
    put(old)
    assert (old.stat().st_uid, old.stat().st_gid, mode(old)) == (12345, 23456, 0o4750)


@pytest.mark.parametrize("link", ["old", "./old", "../{folder}/old", "{absolute}/old", "second"])
def test_a_link_stays_and_its_file_is_replaced(tmp_path, old, link):
    (tmp_path / "second").symlink_to("old")
    (tmp_path / "link").symlink_to(link.format(folder=tmp_path.name, absolute=tmp_path))
    put(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "second").is_symlink()
    assert not old.is_symlink() and old.read_bytes() == b"new" and mode(old) == 0o640
    assert only(tmp_path, "old", "second", "link")


def test_a_link_into_another_folder_and_one_to_nothing_yet(tmp_path, monkeypatch):
    (tmp_path / "far").mkdir()
    (tmp_path / "near").mkdir()
    (tmp_path / "near/link").symlink_to("../far/new")
    monkeypatch.chdir(tmp_path / "near")
    for content in (b"first", b"second"):
        put("link", content)
        assert (tmp_path / "far/new").read_bytes() == content
        assert only("../far", "new") and only(".", "link") and os.path.islink("link")
    (tmp_path / "near/lost").symlink_to("../nowhere/new")
    with pytest.raises(FileNotFoundError, match=r"'lost', but the folder '.*/nowhere' does not"):
        put("lost")
    (tmp_path / "near/loop").symlink_to("loop")
    with pytest.raises(ml.DataError, match=r"^path is 'loop', which the system refuses \(Too many"):
        put("loop")


def test_another_hard_link_keeps_the_old_content(tmp_path, old):
    (tmp_path / "other").hardlink_to(old)
    put(old)
    assert old.read_bytes() == b"new" and (tmp_path / "other").read_bytes() == b"old"


@pytest.mark.parametrize("through", ["node", "link"])
def test_a_device_is_written_to_and_stays(tmp_path, through):
    node = tmp_path / "node"
    try:
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 3))  # one of our own that swallows all
        (tmp_path / "link").symlink_to("node")
        node.write_bytes(b"")
    except OSError:
        pytest.skip("no nodes may be made or opened here")
    put(tmp_path / through)
    assert stat.S_ISCHR(node.lstat().st_mode) and mode(node) == 0o600
    assert only(tmp_path, "node", "link")


def test_a_pipe_gets_the_whole_content_or_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "pipe", lambda file: (file.write(b"half"), 1 / 0))
    put(tmp_path / "pipe", b"x" * 100_000)
    reader.join(30)
    assert got == [b"x" * 100_000] and stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)


def test_standard_output_goes_on_behind_what_was_written(tmp_path):
    program = """
        import sys
        from minilstm.files import write_atomically
        print("before")
        write_atomically(sys.argv[1], lambda file: file.write(b"content\\n"))
        print("after")
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    if not os.path.exists("/proc/self/fd/1"):
        pytest.skip("no /proc")
    (tmp_path / "link").symlink_to("/dev/stdout")
    for path in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", tmp_path / "link"):
        with open(tmp_path / "out", "wb") as out:
            subprocess.run([*command, path], stdout=out, check=True, timeout=60)
        assert (tmp_path / "out").read_text() == "before\ncontent\nafter\n"
        piped = subprocess.run([*command, path], stdout=subprocess.PIPE, check=True, timeout=60)
        assert piped.stdout == b"before\ncontent\nafter\n"
    assert only(tmp_path, "link", "out")


# ---------------------------------------------------------------- paths that are none


@pytest.mark.parametrize("function", [as_path, check_readable, check_target, check_folder, put])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, f"path is None; {NO_PATH}"),
        (b"a", f"path is b'a'; {NO_PATH}"),
        (7, f"path is 7; {NO_PATH}"),
        (["a"], f"path is ['a']; {NO_PATH}"),
        ("", "path is '', which is no path; give the name of a file or folder."),
        ("a\0b", "path is 'a\\x00b', which holds a NUL character; take them out."),
        ("\ud800", "path is '\\ud800', which holds letters that no path can hold; take them out."),
    ],
)
def test_what_is_no_path_is_one_sentence_everywhere(function, value, message):
    with pytest.raises(ml.DataError) as error:
        function(value)
    assert str(error.value) == message


def test_a_name_may_be_as_long_as_the_system_allows_and_no_longer(tmp_path):
    for name in ("n" * 255, "é" * 127 + "n", "走" * 85):
        assert put(tmp_path / name).read_bytes() == b"new"
        assert put(tmp_path / name, b"again").read_bytes() == b"again"
    assert only(tmp_path, "n" * 255, "é" * 127 + "n", "走" * 85)
    for name in ("n" * 256, "é" * 128, "走" * 86):
        for function in (put, check_readable, check_target, check_folder):
            with pytest.raises(ml.DataError) as error:
                function(tmp_path / name)
            assert str(error.value) == (
                f"path is {str(tmp_path / name)!r}, which the system refuses (File name too long); "
                "choose another name."
            )


def test_a_folder_a_socket_and_a_file_in_the_place_of_a_folder(tmp_path, old):
    for path in (tmp_path, ".", "/"):
        with pytest.raises(ml.DataError) as error:
            put(path)
        assert str(error.value) == (
            f"path is {str(path)!r}, which is a folder, but a file is to be written; name a file."
        )
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        put(old / "below")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(ml.DataError, match="which is a socket, but a file is to be written"):
            put(tmp_path / "s")
        with pytest.raises(ml.DataError, match="which is a socket, but a data file was wanted"):
            check_readable(tmp_path / "s", what="data file")
    for function in (check_folder, make_folder):
        with pytest.raises(ml.DataError) as error:
            function(old, "out")
        assert str(error.value) == (
            f"out is {str(old)!r}, but that is a file; choose another name."
        )
    (tmp_path / "lost").symlink_to("nowhere")
    for function in (check_folder, make_folder):
        with pytest.raises(ml.DataError, match="that is a link to nothing; choose another name"):
            function(tmp_path / "lost")
    made = make_folder(tmp_path / "a/b")
    assert made == tmp_path / "a/b" and os.listdir(made) == []


def test_what_can_be_read_is_a_regular_file(tmp_path, old):
    assert check_readable(str(old)) == old
    os.mkfifo(tmp_path / "pipe")
    for path, message in {
        tmp_path / "none": "but there is no such file; check its name.",
        old / "below": "but there is no such file; check its name.",
        tmp_path: "which is a folder, but a file was wanted; name a regular file.",
        tmp_path / "pipe": "which is a pipe, but a file was wanted; name a regular file.",
    }.items():
        with pytest.raises((FileNotFoundError, ml.DataError)) as error:
            check_readable(path)
        assert str(error.value) == f"path is {str(path)!r}, {message}"


# ---------------------------------------------------------------- what may not be written


AS_ANOTHER_USER = """
    import os, sys
    from minilstm.files import write_atomically
    from minilstm.paths import check_folder, check_readable
    if os.geteuid() == 0:  # for whom nothing is closed
        os.setgid(65534)
        os.setuid(65534)
    for call in (
        lambda: write_atomically(sys.argv[1] + "/closed/a", lambda file: file.write(b"new")),
        lambda: write_atomically(sys.argv[1] + "/open/kept", lambda file: file.write(b"new")),
        lambda: check_readable(sys.argv[1] + "/open/secret"),
        lambda: check_folder(sys.argv[1] + "/closed"),
        lambda: check_readable(sys.argv[1] + "/locked/a"),
    ):
        try:
            call()
        except PermissionError as error:
            print(error)
"""


def test_another_user_is_told_what_is_closed_to_him(tmp_path):
    for name in ("closed", "open", "locked"):
        (tmp_path / name).mkdir()
    for name in ("closed/a", "open/kept", "open/secret", "locked/a"):
        (tmp_path / name).write_bytes(b"old")
    for name, bits in {"closed/a": 0o666, "open/kept": 0o444, "open/secret": 0, "closed": 0o555,
                       "open": 0o777, "locked": 0}.items():  # fmt: skip
        (tmp_path / name).chmod(bits)
    for folder in (tmp_path, *tmp_path.parents):
        if folder == tmp_path or folder.name.startswith(("pytest-", "popen-")):
            folder.chmod(0o755)
    program = [sys.executable, "-c", textwrap.dedent(AS_ANOTHER_USER), str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    (tmp_path / "locked").chmod(0o700)
    assert done.stderr == "" and done.stdout.replace(str(tmp_path), "D").splitlines() == [
        "path is 'D/closed/a', but no file can be written in the folder 'D/closed'; change its "
        "permissions, or choose another.",
        "path is 'D/open/kept', which is write-protected; change its permissions, or choose "
        "another name.",
        "path is 'D/open/secret', which this user may not read; change its permissions.",
        "path is 'D/closed', but no file can be written there (Permission denied); free some "
        "space, change the permissions, or choose another place.",
        "path is 'D/locked/a', but this user may not look into its folder; change the permissions, "
        "or choose another place.",
    ]
    assert (tmp_path / "closed/a").read_bytes() == b"old" == (tmp_path / "open/kept").read_bytes()
    assert only(tmp_path / "closed", "a") and only(tmp_path / "open", "kept", "secret")


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, old):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for path, names in ((old, ["old"]), (tmp_path / "new", ["old"])):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        try:
            with pytest.raises(OSError, match="but it could not be written") as error:
                put(path, b"x" * 200_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert str(error.value) == (
            f"path is {str(path)!r}, but it could not be written (File too large); free some "
            "space, change the permissions, or choose another place."
        )
        assert old.read_bytes() == b"old" and only(tmp_path, *names)


def test_a_folder_that_vanishes_meanwhile_is_one_sentence(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match=r"but it could not be written \(No such file"):
        write_atomically(
            folder / "a", lambda file: (file.write(b"a"), folder.rename(tmp_path / "b"))
        )
    assert not folder.exists()


# ---------------------------------------------------------------- killed writers


WRITER = """
    import os, sys, time
    from minilstm.files import write_atomically
    def write(file):
        file.write(b"half")
        file.flush()
        print("writing", flush=True)
        time.sleep(60)
    write_atomically(sys.argv[1], write)
"""


def test_what_a_killed_writer_left_is_removed_by_the_next_and_a_living_one_is_left(tmp_path, old):
    program = [sys.executable, "-c", textwrap.dedent(WRITER), str(old)]
    writers = [subprocess.Popen(program, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        for writer in writers:
            assert writer.stdout.readline() == "writing\n"
        for writer in writers[:2]:
            writer.send_signal(signal.SIGKILL)
            writer.wait(60)
        put(tmp_path / "other")  # of another name: it touches none of them
        assert len(os.listdir(tmp_path)) == 5 and old.read_bytes() == b"old"
        put(old)
        left = sorted(set(os.listdir(tmp_path)) - {"old", "other"})
        assert len(left) == 1 and left[0].endswith(".part")
        assert (tmp_path / left[0]).read_bytes() == b"half" and old.read_bytes() == b"new"
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    put(old, b"last")
    assert only(tmp_path, "old", "other")


def test_many_writers_of_one_name_leave_one_whole_file(tmp_path):
    contents = [bytes([n]) * 50_000 for n in range(8)]

    def write(content):
        for _ in range(20):
            put(tmp_path / "a", content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_bytes() in contents and only(tmp_path, "a")


def test_file_and_folder_are_on_the_disk_before_the_writer_returns(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda n: (done.append(stat.S_IFMT(os.fstat(n).st_mode)), sync(n))
    )
    monkeypatch.setattr(
        os, "replace", lambda a, b: (done.append(os.path.getsize(a)), replace(a, b))
    )
    put(tmp_path / "a")
    assert done == [stat.S_IFREG, 3, stat.S_IFDIR]
