"""The tracts of a brain as a section of the report: what lies beyond the threshold, a chart of all, profiles."""

from __future__ import annotations

import html

from ..tracts import TractScore

SIDE_COLOURS = {"left": "#7fd0a8", "right": "#d9a7ff", "both": "#c9ced6", "unknown": "#c9ced6"}
MAX_PROFILES = 6
"""Tracts whose profile is drawn: those beyond the threshold, else the most extreme ones."""
BAR, GAP, HALF_HEIGHT, MARGIN = 9, 3, 110, 34
Z_LIMIT = 6.0
"""Bars end here."""
PROFILE_WIDTH, PROFILE_HEIGHT = 330, 150
HEALTHY_SD = 1.96
"""Width of the healthy band, in standard errors: 95 % of healthy people lie within at one place."""


def tract_section(scores: list[TractScore], threshold: dict[str, float] | None, people: int) -> list[str]:
    """HTML of the section; empty where no tract was judged.

    Parameters
    ----------
    scores
        Of every tract.
    threshold
        z for ``increased`` and ``decreased``; None where the atlas has no norms, and only shares are shown.
    people
        Number of healthy people behind the norms.
    """
    judged = sorted((score for score in scores if score.z is not None), key=lambda score: score.z or 0.0)
    if not judged or threshold is None:
        return []
    beyond = [score for score in judged if score.verdict in ("increased", "decreased")]
    shown = sorted(beyond or judged, key=lambda score: -abs(score.z or 0.0))
    unseen = len(scores) - len(judged)
    parts = [
        "<h2>Tracts</h2>",
        f"<p>{_summary(beyond, len(judged), threshold, people)}"
        f"{f' {unseen} tracts are not judged: too little of them is seen.' if unseen else ''}</p>",
        _chart(judged, threshold),
        _table(shown[: max(len(beyond), 5)]),
        "<div class='profiles'>" + "".join(_profile(score) for score in shown[:MAX_PROFILES]) + "</div>",
        "<p class='dim'>A tract's mean is weighted by its streamlines; FA is at the resolution of 4.5 mm at which "
        "brains are compared. The band holds 95 % of healthy people at one place. Places 0 and 19 are the ends of the "
        "tract. All tracts: tracts.csv, tract_profiles.csv. Atlas: HCP1065 (Yeh 2022), CC BY-SA 4.0.</p>",
    ]
    return parts


def _summary(beyond: list[TractScore], judged: int, threshold: dict[str, float], people: int) -> str:
    limits = f"z +{threshold['increased']:.2f} or -{threshold['decreased']:.2f}, {people} healthy people"
    if not beyond:
        return f"None of {judged} tracts departs from healthy people as a whole ({limits})."
    names = ", ".join(f"{score.tract} ({score.verdict}, z {score.z:+.1f})" for score in beyond)
    verb = "departs" if len(beyond) == 1 else "depart"
    return f"{len(beyond)} of {judged} tracts {verb} from healthy people as a whole ({limits}): {html.escape(names)}."


def _chart(judged: list[TractScore], threshold: dict[str, float]) -> str:
    """Bars of z in increasing order, coloured by side; a title names each under the mouse."""
    width = 2 * MARGIN + len(judged) * (BAR + GAP)
    height = 2 * (HALF_HEIGHT + 16)
    middle = height / 2

    def y(z: float) -> float:
        return middle - max(-Z_LIMIT, min(z, Z_LIMIT)) / Z_LIMIT * HALF_HEIGHT

    up, down = y(threshold["increased"]), y(-threshold["decreased"])
    parts = [
        f"<rect x='{MARGIN}' y='{up:.1f}' width='{width - 2 * MARGIN}' height='{down - up:.1f}' fill='#23303a'/>",
        f"<line x1='{MARGIN}' x2='{width - MARGIN}' y1='{middle}' y2='{middle}' stroke='#6b7684'/>",
    ]
    for tick in (-6, -3, 3, 6):
        parts.append(f"<text x='{MARGIN - 6}' y='{y(tick) + 4:.1f}' text-anchor='end'>{tick:+d}</text>")
    for number, score in enumerate(judged):
        z, x = score.z or 0.0, MARGIN + number * (BAR + GAP)
        top, bottom = min(y(z), middle), max(y(z), middle)
        edge = "" if score.verdict == "typical" else " stroke='#ffffff' stroke-width='1.5'"
        told = f"{score.tract}: z {z:+.1f}, FA {score.mean_fa:.3f}, expected {score.expected_fa:.3f}"
        parts.append(
            f"<g><title>{html.escape(told)}</title><rect x='{x}' y='0' width='{BAR}' height='{height}' fill='none' "
            f"pointer-events='all'/><rect x='{x}' y='{top:.1f}' width='{BAR}' height='{max(bottom - top, 1):.1f}' "
            f"fill='{SIDE_COLOURS[score.side]}'{edge}/></g>"
        )
    sides = [side for side in SIDE_COLOURS if any(score.side == side for score in judged)]
    legend = " ".join(f"<span style='color:{SIDE_COLOURS[side]}'>&#9632;</span> {_side_word(side)}" for side in sides)
    return (
        f"<figure><svg viewBox='0 0 {width} {height}' font-size='11' fill='#9aa4b2' role='img' "
        f"aria-label='z of every tract'>{''.join(parts)}</svg><figcaption>z of each tract's mean FA, sorted: {legend}. "
        f"Grey area: the healthy range. Point at a bar for the tract's name.</figcaption></figure>"
    )


