"""What a model card says, and that nobody's text breaks it."""

import dataclasses
import json

import pytest
from markdown_it import MarkdownIt

from components.registry_pusher.model_card import MOST_LABELS, MOST_ROWS, model_card


@pytest.fixture
def told(entry):
    return dataclasses.replace(
        entry,
        intervals={"accuracy": [0.91, 0.98]},
        slices={
            "label": {
                "green": {"images": 6, "accuracy": 0.9, "log_loss": None},
                "ripe": {"images": 4, "accuracy": 1.0, "log_loss": float("nan")},
            }
        },
        git_commit="c" * 40,
        config={"data": {"source": "./bananas"}},
        card={"description": "Sorts bananas.", "limits": "No plantains.", "data_licence": "CC0"},
    )


def rows(card):
    """The cells of all rows of all tables, as a reader sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(card)
    found, row = [], []
    for before, token in zip(tokens, tokens[1:], strict=False):
        if before.type in ("td_open", "th_open"):
            row.append("".join(child.content for child in token.children or []))
        if token.type == "tr_close":
            found.append(row)
            row = []
    return found


def test_it_says_what_one_must_know(told):
    card = model_card(told)
    table = rows(card)
    assert ["accuracy", "0.9600", "0.9100 to 0.9800"] in table
    assert ["log_loss", "0.2000", "–"] in table
    assert ["train", "80"] in table and ["rejected", "1"] in table
    assert ["green", "6", "0.9000", "–"] in table and ["ripe", "4", "1.0000", "–"] in table
    for fact in (
        "Sorts bananas.", "No plantains.", "Images: CC0", "Backbone: not stated", "./bananas",
        "accuracy 0.96 is at least 0.9", "224 × 224", "green, ripe", told.content_hash,
        told.run_id, "c" * 40, told.data_fingerprint, told.module_handle, "image_bytes",
    ):  # fmt: skip
        assert fact in card, fact


def test_equal_entries_give_equal_cards_and_bare_ones_say_what_is_missing(told, entry):
    assert model_card(told) == model_card(dataclasses.replace(told))
    bare = model_card(type(entry)("ripeness", "0" * 16, "model"))
    assert bare.count("not stated") >= 6 and "It was not blessed." in bare


@pytest.mark.parametrize(
    "text",
    ["a|b", "`tick`", "*bold* _it_", "<b>x</b>", "[link](http://x)", "line\nbreak", "a\\|b",
     "&lt;", "~~gone~~", "snake_case", "# head", "![i](x)", "https://x.org", "www.x.org", "@me",
     "me@x.org", ":smile:"],
)  # fmt: skip
def test_a_label_is_a_text_and_nothing_else(told, text):
    slices = {"label": {text: {"images": 3, "accuracy": 0.5}}}
    hostile = dataclasses.replace(
        told, labels=[text, "ripe"], slices=slices, blessing_reasons=[text], module_handle=text
    )
    shown = " ".join(text.split())
    assert [shown, "3", "0.5000"] in rows(model_card(hostile))
    html = MarkdownIt("commonmark").render(model_card(hostile))
    assert "\\<" not in model_card(hostile) and "\\>" not in model_card(hostile)  # see _ENTITIES
    assert "<b>" not in html and "<em>" not in html and "<a " not in html and "<img" not in html


@pytest.mark.parametrize("text", ["https://x.org", "www.x.org", "@me", "me@x.org", ":smile:"])
def test_a_label_becomes_no_link_and_no_emoji_where_a_page_makes_them_of_words(told, text):
    card = model_card(dataclasses.replace(told, labels=[text], config={"data": {"source": text}}))
    assert card.count(text) == 1  # where the data come from may be a link


def test_long_lists_are_cut_to_the_weakest_and_say_so(told):
    values = {f"class {i}": {"images": 3, "accuracy": i / 1000} for i in range(999, -1, -1)}
    labels = [f"class {i}" for i in range(1000)]
    card = model_card(dataclasses.replace(told, labels=labels, slices={"label": values}))
    shown = [row[0] for row in rows(card) if row[0].startswith("class")]
    assert shown == [f"class {i}" for i in range(MOST_ROWS)]
    assert f"The {MOST_ROWS} with the lowest accuracy of 1,000." in card
    assert f"and {1000 - MOST_LABELS} more" in card


def test_what_turns_a_line_round_or_cannot_be_seen_is_shown_as_what_it_is(told):
    hostile = dataclasses.replace(told, labels=["\u202egnp.exe", "\x1b[31m"], blessing_reasons=[])
    html = MarkdownIt("commonmark").render(model_card(hostile))
    assert "\\u202egnp.exe, \\x1b[31m" in html and "\u202e" not in html and "\x1b" not in html
    facts = hostile.facts()
    assert "\u202e" not in facts["labels"] and json.loads(facts["labels"]) == hostile.labels
