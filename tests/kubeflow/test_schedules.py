"""Schedules by command: one a name, whatever was there before and whatever goes wrong between."""

import json
import uuid

import pytest

NIGHTLY, HOURLY = "0 0 3 * * *", "0 0 * * * *"


def crons(api, status="ENABLED"):
    """Of the schedules that the cluster has in that state."""
    return [
        run["trigger"]["cron_schedule"]["cron"]
        for run in api.recurring_runs
        if run["status"] == status
    ]


def test_create_says_it_in_words_and_when_it_runs_next(graft, config):
    code, printed = graft("schedule", "create", config)
    assert code == 0, printed
    assert printed.startswith("digits: created, runs\n")
    assert f"{NIGHTLY} (UTC): At 03:00" in printed
    assert printed.count(" 03:00:00Z") == 3


def test_create_takes_what_the_configuration_says(api, graft, config):
    settings = "schedule.max_concurrency=2", "schedule.no_catchup=false", "service_account=trainer"
    overrides = [word for setting in settings for word in ("--set", f"kubeflow.{setting}")]
    assert graft("schedule", "create", config, *overrides)[0] == 0
    (run,) = api.recurring_runs
    assert run["max_concurrency"] == "2" and "no_catchup" not in run
    assert run["service_account"] == "trainer"


def test_by_default_one_run_at_a_time_and_none_made_up_for(api, graft, config):
    graft("schedule", "create", config)
    (run,) = api.recurring_runs
    assert run["max_concurrency"] == "1" and run["no_catchup"] is True


def test_a_schedule_is_tied_to_the_version_and_its_parameters(api, graft, config):
    graft("schedule", "create", config, "--param", "max_epochs=3")
    (run,), (version,) = api.recurring_runs, api.versions
    assert run["pipeline_version_reference"] == {
        "pipeline_id": api.pipelines[0]["pipeline_id"],
        "pipeline_version_id": version["pipeline_version_id"],
    }
    assert run["runtime_config"]["parameters"]["max_epochs"] == "3"


def test_the_same_create_twice_leaves_one_schedule_and_one_version(api, graft, config):
    graft("schedule", "create", config)
    before = list(api.recurring_runs)
    code, printed = graft("schedule", "create", config)
    assert code == 0 and printed.startswith("digits: unchanged, runs\n")
    assert api.recurring_runs == before
    assert len(api.pipelines) == len(api.versions) == len(api.experiments) == 1


@pytest.mark.parametrize(
    "change",
    [
        ("--cron", HOURLY),
        ("--param", "max_epochs=5"),
        ("--set", "kubeflow.schedule.max_concurrency=3"),
        ("--set", "kubeflow.service_account=trainer"),
        ("--set", "kubeflow.image=graft:2"),
    ],
)
def test_a_changed_create_replaces_the_schedule(api, graft, config, change):
    graft("schedule", "create", config)
    (before,) = api.recurring_runs
    code, printed = graft("schedule", "create", config, *change)
    assert code == 0 and printed.startswith("digits: replaced, runs\n")
    (after,) = api.recurring_runs
    assert after["recurring_run_id"] != before["recurring_run_id"]
    assert graft("schedule", "create", config, *change)[1].startswith("digits: unchanged")


def test_the_new_schedule_comes_before_the_earlier_goes(api, graft, config):
    graft("schedule", "create", config)
    api.calls.clear()
    graft("schedule", "create", config, "--cron", HOURLY)
    changes = [call for call in api.calls if "recurringruns" in call and "GET" not in call]
    assert changes == ["POST recurringruns", "DELETE recurringruns/ID"]


@pytest.mark.parametrize("how", [403, 500, "drop"])
def test_where_the_new_one_cannot_be_made_the_earlier_stays(api, graft, config, how):
    graft("schedule", "create", config)
    api.fail("POST recurringruns", how)
    code, printed = graft("schedule", "create", config, "--cron", HOURLY)
    assert code == 2 and printed.startswith("error: ")
    assert crons(api) == [NIGHTLY]


def test_where_the_earlier_one_cannot_go_the_same_command_ends_it(api, graft, config):
    graft("schedule", "create", config)
    api.fail("DELETE recurringruns/ID", 500)
    code, printed = graft("schedule", "create", config, "--cron", HOURLY)
    assert code == 2
    assert "'digits': the new one stands, and the earlier one is still beside it" in printed
    assert "give the same command again" in printed
    assert crons(api) == [NIGHTLY, HOURLY]
    code, printed = graft("schedule", "create", config, "--cron", HOURLY)
    assert code == 0 and printed.startswith("digits: unchanged")
    assert crons(api) == [HOURLY]


def test_a_creation_whose_answer_was_lost_is_found_again(api, graft, config):
    api.fail("POST recurringruns", "lost")
    assert graft("schedule", "create", config)[0] == 2
    assert graft("schedule", "create", config)[1].startswith("digits: unchanged")
    assert crons(api) == [NIGHTLY]


def test_an_earlier_one_that_is_gone_already_is_no_error(api, graft, config):
    graft("schedule", "create", config)
    api.fail("DELETE recurringruns/ID", 404)
    assert graft("schedule", "create", config, "--cron", HOURLY)[0] == 0


def test_a_paused_schedule_stays_paused_when_it_is_changed(api, graft, config):
    graft("schedule", "create", config)
    graft("schedule", "pause", "digits")
    assert graft("schedule", "create", config)[1].startswith("digits: unchanged, paused")
    printed = graft("schedule", "create", config, "--cron", HOURLY)[1]
    assert printed.startswith("digits: replaced, paused")
    assert "graft schedule resume digits" in printed
    assert crons(api, "DISABLED") == [HOURLY] and crons(api) == []


