"""Makes this interpreter wait for ota, or learn for the next one to wait.

ota starts the program's own command with this folder in front of PYTHONPATH.
Python imports sitecustomize while it gets ready, before the program's folder
is in sys.path and before main.py is opened. If ota gave a file to listen on,
the modules that the program will want are imported here, and the process waits
for the word to go on. Then every trace of this is removed, the sitecustomize
that Python would have found without us is imported, and Python goes on by
itself: it is a plain start of the program that has been held up on its way.

Whatever is not as it should be ends the process, and ota starts a plain one.
Nothing is imported for this that a bare Python has not got already.
"""

import _imp
import _thread
import os
import sys

# Set by ota: number of the file to listen on or empty, whether there was a
# PYTHONPATH before ours, main/, the script or empty, where to write what was
# imported or empty; one on each line.
VARIABLE = "OTA_WARM"

# What is written of a run is no longer than this, in names and in bytes.
MOST_NAMES = 2000
MOST_BYTES = 100000

# Files that Python takes for a module's, behind its name.
SUFFIXES = tuple([".py", ".pyc"] + _imp.extension_suffixes())

# Not for us to import: Python does that itself.
OWN_NAMES = ("__main__", "__mp_main__", "sitecustomize", "usercustomize")


class Off(Exception):
    """Why this process can't become the program."""


def encode(text):
    """Encode with the one codec that every Python has loaded at its start."""
    return text.encode(sys.getfilesystemencoding(), "replace")


class Line:
    """The socket to ota: lines of text go out, messages with a length come in."""

    def __init__(self, fd):
        self.fd = fd
        self.rest = b""
        os.set_inheritable(fd, False)

    def say(self, text):
        text = text.replace("\n", " ")[:1000] + "\n"
        os.write(self.fd, encode(text))

    def hear(self):
        """Return the next message; when ota is gone, so are we."""
        while b"\n" not in self.rest:
            self.more()
        size, _, self.rest = self.rest.partition(b"\n")
        while len(self.rest) < int(size):
            self.more()
        message, self.rest = self.rest[: int(size)], self.rest[int(size) :]
        return message

    def more(self):
        piece = os.read(self.fd, 65536)
        if not piece:
            os._exit(0)
        self.rest += piece


class Places:
    """What belongs to the program itself, and changes with a release."""

    def __init__(self, main, script):
        self.main = main
        self.script = script
        self.roots = tuple({os.path.join(one, "") for one in (main, os.path.realpath(main))})
        self.known = {}

    def local(self, folder):
        """Say whether a folder is main/ or below it."""
        if folder not in self.known:
            real = os.path.join(os.path.realpath(folder), "")
            self.known[folder] = real.startswith(self.roots)
        return self.known[folder]

    def looks_local(self, path):
        """Say the same by the name alone, which is quick."""
        return path.startswith(self.roots)

    def first(self):
        """Return the folder that Python is about to put first into sys.path."""
        if not self.script:
            return self.main
        real = os.path.realpath(os.path.join(self.main, self.script))
        return real if os.path.isdir(real) else os.path.dirname(real)


def attributes(module):
    """Return a module's names without waking one that loads itself on use."""
    try:
        return object.__getattribute__(module, "__dict__")
    except Exception:
        return {}


def places_of(module):
    """Return the file and the folders that a module was loaded from."""
    names = attributes(module)
    found = []
    if isinstance(names.get("__file__"), str):
        found.append(names["__file__"])
    try:
        found.extend(one for one in names.get("__path__") or () if isinstance(one, str))
    except Exception:
        pass  # some packages compute it
    return found


def is_found_in_path(name):
    """Say whether a module of this name is looked for in the folders of sys.path."""
    spec = attributes(sys.modules[name]).get("__spec__")
    return name not in sys.builtin_module_names and getattr(spec, "origin", None) != "frozen"


