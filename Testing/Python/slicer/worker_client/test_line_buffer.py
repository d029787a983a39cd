"""Lines out of bytes."""

from __future__ import annotations

import time

import pytest

import slicer_harness

slicer_harness.require()

from FAAnomalySlicer.worker_client.line_buffer import LineBuffer


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_do_not_depend_on_the_pieces(size):
    data = "first\r\nsécond ✓\n\nlast without end".encode()
    buffer = LineBuffer()
    lines = [line for start in range(0, len(data), size) for line in buffer.feed(data[start : start + size])]
    assert lines == ["first", "sécond ✓", ""]
    assert buffer.flush() == ["last without end"]
    assert buffer.flush() == []


def test_bytes_that_are_no_text_are_replaced():
    assert LineBuffer().feed(b"a\xff\xfeb\n") == ["a\ufffd\ufffdb"]


def test_a_long_line_in_small_pieces_takes_time_in_proportion():
    buffer, piece = LineBuffer(), b"x" * 1000
    started = time.monotonic()
    for _ in range(10_000):
        assert buffer.feed(piece) == []
    (line,) = buffer.feed(b"\n")
    assert len(line) == 10_000_000
    assert time.monotonic() - started < 5


def test_a_line_without_end_is_cut():
    buffer = LineBuffer(longest=10)
    assert buffer.feed(b"0123456789") == []
    assert buffer.feed(b"a") == ["0123456789a"]
    assert buffer.feed(b"b\n") == ["b"]
