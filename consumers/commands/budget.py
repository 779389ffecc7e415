"""``driftline budget``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.plan import duration_text
from producers.commands import options

if TYPE_CHECKING:
    from driftline.settings import Settings
    from monitor.calibration.power import Cost, Spent
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
@click.option("--all", "every", is_flag=True, help="Every test, not the best length of each.")
@click.option("--json", "as_json", is_flag=True, help="Every test, as JSON.")
@click.pass_obj
def budget(  # noqa: PLR0913 - its options
    settings: Settings, /, model: str, version: str, saved: Path | None, every: bool, as_json: bool
) -> None:
    """Show where the false alarms that you accept are spent, and what each test sees for it.

    For every test: its share of the budget and its level (the chance of a false alarm in one
    window); of numbers, the score and the errors also the distance that it has to exceed, and the
    smallest shift that it sees with 80% probability at the traffic of the reference. Without --all,
    of each subject and test one length of window: the one that sees the smallest shift.
    """
    from driftline.errors import BadInput
    from monitor.calibration.power import costs, spent
    from monitor.windows.evaluator import Evaluator

    plan = settings.plan(model)
    try:
        evaluator = Evaluator.of(plan, _profile(settings, model, version, saved))
    except ValueError as error:  # another pane
        raise BadInput(str(error)) from error
    tests = list(spent(evaluator))
    if as_json:
        click.echo(json.dumps([asdict(test) for test in tests], indent=1))
        return
    click.echo("\n".join(_lines(evaluator, tests if every else _best(tests), tests)))
    click.echo("\n".join(_costs(costs(evaluator))))


def _profile(settings: Settings, model: str, version: str, saved: Path | None) -> Profile:
    from driftline.errors import BadInput
    from producers.example.evaluate import trained_profile
    from producers.kafka.profile_table import read_profiles
    from producers.registration.profile_file import read_profile

    if saved is not None and saved.is_file():
        profile = read_profile(saved)
        if (profile.model, profile.version) != (model, version):
            raise BadInput(
                f"{saved} holds the reference of {profile.model}/{profile.version}, not of"
                f" {model}/{version}: choose it with --model and --version"
            )
        return profile
    if saved is not None:
        return trained_profile(saved, model, version)
    known = read_profiles(settings)
    if (model, version) not in known:
        names = ", ".join("/".join(name) for name in sorted(known)) or "none"
        raise BadInput(
            f"{model}/{version} is not registered (registered: {names}): choose with --model and"
            " --version, or name a directory with --saved"
        )
    return known[model, version][0]


def _best(tests: Sequence[Spent]) -> list[Spent]:
    """Of each subject and statistic, the length that sees the smallest shift."""
    best: dict[tuple[str, str], Spent] = {}
    for test in tests:
        key = (test.subject, test.statistic)
        if key not in best or _seen(test) < _seen(best[key]):
            best[key] = test
    return list(best.values())


def _seen(test: Spent) -> float:
    return 2.0 if test.distance is None else test.distance


def _lines(evaluator: Evaluator, shown: Sequence[Spent], tests: Sequence[Spent]) -> Iterator[str]:
    drift, pane_ms = evaluator.plan.drift, evaluator.plan.windows.pane_ms
    yield (
        f"{evaluator.profile.model}/{evaluator.profile.version}: at most {drift.warning} false"
        f" warnings and {drift.critical} false criticals, over {len(tests)} tests;"
        f" {evaluator.rows_per_pane:,.0f} rows in a pane of {duration_text(pane_ms)}"
    )
    for family in evaluator.families.values():
        lengths = ", ".join(duration_text(length.panes * pane_ms) for length in family.lengths)
        yield f"  {family.name:12} {family.share:6.1%}  {len(family.tests)} tests x ({lengths})"
    yield ""
    yield (
        f"{'subject':28} {'test':10} {'window':>8} {'share':>7} {'warning':>8} {'critical':>8}"
        f" {'exceed':>7} {'strays':>7} {'seen':>7} {'shift':>7}"
    )
    for test in shown:
        yield (
            f"{test.subject:28} {test.statistic:10} {duration_text(test.length.panes * pane_ms):>8}"
            f" {test.share:7.3%} {test.levels.warning:8.1e} {test.levels.critical:8.1e}"
            f" {_figure(test.critical_value)} {_figure(test.allowance)} {_figure(test.distance)}"
            f" {_figure(test.shift)}"
        )
    yield ""
    yield "share, warning, critical: of that length alone, of the budget, and levels of its windows"
    yield "exceed: distance that sampling noise explains"
    yield "strays: what the reference strays by, or drift.min_effect where that is larger"
    yield "seen: distance found with 80% probability; shift: of a normal feature, in its deviations"
    yield "-: nothing is large enough to be seen, or it depends on what the window holds (shares)"
    if drift.min_effect:
        yield "tests by ranks also need a KS distance beyond drift.min_effect; shift allows for it"


def _costs(found: Sequence[Cost]) -> Iterator[str]:
    for cost in found:
        yield (
            f"{cost.what}: every test of a feature at {cost.level:.0%} of its level, a distance"
            f" {cost.critical_value - 1:.1%} larger to be seen"
        )


def _figure(value: float | None) -> str:
    return f"{value:7.3f}" if value is not None else f"{'-':>7}"
