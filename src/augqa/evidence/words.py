"""Numbers and findings in words, so that page, terminal and table say the same."""

from collections.abc import Sequence
from math import isinf

from augqa.evidence.comparisons import Comparison, Planned
from augqa.evidence.contrast import Estimate
from augqa.evidence.curves import Curve, Price, Worth
from augqa.evidence.leakage import Leakage
from augqa.evidence.ratio import Movement, RatioCurve, RatioFinding
from augqa.evidence.robustness_line import RobustnessLine
from augqa.evidence.scores import SHIFTS, Metric

# What a control is, to stand behind "against".
CONTROLS = {
    "real": "the real examples alone",
    "real_longer": "as many updates on real data",
    "real_more": "as many further real examples",
    "pseudo_label": "generated questions with the round-trip reader's answers",
    "copies": "copies of real examples",
    "unfiltered": "as many pairs that no filter has seen",
}
METRIC_NAMES: dict[Metric, str] = {"f1": "F1", "exact_match": "exact match"}


def points(value: float, digits: int = 1) -> str:
    """Return a difference with its sign, such as ``+2.3``."""
    if isinf(value):
        return "∞" if value > 0 else "−∞"
    if round(value, digits) == 0:
        return f"{0:.{digits}f}"
    return f"{value:+.{digits}f}".replace("-", "−")


def number(value: float, digits: int = 1) -> str:
    """Return a number without a plus, such as ``−0.4`` or ``1,200.0``."""
    return (
        points(value, digits)
        if isinf(value)
        else (f"{0 if round(value, digits) == 0 else value:,.{digits}f}".replace("-", "−"))
    )


def interval(low: float, high: float, digits: int = 1) -> str:
    """Return an interval, such as ``[0.8, 3.8]``."""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def p_value(p: float) -> str:
    """Return a p to stand in a sentence, such as ``0.012`` or ``under 0.001``."""
    return "under 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def count(n: int, noun: str) -> str:
    """Return a count with its noun, such as ``one seed`` or ``4 shifts``."""
    return f"one {noun}" if n == 1 else f"{n:,} {noun}s"


