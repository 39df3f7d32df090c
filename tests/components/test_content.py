import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components import content
from components.content import MODEL_FACTS, code_version, content_hash


@pytest.fixture
def folder(tmp_path):
    for name, text in {"saved_model.pb": "graph", "variables/data": "weights"}.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_text(text)
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/data"])
def test_the_content_is_every_files_name_and_bytes(folder, name):
    before = content_hash(folder)
    (folder / name).write_text("other")
    assert content_hash(folder) != before


def test_hidden_files_and_the_fingerprint_do_not_count(folder):
    before = content_hash(folder)
    for name in (".lock", "fingerprint.pb"):
        (folder / name).write_text("by the minute")
    assert content_hash(folder) == before


def test_a_model_that_says_what_its_graph_is_made_of_is_that_and_its_weights(folder):
    (folder / MODEL_FACTS).parent.mkdir()
    (folder / MODEL_FACTS).write_text('{"labels": ["a", "b"]}')
    before = content_hash(folder)
    (folder / "saved_model.pb").write_text("the same graph, its functions numbered otherwise")
    assert content_hash(folder) == before
    (folder / MODEL_FACTS).write_text('{"labels": ["b", "a"]}')
    assert content_hash(folder) != before
    (folder / MODEL_FACTS).write_text('{"labels": ["a", "b"]}')
    (folder / "variables/data").write_text("other weights")
    assert content_hash(folder) != before


def test_the_version_of_code_changes_with_its_own_and_the_shared_sources(tmp_path):
    for name in ("mine/component.py", "mine/work.py", "shared/part.py", "foreign/part.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    component = str(tmp_path / "mine" / "component.py")
    before = code_version(component, "shared")
    (tmp_path / "foreign/part.py").write_text("2")
    assert code_version(component, "shared") == before
    for name in ("mine/work.py", "shared/part.py"):
        (tmp_path / name).write_text("2")
        after = code_version(component, "shared")
        assert after != before
        before = after


def test_the_commit_is_that_of_the_code_itself_and_says_whether_it_was_changed(tmp_path):
    root = tmp_path / "checkout"
    (root / "components").mkdir(parents=True)
    source = Path(content.__file__)
    for name in ("__init__.py", "content.py", "files.py"):
        shutil.copy(source.with_name(name), root / "components")

    def git(*words, of=root):
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        command = ["git", *identity, "-C", str(of), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def said():
        code = "from components.content import git_commit; print(git_commit())"
        return subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True).strip()

    git("init", "-q", of=tmp_path)  # a checkout of something else
    git("commit", "-qm", "other", "--allow-empty", of=tmp_path)
    assert said() == ""
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "all")
    git("tag", "v1")
    commit = git("rev-parse", "HEAD")
    (root / "notes.txt").write_text("git does not know it")
    assert said() == commit
    (root / "components" / "files.py").open("a").write("# changed\n")
    assert said() == f"{commit}+changes"
