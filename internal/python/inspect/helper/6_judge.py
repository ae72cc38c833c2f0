def describe(error):
    message = str(getattr(error, "msg", "") or error)
    return "%s: %s" % (kind(error), message) if message else kind(error)


def line_of(data, number, encoding="utf-8"):
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n", number) if number > 0 else []
    line = lines[number - 1] if number <= len(lines) and lines else b""
    try:
        return line.decode(encoding, "replace")
    except LookupError:
        return line.decode("utf-8", "replace")


def anew(data):
    """Returns the error once more, under the name of no file: Python takes the line that it shows from
    the file of the name, and that is still the old one."""
    try:
        compile(data, "<upload>", "exec", 0, True)
    except (SyntaxError, ValueError, OverflowError) as error:
        return error
    return None


class Compiler:
    """Compiles the changed files, and keeps the bytecode as importlib would write it."""

    def __init__(self, tree, answer, script, folder):
        self.tree = tree
        self.answer = answer
        self.script = script
        self.folder = folder

    def judge(self, path, seconds, mode):
        try:
            data = self.tree.read(path)
        except Unreadable as error:
            self.answer.add("unreadable", path, reason=str(error))
            return
        try:
            code = compile(data, self.tree.on_disk(path), "exec", 0, True)
        except (SyntaxError, ValueError, OverflowError) as error:
            self.refuse(path, data, anew(data) or error)
        except MemoryError as error:
            self.exhausted(path, data, error)
        except RecursionError as error:
            self.answer.add("syntax", path, reason="%s: the file is nested too deep" % kind(error))
        else:
            if self.folder and path != self.script:
                try:
                    self.keep(path, code, len(data), seconds, mode)
                except OSError:
                    pass  # no space: Python will compile it itself

    def exhausted(self, path, data, error):
        """Tells a file that is nested too deep from a device that has no memory left."""
        try:
            bytearray((32 * len(data)) + (16 << 20))
        except MemoryError:
            self.answer.add("unreadable", path, reason="there is not enough memory to compile it")
        else:
            self.answer.add("syntax", path, reason="%s: the file is nested too deep" % kind(error))

    def refuse(self, path, data, error):
        line, column = getattr(error, "lineno", 0) or 0, getattr(error, "offset", 0) or 0
        message, what = describe(error), "syntax"
        declared, declared_at = cookie(data)
        if data[:2] in (b"\xff\xfe", b"\xfe\xff") and declared is None:
            what, line, column, message = "encoding", 1, 0, "SyntaxError: the file is in UTF-16, and Python reads UTF-8"
        elif b"\0" in data and "null byte" in message:
            line, column = data.count(b"\n", 0, data.index(b"\0")) + 1, 0
        elif declared is None:
            try:
                data.decode("utf-8")
            except UnicodeDecodeError as wrong:
                what, column = "encoding", 0
                line = data.count(b"\n", 0, wrong.start) + 1
                message = "SyntaxError: Non-UTF-8 code starting with '\\x%02x', but no encoding declared" % data[wrong.start]
        if what == "syntax" and re.search("unknown encoding|encoding problem|codec can't decode", message) \
                and "unicodeescape" not in message and "rawunicode" not in message:
            what, line, column = "encoding", line or declared_at, 0
        source = getattr(error, "text", None) or ""
        if what == "encoding" or not source.strip():
            source = line_of(data, line, "utf-8" if what == "encoding" or declared is None else declared.decode("ascii"))
            # Python knows it as UTF-8, and where it has no line to show it counts bytes.
            column = len(source.encode("utf-8", "replace")[:column - 1].decode("utf-8", "ignore")) + 1 if column > 1 else column
        self.answer.add(what, path, line, column=max(column, 0), source=source[:400], reason=message[:400])

    def keep(self, path, code, size, seconds, mode):
        try:
            name = os.path.basename(external.cache_from_source(self.tree.on_disk(path)))
        except NotImplementedError:
            return  # this Python caches nothing
        numbers = (0, seconds, size) if sys.version_info >= (3, 7) else (seconds, size)  # PEP 552
        head = external.MAGIC_NUMBER + b"".join((number & 0xFFFFFFFF).to_bytes(4, "little") for number in numbers)
        if not mode:
            mode = stat.S_IMODE(os.stat(self.tree.real(path)).st_mode)
        file = os.path.join(self.folder, "%d.pyc" % len(self.answer.compiled))
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, (mode | 0o200) & 0o666)
        with os.fdopen(handle, "wb") as target:
            target.write(head + marshal.dumps(code))
        self.answer.compiled.append({"source": wire(path), "name": wire(name), "file": wire(file)})


