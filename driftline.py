"""The ``driftline`` command. It wires, and does nothing else."""

from producers.cli import program

COMMANDS = {
    "train": "producers.commands:train",
    "register": "producers.commands:register",
    "simulate": "producers.commands:simulate",
    "replay": "producers.commands:replay",
    "evaluate": "producers.evaluate_commands:evaluate",
    "budget": "producers.budget_commands:budget",
    "pipeline": "consumers.pipeline_commands:pipeline",
    "calibrate": "consumers.calibrate_commands:calibrate",
    "topics": "consumers.commands:topics",
    "consume": "consumers.commands:consume",
    "api": "api.commands:api",
    "dashboard": "dashboard.commands:dashboard",
    "alerts": "consumers.alerts_commands:alerts",
    "dead-letters": "consumers.letters_commands:dead_letters",
    "demo": "consumers.demo:demo",
}

main = program(
    "driftline",
    COMMANDS,
    "Watches machine-learning models in production: says when they have drifted.",
)

if __name__ == "__main__":
    main()
