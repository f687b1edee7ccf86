"""`make golden`: writes the chapters of `stories` that have no files yet. What is there is never written again."""

import sys

from tests.golden.corpus import chapters, digests, missing, recorded_digests, write_chapter
from tests.golden.stories import STORIES, told


def main() -> int:
    """Return 0 if the corpus is whole now, 1 if a file was changed or a topic has no history yet."""
    changed = [name for name, digest in recorded_digests().items() if digests().get(name) != digest]
    if changed:
        print(f"changed or gone: {', '.join(changed)}; take them back from git: a golden file is never edited")
        return 1
    for name, story in STORIES.items():
        if name not in chapters():
            write_chapter(name, told(name, story))
            print(f"written: {name}")
    lacking = missing()
    if lacking:
        print(f"no history has {', '.join(lacking)}: add a story to tests/golden/stories.py, then run this again")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
