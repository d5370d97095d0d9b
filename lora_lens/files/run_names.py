"""What is called how in the folder of a training run or of a search."""

RECORD = "run.json"
SEARCH = "search.json"
TENSORBOARD = "tensorboard"  # folder of its logs
CHECKPOINTS = "checkpoints"
UNFINISHED = "unfinished.json"  # beside them until the run has ended: how it was begun
