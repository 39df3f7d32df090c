"""Text from data is shown harmlessly, wherever a command shows it."""

import io
import json
import unicodedata

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.cli import main
from pipeline.lineage import Node
from pipeline.lineage_text import say_image
from pipeline.registry_pages import print_versions
from pipeline.run_lines import error_line, node_line, stopped_lines, summary_lines
from pipeline.shown import as_data, harmless, print_json, spelt
from pipeline.terminal import Terminal

HOSTILE = "[red]a\x1b[31mb\u202ec\nd\x9b2J\udcff[/red]"
SHOWN = "[red]a\\x1b[31mb\\u202ec\\nd\\x9b2J\\udcff[/red]"


@example(HOSTILE)
@given(st.text(st.characters(exclude_categories=[])))
def test_what_is_shown_is_one_line_that_moves_nothing(text):
    shown = harmless(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    marks = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    assert not any(unicodedata.bidirectional(character) in marks for character in shown)
    shown.encode()


def test_letters_of_any_script_stay_as_they_are():
    for text in ("Äpfel", "בננה", "موز", "香蕉", "🍌", "\\x1b"):
        assert harmless(text) == text


@example(HOSTILE)
@example("a\\")
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_reads_back_as_the_same_text(text):
    with CliRunner().isolation() as (out, *_):
        print_json({"label": text})
        assert json.loads(out.getvalue()) == {"label": text}


@example(HOSTILE)
@example("[bold]x[/]")
@given(st.text().filter(lambda text: not text.endswith("\\")))  # which rich shows twice
def test_data_is_no_markup(text):
    printed = printed_by(lambda terminal: terminal.say(f"{as_data(text)}|"))
    assert printed == f"{harmless(text)}|\n"


def printed_by(show):
    stream = io.StringIO()
    show(Terminal(stream))
    return stream.getvalue()


def test_a_runs_lines_are_harmless():
    summary = {
        "error": None,
        "unchanged": False,
        "metrics": {},
        "images": {},
        "warnings": [HOSTILE],
        "blessed": False,
        "checks": [{"state": "failed", "sentence": HOSTILE}],
        "pushed": HOSTILE,
        "registered": {"registry": "mlflow", "name": HOSTILE, "version": "1"},
        "report": HOSTILE,
        "seconds": 1.0,
        "run_id": "1",
        "nodes": [{"id": "Trainer", "state": "failed"}],
    }
    lines = [*summary_lines(summary, HOSTILE, 200), node_line(Node(HOSTILE, "failed"))]
    stopped = {**summary, "error": {"node": HOSTILE, "message": ""}}
    lines += [*stopped_lines(stopped, True, HOSTILE, True), error_line(stopped["error"])]
    printed = printed_by(lambda terminal: [terminal.say(line) for line in lines])
    assert printed.count(SHOWN) == 10
    assert "\x1b" not in printed and "\u202e" not in printed


def test_an_error_is_harmless_and_keeps_its_lines():
    result = CliRunner().invoke(main, ["check", "no\x1b[2J.yaml"])
    assert result.output.startswith("error: no\\x1b[2J.yaml: cannot be read")


def test_lineage_is_harmless(capsys):
    unseen = {"pictures": [], "near": [{"path": HOSTILE, "content": "0"}], "namesakes": []}
    said = {"image": HOSTILE, "rejected": [], "remembered_by": [], "content": "0"}
    say_image({**unseen, **said}, whole=True)
    assert capsys.readouterr().out.count(SHOWN) == 2


class Anything:
    """A registry's model whose every text is hostile."""

    kind = address = name = HOSTILE
    registry = property(lambda self: self)

    def served(self):
        return {"path": HOSTILE, "version": HOSTILE}


def test_the_registrys_list_is_harmless(capsys):
    print_versions(Anything(), [])
    printed = capsys.readouterr().out
    assert printed.count(SHOWN) == 3


@pytest.mark.parametrize("command", ["check"])
def test_a_label_is_harmless(command, tmp_path):
    from PIL import Image

    for label in ("a\x1b[31m", "b\u202e"):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (8, 8), (i, len(label), 0)).save(
                tmp_path / "pictures" / label / f"{i}.png"
            )
    config = tmp_path / "task.yaml"
    config.write_text(f"name: task\ndata: {{source: {tmp_path / 'pictures'}}}\n")
    result = CliRunner().invoke(main, [command, str(config)])
    assert result.exit_code == 0, result.output
    assert "a\\x1b[31m 10" in result.output and "b\\u202e 10" in result.output


def test_times_are_spelt_in_two_units():
    assert [spelt(s) for s in (0, 0.44, 59.94, 59.96, 65, 3599.7, 7800)] == [
        *("0.0 s", "0.4 s", "59.9 s", "1 min 00 s", "1 min 05 s", "1 h 00 min", "2 h 10 min")
    ]
    assert [spelt(s, digits=0) for s in (0.4, 59.4, 59.6)] == ["0 s", "59 s", "1 min 00 s"]
