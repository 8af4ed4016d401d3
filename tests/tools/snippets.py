"""Which test runs which snippet of the pages: page, heading -> for each snippet there a test, or why there is none."""

from __future__ import annotations

ANSIBLE = "tests/ansible/test_ansible_{}.py::{}"
TUTORIAL = "tests/test_tutorial.py::test_what_the_tutorial_shows_is_what_comes"
API = "tests/end_to_end/test_python_api.py::test_the_examples_of_its_page_do_what_they_say"
NEWCOMER = "tests/test_readme.py::test_a_newcomer_gets_from_the_readme_to_results"
FIRST = "tests/end_to_end/test_screens.py::test_run"
INVENTORY = ANSIBLE.format("plugin", "test_what_the_page_shows_of_inventories_is_typed")
SET_UP = ANSIBLE.format("setup", "test_a_bare_host_becomes_a_gated_job_host")
IN_ORDER = "tests/test_examples.py::test_each_run_yaml_is_in_order"
MOVED = "tests/test_moving.py::test_the_example_that_was_moved_runs"
BUILD = "tests/tools/test_install_step.py::test_a_build_on_two_targets_and_one_that_fails"
WAYS = "tests/tools/test_ways_to_hosts.py::{}"
JUMP = WAYS.format("test_a_host_behind_another_is_reached")
CODE = WAYS.format("test_a_host_that_asks_for_a_code_is_used_over_the_connection_of_who_has_answered")
POOL = WAYS.format("test_a_pool_works_while_one_of_its_hosts_answers")
GROUP = WAYS.format("test_a_job_goes_to_the_first_platform_of_a_group_that_answers")
KEPT = WAYS.format("test_a_connection_is_kept_as_the_settings_say_and_left_when_its_folder_is_removed")
CERTIFICATE = "tests/tools/test_trouble_pages.py::test_a_certificate_that_is_over"
CI = "tests/tools/test_ci_page.py::{}"
GATE = "tests/tools/test_gate_page.py::{}"
RUNNER = "tests/tools/test_runner_pages.py::{}"
ENGINES = "tests/tools/test_how_tos.py::{}"
SHARED = "tests/tools/test_without_ssh.py::test_whether_a_filesystem_is_shared_is_found_out_or_said"
CLUSTERS = "tests/conformance/test_pages.py::test_jobs_of_one_run_on_two_clusters_of_one_login_node"
SITE = "tests/conformance/test_rsync_only.py::test_what_the_page_shows_of_such_a_site_comes"
SNAKEMAKE = "tests/tools/test_snakemake.py::{}"
WORKFLOW = SNAKEMAKE.format("test_twenty_rules_of_which_one_fails_run_on_the_host_and_are_told_right")
RULES = SNAKEMAKE.format("test_rules_that_name_the_host_need_no_shared_filesystem")

