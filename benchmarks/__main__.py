"""The command line: ``python -m benchmarks compare`` and ``python -m benchmarks planners``."""

from __future__ import annotations

import argparse
import importlib
import sys

from benchmarks.environment import prepare

COMMANDS = {
    "compare": ("benchmarks.compare", "every peer on the same graphs, against the targets"),
    "accuracy": ("benchmarks.accuracy", "whether plans that go by history come true"),
    "planners": ("benchmarks.planner_quality", "how good the plans of each planner are"),
    "dataplane": ("benchmarks.dataplane.command", "what moves through the store, and its time"),
    "latency": ("benchmarks.latency", "what a store far away costs, and slow invocations"),
    "signing": ("benchmarks.signing", "what it costs that what is unpickled is signed"),
    "dashboard": ("benchmarks.dashboard", "what it costs to be looked at"),
    "simulate": ("benchmarks.simulate", "how right simulations are, and how large they may be"),
}


def usage() -> str:
    lines = [f"  {name:<10} {purpose}" for name, (_, purpose) in COMMANDS.items()]
    return "\n".join(["usage: python -m benchmarks NAME [--help | options]", "", *lines])


def main(arguments: list[str]) -> int:
    """Import only the command that was asked for: NumPy must not come before ``prepare``."""
    if not arguments or arguments[0] not in COMMANDS:
        print(usage(), file=sys.stdout if arguments[:1] == ["--help"] else sys.stderr)
        return 0 if arguments[:1] == ["--help"] else 2
    prepare()
    module_name, purpose = COMMANDS[arguments[0]]
    command = importlib.import_module(module_name)
    parser = argparse.ArgumentParser(f"python -m benchmarks {arguments[0]}", description=purpose)
    command.add_arguments(parser)
    return int(command.run(parser.parse_args(arguments[1:])) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
