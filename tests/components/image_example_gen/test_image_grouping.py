import base64

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from components.errors import DataError
from components.image_example_gen.grouping import Earlier, Grouping, Seen, join, split_of

SHARES = {"train": 0.7, "eval": 0.1, "test": 0.2}


def seen(content: str, group: str = "", split: str = "", path: str = "") -> Seen:
    return Seen(path or f"{content}-{group}-{split}", content, group, split)


def test_splits_have_their_shares():
    drawn = [split_of(str(i), SHARES) for i in range(20_000)]
    for split, share in SHARES.items():
        assert drawn.count(split) / len(drawn) == pytest.approx(share, abs=0.01)


def test_a_group_keeps_its_split_over_releases_and_machines():
    splits = [split_of(group, SHARES) for group in ("a", "b", "c", "patient 7")]
    assert splits == ["train", "eval", "test", "eval"]


def test_a_larger_test_share_takes_groups_and_gives_none_back():
    more = {"train": 0.5, "eval": 0.1, "test": 0.4}
    for group in map(str, range(1000)):
        if split_of(group, SHARES) == "test":
            assert split_of(group, more) == "test"


def test_by_content_alone_each_picture_answers_for_itself():
    grouping = Grouping(SHARES)
    assert grouping.place("abc") == ("abc", split_of("abc", SHARES))
    assert grouping.place("abc", split="test") == ("abc", "test")


def test_groups_that_share_a_picture_are_joined_under_the_first_name():
    grouping = join(
        [seen("1", "nora"), seen("2", "nora"), seen("2", "bob"), seen("3", "zoe")],
        {
            "train": 0.5,
            "eval": 0.0,
            "test": 0.5,
        },
    )
    assert {grouping.place(c, g)[0] for c, g in [("1", "nora"), ("2", "nora"), ("2", "bob")]} == {
        "bob"
    }
    assert grouping.place("3", "zoe")[0] == "zoe"


def test_a_picture_without_a_group_follows_its_twin():
    grouping = join([seen("1"), seen("1", "nora"), seen("2")], SHARES)
    assert grouping.place("1")[0] == "nora"
    assert grouping.place("2")[0] == "2"


def test_identical_pictures_in_two_splits_are_named():
    rows = [seen("1", split="train", path="a.jpg"), seen("1", split="test", path="b.jpg")]
    with pytest.raises(DataError, match=r"a.jpg \(train\) and b.jpg \(test\)"):
        join(rows, SHARES)


def test_a_group_torn_apart_by_the_manifest_is_named():
    rows = [seen("1", "nora", "train", "a.jpg"), seen("2", "nora", "test", "b.jpg")]
    with pytest.raises(DataError, match=r"nora: a.jpg \(train\), b.jpg \(test\)"):
        join(rows, SHARES)


def test_a_split_that_is_said_of_some_holds_for_their_twins_and_group():
    other = next(s for s in SHARES if s != split_of("1", SHARES))
    grouping = join([seen("1", split=other), seen("1")], SHARES)
    assert grouping.place("1") == ("1", other)
    grouping = join([seen("5", "nora", other), seen("6", "nora")], SHARES)
    assert grouping.place("6", "nora") == ("nora", other)


pictures = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 6), st.sampled_from(["", "train", "test"]))
)


@hypothesis.given(pictures)
def test_no_picture_and_no_group_is_ever_in_two_splits(rows):
    rows = [seen(f"content {c}", f"group {g}" if g else "", s) for c, g, s in rows]
    try:
        grouping = join(rows, SHARES)
    except DataError:
        return
    placed = [grouping.place(row.content, row.group, row.split or None) for row in rows]
    for key in ("content", "group"):
        for row, place in zip(rows, placed, strict=True):
            for other, other_place in zip(rows, placed, strict=True):
                if getattr(row, key) and getattr(row, key) == getattr(other, key):
                    assert place == other_place
    for row, (group, split) in zip(rows, placed, strict=True):
        assert row.split in ("", split)
        assert group <= row.group or not row.group


@hypothesis.given(pictures, st.randoms())
def test_the_order_of_the_pictures_does_not_matter(rows, random):
    rows = [seen(f"content {c}", f"group {g}" if g else "") for c, g, _ in rows]
    shuffled = random.sample(rows, len(rows))
    assert join(rows, SHARES) == join(shuffled, SHARES)


def near(steps: int) -> str:
    """The mark of a ramp that is turned by so many steps: 8 differ by 0.60, 10 by 0.67."""
    shades = np.roll(np.arange(256, dtype=np.uint8), steps)
    return "0" * 16 + base64.b64encode(shades.tobytes()).decode()


def test_near_copies_join_the_group_of_the_earliest():
    rows = [
        Seen("a", "1", near=near(0)),
        Seen("b", "2", near=near(8)),
        Seen("c", "3", near=near(16)),
        Seen("d", "4", near=near(60)),
        Seen("e", "5", near=""),
    ]
    grouping = join(rows, SHARES, difference=0.65)
    # c is near b alone, and so goes where b went.
    assert [grouping.place(row.content)[0] for row in rows] == ["1", "1", "1", "4", "5"]
    assert [join(rows, SHARES).place(row.content)[0] for row in rows] == ["1", "2", "3", "4", "5"]


def test_a_near_copy_follows_into_a_group_and_never_takes_a_picture_out_of_one():
    rows = [
        Seen("a", "1", "nora", near=near(0)),
        Seen("b", "2", "", near=near(4)),
        Seen("c", "3", "bob", near=near(6)),
        Seen("d", "4", "", "test", near=near(5)),
    ]
    grouping = join(rows, SHARES, difference=0.65)
    places = [grouping.place(row.content, row.group, row.split or None) for row in rows]
    assert [group for group, _ in places] == ["nora", "nora", "bob", "4"]
    assert places[3][1] == "test"


def test_a_near_copy_takes_over_the_split_that_its_groups_picture_was_given():
    other = next(s for s in SHARES if s != split_of("1", SHARES))
    rows = [Seen("a", "1", split=other, near=near(0)), Seen("b", "2", near=near(3))]
    assert join(rows, SHARES, difference=0.65).place("2") == ("1", other)


def test_what_was_placed_before_stays_whatever_comes_between():
    before = [Earlier("a", "1", near(0), "1"), Earlier("b", "2", near(16), "2")]
    rows = [
        Seen("0", "9", near=near(8)),  # near both: it joins the earliest, and moves neither
        Seen("a", "1", near=near(0)),
        Seen("b", "2", near=near(16)),
    ]
    grouping = join(rows, SHARES, 0.65, before)
    assert [grouping.place(row.content)[0] for row in rows] == ["1", "1", "2"]
    # Without a history the first path would have been the earliest.
    assert join(rows, SHARES, 10).place("1")[0] == "9"


def test_a_group_keeps_its_name_when_a_column_gets_another():
    before = [Earlier("a", "1", "", "nora")]
    rows = [Seen("a", "1", "nora"), Seen("a2", "1", "adam"), Seen("b", "2", "adam")]
    grouping = join(rows, SHARES, None, before)
    assert {grouping.place(row.content, row.group)[0] for row in rows} == {"nora"}
