"""`make golden`: writes the chapters of `stories` that have no files yet. What is there is never written again."""

import sys

from oms.store.codec import CODEC, UPCASTS
from tests.golden.corpus import chapters, digests, log_of, recorded_digests, write_chapter
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
    seen = {each.topic for name in chapters() for each in log_of(name)}
    missing = sorted({*CODEC.topics, *UPCASTS} - seen)
    if missing:
        print(f"no history has {', '.join(missing)}: add a story to tests/golden/stories.py, then run this again")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
