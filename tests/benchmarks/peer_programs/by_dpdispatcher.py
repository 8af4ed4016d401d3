"""Jobs that do nothing, by dpdispatcher, until all have ended. Runs in its environment; argument: peer.json."""

import json
import os
import sys

from dpdispatcher import Machine, Resources, Submission, Task

with open(sys.argv[1]) as file:
    given = json.load(file)
root = os.path.join(given["folder"], "dpdispatcher")
os.chdir(root)
machine = Machine.load_from_dict(
    {
        "batch_type": "Shell",
        "context_type": "SSHContext",
        "local_root": root,
        "remote_root": given["home"] + "/dpdispatcher",
        "remote_profile": {
            "hostname": given["address"],
            "username": given["user"],
            "port": 22,
            "key_filename": given["key"],
            "look_for_keys": False,
        },
    }
)
resources = Resources(number_node=1, cpu_per_node=1, gpu_per_node=0, queue_name="", group_size=1)
tasks = []
for number in range(given["count"]):
    os.makedirs(f"t{number}")
    tasks.append(Task(command="true", task_work_path=f"t{number}/", forward_files=[], backward_files=[]))
Submission(work_base="./", machine=machine, resources=resources, task_list=tasks).run_submission(check_interval=1)
