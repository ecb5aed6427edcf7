"""What is done to emulators: a file for each kind of operation, with the handler ``carry_out``.

Only the operations worker imports these files, when it first carries one out: they speak WinRM.
"""
