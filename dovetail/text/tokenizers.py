"""Tokenisers: words, characters, and byte pairs by the tokenizers package (an extra)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from dovetail.base.errors import ArgumentError, FileError, message, need
from dovetail.io.atomic import written_whole

PARTS = re.compile(r"(<br />)|([\"';:])|([.,()!?])|\s+")
APART = {"'": " '  ", '"': "", ";": " ", ":": " "}


def basic_english(line: str) -> list[str]:
    """Lower case; punctuation set apart, quotation marks left out.

    >>> basic_english("You can't, can you?")
    ['you', 'can', "'", 't', ',', 'can', 'you', '?']
    """

    def spaced(found: re.Match) -> str:
        if found[2]:
            return APART[found[2]]
        return f" {found[3]} " if found[3] else " "

    return PARTS.sub(spaced, line.lower()).split()


def get_tokenizer(tokenizer: str | Callable | None, language: str = "en") -> Callable[[str], list[str]]:
    """A function from a text to tokens: "basic_english", None for what stands between spaces, or a function itself.

    Raises: ArgumentError for another name.
    Source: agrees with torchtext.data.utils.get_tokenizer.
    """
    if tokenizer is None:
        return str.split
    if callable(tokenizer):
        return tokenizer
    if tokenizer != "basic_english" or language != "en":
        facts = [("tokenizer", tokenizer), ("language", language), ("takes", "basic_english, None or a function")]
        raise ArgumentError(message("get_tokenizer", "there is no such tokeniser here", facts))
    return basic_english


def ngrams_iterator(token_list: Sequence[str], ngrams: int) -> Iterator[str]:
    """The tokens, then each two, three, ... of them in a row joined by spaces.

    >>> list(ngrams_iterator(["a", "b", "c"], 2))
    ['a', 'b', 'c', 'a b', 'b c']
    """
    for size in range(1, ngrams + 1):
        for start in range(len(token_list) - size + 1):
            yield " ".join(token_list[start : start + size])


class CharacterTokenizer:
    """Each character is a token; the alphabet is that of a text.

    >>> letters = CharacterTokenizer("hello")
    >>> letters.encode("hole"), letters.decode([1, 0])
    ([1, 3, 2, 0], 'he')
    """

    def __init__(self, text: str = "", alphabet: Iterable[str] | None = None):
        self.alphabet = sorted(set(text)) if alphabet is None else list(alphabet)
        self.places = {character: place for place, character in enumerate(self.alphabet)}

    @property
    def vocab_size(self) -> int:
        """How many characters there are."""
        return len(self.alphabet)

    def encode(self, text: str) -> list[int]:
        """The places of the characters. Raises: ArgumentError naming one that the alphabet has not."""
        missing = next((character for character in text if character not in self.places), None)
        if missing is not None:
            facts = [("character", missing), ("alphabet", "".join(self.alphabet[:60]))]
            raise ArgumentError(message("CharacterTokenizer", "a character outside the alphabet", facts))
        return [self.places[character] for character in text]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the places."""
        return "".join(self.alphabet[int(place)] for place in ids)


class BytePairTokenizer:
    """Byte pairs learnt from texts: common words are one token, and every text can be told.

    Raises: MissingExtra without the tokenizers package.
    Source: Sennrich et al. 2015, arXiv:1508.07909, on bytes as GPT-2 has it.
    """

    def __init__(self, inner: Any):
        self.inner = inner

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int = 1000, specials: Sequence[str] = (), min_frequency: int = 2
    ) -> BytePairTokenizer:
        """Learn a vocabulary of at most vocab_size tokens, the 256 bytes and the specials among them."""
        package = need("tokenizers", "text", "BytePairTokenizer")
        made = package.Tokenizer(package.models.BPE())
        made.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = package.decoders.ByteLevel()
        trainer = package.trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            special_tokens=list(specials),
            initial_alphabet=package.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        made.train_from_iterator(texts, trainer)
        return cls(made)

    @classmethod
    def load(cls, path: str | os.PathLike) -> BytePairTokenizer:
        """A tokeniser from a tokenizer.json. Raises: FileNotFoundError; FileError if it is none."""
        package = need("tokenizers", "text", "BytePairTokenizer")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            return cls(package.Tokenizer.from_str(text))
        except Exception as problem:  # the package raises plain Exception
            facts = [("file", os.fspath(path)), ("problem", str(problem))]
            raise FileError(message("BytePairTokenizer.load", "this is no tokenizer.json", facts)) from None

    def save(self, path: str | os.PathLike) -> None:
        """Write a tokenizer.json, whole or not at all."""
        with written_whole(path) as file:
            file.write(self.inner.to_str().encode())

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return self.inner.get_vocab_size()

    def get_vocab(self) -> dict[str, int]:
        """Token -> place."""
        return self.inner.get_vocab()

    def tokenize(self, text: str) -> list[str]:
        """The tokens, as the vocabulary spells them."""
        return self.inner.encode(text).tokens

    def encode(self, text: str) -> list[int]:
        """The places of the tokens."""
        return self.inner.encode(text).ids

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """The text again."""
        return self.inner.decode([int(place) for place in ids], skip_special_tokens=skip_special_tokens)

    def __call__(self, text: str) -> list[str]:
        return self.tokenize(text)
