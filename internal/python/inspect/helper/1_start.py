"""Judges the Python files of a program without executing any of them.

ota gives this script to the interpreter that will run the program, with -S, so
that nothing has been executed yet. A job comes on standard input, as fields
that end with a zero byte; one answer goes as JSON to standard output, in which a
path is text with one character for each of its bytes, for names need not be
UTF-8.

No module is imported that Debian's python3-minimal lacks, such as json.

What is printed meanwhile (by what an environment runs at every start) goes to
standard error.
"""
import sys

if sys.path and sys.path[0] == "":  # the folder that we are in; the program has another one
    del sys.path[0]

import os

out = os.dup(1)
os.dup2(2, 1)
try:
    os.nice(19)
except (AttributeError, OSError):
    pass  # then it is as urgent as ota

import _frozen_importlib_external as external

home = os.path.realpath(sys.argv[1])  # main/


def is_below(path):
    return bool(path) and (os.path.realpath(path) + os.sep).startswith(os.path.join(home, ""))


def settle():
    """Makes the environment as every start does, but for code that the program itself brings."""
    import site

    def guarded(name, execute):
        def run():
            spec = external.PathFinder.find_spec(name)
            if spec is None or not is_below(spec.origin):
                execute()
        return run

    for name in ("sitecustomize", "usercustomize"):
        execute = getattr(site, "exec" + name, None)
        if execute is not None:
            setattr(site, "exec" + name, guarded(name, execute))
    site.main()


settle()
loaded = set(sys.modules)  # no file beside the program can take the place of these

import gc
import marshal
import re
import stat
import warnings

gc.disable()  # there are no cycles in what we make, and looking for them takes a third of the time
warnings.simplefilter("ignore")  # a SyntaxWarning is no error here, whatever PYTHONWARNINGS says
ONLY_TREE = 0x400  # ast.PyCF_ONLY_AST; the module ast itself takes long to import
LARGEST = 16 << 20


def wire(path):
    return os.fsencode(path).decode("latin-1")


UNSAFE = re.compile(r'[^ !#-\[\]-~]')


def escaped(match):
    code = ord(match.group())
    if code > 0xFFFF:
        code -= 0x10000
        return "\\u%04x\\u%04x" % (0xD800 | code >> 10, 0xDC00 | code & 0x3FF)
    return "\\u%04x" % code


def json(value):
    """Returns a value as JSON, in ASCII; the keys of a dict are ours."""
    if isinstance(value, str):
        return '"' + UNSAFE.sub(escaped, value) + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return "%d" % value
    if isinstance(value, list):
        return "[" + ", ".join(map(json, value)) + "]"
    return "{" + ", ".join(['"%s": %s' % (key, json(one)) for key, one in value.items()]) + "}"


class Job:
    """What is asked, field by field."""

    def __init__(self, data):
        self.fields = iter(data.split(b"\0"))

    def text(self):
        return os.fsdecode(next(self.fields))

    def number(self):
        return int(next(self.fields))

    def list(self, one):
        """Returns as many as the next field says, each as one() reads it."""
        return [one() for _ in range(self.number())]


def join(folder, name):
    return folder + "/" + name if folder else name


def parent(path):
    return path.rpartition("/")[0]


class Unreadable(Exception):
    pass


class Answer:
    """What has been found out."""

    def __init__(self):
        self.findings = []
        self.compiled = []
        self.modules = []

    def add(self, kind, path, line=0, **more):
        more.update(kind=kind, path=wire(path), line=line)
        for key in ("wanted", "at"):
            if key in more:
                more[key] = wire(more[key])
        if len(self.findings) < 1000:
            self.findings.append(more)

    def send(self):
        text = json({
            "version": "%d.%d.%d" % sys.version_info[:3],
            "findings": self.findings,
            "compiled": self.compiled,
            "modules": self.modules,
        })
        with os.fdopen(out, "wb") as file:
            file.write(text.encode("ascii"))
