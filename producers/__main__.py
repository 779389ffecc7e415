"""``python -m producers COMMAND``: what ``driftline`` can do with this package alone."""

from producers.cli import program

COMMANDS = {
    name: f"producers.commands:{name}" for name in ("train", "register", "simulate", "replay")
}

main = program("producers", COMMANDS, "Writes predictions, labels and profiles to Kafka.")

if __name__ == "__main__":
    main()
