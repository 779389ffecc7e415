"""``driftline dead-letters list`` and ``replay``."""

from __future__ import annotations

import json
from heapq import nlargest
from typing import TYPE_CHECKING

import click

from driftline.terminal import echo, printable_json

if TYPE_CHECKING:
    from consumers.dead_letters.dead_letter import DeadLetter
    from consumers.dead_letters.listing import Listing
    from consumers.dead_letters.replay import ReplayResult
    from driftline.settings import Settings


REASONS = (
    *("undecodable", "contract", "unmappable", "unknown_model", "clock_skew", "implausible_time"),
    "unreadable",
)


@click.group("dead-letters")
def dead_letters() -> None:
    """List records that were set aside because they violate the contract, and send them again."""


@dead_letters.command("list")
@click.option("--reason", type=click.Choice(REASONS), help="Only dead letters with this reason.")
@click.option(
    "--limit", type=click.IntRange(0), default=20, show_default=True, help="Show the newest N."
)
@click.option("--waiting", is_flag=True, help="Only those that no replay has sent again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with key and value.")
@click.pass_obj
def list_letters(
    settings: Settings, reason: str | None, limit: int, waiting: bool, as_json: bool
) -> None:
    """Show dead letters with their reason and their source. Commits nothing."""
    from consumers.dead_letters.dead_letter import TOPIC
    from consumers.dead_letters.listing import Listing
    from consumers.kafka.topic_reader import TopicReader

    with TopicReader(settings, TOPIC) as reader:
        listing = Listing(reader)
        # Only those that are shown are held in memory: there may be many large ones.
        newest = nlargest(
            limit,
            listing.letters(reason, waiting=waiting),
            key=lambda letter: letter[0].record.append_ms,
        )
    for letter, sent_back in reversed(newest):
        echo(_rendered(letter, sent_back=sent_back, as_json=as_json))
    if not as_json:
        echo(_totals(listing, reason, len(newest)))
    if listing.unknown is not None:
        echo(f"it is unknown which of them were sent again: {listing.unknown}", err=True)


@dead_letters.command()
@click.option(
    "--reason",
    type=click.Choice(REASONS),
    help="Only dead letters with this reason; by default all reasons.",
)
@click.pass_obj
def replay(settings: Settings, reason: str | None) -> None:
    """Send dead letters to their topics again, as they were received, each once.

    Progress is kept by reason, so dead letters with other reasons stay for their own replay. A
    record that is refused again becomes a new dead letter, which can be sent again.
    """
    from consumers.dead_letters.listing import reasons_of
    from consumers.dead_letters.replay import replay_dead_letters

    existing = reasons_of(settings)
    if reason is not None and reason not in existing:
        others = f"there are those of {', '.join(existing)}" if existing else "there are none"
        echo(f"no dead letters of reason {reason!r}: {others}")
        return
    if not existing:
        echo("there are no dead letters")
    for each in [reason] if reason else existing:
        _print_result(replay_dead_letters(settings, each))


def _rendered(letter: DeadLetter, *, sent_back: bool | None, as_json: bool) -> str:
    from consumers.dead_letters.rendering import dead_letter_document, dead_letter_line

    if as_json:
        return printable_json(json.dumps(dead_letter_document(letter, sent_back=sent_back)))
    return dead_letter_line(letter, sent_back=sent_back)


def _print_result(result: ReplayResult) -> None:
    topics = ", ".join(f"{count:,} to {topic}" for topic, count in sorted(result.sent.items()))
    total = sum(result.sent.values())
    if total:
        noun = "dead letter" if total == 1 else "dead letters"
        echo(f"{result.reason}: sent back {total:,} {noun} ({topics})")
    elif not result.unsendable:
        echo(f"{result.reason}: nothing to send, all were sent back before")
    for letter, why in result.unsendable:
        echo(f"{result.reason}: {letter.name} was not sent: {why}")


def _totals(listing: Listing, reason: str | None, shown: int) -> str:
    """How many there are by reason, and how many of them were shown."""
    counts, sent_back = listing.counts, listing.sent_back
    if not counts:
        return "there are no dead letters"
    by_reason = ", ".join(
        f"{count:,} {name}" + (f" ({sent_back[name]:,} sent back)" if sent_back[name] else "")
        for name, count in counts.most_common()
    )
    total = counts.total() if reason is None else counts[reason]
    selection = "" if reason is None else f" of reason {reason!r}"
    return f"showed {shown:,} of {total:,} dead letters{selection}; there are {by_reason}"
