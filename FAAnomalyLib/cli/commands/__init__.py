"""The commands of the shell.

Each module has ``add_arguments(parser)`` and ``run(args) -> int``. It is imported when its command is chosen, and
imports what it needs in ``run``: ``--help`` and ``doctor`` work where no other package is installed.
"""

COMMANDS = {
    "detect": ("FAAnomalyLib.cli.commands.detect", "find where a brain's FA deviates from a healthy one"),
    "inpaint": ("FAAnomalyLib.cli.commands.inpaint", "fill one region with healthy tissue"),
    "preprocess": ("FAAnomalyLib.cli.commands.preprocess", "prepare published data sets (HCP, IXI, BraTS21, MSLUB)"),
    "train": ("FAAnomalyLib.cli.commands.train", "train a model on healthy FA maps"),
    "template": ("FAAnomalyLib.cli.commands.template", "make an FA template from healthy FA maps"),
    "calibrate": ("FAAnomalyLib.cli.commands.calibrate", "measure how healthy people deviate, for a model's z"),
    "evaluate": ("FAAnomalyLib.cli.commands.evaluate", "measure how well planted anomalies are found"),
    "figures": ("FAAnomalyLib.cli.commands.figures", "draw the thesis' figures from the results of its experiments"),
    "atlas": (
        "FAAnomalyLib.cli.commands.atlas",
        "make a tract atlas, or measure what healthy people show in its tracts",
    ),
    "sample": ("FAAnomalyLib.cli.commands.sample", "draw a synthetic FA brain from a model"),
    "models": ("FAAnomalyLib.cli.commands.models", "list, verify or delete the models on this machine"),
    "doctor": ("FAAnomalyLib.cli.commands.doctor", "say what is installed and whether it can run here"),
    "worker": ("FAAnomalyLib.cli.commands.worker", "serve requests as JSON lines on standard input and output"),
}
"""Name -> module, and one line of help."""
