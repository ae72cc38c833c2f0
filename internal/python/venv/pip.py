"""Says which pip there is: one line of JSON.

Run as: python -I -c "<this file>"
"""

import glob
import json
import os


def version():
    """The version of the pip of this Python, or nothing."""
    try:
        import pip
    except Exception:  # a broken pip is none
        return ""
    return getattr(pip, "__version__", "")


def wheels():
    """Wheels of pip that lie here for environments to be made with."""
    folders = ["/usr/share/python-wheels"]
    try:
        import ensurepip
        folders.insert(0, os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"))
    except Exception:  # Debian keeps it in a package of its own
        pass
    return [name for folder in folders for name in sorted(glob.glob(os.path.join(folder, "pip-*.whl")), reverse=True)]


print()
print(json.dumps({"version": version(), "wheels": wheels()}))
