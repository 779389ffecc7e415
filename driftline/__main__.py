"""The ``driftline`` command."""

from driftline.cli import program
from driftline.commands import COMMANDS

main = program(
    "driftline",
    COMMANDS,
    "Monitors machine-learning models in production and reports when they have drifted.",
)

if __name__ == "__main__":
    main()
