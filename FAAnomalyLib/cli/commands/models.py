"""``faanomaly models list|verify|delete``."""

from __future__ import annotations

import argparse
import json
import sys

from ...errors import FAError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("action", choices=("list", "verify", "delete"))
    parser.add_argument("name", nargs="?", help="a model's name; verify checks all models when it is absent")
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Carry out the action."""
    from ...models.registry import delete_model, list_models, verify_model

    if args.action == "list":
        _show(list_models(), args.json)
    elif args.action == "verify":
        names = [args.name] if args.name else [model["name"] for model in list_models()]
        _show([{"name": name, "sha256": verify_model(name)["sha256"], "verified": True} for name in names], args.json)
    else:
        if not args.name:
            raise FAError("bad-request", "No model is named", "", "Give the name that 'models list' shows")
        _confirm(args)
        delete_model(args.name)
        _show([{"name": args.name, "deleted": True}], args.json)
    return 0


def _confirm(args: argparse.Namespace) -> None:
    if args.yes:
        return
    if not sys.stdin.isatty():
        raise FAError(
            "bad-request", f"Deleting {args.name} was not confirmed", "there is no terminal to ask on", "Add --yes"
        )
    if input(f"Delete the model {args.name} from this machine? [y/N] ").strip().lower() not in ("y", "yes"):
        raise FAError("cancelled", "Nothing was deleted")


def _show(rows: list[dict], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=2, default=str))
        return
    for row in rows:
        rest = [f"{key} {value}" for key, value in row.items() if key != "name" and not isinstance(value, (dict, list))]
        print(f"{row['name']}: {', '.join(rest)}")
    if not rows:
        print("There is no model on this machine.")
