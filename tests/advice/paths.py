"""Advice about paths: what is no path, is not there, is no regular file, or belongs to others.
As root, another user is played by a process that gives up its rights for a moment.
"""

import os
import socket
from contextlib import contextmanager

from minilstm.files import write_atomically
from minilstm.paths import as_path, check_folder, check_readable, check_target, make_folder


@contextmanager
def other_user():
    """Within a ``with`` block the process has no right that it is not given."""
    os.chmod(".", 0o755)
    if os.getuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def closed(name="a", mode=0o000, folder=0o555):
    """A file of some mode in a folder of some mode."""
    os.mkdir("f")
    with open(f"f/{name}", "w") as file:
        file.write("1")
    os.chmod(f"f/{name}", mode)
    os.chmod("f", folder)
    return f"f/{name}"


def socket_at(path):
    """A socket as a file."""
    one = socket.socket(socket.AF_UNIX)
    one.bind(path)
    one.close()
    return path


def full_disk(*options, **more):
    """What a disk without space says."""
    raise OSError(28, "No space left on device")


TABLE = [
    ("as_path({})", r"write it first, as torch.save does with a state dict, and give the (path)",
     "as_path('$1')"),
    ("as_path(3)", r"as text or as a (pathlib\.Path)",
     "import pathlib; as_path('a') == as_path($1('a'))"),
    ("as_path('')", "the name of a file or folder", "as_path('a'); as_path('.')"),
    ("as_path('a\\0b')", "holds (a NUL character); take them out", "as_path('ab')"),
    ("as_path('a\\ud800b')", "holds letters that no path can hold; take them out", "as_path('ab')"),
    ("check_readable('no')", "check its name", "open('yes', 'w').close(); check_readable('yes')"),
    ("check_readable('.')", "name a regular file", "open('a', 'w').close(); check_readable('./a')"),
    ("name = closed()\nwith other_user(): check_readable(name)", "change its permissions",
     "name = closed(mode=0o644)\nwith other_user(): check_readable(name)"),
    ("check_target('.')", "name a file", "check_target('./a')"),
    ("check_target(socket_at('s'))", "is a socket, .*; name a file", "check_target('t')"),
    ("name = closed(mode=0o444)\nwith other_user(): check_target(name)",
     "change its permissions, or choose another name", "name = closed(mode=0o666, folder=0o777)\n"
     "with other_user(): check_target(name); check_target('f/b')"),
    ("check_target('no/a')", "create it first or choose another",
     "os.mkdir('no'); check_target('no/a'); check_target('a')"),
    ("closed()\nwith other_user(): check_target('f/b')",
     "change its permissions, or choose another",
     "closed(folder=0o777)\nwith other_user(): check_target('f/b')"),
    ("check_folder('no')", "make the folder first", "os.mkdir('no'); check_folder('no')"),
    ("os.symlink('no', 'a'); check_folder('a')", "a link to nothing; choose another name",
     "os.mkdir('b'); check_folder('b')"),
    ("open('a', 'w').close(); make_folder('a')", "is a file; choose another name",
     "make_folder('b')"),
    ("closed()\nwith other_user(): check_folder('f')", "change the permissions, or choose another",
     "closed(folder=0o777)\nwith other_user(): check_folder('f')"),
    ("closed()\nwith other_user(): make_folder('f/g')", "change the permissions, or choose another",
     "closed(folder=0o777)\nwith other_user(): make_folder('f/g')"),
    ("closed(folder=0)\nwith other_user(): check_readable('f/a')",
     "change the permissions, or choose",
     "closed(mode=0o644)\nwith other_user(): check_readable('f/a')"),
    ("check_readable('a' * 999)", "choose another name",
     "open('a', 'w').close(); check_readable('a')"),
    ("with patch('os.fsync', full_disk): write_atomically('a', lambda f: f.write(b'1'))",
     "free some space, change the permissions, or choose another place",
     "write_atomically('a', lambda f: f.write(b'1')).read_bytes() == b'1'"),
]  # fmt: skip
