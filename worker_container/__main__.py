"""``python -m worker_container``: what a container runs."""

from __future__ import annotations

from worker_container.newborn import Newborn


def main() -> None:
    newborn = Newborn()  # before the rest is imported, which comes with threads
    from worker_container.life import live

    live(newborn)


if __name__ == "__main__":
    main()
