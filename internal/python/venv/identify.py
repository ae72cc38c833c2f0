"""Says which Python this is: one line of JSON.

Run as: python -I -c "<this file>"
"""

import json
import os
import platform
import sys
import sysconfig


def base_executable():
    """The interpreter itself, where this one is that of an environment."""
    here = sys.executable
    if sys.prefix == sys.base_prefix:
        return here
    base = getattr(sys, "_base_executable", None)
    if base and os.path.realpath(os.path.dirname(base)) != os.path.realpath(os.path.dirname(here)):
        return base
    # Before 3.11 an environment knows only the folder.
    home = os.path.join(sys.base_exec_prefix, "bin")
    try:
        with open(os.path.join(sys.prefix, "pyvenv.cfg"), encoding="utf-8") as lines:
            for line in lines:
                key, _, value = line.partition("=")
                if key.strip().lower() == "home":
                    home = value.strip()
    except OSError:
        pass
    for name in (os.path.basename(os.path.realpath(here)), "python%d.%d" % sys.version_info[:2], "python3", "python"):
        if os.path.exists(os.path.join(home, name)):
            return os.path.join(home, name)
    return os.path.realpath(here)


def site_packages():
    """Where an environment keeps its packages, below its folder."""
    names = sysconfig.get_scheme_names()
    scheme = "venv" if "venv" in names else "posix_prefix" if os.name == "posix" else os.name
    root = os.path.join(os.sep, "root")
    folders = {"base": root, "platbase": root, "installed_base": root, "installed_platbase": root}
    return os.path.relpath(sysconfig.get_path("purelib", scheme, folders), root)


def full_version(info):
    """A version as PEP 508 wants it."""
    text = "%d.%d.%d" % info[:3]
    return text if info[3] == "final" else text + info[3][0] + str(info[4])


def main():
    soabi = sysconfig.get_config_var("SOABI") or sysconfig.get_config_var("EXT_SUFFIX") or ""
    print()  # a sitecustomize may have begun a line
    print(json.dumps({
        "version": full_version(sys.version_info),
        "machine": " ".join([platform.machine(), sysconfig.get_platform(), soabi]).strip(),
        "base": base_executable(),
        "library": site_packages().replace(os.sep, "/"),
        "markers": {
            "implementation_name": sys.implementation.name,
            "implementation_version": full_version(sys.implementation.version),
            "os_name": os.name,
            "platform_machine": platform.machine(),
            "platform_python_implementation": platform.python_implementation(),
            "platform_release": platform.release(),
            "platform_system": platform.system(),
            "platform_version": platform.version(),
            "python_full_version": full_version(sys.version_info),
            "python_version": "%d.%d" % sys.version_info[:2],
            "sys_platform": sys.platform,
        },
    }))


main()
