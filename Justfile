# The only command surface: people reach it through ./dev.sh, and CI calls the same recipes.

set positional-arguments
set quiet

# Many images set it, and then each process of ours would compile every module anew.
export PYTHONDONTWRITEBYTECODE := ""

_default:
    just --list --unsorted

# The whole product on this machine: servers, services, demo shop (Ctrl-C stops all of it)
[group('run')]
[no-exit-message]
up *args:
    exec loyalnest up --with-parent "$@"

# Stop what `up --detach` started
[group('run')]
[no-exit-message]
down *args:
    exec loyalnest down "$@"

# What runs in this checkout
[group('run')]
[no-exit-message]
status *args:
    exec loyalnest status "$@"

# The command behind all this: serve, token, demo, config, …
[group('run')]
[no-exit-message]
[no-cd]
loyalnest *args:
    exec loyalnest "$@"

# Everything CI runs, on all processors; arguments go to pytest
[group('check')]
[no-exit-message]
test *args: lint types contracts-check
    exec pytest -n auto --dist loadfile --no-loadscope-reorder "$@"

# The fast part: lint, types, the rules and the use cases
[group('check')]
[no-exit-message]
check: lint types
    exec pytest -q -m "not slow" tests/domain tests/services

# Format, lint and the import rules
[group('check')]
lint:
    ruff format --check --quiet . || { echo "Not formatted; ./dev.sh fmt does it." >&2; exit 1; }
    ruff check --quiet .
    lint-imports --no-logo --cache-dir .cache/imports

# Strict types
[group('check')]
types:
    mypy --no-error-summary
    mypy --no-error-summary tests

# Whether docs/contracts/ says what the code says
[group('check')]
contracts-check:
    python -m contracts.generate --check
    python -m infra.mesh --check

# A shorter or longer time of killing processes while orders flow; every wallet must be right
[group('check')]
[no-exit-message]
chaos *args:
    exec python -m tests.mesh.chaos "$@"

# Random stories told to the ledger and to a model of it, on every store: 20,000 steps of each kind
[group('check')]
[no-exit-message]
soak steps="20000" *args:
    exec pytest -q -s tests/stateful --story-steps "$@"

# One benchmark: orders, webhook, balance, gateway, rpc, startup, ledger, redeem, growth, simulate
[group('check')]
[no-exit-message]
bench *args:
    exec python -m tests.bench "$@"

# Put the code in shape
[group('write')]
fmt:
    ruff check --quiet --fix-only .
    ruff format --quiet .

# Write docs/contracts/ anew from the code, and what services may do over NATS
[group('write')]
contracts:
    python -m contracts.generate
    python -m infra.mesh

# Compile the locks anew; `just locks --upgrade` takes newer versions
[group('write')]
locks *args:
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-sources --custom-compile-command "./dev.sh locks" "$@" pyproject.toml -o locks/runtime.lock
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-sources --custom-compile-command "./dev.sh locks" "$@" --extra dev -c locks/runtime.lock pyproject.toml -o locks/dev.lock
