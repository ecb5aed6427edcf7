"""What each event does to a service in each state: the moves that the machine's table names. Pure.

A move takes the situation, the event and the context and returns the new situation with what has to be
done. It need not care for recording, for arming and cancelling timers or for starting and stopping
probes: ``machine.step`` derives all of that from the difference between the two situations.
"""