def test_five_fields_are_refused_with_the_corrected_line(api, graft, config):
    for words in (("--cron", "0 3 * * *"), ("--set", "kubeflow.schedule.cron=0 3 * * *")):
        code, printed = graft("schedule", "create", config, *words)
        assert code == 2 and "write '0 0 3 * * *'" in printed
    assert api.calls == []


def test_without_a_cron_it_says_where_one_is_set(graft, config):
    code, printed = graft("schedule", "create", config, "--set", "kubeflow.schedule.cron=null")
    assert code == 2 and "kubeflow.schedule.cron: is not set" in printed and "--cron" in printed


def test_names_are_told_apart_beyond_the_first_page_and_by_case(api, graft, config):
    api.page_limit = 2
    names = [f"nightly-{i}" for i in range(5)] + ["Nightly-4"]
    for name in names:
        assert graft("schedule", "create", config, "--name", name)[0] == 0
    assert graft("schedule", "create", config, "--name", "nightly-4")[1].startswith(
        "nightly-4: unchanged"
    )
    listed = json.loads(graft("schedule", "list", "--json")[1])
    assert [each["name"] for each in listed] == names
    graft("schedule", "delete", "nightly-4")
    assert [run["display_name"] for run in api.recurring_runs] == [
        name for name in names if name != "nightly-4"
    ]


def test_a_name_is_looked_for_by_the_server(api, graft, config):
    api.page_limit = 1
    for name in ("first", "second", "third"):
        graft("schedule", "create", config, "--name", name)
    api.calls.clear()
    assert graft("schedule", "show", "third")[0] == 0
    assert api.called("GET recurringruns") == 1


def test_what_is_left_of_several_runs_where_one_of_them_ran(api, graft, config):
    graft("schedule", "create", config)
    (first,) = api.recurring_runs
    by_hand = {"recurring_run_id": str(uuid.uuid4()), "description": "by hand"}
    api.recurring_runs.append({**first, **by_hand})
    first.update(status="DISABLED", mode="DISABLE")
    assert graft("schedule", "create", config)[1].startswith("digits: unchanged, runs")
    assert crons(api) == [NIGHTLY] and api.recurring_runs == [first]


def test_leftovers_beyond_a_page_are_all_removed(api, graft, config):
    api.page_limit = 2
    graft("schedule", "create", config)
    (first,) = api.recurring_runs
    for _ in range(4):
        by_hand = {"recurring_run_id": str(uuid.uuid4()), "description": "by hand"}
        api.recurring_runs.append({**first, **by_hand})
    code, printed = graft("schedule", "resume", "digits")
    assert code == 2 and "there are 5 of that name" in printed
    graft("schedule", "create", config)
    assert api.recurring_runs == [first]


def test_users_see_the_schedules_of_their_namespace_alone(api, graft, config):
    api.multi_user = True
    for namespace in ("apples", "pears"):
        assert graft("schedule", "create", config, "--namespace", namespace)[0] == 0
    assert len(json.loads(graft("schedule", "list", "--namespace", "pears", "--json")[1])) == 1
    graft("schedule", "delete", "digits", "--namespace", "pears")
    assert [run["namespace"] for run in api.recurring_runs] == ["apples"]


def test_pause_resume_and_delete_do_what_they_say(api, graft, config):
    graft("schedule", "create", config)
    assert "paused" in graft("schedule", "pause", "digits")[1]
    assert crons(api, "DISABLED") == [NIGHTLY]
    assert graft("schedule", "resume", "digits")[1].startswith("digits: runs\n")
    assert crons(api) == [NIGHTLY]
    assert "deleted" in graft("schedule", "delete", "digits")[1]
    assert api.recurring_runs == []


@pytest.mark.parametrize("command", ["show", "pause", "resume", "delete"])
def test_a_name_that_is_not_there_is_said_with_the_nearest(graft, config, command):
    assert "there are none" in graft("schedule", command, "digits")[1]
    graft("schedule", "create", config)
    code, printed = graft("schedule", command, "digit")
    assert code == 2 and "has none of that name; did you mean 'digits'?" in printed


def test_show_and_list_and_create_give_json(graft, config):
    made = json.loads(graft("schedule", "create", config, "--json")[1])
    assert made.pop("outcome") == "created"
    assert made["cron"] == NIGHTLY and made["in_words"].startswith("At 03:00")
    assert len(made["next"]) == 3 and made["next"][0].endswith("T03:00:00Z")
    assert made["max_concurrency"] == 1 and made["no_catchup"] is True and made["enabled"] is True
    assert json.loads(graft("schedule", "show", "digits", "--json")[1]) == made
    assert json.loads(graft("schedule", "list", "--json")[1]) == [made]


def test_schedules_of_other_programs_are_listed_too(api, graft, config):
    graft("schedule", "create", config)
    run = api.recurring_runs[0]
    run["trigger"] = {"periodic_schedule": {"interval_second": "3600"}}
    assert "every 3600 s" in graft("schedule", "list")[1]
    run["trigger"] = {"cron_schedule": {"cron": "0 3 * * *"}}
    assert "not six fields" in graft("schedule", "show", "digits")[1]
    for name in ("trigger", "description", "runtime_config", "pipeline_version_reference"):
        run.pop(name)
    assert graft("schedule", "list")[0] == 0
    assert graft("schedule", "create", config)[1].startswith("digits: replaced")


def test_an_empty_list_says_how_to_begin(graft):
    assert "`graft schedule create`" in graft("schedule", "list")[1]
    assert json.loads(graft("schedule", "list", "--json")[1]) == []