def listed(names: Sequence[str]) -> str:
    """Return names as in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def on_target(target: str, shifts: Sequence[str]) -> str:
    """Return where a difference was found, such as ``on the mean of 4 shifts``."""
    if target != SHIFTS:
        return f"on {target}"
    if len(shifts) == 1:
        return f"on {shifts[0]}, the only shift"
    return f"on the mean of {len(shifts)} shifts"


def control_words(planned: Planned) -> str:
    """Return what a comparison is against."""
    return planned.control or CONTROLS.get(planned.against, planned.against)


def difference_words(one: Comparison, shifts: Sequence[str], control: str) -> str:
    """Return a difference with its interval, corrected where it was, where and against what."""
    low, high = one.low, one.high
    if one.corrected_low is not None and one.corrected_high is not None:
        low, high = one.corrected_low, one.corrected_high
    return (
        f"{points(one.difference)} {METRIC_NAMES[one.metric]} {on_target(one.target, shifts)}"
        f" {interval(low, high)} against {control}"
    )


def worth_words(found: Worth) -> str:
    """Return what pairs are worth, in one sentence."""
    low, high = found.low, found.high
    which = f"{found.recipe}: {found.n_generated:,} generated pairs"
    if low == -found.n_real and isinf(high):
        why = "does not rise" if isinf(found.real_examples) else "is too flat beside the noise"
        return f"{which}: what they are worth cannot be told, the curve of real sizes {why}."
    if found.extrapolated:
        worth = f"{_bounded(found, found.real_examples)} real ones, beyond what was measured"
    else:
        worth = f"{number(found.real_examples, 0)} real ones, {number(found.per_pair[0], 2)} a pair"
    ends = f"{_bounded(found, low)} to {_bounded(found, high)}"
    scope = "" if found.scope == "recipes" else ", for these readers alone: one seed"
    return f"{which} are worth {worth} (interval: {ends}{scope})."


def price_words(found: Price, *, cost_per_real: float | None = None) -> str:
    """Return which of annotating and generating is cheaper, in one sentence.

    Args:
        found: The break-even.
        cost_per_real: What a real example costs; None where that is not known.
    """
    if isinf(found.break_even) and isinf(found.low):
        return "Annotating is cheaper at any price: the pairs are worth no real example."
    if isinf(found.break_even):
        words = "The pairs are not shown to be worth a real example: annotating is cheaper"
        words += f" for certain below {found.low:,.4f} a real example"
    else:
        words = (
            f"Annotating is cheaper below {found.break_even:,.4f} a real example (interval from"
            f" {found.low:,.4f} to {'any price' if isinf(found.high) else f'{found.high:,.4f}'})"
        )
    if cost_per_real is None:
        return words + "."
    if cost_per_real < found.low:
        return f"{words}: at {cost_per_real:,.4f} annotating is cheaper."
    if cost_per_real > found.high:
        return f"{words}: at {cost_per_real:,.4f} generating is cheaper."
    return f"{words}: at {cost_per_real:,.4f} it cannot be told which is cheaper."


def curve_words(found: Curve) -> str:
    """Return the curve of real sizes in one sentence."""
    sizes = f"{found.sizes[0]:,.0f} to {found.sizes[-1]:,.0f} real examples"
    rise = number(float(found.scores[-1] - found.scores[0]))
    if not found.fits:
        return (
            f"From {sizes} the score changes by {rise}, but no smooth curve fits (p"
            f" {p_value(found.lack_of_fit_p or 0)}): what pairs are worth cannot be read from it."
        )
    floor = f", with a floor of {number(found.theta[2])} below the error" if found.theta[2] else ""
    halved = 100 * (1 - 2 ** found.theta[1])
    tested = "" if found.lack_of_fit_p is not None else "; whether it fits could not be tested"
    return (
        f"From {sizes} the score changes by {rise}: each doubling takes off {number(halved)} % of"
        f" the error{floor}{tested}."
    )


def robustness_words(found: RobustnessLine, recipe: str) -> str:
    """Return a recipe's effective robustness on the reader's own line, in one sentence."""
    estimate = found.above[recipe]
    low, high = estimate.interval()
    beyond = (
        f"; the line is continued: measured from {number(found.span[0])} to"
        f" {number(found.span[1])} on {found.home}"
        if recipe in found.outside
        else ""
    )
    return (
        f"{recipe}: {points(estimate.value)} {interval(low, high)} above the reader's own line on"
        f" {'the shifts' if found.target == SHIFTS else found.target}{_readers(estimate)}{beyond}."
    )


def ratio_words(found: RatioCurve) -> str:
    """Return the best ratio and what cannot be ruled out, in one sentence."""
    kept = listed(
        [f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}" for low, high in found.kept]
    )
    which = f"cannot be ruled out as the best: {kept}{_readers(found.curvature)}"
    if not found.quadratic:
        why = (
            "a quadratic could not be tested"
            if found.lack_of_fit_p is None
            else f"a quadratic does not fit (p {p_value(found.lack_of_fit_p)})"
        )
        return (
            f"No interior optimum shown: {why}. Of the ratios measured, {found.best:.2f} scored"
            f" best; {which}."
        )
    if not found.interior:
        return f"No interior optimum shown; {which}."
    return f"The best ratio is {found.best:.2f}; {which}."


def ratio_finding_words(found: RatioFinding) -> list[str]:
    """Return what a sweep says, a sentence each."""
    said = []
    if found.missing:
        said.append(
            f"{count(len(found.missing), 'point')} of sweep {found.sweep.name} failed or did not"
            f" run: {listed(found.missing)}."
        )
    if found.overall is None:
        left = len(found.sweep.points) - len(found.missing)
        return [*said, f"Sweep {found.sweep.name} has {count(left, 'point')}: three are needed."]
    said.append(ratio_words(found.overall))
    if found.gain is not None:
        low, high = found.gain.interval()
        said.append(
            f"Chosen on all shifts but one and measured on that one, the ratio gains"
            f" {points(found.gain.value)} {interval(low, high)}{_readers(found.gain)}."
        )
    if found.movement is not None:
        said.append(movement_words(found.movement))
    return said


def movement_words(found: Movement) -> str:
    """Return whether the best ratio moves with distance, and how little that says."""
    if found.correlation is None:
        return f"The best ratio does not move over the {found.n} shifts with a known distance."
    weak = (
        f"; {found.n} shifts cannot give a p below {found.lowest_p:.2f}, so this shows nothing"
        if found.lowest_p >= 0.05
        else ""
    )
    p = "" if found.p is None else f", p {p_value(found.p)}"
    return (
        f"Rank correlation of distance and best ratio over {found.n} shifts:"
        f" {number(found.correlation, 2)}{p}{weak}."
    )


def leakage_words(found: Leakage) -> str:
    """Return whether the gain is larger on mentioned articles, in one sentence."""
    low, high = found.difference.interval()
    apart = f"{points(found.difference.value)} {interval(low, high)}"
    told = "larger" if low > 0 else "smaller" if high < 0 else "not shown to differ"
    left = f"; without {listed(found.unsplit)}, which cannot be split" if found.unsplit else ""
    return (
        f"{found.recipe} gains {points(found.mentioned.value)} over {found.against} on the"
        f" {count(found.n_articles[0], 'article')} that generated contexts mention and"
        f" {points(found.others.value)} on the {found.n_articles[1]:,} others: {apart}, {told}"
        f"{_readers(found.difference)}{left}."
    )


def _bounded(found: Worth, real_examples: float) -> str:
    # A number of real examples, or the bound that the sizes measured set.
    smallest, largest = (size - found.n_real for size in found.measured)
    if not found.outside(real_examples):
        return number(real_examples, 0)
    if real_examples < smallest:
        return f"less than {number(smallest, 0)}"
    return f"more than {number(largest, 0)}"


def _readers(estimate: Estimate) -> str:
    return "" if estimate.scope == "recipes" else ", for these readers alone (one seed)"
