"""A piece of a bar: what is kept singly, and what is folded into sums."""

from __future__ import annotations

from collections import Counter

from domain.bars.pieces import Piece
from domain.bars.prints import Print, PrintKind
from domain.records import NS_PER_S


def piece_of(*prices: float) -> Piece:
    piece = Piece(0, NS_PER_S, Counter())
    for number, price in enumerate(prices, 1):
        piece.take(Print(number, number, price, 2.0, PrintKind.FULL))
    return piece


def test_a_spilled_piece_says_the_same_and_is_not_folded_again() -> None:
    """Every closing spills all pieces of the last minutes, so a second time must cost nothing."""
    piece = piece_of(10.0, 12.0, 11.0)
    whole = piece.own()
    piece.spill()
    folded = piece.base
    piece.spill()
    assert piece.size == 0
    assert piece.base is folded
    assert piece.own() == whole


def test_prints_after_a_spill_are_folded_by_the_next_one() -> None:
    """A flood spills again and again within one bar."""
    piece = piece_of(10.0, 12.0)
    piece.spill()
    piece.take(Print(9, 9, 13.0, 1.0, PrintKind.FULL))
    piece.spill()
    assert piece.size == 0
    assert piece.base is not None
    assert (piece.base.high, piece.base.close, piece.base.volume) == (13.0, 13.0, 5.0)
