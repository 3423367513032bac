"""``python -m worker_container.check 3.11``: whether an image's Python is the client's, and works."""

from __future__ import annotations

import sys


def main() -> None:
    wanted = sys.argv[1]
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if ours != wanted:
        sys.exit(
            f"The base image has Python {ours}, but the client has {wanted}: what one pickles, the "
            "other may not read. Name a base image with that Python in the setting base, or run "
            f"the client under {ours}."
        )
    import worker_container.server  # noqa: F401  (with all that it needs)


if __name__ == "__main__":
    main()
