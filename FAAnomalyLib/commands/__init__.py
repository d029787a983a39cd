"""The commands of the shell: name -> module and one line of help.

Each module has ``add_arguments(parser)`` and ``run(args) -> int``. It is imported only when its
command is chosen, so that ``doctor`` works where nothing else is installed.
"""

COMMANDS = {
    "detect": ("FAAnomalyLib.commands.detect", "find where a brain's FA deviates from a healthy one"),
    "inpaint": ("FAAnomalyLib.commands.inpaint", "fill one region with healthy tissue"),
    "train": ("FAAnomalyLib.training.train", "train a model on healthy FA maps"),
    "template": ("FAAnomalyLib.training.template", "make an FA template from healthy FA maps"),
    "calibrate": ("FAAnomalyLib.training.calibrate", "measure how healthy people deviate, for a model's z"),
    "evaluate": ("FAAnomalyLib.commands.evaluate", "measure how well planted anomalies are found"),
    "sample": ("FAAnomalyLib.commands.sample", "draw a synthetic FA brain from a model"),
    "models": ("FAAnomalyLib.commands.models", "list, verify or delete the models on this machine"),
    "doctor": ("FAAnomalyLib.doctor", "say what is installed and whether it can run here"),
    "worker": ("FAAnomalyLib.worker", "serve requests as JSON lines on standard input and output"),
}
