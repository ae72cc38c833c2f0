"""Says every three seconds what info.txt holds."""

import time
from pathlib import Path

try:
    while True:
        # The working directory is main/, wherever ota was started.
        print(Path("info.txt").read_text().strip(), flush=True)
        time.sleep(3)
except KeyboardInterrupt:
    print("Asked to stop: time to tidy up.", flush=True)
