"""What a laboratory would script instead of FAAnomaly: antspyx (SyN) to a template, then a z-map; see ``speed.py``.

    python Testing/Benchmarks/lab_script.py FA.nii.gz TEMPLATE_FA.nii.gz Z.nii.gz [--metric mattes|CC]

The map is registered to the template (affine, then SyN with antspyx' settings), warped to it, compared with it in its
brain over a Gaussian of 3 mm, divided by the robust standard deviation of that difference, and brought back to the map.
Needs ``pip install antspyx``, which is no dependency.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

SMOOTHING_MM = 3.0
MAD_TO_SD = 1.4826


def main() -> int:
    """Write the z-map."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fa", type=Path)
    parser.add_argument("template", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--metric", choices=("mattes", "CC"), default="mattes", help="default %(default)s, its own")
    args = parser.parse_args()
    import ants

    moving, fixed = (ants.image_read(str(path)) for path in (args.fa, args.template))
    found = ants.registration(
        fixed, moving, type_of_transform="SyN", syn_metric=args.metric, syn_sampling=2 if args.metric == "CC" else 32
    )
    inside = fixed.numpy() > 0
    difference = np.where(inside, found["warpedmovout"].numpy() - fixed.numpy(), 0.0)
    smooth = ants.smooth_image(fixed.new_image_like(difference), SMOOTHING_MM).numpy()
    values = smooth[inside]
    location = np.median(values)
    scale = MAD_TO_SD * np.median(np.abs(values - location))
    z = fixed.new_image_like(np.where(inside, (smooth - location) / scale, 0.0))
    back = ants.apply_transforms(moving, z, found["invtransforms"], whichtoinvert=[True, False])
    ants.image_write(back, str(args.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
