"""The commands of ``driftline`` by name. A module is imported only when its command is called."""

from typing import NamedTuple


class Command(NamedTuple):
    target: str  # "module:attribute"
    short_help: str


COMMANDS = {
    "init": Command(
        "driftline.configuration.commands:init", "Write a driftline.toml with all settings."
    ),
    "train": Command(
        "producers.commands.produce:train", "Train the example model on the bundled flights."
    ),
    "register": Command(
        "producers.commands.produce:register", "Register the reference of your own model."
    ),
    "inspect": Command(
        "consumers.commands.attach:inspect", "Show what a topic of your services holds."
    ),
    "attach": Command(
        "consumers.commands.attach:attach", "Watch a model whose service already publishes."
    ),
    "simulate": Command(
        "producers.commands.produce:simulate", "Publish the bundled flights as a live stream."
    ),
    "replay": Command("producers.commands.produce:replay", "Publish a file of scored rows."),
    "evaluate": Command(
        "producers.commands.evaluate:evaluate",
        "Score the flights and compare metrics with the baseline.",
    ),
    "models": Command(
        "consumers.commands.models:models", "List model versions, promote and retire them."
    ),
    "budget": Command(
        "consumers.commands.budget:budget",
        "Show how the false-alarm budget is divided among tests.",
    ),
    "pipeline": Command(
        "consumers.commands.pipeline:pipeline", "Run the whole analysis on a file, without Kafka."
    ),
    "calibrate": Command(
        "consumers.commands.calibrate:calibrate", "Choose drift settings from your own history."
    ),
    "topics": Command("consumers.commands.consume:topics", "Create the Kafka topics."),
    "doctor": Command(
        "consumers.commands.doctor:doctor", "Check rights, topics, state, groups and the database."
    ),
    "consume": Command("consumers.commands.consume:consume", "Run the workers of all roles."),
    "api": Command("api.commands:api", "Serve the REST API."),
    "token": Command("api.commands:token", "Make a token of the API."),
    "dashboard": Command("dashboard.commands:dashboard", "Serve the dashboard."),
    "status": Command(
        "dashboard.shell.commands:status", "Show what is open, how fresh it is, and who lags."
    ),
    "top": Command("dashboard.shell.commands:top", "Show the status again and again."),
    "export": Command(
        "dashboard.shell.export_command:export", "Write findings as CSV, Parquet or Arrow."
    ),
    "alerts": Command("consumers.commands.alerts:alerts", "Print alerts as they are published."),
    "dead-letters": Command(
        "consumers.commands.dead_letters:dead_letters", "List and replay rejected records."
    ),
    "demo": Command(
        "consumers.commands.demo:demo", "Run everything locally on the bundled flights."
    ),
}
