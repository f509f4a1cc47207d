"""The files in the directory of a run.

config.yaml       the resolved configuration
run.log           log messages
metrics.jsonl     one line per epoch
pretrain.pt       a checkpoint for each stage of training; the last one has the trained model
train.pt
assignments.npz   labels, responsibilities, embedding, in the dataset's order
data.npz          facts about the data that the model needs: shape, likelihood, preprocessing
digests.json      digests of the checkpoints, the outputs and the result
result.json       the result; it exists only if the run is finished
status.json       reason for the failure of a run
report.html       report with figures and images
generation.json   how realistic generated samples are
clusters.json     how the data chose the number of clusters, if they did
tracking.json     what a tracker has of the run, with tracking=mlflow and so on
"""

CONFIG, LOG, METRICS, RESULT = "config.yaml", "run.log", "metrics.jsonl", "result.json"
ASSIGNMENTS, DATA, STATUS, REPORT = "assignments.npz", "data.npz", "status.json", "report.html"
GENERATION, DIGESTS, CHOICE = "generation.json", "digests.json", "clusters.json"
TRACKING = "tracking.json"
STAGES = ("pretrain", "init", "train")
TRAINED = ("pretrain", "train")  # those of gradient steps
# Outputs of a finished run besides its result, and weights from which they can be recomputed.
OUTPUTS, WEIGHTS = (METRICS, ASSIGNMENTS, DATA), ("pretrain.pt", "train.pt")
# In the order of removal. The configuration is last, since it identifies the other files' run.
FILES = (
    *(RESULT, DIGESTS, REPORT, GENERATION, ASSIGNMENTS, DATA, "train.pt", "pretrain.pt"),
    *(CHOICE, TRACKING, METRICS, LOG, STATUS, CONFIG),
)
LOCK = ".lock"
