"""What ``manage.py services`` does, a subcommand to a room."""
