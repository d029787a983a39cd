"""How a typed program uses the package. The type checker reads this file; nothing runs it.

An ignored error that is no error is reported (``warn_unused_ignores``): so the last lines hold that a wrong keyword and
a wrong type are refused.
"""

import FAAnomalyLib as fa

result = fa.detect("fa.nii.gz", threshold=4.0, mask_size=8)
regions: list[fa.Region] = result.regions
volume: fa.Volume = result.z_map

fa.detect(volume, samplr="ddim")  # type: ignore[call-arg]  # no such option
fa.inpaint(volume, seed="one")  # type: ignore[arg-type]  # a whole number
