"""A vocabulary: tokens and their places, by torchtext's words."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from dovetail import nn
from dovetail.base.errors import ArgumentError, message


class Vocab(nn.Module):
    """Tokens in order; `vocab(tokens)` gives their places.

    tokens: each once.
    Raises: ArgumentError if a token is there twice. Looking up one that is not there raises KeyError with the cure,
    unless set_default_index has named the place that stands for it.

    >>> words = Vocab(["<unk>", "the", "cat"])
    >>> words.set_default_index(words["<unk>"])
    >>> words(["the", "dog"])
    [1, 0]
    """

    def __init__(self, tokens: Iterable[str]):
        super().__init__()
        self.tokens: list[str] = []
        self.places: dict[str, int] = {}
        self.default: int | None = None
        for token in tokens:
            self.append_token(token)

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self.places

    def __getitem__(self, token: str) -> int:
        found = self.places.get(token, self.default)
        if found is None:
            cure = 'vocab.set_default_index(vocab["<unk>"]) gives tokens that are not there the place of <unk>.'
            raise MissingToken(message("Vocab", f"Token {token} not found and default index is not set", [], cure))
        return found

    def forward(self, tokens: Sequence[str]) -> list[int]:
        """The places of the tokens."""
        return [self[token] for token in tokens]

    def set_default_index(self, index: int | None) -> None:
        """The place of every token that is not there; None for none."""
        self.default = index

    def get_default_index(self) -> int | None:
        """The place of every token that is not there."""
        return self.default

    def append_token(self, token: str) -> None:
        """One more, at the end."""
        self.insert_token(token, len(self.tokens))

    def insert_token(self, token: str, index: int) -> None:
        """One more, before the one at that place. Raises: ArgumentError if it is there already or the place is not."""
        if token in self.places or not 0 <= index <= len(self.tokens):
            facts = [("token", token), ("index", index), ("size", len(self.tokens))]
            raise ArgumentError(message("Vocab", "a token is there once, at a place up to the size", facts))
        self.tokens.insert(index, token)
        if index == len(self.tokens) - 1:
            self.places[token] = index
        else:
            self.places = {word: place for place, word in enumerate(self.tokens)}

    def lookup_token(self, index: int) -> str:
        """The token at a place."""
        if not 0 <= index < len(self.tokens):
            facts = [("index", index), ("size", len(self.tokens))]
            raise ArgumentError(message("Vocab", "there is no such place", facts))
        return self.tokens[index]

    def lookup_tokens(self, indices: Iterable[int]) -> list[str]:
        """The tokens at the places."""
        return [self.lookup_token(int(index)) for index in indices]

    def lookup_indices(self, tokens: Iterable[str]) -> list[int]:
        """The places of the tokens."""
        return [self[token] for token in tokens]

    def get_stoi(self) -> dict[str, int]:
        """Token -> place."""
        return dict(self.places)

    def get_itos(self) -> list[str]:
        """The tokens in order."""
        return list(self.tokens)

    def __repr__(self) -> str:
        return "Vocab()"


class MissingToken(ArgumentError, KeyError, RuntimeError):
    """A token that the vocabulary does not have."""


def vocab(
    ordered_dict: Mapping[str, int],
    min_freq: int = 1,
    specials: Sequence[str] | None = None,
    special_first: bool = True,
) -> Vocab:
    """A vocabulary of the tokens that occur at least min_freq times, in the mapping's order, beside the specials.

    ordered_dict: token -> how often it occurs.
    """
    special = list(specials or ())
    words = [token for token, count in ordered_dict.items() if count >= min_freq and token not in special]
    return Vocab(special + words if special_first else words + special)


def build_vocab_from_iterator(
    iterator: Iterable[Iterable[str]],
    min_freq: int = 1,
    specials: Sequence[str] | None = None,
    special_first: bool = True,
    max_tokens: int | None = None,
) -> Vocab:
    """A vocabulary of all tokens of the lists that the iterator yields, the most frequent first, equals by alphabet.

    Raises: ArgumentError if max_tokens has no room beside the specials.

    >>> build_vocab_from_iterator([["b", "a"], ["b"]], specials=["<pad>"]).get_itos()
    ['<pad>', 'b', 'a']
    """
    counts: Counter[str] = Counter()
    for tokens in iterator:
        counts.update(tokens)
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if max_tokens is not None:
        room = max_tokens - len(specials or ())
        if room <= 0:
            facts = [("max_tokens", max_tokens), ("specials", len(specials or ()))]
            raise ArgumentError(message("build_vocab_from_iterator", "max_tokens must exceed the specials", facts))
        ranked = ranked[:room]
    return vocab(OrderedDict(ranked), min_freq, specials, special_first)
