"""The object cache: hits, damage, folders that cannot be written, several writers, eviction."""

import multiprocessing
import os
import stat

import pytest
from graphs import chain, numbers, run

from dovetail.base.config import config
from dovetail.engine import program
from dovetail.engine.cache import DiskCache, disk_cache, key


class Maker:
    def __init__(self, code=b"machine code"):
        self.code, self.calls = code, 0

    def __call__(self):
        self.calls += 1
        return self.code


def test_made_once(tmp_path):
    cache, make = DiskCache(str(tmp_path / "new" / "folder")), Maker()
    assert [cache("a", make), cache("a", make), cache("b", make)] == [make.code] * 3
    assert make.calls == 2 and (cache.hits, cache.misses) == (1, 2)


def test_without_a_folder_nothing_is_kept():
    cache, make = DiskCache(None), Maker()
    cache("a", make), cache("a", make)
    assert make.calls == 2


@pytest.mark.parametrize("harm", [
    lambda content: b"", lambda content: content[:-3], lambda content: content[:20],
    lambda content: content[:-1] + bytes([content[-1] ^ 1]), lambda content: b"something else\n" + content,
], ids=["empty", "short", "head only", "one bit", "other head"])  # fmt: skip
def test_a_damaged_file_is_made_again(tmp_path, harm):
    cache, make = DiskCache(str(tmp_path)), Maker()
    cache("a", make)
    path = tmp_path / (key("a") + ".obj")
    path.write_bytes(harm(path.read_bytes()))
    assert cache("a", make) == make.code
    assert make.calls == 2 and cache.damaged == 1
    assert cache("a", make) == make.code and make.calls == 2


def test_a_folder_that_cannot_be_made_is_silent(tmp_path, recwarn):
    (tmp_path / "file").write_text("in the way")
    cache, make = DiskCache(str(tmp_path / "file" / "below")), Maker()
    assert cache("a", make) == make.code == cache("a", make)
    assert make.calls == 2 and not recwarn.list


def test_a_read_only_folder_is_silent(tmp_path, monkeypatch, recwarn):
    cache, make = DiskCache(str(tmp_path)), Maker()
    cache("a", make)
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    if os.access(tmp_path, os.W_OK):  # the superuser may write everywhere: let the system say no

        def refuse(*args, **settings):
            raise PermissionError("read-only")

        monkeypatch.setattr("dovetail.engine.cache.tempfile.mkstemp", refuse)
        monkeypatch.setattr("dovetail.engine.cache.os.utime", refuse)
    try:
        assert cache("a", make) == make.code and make.calls == 1
        assert cache("b", make) == make.code == cache("b", make) and make.calls == 3
    finally:
        tmp_path.chmod(stat.S_IRWXU)
    assert not recwarn.list


def test_the_longest_unused_go_first(tmp_path):
    cache = DiskCache(str(tmp_path), limit=10_000)
    for i in range(12):
        cache(f"entry {i}", Maker(bytes([i]) * 1000))
        os.utime(tmp_path / (key(f"entry {i}") + ".obj"), (1000 + i, 1000 + i))
    make = Maker()
    cache("entry 0", make)  # used again: now the youngest
    cache.evict()
    left = {name for name in os.listdir(tmp_path)}
    assert key("entry 0") + ".obj" in left and key("entry 11") + ".obj" in left
    assert key("entry 1") + ".obj" not in left
    assert make.calls == 0 and sum(os.path.getsize(tmp_path / name) for name in left) <= 7_500


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("x" * 5000)
    cache = DiskCache(str(tmp_path), limit=100)
    cache("a", Maker(b"y" * 1000))
    cache.evict()
    assert os.listdir(tmp_path) == ["thesis.txt"]


def write_many(folder, seed, wrong):
    cache = DiskCache(folder, limit=20_000)
    for i in range(300):
        name = f"entry {(i * 7 + seed) % 13}"
        if cache(name, Maker(name.encode() * 300)) != name.encode() * 300:
            wrong.put(name)


def test_several_writers_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    wrong = context.SimpleQueue()
    writers = [context.Process(target=write_many, args=(str(tmp_path), k, wrong)) for k in range(2)]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
    assert [w.exitcode for w in writers] == [0, 0] and wrong.empty()


def test_programs_come_from_the_disk():
    graph = chain(3)
    before = run(program.compile(graph), numbers(graph), graph)
    misses = disk_cache().misses
    program.forget_programs()
    after = run(program.compile(chain(3)), numbers(graph), graph)
    assert disk_cache().misses == misses and disk_cache().hits >= 1
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


def test_a_program_survives_a_damaged_cache():
    graph = chain(3)
    before = run(program.compile(graph), numbers(graph), graph)
    for entry in os.scandir(config.cache_dir):
        with open(entry.path, "r+b") as f:
            f.truncate(entry.stat().st_size // 2)
    program.forget_programs()
    after = run(program.compile(graph), numbers(graph), graph)
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
