"""Texts as numbers: vocabularies, and tokenisers by characters, words or byte pairs."""

from dovetail.text.tokenizers import BytePairTokenizer, CharacterTokenizer, get_tokenizer, ngrams_iterator
from dovetail.text.vocabulary import Vocab, build_vocab_from_iterator, vocab

__all__ = [
    "BytePairTokenizer",
    "CharacterTokenizer",
    "Vocab",
    "build_vocab_from_iterator",
    "get_tokenizer",
    "ngrams_iterator",
    "vocab",
]