def _side_word(side: str) -> str:
    return {"both": "both sides", "unknown": "side unknown"}.get(side, side)


def _table(scores: list[TractScore]) -> str:
    head = ("Tract", "FA", "Expected", "Difference", "z", "In regions", "Left - right z", "Seen")
    rows = []
    for score in scores:
        cells = (
            score.tract,
            f"{score.mean_fa:.3f}",
            f"{score.expected_fa:.3f} ± {score.expected_se:.3f}",
            f"{score.difference:+.3f}",
            f"{score.z:+.1f}",
            f"{score.share_increased + score.share_decreased:.0%}",
            "" if score.asymmetry_z is None else f"{score.asymmetry_z:+.1f}",
            f"{score.coverage:.0%}",
        )
        rows.append(
            f"<tr class='{score.verdict}'>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
        )
    return (
        "<div class='scroll'><table class='tracts'>\n<tr>"
        + "".join(f"<th>{cell}</th>" for cell in head)
        + "</tr>\n"
        + "\n".join(rows)
        + "\n</table></div>"
    )


def _profile(score: TractScore) -> str:
    """FA along one tract, and the healthy band."""
    fa, expected, error = score.profile
    known = [place for place in range(len(fa)) if fa[place] is not None and error[place] is not None]
    if len(known) < 2:
        return ""
    low = {place: (expected[place] or 0.0) - HEALTHY_SD * (error[place] or 0.0) for place in known}
    high = {place: (expected[place] or 0.0) + HEALTHY_SD * (error[place] or 0.0) for place in known}
    top = max(0.8, *high.values(), *(fa[place] or 0.0 for place in known))

    def at(place: int, value: float) -> str:
        x = MARGIN + place / (len(fa) - 1) * (PROFILE_WIDTH - MARGIN - 8)
        return f"{x:.1f},{PROFILE_HEIGHT - 20 - max(value, 0.0) / top * (PROFILE_HEIGHT - 46):.1f}"

    band = [at(place, high[place]) for place in known] + [at(place, low[place]) for place in reversed(known)]
    line = " ".join(at(place, fa[place] or 0.0) for place in known)
    axis = "".join(
        f"<text x='{MARGIN - 6}' y='{at(0, value).split(',')[1]}' text-anchor='end'>{value:g}</text>"
        for value in (0.0, 0.4, 0.8)
    )
    return (
        f"<svg viewBox='0 0 {PROFILE_WIDTH} {PROFILE_HEIGHT}' width='{PROFILE_WIDTH}' font-size='11' fill='#9aa4b2' "
        f"role='img' aria-label='FA along the {html.escape(score.tract)}'>"
        f"<text x='{MARGIN}' y='13' fill='#e6e9ee'>{html.escape(score.tract)}, z {score.z:+.1f}</text>{axis}"
        f"<polygon points='{' '.join(band)}' fill='#2f4656'/>"
        f"<polyline points='{line}' fill='none' stroke='{SIDE_COLOURS[score.side]}' stroke-width='2'/></svg>"
    )
