from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.seeds import draw, seed_for

IDS = st.lists(st.integers(0, 10**6), unique=True, max_size=60)


def test_a_seed_is_the_first_63_bits_of_a_sha256() -> None:
    expected = int(hashlib.sha256(b"7/order/3").hexdigest()[:16], 16) // 2
    assert seed_for(7, "order/3") == expected
    assert seed_for(1, "weights") == 5164344575451445340


@settings(deadline=None)
@given(st.integers(0, 2**31), st.text(max_size=20))
def test_a_seed_fits_torch(seed: int, purpose: str) -> None:
    assert 0 <= seed_for(seed, purpose) < 2**63


def test_seed_and_purpose_do_not_run_together() -> None:
    assert len({seed_for(1, "1/a"), seed_for(11, "/a"), seed_for(1, "1"), seed_for(2, "1")}) == 4


@settings(deadline=None)
@given(IDS, st.integers(0, 5), st.data())
def test_a_draw_has_distinct_sorted_positions_and_is_part_of_a_larger_one(
    ids: list[int], seed: int, data: st.DataObject
) -> None:
    small, large = sorted(data.draw(st.tuples(st.integers(0, len(ids)), st.integers(0, len(ids)))))
    less, more = (draw(ids, n, seed=seed, purpose="subset") for n in (small, large))
    assert less == sorted(set(less))
    assert len(less) == small
    assert set(less) <= set(more)


@settings(deadline=None)
@given(IDS, st.integers(0, 5), st.randoms())
def test_a_draw_depends_on_the_ids_and_not_on_their_order(ids: list[int], seed: int, random: object) -> None:
    shuffled = ids.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    drawn, again = (draw(x, len(ids) // 2, seed=seed, purpose="subset") for x in (ids, shuffled))
    assert {ids[i] for i in drawn} == {shuffled[i] for i in again}


@settings(deadline=None)
@given(IDS.filter(lambda ids: len(ids) >= 2), st.integers(0, 5), st.data())
def test_taking_an_example_away_replaces_no_other(ids: list[int], seed: int, data: st.DataObject) -> None:
    count = len(ids) // 2
    gone = data.draw(st.sampled_from(ids))
    rest = [i for i in ids if i != gone]
    before = {ids[i] for i in draw(ids, count, seed=seed, purpose="subset")}
    after = {rest[i] for i in draw(rest, count, seed=seed, purpose="subset")}
    assert before - {gone} <= after


def test_draws_are_uniform_over_seeds() -> None:
    seeds, ids, count = 3000, list(range(12)), 4
    hits = [0] * len(ids)
    for seed in range(seeds):
        for position in draw(ids, count, seed=seed, purpose="subset"):
            hits[position] += 1
    # Binomial with p = 1/3: mean 1000, deviation 25.8; five deviations.
    assert all(abs(n - 1000) < 130 for n in hits), hits


@pytest.mark.parametrize("count", [-1, 4])
def test_an_impossible_count_is_an_error(count: int) -> None:
    with pytest.raises(ValueError, match=f"from 0 to 3, given {count}"):
        draw([1, 2, 3], count, seed=1, purpose="subset")
