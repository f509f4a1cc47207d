"""The files in the directory of a run.

config.yaml       the resolved configuration
run.log           the messages of the program
metrics.jsonl     one line an epoch
pretrain.pt       the state of each stage of training; the last one holds the trained model
train.pt
assignments.npz   labels, responsibilities, embedding, in the dataset's order
data.npz          what the model must know of its data: shape, likelihood, preprocessing
digests.json      digests of the files above and of the result
result.json       the result; a run that has one is finished
status.json       why the run failed, if it did
report.html       the run in pictures
generation.json   how real the samples are that the model generates
"""

CONFIG, LOG, METRICS, RESULT = "config.yaml", "run.log", "metrics.jsonl", "result.json"
ASSIGNMENTS, DATA, STATUS, REPORT = "assignments.npz", "data.npz", "status.json", "report.html"
GENERATION, DIGESTS = "generation.json", "digests.json"
STAGES = ("pretrain", "init", "train")
# What a finished run has beside its result, and what all of it can be made of anew.
OUTPUTS, WEIGHTS = (METRICS, ASSIGNMENTS, DATA), ("pretrain.pt", "train.pt")
# The configuration goes last: while a directory holds anything of a run, it says of which.
FILES = (
    *(RESULT, DIGESTS, REPORT, GENERATION, ASSIGNMENTS, DATA, "train.pt", "pretrain.pt"),
    *(METRICS, LOG, STATUS, CONFIG),
)
LOCK = ".lock"
