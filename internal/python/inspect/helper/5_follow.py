# What makes it unsure which names a module has.
TRICKS = re.compile(br"\b(?:globals|locals|vars|exec|execfile|eval|setattr|__dict__|__getattr__|__path__|__class__)\b"
                    br"|\bmodules\s*\[|\bimport\s*\(?\s*\*")
GLOBAL, LOCALS = 1, 2 | 2 << 6  # DEF_GLOBAL; DEF_LOCAL and DEF_IMPORT, of symtable.h
# What a module of the standard library can't do without, and some builds of Python lack.
NEEDS = {"bz2": "_bz2", "ctypes": "_ctypes", "curses": "_curses", "lzma": "_lzma", "sqlite3": "_sqlite3",
         "ssl": "_ssl", "tkinter": "_tkinter"}


class Follower:
    """Follows the imports from the entry and notes what is missing."""

    def __init__(self, tree, search, answer, compiled):
        self.tree = tree
        self.search = search
        self.answer = answer
        self.compiled = compiled  # files that were judged already
        self.read = {}  # path -> None; the order is that of reading
        self.todo = []  # (path, module's name or None, is it a package, state)
        self.later = []  # imports that may not be executed
        self.missing = {}  # what is missing -> the finding
        self.names = []  # (path, line, state, module, name)
        self.tampers = False

    def follow(self, path, name=None, is_package=False):
        self.enqueue(path, name, is_package, SURE, is_entry=True)
        while self.todo or self.later:
            # What is executed for sure comes first, so that it is seen as such.
            if self.todo:
                self.visit(*self.todo.pop(0))
            else:
                self.handle(*self.later.pop(0))

    def enqueue(self, path, name, is_package, state, is_entry=False):
        if path not in self.read and path not in self.tree.ignored:
            self.read[path] = None
            self.todo.append((path, name, is_package, state, is_entry))

    def visit(self, path, name, is_package, state, is_entry):
        reader = Reader(is_entry)
        try:
            reader.read(self.tree.read(path))
        except Unreadable as error:
            self.answer.add("unreadable", path, reason=str(error))
            return
        except (SyntaxError, ValueError) as error:
            if path not in self.compiled:  # else that has told
                self.answer.add("unparsed", path, getattr(error, "lineno", 0) or 0, reason=describe(error))
        except (RecursionError, MemoryError):
            pass  # what has been seen until there counts
        self.tampers = self.tampers or reader.tampers
        package = name if is_package else name.rpartition(".")[0] if name else ""
        for level, module, names, line, executed in reader.imports:
            found = (path, package, level, module, names, line, min(state, executed))
            if min(state, executed) == SURE:
                self.handle(*found)
            else:
                self.later.append(found)

    def handle(self, path, package, level, module, names, line, state):
        if level:
            parts = package.split(".") if package else []
            if level > len(parts):
                self.note(("relative", path), "relative", path, line, state)
                return
            module = ".".join(parts[:len(parts) - level + 1] + ([module] if module else []))
        found = self.resolve(path, module, line, state)
        if not level and state == SURE and found is not None:
            top = module.partition(".")[0]
            if self.search.resolve(top).kind in (STANDARD, INSTALLED) and top not in self.answer.modules:
                self.answer.modules.append(top)
        if found is None or found.kind != LOCAL:
            return
        for name in names or ():
            if name != "*":
                self.member(path, line, state, found, name)

    def resolve(self, path, module, line, state):
        """Follows every part of a dotted name. None: one of them is missing, and that is noted."""
        parts, above = module.split("."), None
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[:count])
            found = self.search.resolve(name)
            if found.kind == STANDARD and self.search.resolve(NEEDS.get(name, "sys")).kind == MISSING:
                found = Module(name, MISSING)
            if found.kind == MISSING:
                self.lacks(path, module, parts[count - 1:], above, line, state)
                return None
            if found.file is not None and state > TYPING:
                self.enqueue(found.file, name, found.is_package, state)
            above = found
        return above

    def lacks(self, path, module, rest, above, line, state):
        top = module.partition(".")[0]
        if above is None:
            first = [place for kind_of, place in self.search.path if kind_of == LOCAL]
            wanted = join(first[0] if first else "", "/".join(rest)) + ".py"
            self.note(module, "module", path, line, state, module=module, wanted=wanted, local=False,
                      standard=top in self.search.standard)
        elif above.kind == LOCAL:
            folder = above.folders[0] if above.folders else above.file[:-len(".py")]
            self.note(module, "module", path, line, state, module=module, wanted=join(folder, "/".join(rest)) + ".py",
                      local=above.is_local_for_sure(), standard=False, namespace=above.is_namespace)
        else:
            self.note(module, "part", path, line, state, module=module, above=above.name,
                      namespace=above.is_namespace, standard=above.kind == STANDARD)

    def member(self, path, line, state, module, name):
        """Looks at one name of `from module import name`."""
        if module.is_package:
            found = self.search.resolve(module.name + "." + name)
            if found.kind == LOCAL and found.file is not None and state > TYPING:
                self.enqueue(found.file, found.name, found.is_package, state)
            if found.kind != MISSING:
                return
        if state > TYPING and (module.file is not None or module.is_namespace and not module.places):
            self.names.append((path, line, state, module, name))

    def note(self, key, what, path, line, state, **more):
        before = self.missing.get(key)
        if before is None or before["state"] < state:
            self.missing[key] = dict(more, kind=what, path=path, line=line, state=state)

    def finish(self):
        """Hands over what is missing, when all is known that may change the verdict."""
        if not self.tampers:
            self.judge_names()
        for one in sorted(self.missing.values(), key=lambda one: -one["state"]):
            if self.tampers and one["kind"] == "module" and not one["local"]:
                if self.search.tree.has_anywhere(one["module"].partition(".")[0]):
                    continue
                one["state"] = min(one["state"], MAYBE)
            one["state"] = STATES[one["state"]]
            self.answer.add(one.pop("kind"), one.pop("path"), one.pop("line"), **one)

    def judge_names(self):
        unbound, sources = [], {}
        for one in self.names:
            path, module, name = one[0], one[3], one[4]
            if name.startswith("__") or any(ord(letter) > 127 for letter in name):
                continue  # names of Python itself; letters of which Python knows several spellings
            if module.file is None or self.lacks_name(module.file, name, sources):
                unbound.append(one)
            elif module.file == path and self.binds_by_itself_only(module, name, sources):
                unbound.append(one)
        if not unbound:
            return
        given = self.given({one[4] for one in unbound})
        for path, line, state, module, name in unbound:
            if name not in given:
                wanted = join(module.folders[0], name) + ".py" if module.folders else ""
                self.note((module.name, name), "name", path, line, state, module=module.name, name=name,
                          wanted=wanted, at=module.file or "", namespace=module.is_namespace)

    def lacks_name(self, path, name, names):
        """Says whether it is certain that a file binds a name nowhere."""
        if path not in names:
            names[path] = self.bound(path)
        return names[path] is not None and name not in names[path]

    def binds_by_itself_only(self, package, name, names):
        """Says whether the only thing that binds a name is `from . import name` in the package itself."""
        if names[package.file] is None:
            return False
        try:
            todo = [tree_of(self.tree.read(package.file))]
        except Exception:
            return False
        while todo:
            node = todo.pop()
            if kind(node) == "ImportFrom" and (node.level, node.module) in ((1, None), (0, package.name)):
                bound = [alias.asname for alias in node.names if alias.asname != alias.name]
            elif kind(node) in ("Import", "ImportFrom"):
                bound = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
            elif kind(node) in ("Global", "Nonlocal"):
                bound = node.names
            elif kind(getattr(node, "ctx", None)) != "Load":  # a name, a function, a class, a handler, a pattern
                bound = [getattr(node, field, None) for field in ("id", "name", "rest")]
            else:
                bound = ()
            if name in bound:
                return False
            for field in node._fields:
                child = getattr(node, field, None)
                children = child if isinstance(child, list) else [child]
                todo.extend(item for item in children if hasattr(item, "_fields") and kind(item) != "alias")
        return True

    def bound(self, path):
        """Returns the names that a file binds, or None if that can't be told."""
        if path in self.tree.ignored:
            return None
        try:
            data = self.tree.read(path)
            if TRICKS.search(data):
                return None
            import _symtable
            text = data.decode((cookie(data)[0] or b"utf-8-sig").decode())  # some versions take no bytes
            top = _symtable.symtable(text, path, "exec")
        except Exception:
            return None
        names = {name for name, flags in top.symbols.items() if flags & (GLOBAL | LOCALS)}
        todo = list(top.children)
        while todo:
            table = todo.pop()
            names.update(name for name, flags in table.symbols.items() if flags & GLOBAL)
            todo.extend(table.children)
        return names

    def given(self, names):
        """Returns those that any file may set from outside: `helper.name = ...`."""
        one = "(" + "|".join(sorted(names)) + ")"
        setting = re.compile((r"\.\s*%s\b\s*(?:[,:\])]|[-+*/%%&|^@]?=(?!=))|[\"']%s[\"']" % (one, one)).encode())
        given = set()
        for path in self.read:
            try:
                for match in setting.finditer(self.tree.read(path)):
                    given.add((match.group(1) or match.group(2)).decode())
            except Unreadable:
                pass
        return given