SNIPPETS = {
    ("README.md", "remote-install"): [FIRST, NEWCOMER],
    ("README.md", "Use it"): [NEWCOMER] * 3,
    ("README.md", "run.yaml"): [IN_ORDER],
    ("CONTRIBUTING.md", "Begin"): ["none: these are what CI runs, and one test is like another"],
    ("CONTRIBUTING.md", "The house"): ["none: a drawing; import-linter holds it"],
    ("ansible.md", "Ansible"): [ANSIBLE.format("plugin", "test_the_collection_is_installed_from_a_checkout")],
    ("ansible.md", "Jobs in a playbook"): [
        ANSIBLE.format("modules", "test_the_playbook_of_the_page_does_what_it_says"),
        "none: shortened; its parts are in tests/ansible/test_ansible_modules.py",
    ],
    ("ansible.md", "Set up job hosts"): [SET_UP] * 2,
    ("ansible.md", "hosts.yaml as an inventory"): [INVENTORY] * 3,
    ("certificates.md", "Short-lived certificates"): [CERTIFICATE],
    ("certificates.md", "When it is over"): [CERTIFICATE] * 3,
    ("check.md", "What keeps jobs from running there?"): [
        "tests/tools/test_trouble_pages.py::test_what_keeps_jobs_from_running_is_told_as_the_page_shows"
    ],
    ("ci.md", "From CI: GitHub Actions, GitLab, others"): [CI.format("test_a_key_and_host_keys_come_from_variables")],
    ("ci.md", "GitHub Actions"): ["none: needs GitHub; the steps of the action are run in test_pipelines.py"],
    ("ci.md", "GitLab"): ["none: needs GitLab; the steps of the component are run in test_pipelines.py"],
    ("ci.md", "Anywhere else"): [CI.format("test_a_key_and_host_keys_come_from_variables")],
    ("ci.md", "When the pipeline is cancelled"): [CI.format("test_a_step_of_ones_own_hands_over_to_the_run")],
    ("ci.md", "Submit in one stage, wait in another"): [
        CI.format("test_a_later_stage_with_another_checkout_finds_the_job")
    ]
    * 2,
    ("connections.md", "What is kept, and where"): [KEPT],
    ("connections.md", "Settings"): [KEPT],
    ("from-hpc-rocket.md", "An example"): ["none: the file of another program", MOVED, MOVED],
    ("from-hpc-rocket.md", "Word by word"): [MOVED],
    ("gate.md", "Put it there"): [GATE.format("test_a_key_is_led_to_the_gate")],
    ("gate.md", "As root"): [
        "tests/end_to_end/test_gate_keys.py::test_only_keys_of_root_let_in",
        GATE.format("test_a_group_is_led_to_the_gate_that_only_root_can_write"),
    ],
    ("index.md", "remote-install"): [FIRST],
    ("inside-a-job.md", "What a job sees"): [RUNNER.format("test_modules_are_loaded_as_the_page_says")],
    ("inside-a-job.md", "Messages"): [RUNNER.format("test_what_a_job_says_is_shown")],
    ("install-step.md", "Install before the jobs run"): [BUILD] * 3,
    ("install-step.md", "Build there"): [BUILD] * 2,
    ("job-runners.md", "Job runners"): [
        RUNNER.format("test_a_runner_of_one_file_needs_what_the_page_says_and_runs_jobs")
    ],
    ("jump-hosts.md", "Jump hosts"): [JUMP] * 2,
    ("jump-hosts.md", "One-time codes and passwords"): [CODE],
    ("jump-hosts.md", "When it does not work"): [JUMP],
    ("other-engines.md", "make"): [ENGINES.format("test_make_runs_its_rules_there")] * 2,
    ("other-engines.md", "cron"): [ENGINES.format("test_a_line_of_a_crontab_is_silent_where_all_is_well")],
    ("other-engines.md", "Other engines"): [ENGINES.format("test_other_engines_submit_ask_and_cancel")],
    ("pools.md", "A pool: hosts of one filesystem"): [POOL] * 2,
    ("pools.md", "A group: platforms to choose from"): [GROUP] * 2,
    ("pools.md", "Names that match"): [WAYS.format("test_a_name_that_matches_is_a_platform")],
    ("python-api.md", "From Python"): [API] * 4,
    ("slurm-clusters.md", "Several Slurm clusters"): [CLUSTERS] * 3,
    ("snakemake.md", "Where the job host shares the filesystem"): [WORKFLOW] * 4,
    ("snakemake.md", "Where it does not"): [RULES] * 4,
    ("tutorial.md", "Install"): ["tests/test_tutorial.py::test_it_is_installed_as_the_readme_says"],
    ("tutorial.md", "A run directory"): [TUTORIAL] * 3,
    ("tutorial.md", "The first job"): [TUTORIAL],
    ("tutorial.md", "A job that fails"): [TUTORIAL],
    ("tutorial.md", "A job that takes its time"): [TUTORIAL] * 3,
    ("tutorial.md", "Jobs in a file"): [TUTORIAL] * 2,
    ("tutorial.md", "A real host"): [TUTORIAL] * 4,
    ("without-ssh.md", "Is the filesystem shared?"): [SHARED] * 2,
    ("without-ssh.md", "Only rsync"): [SITE] * 2,
}
