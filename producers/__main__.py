"""``python -m producers COMMAND``: the commands that this package implements."""

from driftline.cli import program
from driftline.commands import COMMANDS

NAMES = ("train", "register", "simulate", "replay")

main = program(
    "producers",
    {name: COMMANDS[name] for name in NAMES},
    "Writes predictions, labels and profiles to Kafka.",
)

if __name__ == "__main__":
    main()
