"""``driftline budget``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from driftline.terminal import echo, echo_json
from monitor.plan import duration_text
from producers.commands import options

if TYPE_CHECKING:
    from driftline.settings import Settings
    from monitor.calibration.power import CostOfChange, PowerOfTest
    from monitor.counts.profile import Profile
    from monitor.windows.evaluator import Evaluator


@click.command()
@options.flight_model
@click.option(
    "--saved",
    type=options.PATH,
    help="Directory where `train` or `pipeline` saved the reference, or the file of `register"
    " --output`; by default it is read from Kafka, where `register` and `train` publish it.",
)
@click.option(
    "--all", "every", is_flag=True, help="Show every test, not only the best length of each."
)
@click.option("--segment", default="", help="Show the tests of a segment, such as origin=EWR.")
@click.option("--json", "as_json", is_flag=True, help="Print every test as JSON.")
@click.pass_obj
def budget(  # noqa: PLR0913 - its options
    settings: Settings,
    /,
    model: str,
    version: str,
    saved: Path | None,
    segment: str,
    every: bool,
    as_json: bool,
) -> None:
    """Show how the budget of false alarms is divided, and what each test can detect.

    For every test: its share of the budget and its level (the probability of a false alarm in one
    window). For numeric features, the score and the errors also the distance to exceed, and the
    smallest shift that is detected with 80% probability at the traffic of the reference. Without
    --all, only the length of window that detects the smallest shift is shown for each test. The
    whole and the segments of a version share one budget; the last lines say what each costs.
    """
    from driftline.errors import BadInput
    from monitor.calibration.power import budget_table, costs_of_changes
    from monitor.windows.evaluator import Evaluator

    profile = _published(settings, model, version) if saved is None else _saved(saved)
    try:
        evaluator = Evaluator.of(settings.plan(profile.model), _of_segment(profile, segment))
    except ValueError as error:  # the profile has another pane than the configuration
        raise BadInput(str(error)) from error
    tests = list(budget_table(evaluator))
    if as_json:
        echo_json([asdict(test) for test in tests])
        return
    echo("\n".join(_lines(evaluator, tests if every else _best(tests), tests)))
    echo("\n".join(_costs(costs_of_changes(evaluator))))


def _of_segment(profile: Profile, segment: str) -> Profile:
    from driftline.errors import BadInput

    if not segment:
        return profile
    if segment not in profile.segments:
        known = ", ".join(profile.segments) or "it was registered without segments"
        raise BadInput(f"{profile.model}/{profile.version} has no segment {segment!r}: {known}")
    return profile.segments[segment]


def _saved(saved: Path) -> Profile:
    """The reference that is named with --model and --version, or the only one. ``BadInput``."""
    from driftline.errors import BadInput
    from producers.registration.profile_file import read_profile

    paths = [saved] if saved.is_file() else sorted(saved.glob("*.profile"))
    profiles = [read_profile(path) for path in paths]
    held = [profile for profile in profiles if _is_meant(profile)]
    if len(held) == 1:
        return held[0]
    names = ", ".join(f"{profile.model}/{profile.version}" for profile in profiles) or "none"
    what = "several references" if held else "no reference that is meant"
    raise BadInput(
        f"{saved} holds {what} (references there: {names}): choose with --model and --version"
    )


def _is_meant(profile: Profile) -> bool:
    context, meant = click.get_current_context(), {"model": profile.model}
    meant["version"] = profile.version
    return all(
        context.params[name] == value
        or context.get_parameter_source(name) is ParameterSource.DEFAULT
        for name, value in meant.items()
    )


def _published(settings: Settings, model: str, version: str) -> Profile:
    from driftline.errors import BadInput
    from producers.kafka.profile_table import published_profile, registered_versions

    published = published_profile(settings, model, version)
    if published is None:
        known = sorted(registered_versions(settings))
        names = ", ".join("/".join(name) for name in known) or "none"
        raise BadInput(
            f"{model}/{version} is not registered (registered: {names}): choose with --model and"
            " --version, or name a directory with --saved"
        )
    return published


def _best(tests: Sequence[PowerOfTest]) -> list[PowerOfTest]:
    """For each subject and statistic, the length that detects the smallest distance."""
    best: dict[tuple[str, str], PowerOfTest] = {}
    for test in tests:
        key = (test.subject, test.statistic)
        if key not in best or _detectable(test) < _detectable(best[key]):
            best[key] = test
    return list(best.values())


def _detectable(test: PowerOfTest) -> float:
    return 2.0 if test.distance is None else test.distance


def _lines(
    evaluator: Evaluator, shown: Sequence[PowerOfTest], tests: Sequence[PowerOfTest]
) -> Iterator[str]:
    drift, pane_ms = evaluator.plan.drift, evaluator.plan.windows.pane_ms
    yield (
        f"{_name(evaluator.profile)}: at most {drift.warning} false"
        f" warnings and {drift.critical} false criticals, over {len(tests)} tests;"
        f" {evaluator.rows_per_pane:,.0f} rows in a pane of {duration_text(pane_ms)}"
    )
    for family in evaluator.families.values():
        lengths = ", ".join(duration_text(length.panes * pane_ms) for length in family.lengths)
        yield f"  {family.name:12} {family.share:6.1%}  {len(family.tests)} tests x ({lengths})"
    yield ""
    yield (
        f"{'subject':28} {'test':10} {'window':>8} {'share':>7} {'warning':>8} {'critical':>8}"
        f" {'limit':>7} {'varies':>7} {'detect':>7} {'shift':>7}"
    )
    for test in shown:
        yield (
            f"{test.subject:28} {test.statistic:10} {duration_text(test.length.panes * pane_ms):>8}"
            f" {test.share:7.3%} {test.levels.warning:8.1e} {test.levels.critical:8.1e}"
            f" {_figure(test.critical_value)} {_figure(test.allowance)} {_figure(test.distance)}"
            f" {_figure(test.shift)}"
        )
    yield ""
    yield from _legend(drift.min_effect)


def _name(profile: Profile) -> str:
    """With what part of the budget of the version it has, if it has not all of it."""
    from monitor.identity import Key

    name = Key(profile.model, profile.version, profile.schema.segment).name
    return name if profile.share == 1 else f"{name} has {profile.share:.3g} of the budget"


def _legend(min_effect: float) -> Iterator[str]:
    yield "share: part of the budget; warning, critical: levels of one window of this length"
    yield "limit: distance that sampling noise explains"
    yield "varies: natural variation of the reference, or drift.min_effect where that is larger"
    yield "detect: distance detected with 80% probability; shift: the same for a normal feature"
    yield "-: no distance is large enough, or it depends on the window (proportions)"
    if min_effect:
        yield "rank tests also need a KS distance beyond drift.min_effect; shift includes that"


def _costs(found: Sequence[CostOfChange]) -> Iterator[str]:
    for cost in found:
        yield (
            f"{cost.change}: every test of a feature at {cost.level:.0%} of its level, a distance"
            f" {cost.critical_value - 1:.1%} larger to be detected"
        )


def _figure(value: float | None) -> str:
    return f"{value:7.3f}" if value is not None else f"{'-':>7}"
