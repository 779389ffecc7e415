"""``driftline dead-letters list`` and ``replay``."""

from __future__ import annotations

import json
from heapq import nlargest
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from consumers.dead_letters.dead_letter import DeadLetter
    from consumers.dead_letters.replay import Listing, Replayed
    from driftline.settings import Settings


@click.group("dead-letters")
def dead_letters() -> None:
    """Records that were set aside because they break the contract: look, and send them again."""


@dead_letters.command("list")
@click.option("--reason", help="undecodable, contract, unknown_model or clock_skew.")
@click.option(
    "--limit", type=click.IntRange(0), default=20, show_default=True, help="The newest so many."
)
@click.option("--waiting", is_flag=True, help="Only those that no replay has sent back.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with key and value.")
@click.pass_obj
def list_letters(
    settings: Settings, reason: str | None, limit: int, waiting: bool, as_json: bool
) -> None:
    """Show what was set aside, why, and where it came from. Commits nothing."""
    from consumers.dead_letters.dead_letter import TOPIC
    from consumers.dead_letters.replay import Listing
    from consumers.kafka.topic_reader import TopicReader

    with TopicReader(settings, TOPIC) as reader:
        found = Listing(reader)
        # No more of them than are shown are held at a time: they may be many, and large.
        newest = nlargest(
            limit, found.letters(reason, waiting=waiting), key=lambda of: of[0].record.append_ms
        )
    for letter, sent_back in reversed(newest):
        click.echo(_told(letter, sent_back=sent_back, as_json=as_json))
    if not as_json:
        click.echo(_counted(found, reason, len(newest)))
    if found.unknown is not None:
        click.echo(f"which of them were sent back is not known: {found.unknown}", err=True)


@dead_letters.command()
@click.option("--reason", help="Only letters set aside for it; by default for every reason.")
@click.pass_obj
def replay(settings: Settings, reason: str | None) -> None:
    """Send letters as they were received back to their topics: each once, however often this runs.

    How far it has come is kept by reason, so letters of other reasons stay for their own replay.
    What is refused again becomes a new letter, and can be sent again.
    """
    from consumers.dead_letters.replay import reasons_of, replay_dead_letters

    there = reasons_of(settings)
    if reason is not None and reason not in there:
        said = f"there are those of {', '.join(there)}" if there else "there are none at all"
        click.echo(f"no dead letters of reason {reason!r}: {said}")
        return
    if not there:
        click.echo("there are no dead letters")
    for one in [reason] if reason else there:
        _tell(replay_dead_letters(settings, one))


def _told(letter: DeadLetter, *, sent_back: bool | None, as_json: bool) -> str:
    from consumers.dead_letters.dead_letter import dead_letter_document, dead_letter_line

    if as_json:
        return json.dumps(dead_letter_document(letter, sent_back=sent_back))
    return dead_letter_line(letter, sent_back=sent_back)


def _tell(done: Replayed) -> None:
    topics = ", ".join(f"{count:,} to {topic}" for topic, count in sorted(done.sent.items()))
    total = sum(done.sent.values())
    if total:
        click.echo(
            f"{done.reason}: sent back {total:,} {'letter' if total == 1 else 'letters'} ({topics})"
        )
    elif not done.stuck:
        click.echo(f"{done.reason}: nothing to send, all were sent back before")
    for letter, obstacle in done.stuck:
        click.echo(f"{done.reason}: {letter.name} was not sent: {obstacle}")


def _counted(listing: Listing, reason: str | None, shown: int) -> str:
    """How many there are, by reason, and how many of them were shown."""
    counts, back = listing.counts, listing.sent_back
    if not counts:
        return "there are no dead letters"
    by_reason = ", ".join(
        f"{count:,} {name}" + (f" ({back[name]:,} sent back)" if back[name] else "")
        for name, count in counts.most_common()
    )
    found = counts.total() if reason is None else counts[reason]
    of = "" if reason is None else f" of reason {reason!r}"
    return f"showed {shown:,} of {found:,} letters{of}; there are {by_reason}"
