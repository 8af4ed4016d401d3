"""What runs on the job host for one ssh call: Python 3.6 and newer, standard library only, nothing else of ours."""