HARMLESS_SHADOWS = {"main", "__main__", "test", "this", "antigravity", "idlelib", "turtledemo", "lib2to3", "venv",
                    "ensurepip", "pydoc_data", "site", "sitecustomize", "usercustomize"}


def judge_shadows(paths, first, search, answer):
    """Warns of changed files beside the entry that take the name of a standard module."""
    told = set()
    for path in paths:
        below = path[len(first) + 1:] if first and path.startswith(first + "/") else path if not first else ""
        name, is_folder, _ = below.partition("/")
        shown, name = name + is_folder, name if is_folder else name[:-len(".py")]
        if not below or name in told or name not in search.standard or name in HARMLESS_SHADOWS:
            continue
        if name in loaded or name in sys.builtin_module_names:
            continue  # a file can't hide these
        found = search.resolve(name)
        try:
            hides = found.kind == LOCAL and not found.is_namespace and external.PathFinder.find_spec(name)
        except Exception:
            hides = False
        if hides:
            told.add(name)
            answer.add("shadow", path, module=name, wanted=join(first, shown))


def entry_of(search, tree, script, name):
    """Returns (path, module's name, is it a package) of what is run, or None."""
    if script:
        found = tree.entry(script)
        return (script, None, False) if found is not None and found[0] == Tree.FILE else None
    found = search.resolve(name)
    if found.kind == LOCAL and found.is_package:
        found = search.resolve(name + ".__main__")
    return (found.file, found.name, False) if found.kind == LOCAL and found.file else None


def follow(follower, path, name, is_package):
    if name:  # the packages above a module are imported before it
        follower.resolve(path, name.rpartition(".")[0] or name, 0, SURE)
        follower.read.pop(path, None)
        follower.todo = [one for one in follower.todo if one[0] != path]
    follower.follow(path, name, is_package)
    follower.finish()


def main():
    # In the order in which ask.go writes it.
    job = Job(sys.stdin.buffer.read())
    main, bytecode, script, module = job.text(), job.text(), job.text(), job.text()
    imports = job.number()
    overlay = dict(job.list(lambda: (job.text(), job.text())))
    changed = job.list(lambda: (job.text(), job.number(), job.number()))
    removed, ignored, local = set(job.list(job.text)), set(job.list(job.text)), job.list(job.text)
    tree = Tree(main, overlay, removed, ignored)
    answer = Answer()
    compiler = Compiler(tree, answer, script, bytecode)
    for path, seconds, mode in changed:
        compiler.judge(path, seconds, mode)
    if script or module:
        # -P and PYTHONSAFEPATH: the script's own folder does not count (Python 3.11).
        own = [] if getattr(sys.flags, "safe_path", False) else [parent(script)]
        search = Search(tree, own + local)
        if own:
            judge_shadows([path for path, _, _ in changed], own[0], search, answer)
        begin = entry_of(search, tree, script, module) if imports else None
        if begin is not None:
            try:
                follow(Follower(tree, search, answer, {path for path, _, _ in changed}), *begin)
            except Exception as error:  # what was found before counts
                answer.add("unfollowed", begin[0], reason=describe(error))
    answer.send()


main()
