"""Jobs that do nothing, by remotemanager, until all results are here. Runs in its environment; argument: peer.json."""

import json
import os
import sys

from remotemanager import URL, Dataset


def nothing(number):
    return number


with open(sys.argv[1]) as file:
    given = json.load(file)
os.chdir(os.path.join(given["folder"], "remotemanager"))
url = URL(host=given["host"], python="python3")
dataset = Dataset(nothing, url=url, remote_dir="remotemanager", local_dir="staging", skip=False)
with dataset.lazy_append() as lazy:
    for number in range(given["count"]):
        lazy.append_run({"number": number})
dataset.run()
dataset.wait(1, 300)
dataset.fetch_results()
assert sorted(dataset.results) == list(range(given["count"])), dataset.results
