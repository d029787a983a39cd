"""The commands of the shell: name -> module and one line of help.

Each module has ``add_arguments(parser)`` and ``run(args) -> int``. It is imported only when its
command is chosen, so that ``doctor`` works where nothing else is installed.
"""

COMMANDS = {
    "detect": ("FAAnomalyLib.cli.commands.detect", "find where a brain's FA deviates from a healthy one"),
    "inpaint": ("FAAnomalyLib.cli.commands.inpaint", "fill one region with healthy tissue"),
    "train": ("FAAnomalyLib.training.trainer", "train a model on healthy FA maps"),
    "template": ("FAAnomalyLib.training.template_building", "make an FA template from healthy FA maps"),
    "calibrate": ("FAAnomalyLib.training.calibration_fit", "measure how healthy people deviate, for a model's z"),
    "evaluate": ("FAAnomalyLib.cli.commands.evaluate", "measure how well planted anomalies are found"),
    "sample": ("FAAnomalyLib.cli.commands.sample", "draw a synthetic FA brain from a model"),
    "models": ("FAAnomalyLib.cli.commands.models", "list, verify or delete the models on this machine"),
    "doctor": ("FAAnomalyLib.cli.commands.doctor", "say what is installed and whether it can run here"),
    "worker": ("FAAnomalyLib.worker.server", "serve requests as JSON lines on standard input and output"),
}