class Waiting:
    """From the first line to ota to the last."""

    def __init__(self, line, places, here):
        self.line = line
        self.places = places
        self.here = here
        self.base = set(sys.modules)
        self.tops = set()  # names that a file of the program could stand before

    def get_ready(self):
        self.line.say("hello")
        names = os.fsdecode(self.line.hear()).split("\0")
        kept = [one for one in sys.path if one != self.here and not self.places.local(one)]
        whole = [one for one in sys.path if one != self.here]
        sys.path[:] = kept
        has_argv = hasattr(sys, "argv")  # not before 3.8
        if not has_argv:
            sys.argv = [""]
        for name in names:
            if name:
                self.preload(name)
        if not has_argv:
            del sys.argv
        # A module may have added folders. Where ours go between them can't be
        # told, unless there is none.
        if sys.path == kept:
            sys.path[:] = whole
        elif kept != whole:
            raise Off("a preloaded module has changed sys.path")
        self.check()
        # What they have printed must not come out as the program's.
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()

    def preload(self, name):
        try:
            __import__(name)
        except ImportError as error:
            self.line.say("missing %s: %s" % (name, error))
        except BaseException as error:
            raise Off("preloading %s: %s: %s" % (name, type(error).__name__, error))
        if _thread._count() > 0:
            raise Off("preloading %s: it has started a thread" % name)

    def check(self):
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass
        else:
            raise Off("a preloaded module has started a process")
        for name, module in list(sys.modules.items()):
            for place in places_of(module):
                if name not in OWN_NAMES and self.places.local(os.path.dirname(place)):
                    raise Off("%s is of the program itself" % name)
        for folder in list(sys.path_importer_cache):
            if folder == self.here or self.places.local(folder):
                sys.path_importer_cache.pop(folder)
        for name in set(sys.modules) - self.base:
            top = name.partition(".")[0]
            if top not in self.base and top in sys.modules and is_found_in_path(top):
                self.tops.add(top)

    def check_again(self):
        """See that none of the modules would now be the program's own file."""
        folders = [self.places.first()]
        folders.extend(one for one in sys.path if self.places.local(one))
        for folder in folders:
            try:
                entries = os.listdir(folder)
            except OSError:
                continue
            for entry in entries:
                top = entry.partition(".")[0]
                if top in self.tops and is_module(folder, entry, top):
                    raise Off("%s is now a file of the program" % os.path.join(folder, entry))

    def go(self):
        changes = self.line.hear()
        self.check_again()
        for entry in changes.split(b"\0"):
            name, is_set, value = entry.partition(b"=")
            if is_set:
                os.environb[name] = value
            elif name:
                os.environb.pop(name, None)


def is_module(folder, entry, top):
    """Say whether import finds this entry of a folder before later folders."""
    if entry != top:
        return entry[len(top) :] in SUFFIXES
    return any(os.path.exists(os.path.join(folder, top, "__init__" + one)) for one in SUFFIXES)


class Learning:
    """Writes at the end of the run what was imported."""

    def __init__(self, path, places):
        self.path = path
        self.places = places
        self.base = set(sys.modules)
        self.pid = 0
        known = "atexit" in sys.modules
        import atexit

        # The first to be registered is the last to be called.
        atexit.register(self.write)
        # Before 3.10 a second import would forget what was registered.
        if not known and sys.version_info >= (3, 10):
            del sys.modules["atexit"]

    def begin(self):
        self.pid = os.getpid()

    def write(self):
        if os.getpid() != self.pid:
            return  # a child by fork, or one that never became the program
        try:
            self.save(encode("".join(name + "\n" for name in self.names())))
        except Exception:
            pass  # the list of an earlier run does as well

    def names(self):
        """Yield what is worth importing, in the order in which it was."""
        count = size = 0
        for name, module in list(sys.modules.items()):
            if name in self.base or name in OWN_NAMES or not self.is_shared(name, module):
                continue
            count += 1
            size += len(name) + 1
            if count > MOST_NAMES or size > MOST_BYTES:
                return
            yield name

    def is_shared(self, name, module):
        """Say whether import finds a module by this name, outside of main/."""
        spec = attributes(module).get("__spec__")
        if spec is None or getattr(spec, "name", None) != name:
            return False
        if getattr(spec, "origin", None) in ("built-in", "frozen"):
            return True
        places = places_of(module)
        return bool(places) and not any(map(self.places.looks_local, places))

    def save(self, text):
        try:
            fd = os.open(self.path, os.O_RDONLY)
            try:
                if os.read(fd, MOST_BYTES + 1) == text:
                    return
            finally:
                os.close(fd)
        except OSError:
            pass
        new = "%s.%d" % (self.path, self.pid)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(fd, text)
        finally:
            os.close(fd)
        os.replace(new, self.path)


def restore_path(had):
    """Make PYTHONPATH what it was without this folder."""
    if had == "no":
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = os.environ["PYTHONPATH"].partition(os.pathsep)[2]


def tell_number():
    """Set the variables that hold the process's own number."""
    for wanted, name in (("LISTEN_FDS", "LISTEN_PID"), ("WATCHDOG_USEC", "WATCHDOG_PID")):
        if wanted in os.environ:
            os.environ[name] = str(os.getpid())


def wait(line, places, here):
    """Return when this process is to become the program, or end it."""
    try:
        waiting = Waiting(line, places, here)
        waiting.get_ready()
        line.say("waiting")
        waiting.go()
    except BaseException as error:
        try:
            line.say("off %s" % (error if isinstance(error, Off) else repr(error)))
        except OSError:
            pass
        os._exit(1)


def step_aside(here):
    """Leave nothing of this module but what is registered for the end."""
    sys.path[:] = [one for one in sys.path if one != here]
    sys.path_importer_cache.pop(here, None)
    sys.modules.pop("sitecustomize", None)


def begin():
    here = os.path.dirname(__file__)
    settings = os.environ.pop(VARIABLE, None)
    if settings is not None:
        fd, had, main, script, learned = settings.split("\n")
        restore_path(had)
        places = Places(main, script)
        learning = Learning(learned, places) if learned else None
        line = Line(int(fd)) if fd else None
        if line is not None:
            wait(line, places, here)
        if learning is not None:
            learning.begin()
        tell_number()
        if line is not None:
            line.say("started")
            os.close(line.fd)
    step_aside(here)


begin()

# If there is none, or it fails, site says or does what it would without us.
import sitecustomize  # noqa: E402,F401
