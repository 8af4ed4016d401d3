"""What starts jobs: one small file for each job runner."""
