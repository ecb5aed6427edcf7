"""What ``manage.py workstations`` is made of."""
