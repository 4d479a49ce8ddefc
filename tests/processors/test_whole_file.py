"""Files that are there whole or as they were, on real disks that are full or closed."""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from processors.errors import ConfigError
from processors.whole_file import write_whole

ROOT = Path(__file__).parents[2]
WRITE = """
import sys
from pathlib import Path
from processors.whole_file import write_whole

for _ in range(50):
    write_whole(Path(sys.argv[1]), sys.argv[2] * 100_000)
"""


def test_text_and_bytes_are_written_with_their_folder(tmp_path):
    """What was there is replaced, and nothing lies beside it."""
    path = tmp_path / "new" / "file"
    for content, read in (("é\n", "é\n".encode()), (b"\x00", b"\x00")):
        write_whole(path, content)
        assert path.read_bytes() == read
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path):
    """The limit of a process stands for a full disk: the error names the file, and no half is left."""
    path = tmp_path / "file"
    write_whole(path, "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(ConfigError, match="file is 'File too large': a file that can be written") as caught:
            write_whole(path, b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.where == str(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_place_that_is_none_is_told(tmp_path):
    """A file where its folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file is '.*': a file that can be written"):
        write_whole(tmp_path / "file" / "inner", "x")


def test_two_processes_that_write_one_file_leave_one_of_theirs(tmp_path):
    """Never a mixture, and each finds its own part."""
    path = tmp_path / "file"
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, str(path), letter], cwd=ROOT) for letter in "ab"]
    assert [w.wait(60) for w in writers] == [0, 0]
    assert path.read_text() in {"a" * 100_000, "b" * 100_000}
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
