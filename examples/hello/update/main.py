"""Says every three seconds what text.txt holds, which came with this update."""

import time
from pathlib import Path

try:
    while True:
        # info.txt is still there: an update adds and replaces, and removes nothing.
        print(Path("text.txt").read_text().strip(), flush=True)
        time.sleep(3)
except KeyboardInterrupt:
    print("Asked to stop: time to tidy up.", flush=True)
