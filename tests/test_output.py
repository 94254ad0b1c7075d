"""What a server writes while nobody makes room for it."""

import os
import select
from collections.abc import Iterator
from typing import TextIO

import pytest

from provisioning.output import LossyStream


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        yield reader, stream
    os.close(reader)


def fill(stream: TextIO) -> None:
    while select.select([], [stream], [], 0)[1]:
        os.write(stream.fileno(), b"x" * select.PIPE_BUF)


def test_what_is_written_arrives_at_once(pipe):
    reader, stream = pipe
    LossyStream(stream).write("a line with \ud800 and é\n")
    assert os.read(reader, 100) == b"a line with \\ud800 and \xc3\xa9\n"


def test_a_full_pipe_is_not_waited_for_and_is_written_to_again_once_there_is_room(pipe):
    reader, stream = pipe
    lossy = LossyStream(stream)
    fill(stream)
    lossy.write("lost\n")
    while select.select([reader], [], [], 0)[0]:
        os.read(reader, 65_536)
    lossy.write("kept\n")
    assert os.read(reader, 100) == b"\nkept\n"


def test_a_long_text_is_cut_where_the_pipe_is_full_and_the_next_one_is_a_line_of_its_own(pipe):
    reader, stream = pipe
    lossy = LossyStream(stream)
    lossy.write("a" * 10_000_000 + "\n")
    while select.select([reader], [], [], 0)[0]:
        assert set(os.read(reader, 65_536)) == {ord("a")}
    lossy.write("next\n")
    assert os.read(reader, 100) == b"\nnext\n"


def test_a_reader_that_has_gone_is_no_error(pipe):
    reader, stream = pipe
    lossy = LossyStream(stream)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, reader)
    os.close(null)
    assert lossy.write("lost\n") == 5
