"""Vocabularies and tokenisers: torchtext's words and results, and texts that come back as they were."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.base.errors import ArgumentError, FileError
from dovetail.text import (
    BytePairTokenizer,
    CharacterTokenizer,
    Vocab,
    build_vocab_from_iterator,
    get_tokenizer,
    ngrams_iterator,
    vocab,
)

TEXTS = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog"]


def test_vocabulary_from_texts():
    words = build_vocab_from_iterator(map(str.split, TEXTS), min_freq=2, specials=["<unk>", "<pad>"])
    assert words.get_itos() == ["<unk>", "<pad>", "the", "a", "cat", "dog", "on", "sat"]
    assert "mat" not in words and words["the"] == 2 and words.lookup_tokens([3, 2]) == ["a", "the"]
    with pytest.raises(RuntimeError, match="Token mat not found"):
        words["mat"]
    words.set_default_index(0)
    assert words(["the", "mat"]) == [2, 0] and words.get_stoi()["<pad>"] == 1 and words.get_default_index() == 0
    few = build_vocab_from_iterator(map(str.split, TEXTS), specials=["<unk>"], special_first=False, max_tokens=3)
    assert few.get_itos() == ["the", "a", "<unk>"]
    with pytest.raises(ArgumentError, match="max_tokens"):
        build_vocab_from_iterator([], specials=["<unk>"], max_tokens=1)


def test_vocabulary_by_hand():
    words = vocab(OrderedDict(b=3, a=1), min_freq=2)
    words.append_token("c")
    words.insert_token("d", 0)
    assert words.get_itos() == ["d", "b", "c"] and words.lookup_indices(["c", "d"]) == [2, 0] and len(words) == 3
    with pytest.raises(ArgumentError, match="once"):
        words.append_token("b")
    with pytest.raises(ArgumentError, match="no such place"):
        words.lookup_token(3)


@given(st.lists(st.text(min_size=1), unique=True, min_size=1))
def test_places_and_tokens_are_each_others_inverse(tokens):
    words = Vocab(tokens)
    assert words.lookup_tokens(words(tokens)) == tokens and words(tokens) == list(range(len(tokens)))


@pytest.mark.parametrize(
    "line, tokens",
    [
        ("You can now install TorchText using pip!", "you can now install torchtext using pip !".split()),
        ('He said: "it\'s 3.5 (or so)";<br />ok', "he said it ' s 3 . 5 ( or so ) ok".split()),
        ("", []),
    ],
)
def test_basic_english(line, tokens):
    assert get_tokenizer("basic_english")(line) == tokens


def test_other_tokenizers():
    assert get_tokenizer(None)("a  b") == ["a", "b"] and get_tokenizer(list)("ab") == ["a", "b"]
    assert list(ngrams_iterator(["a", "b", "c"], 3))[-1] == "a b c"
    with pytest.raises(ArgumentError, match="spacy"):
        get_tokenizer("spacy")


@given(st.text(alphabet="abcäß \n", min_size=1), st.text(alphabet="abcäß \n"))
def test_characters(text, more):
    letters = CharacterTokenizer(text + more)
    assert letters.decode(letters.encode(text)) == text and letters.vocab_size == len(set(text + more))


def test_a_character_outside():
    with pytest.raises(ArgumentError, match="character z"):
        CharacterTokenizer("abc").encode("az")


def test_byte_pairs(tmp_path):
    pytest.importorskip("tokenizers")
    pairs = BytePairTokenizer.train(TEXTS * 5, vocab_size=300, specials=["<eos>"])
    assert pairs.vocab_size <= 300 and pairs.get_vocab()["<eos>"] == 0
    assert len(pairs.encode("the cat")) < len("the cat")
    for text in (*TEXTS, "naïve 漢字 \n\t!", ""):
        assert pairs.decode(pairs.encode(text)) == text
    pairs.save(tmp_path / "tokenizer.json")
    again = BytePairTokenizer.load(tmp_path / "tokenizer.json")
    assert again.encode(TEXTS[0]) == pairs.encode(TEXTS[0]) and again(TEXTS[0]) == pairs.tokenize(TEXTS[0])
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(FileError, match="bad.json"):
        BytePairTokenizer.load(tmp_path / "bad.json")
