"""Seven small servers to supervise: MediVote (six) and AmarVote's ballot microservice.

They are real processes with real ports, logs and work of their own, and they talk to each other.
Nothing here imports Django or anything else of medimgr, so a process starts in a tenth of a second
and stays small. ``services.toml`` beside this file declares them.
"""
