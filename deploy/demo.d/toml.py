"""What deploy/demo needs to know of TOML files.

    toml.py logins POLICY           a line per login: NAME, KIND, SERVER ROLE, DATABASES; tabs between
    toml.py http CONFIG             its http address, if it has one
    toml.py is-whole CONFIG         status 0 for a whole configuration, 1 for some settings
    toml.py merged CONFIG SETTINGS  CONFIG with SETTINGS laid over it
"""

import json
import sys
import tomllib


def load(path):
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {path}: {error}")


def logins(policy):
    for name, login in load(policy).get("login", {}).items():
        databases = ",".join(login.get("databases", []))
        print(name, login.get("kind", ""), login.get("server_role", ""), databases, sep="\t")


def lay_over(below, above):
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            lay_over(below[key], value)
        else:
            below[key] = value


def write(table, path=()):
    """TOML of nested tables; JSON's notation of strings, numbers, truths and lists of them is TOML's too."""
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    if path and (len(tables) < len(table) or not table):
        print(f"\n[{'.'.join(path)}]")
    for key, value in table.items():
        if key not in tables:
            print(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    for key, value in tables.items():
        write(value, (*path, key))


def merged(config, settings):
    whole = load(config)
    lay_over(whole, load(settings))
    write(whole)


match sys.argv[1:]:
    case ["logins", policy]:
        logins(policy)
    case ["http", config]:
        print(load(config)["listen"].get("http", ""))
    case ["is-whole", config]:
        sys.exit(0 if "schema" in load(config) else 1)
    case ["merged", config, settings]:
        merged(config, settings)
    case _:
        sys.exit(__doc__)
