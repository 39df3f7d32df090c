"""What a task says before it works, without a cluster."""

import pytest

from pipeline.kubeflow.task import run_report, run_task

CONFIG = """
name: shades
data: {source: /mnt/graft/pictures}
kubeflow:
  volume: {mount_path: "%s"}
  metadata: {uri: "mysql://127.0.0.1:1/graft"}
"""


def values(folder, **changes):
    return {"node_id": "Trainer", "graph": "", "run_id": "1", "config": CONFIG % folder} | changes


def test_a_run_id_that_nobody_filled_in_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="must be 2.5 or newer"):
        run_task(values(tmp_path, run_id="{{$.pipeline_job_uuid}}"))


def test_a_wrong_configuration_is_a_sentence(tmp_path):
    with pytest.raises(SystemExit, match="error: the parameter config: colour: there is no such"):
        run_task(values(tmp_path, config="name: a\ndata: {source: /x}\ncolour: red\n"))


def test_a_volume_that_is_not_mounted_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="see that the volume graft is mounted at"):
        run_report(values(tmp_path / "file"))


def test_a_store_without_a_login_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv("GRAFT_METADATA_USER", raising=False)
    with pytest.raises(SystemExit, match="GRAFT_METADATA_USER is not set"):
        run_report(values(tmp_path))
