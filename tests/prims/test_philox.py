"""Random bits: the published answers, every element alone, and no visible pattern."""

from __future__ import annotations

import numpy as np

from dovetail.prims.make import random_bits
from dovetail.prims.philox import philox_block, philox_words


def block(counter: list[int], key: tuple[int, int]) -> list[int]:
    return [int(w[0]) for w in philox_block([np.array([c], np.uint64) for c in counter], key)]


def test_known_answers():
    """Random123's kat_vectors for philox4x32-10."""
    assert block([0] * 4, (0, 0)) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = 0xFFFFFFFF
    assert block([ones] * 4, (ones, ones)) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    assert block(pi, (0xA4093822, 0x299F31D0)) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def test_elements_do_not_depend_on_the_draws_size():
    whole = philox_words(7, 100, 64)
    np.testing.assert_array_equal(philox_words(7, 100, 13), whole[:13])
    np.testing.assert_array_equal(philox_words(7, 104, 16), whole[16:32])


def test_offset_counts_blocks():
    a = random_bits.meaning(np.int64(3), np.int64(10), shape=(2, 4), offset=5)
    np.testing.assert_array_equal(a, random_bits.meaning(np.int64(3), np.int64(15), shape=(2, 4)))
    assert a.dtype == np.int32


def test_large_counters_and_negative_seeds():
    words = philox_words(-1, 2**64 - 1, 8)
    np.testing.assert_array_equal(words[4:], philox_words(2**64 - 1, 0, 4))


def test_bits_look_random():
    words = philox_words(1, 0, 1 << 16)
    ones = np.unpackbits(words.view(np.uint8)).mean()
    assert abs(ones - 0.5) < 2e-3
    uniform = (words >> np.uint32(8)) * 2.0**-24
    assert abs(uniform.mean() - 0.5) < 5e-3 and abs(np.corrcoef(uniform[:-1], uniform[1:])[0, 1]) < 0.02
