"""What runs on the job host, looked at here: its pure parts in this process, the program as the client starts it."""
