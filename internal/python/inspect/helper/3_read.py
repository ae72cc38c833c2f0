COOKIE = re.compile(br"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
IMPORT = re.compile(br"\bimport\b")
# A line at which a statement of the module may begin, and none goes on.
BEGINNING = re.compile(br"(?<!\\)\n(?=[A-Za-z_@])(?!(?:elif|else|except|finally|case)\b)")
PIECE = 32 << 10

# How sure it is that an import is executed.
SURE, MAYBE, TYPING, NEVER = 3, 2, 1, 0
STATES = {SURE: "sure", MAYBE: "maybe", TYPING: "typing"}


def cookie(data):
    """Returns the declared encoding (PEP 263) and its line."""
    for number, line in enumerate(data[:2000].split(b"\n")[:2], 1):
        match = COOKIE.match(line.replace(b"\xef\xbb\xbf", b"", 1) if number == 1 else line)
        if match:
            return match.group(1).lower(), number
        if line.strip() and not line.lstrip(b" \t\f\xef\xbb\xbf").startswith(b"#"):
            break
    return None, 0


def has_nonstandard_encoding(data):
    return cookie(data)[0] not in (None, b"utf-8", b"utf8", b"utf_8", b"ascii", b"us-ascii")


def tree_of(data):
    return compile(data, "<source>", "exec", ONLY_TREE, True)


def pieces(data, last):
    """Yields (tree, lines before it) for whole statements up to the position last.

    A tree takes fifty times the memory of its source. So a long file is read
    in pieces, and none behind its last import is. A piece that compiles and
    has a beginning behind it ends outside of every string and bracket.
    """
    if len(data) <= PIECE or has_nonstandard_encoding(data):
        yield tree_of(data), 0
        return
    start = lines = 0
    while start <= last and start < len(data):
        size = PIECE
        while True:
            match = BEGINNING.search(data, min(start + size, max(last, start)))
            end = match.start() + 1 if match else len(data)
            piece = data[start:end]
            try:
                tree = tree_of(piece)
                break
            except SyntaxError:
                if end == len(data):
                    raise
            size = 2 * (end - start)
            if size + start > last:  # the smallest piece that holds the last import was too small
                last = min(start + size, len(data))
        yield tree, lines
        lines += piece.count(b"\n")
        start = end


def kind(node):
    return type(node).__name__


def dotted(node):
    """Returns a name such as "sys.version_info", or an empty string."""
    parts = []
    while kind(node) == "Attribute":
        parts.append(node.attr)
        node = node.value
    if kind(node) != "Name":
        return ""
    parts.append(node.id)
    return ".".join(reversed(parts))


UNTOLD = object()


def value(node):
    """Returns what an expression is worth on this device, or UNTOLD."""
    name = kind(node)
    if name in ("Constant", "NameConstant"):
        return node.value
    if name in ("Str", "Num"):  # before Python 3.8
        return node.s if name == "Str" else node.n
    if name == "Tuple":
        items = [value(item) for item in node.elts]
        return UNTOLD if UNTOLD in items else tuple(items)
    if name in ("Name", "Attribute"):
        known = {"sys.version_info": tuple(sys.version_info), "sys.version_info.major": 3,
                 "sys.version_info.minor": sys.version_info[1], "sys.platform": sys.platform, "os.name": os.name}
        return known.get(dotted(node), UNTOLD)
    if name == "Subscript" and dotted(node.value) == "sys.version_info":
        index = value(getattr(node.slice, "value", node.slice) if kind(node.slice) == "Index" else node.slice)
        return sys.version_info[index] if index in (0, 1, 2) else UNTOLD
    if name == "Compare" and len(node.ops) == 1:
        return compared(value(node.left), kind(node.ops[0]), value(node.comparators[0]))
    return UNTOLD


def compared(left, operator, right):
    if left is UNTOLD or right is UNTOLD:
        return UNTOLD
    try:
        return {"Lt": lambda: left < right, "LtE": lambda: left <= right, "Gt": lambda: left > right,
                "GtE": lambda: left >= right, "Eq": lambda: left == right,
                "NotEq": lambda: left != right}.get(operator, lambda: UNTOLD)()
    except TypeError:
        return UNTOLD


def catches_import_error(node):
    """Says whether an expression behind except may catch a failing import."""
    if node is None:
        return True
    if kind(node) == "Tuple":
        return any(catches_import_error(item) for item in node.elts)
    name = dotted(node).rpartition(".")[2]
    known = getattr(__import__("builtins"), name, None)
    if isinstance(known, type) and issubclass(known, BaseException):
        return issubclass(ModuleNotFoundError, known)
    return True  # one that is not known may be anything


class Reader:
    """Collects the imports of one file: (level, module, names, line, state)."""

    def __init__(self, is_entry):
        self.is_entry = is_entry
        self.imports = []
        self.tampers = False
        self.lines = []  # those that have the word import

    def read(self, data):
        """Raises what compile raises."""
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        found = list(IMPORT.finditer(data))
        if not found:
            return
        number, at = 1, 0
        for match in found:
            number += data.count(b"\n", at, match.start())
            at = match.start()
            self.lines.append(number)
        suspicious = TAMPERING.search(data)
        last = len(data) if suspicious else found[-1].start()
        state, tampering = SURE, Tampering()
        for tree, self.before in pieces(data, last):
            state = self.walk(tree.body, state)
            if suspicious:
                tampering.look(tree)
        self.tampers = tampering.found

    def has_import(self, node):
        end = getattr(node, "end_lineno", None)  # since Python 3.8
        if end is None:
            return True
        first, end = node.lineno + self.before, end + self.before
        low, high = 0, len(self.lines)
        while low < high:
            middle = (low + high) // 2
            if self.lines[middle] < first:
                low = middle + 1
            else:
                high = middle
        return low < len(self.lines) and self.lines[low] <= end

    def walk(self, body, state):
        """Reads statements and returns how sure it is that those behind them are executed."""
        for node in body:
            if state == NEVER:
                break
            visit = getattr(self, "visit_" + kind(node), None)
            if visit is not None:
                state = min(state, visit(node, state))
        return state

    def visit_Import(self, node, state):
        for alias in node.names:
            self.imports.append((0, alias.name, None, node.lineno + self.before, state))
        return state

    def visit_ImportFrom(self, node, state):
        names = [alias.name for alias in node.names]
        self.imports.append((node.level or 0, node.module or "", names, node.lineno + self.before, state))
        return state

    def visit_FunctionDef(self, node, state):
        if self.has_import(node):
            self.walk(node.body, min(state, MAYBE))
        return state

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node, state):
        return self.walk(node.body, state) if self.has_import(node) else state

    def visit_Raise(self, node, state):
        return min(state, MAYBE)

    def visit_Expr(self, node, state):
        if kind(node.value) == "Call":
            name = dotted(node.value.func)
            if name in ("exit", "quit", "sys.exit", "os._exit", "os.abort") or name.startswith("os.exec"):
                return min(state, MAYBE)
        return state

    def visit_If(self, node, state):
        after = state
        while True:
            taken, other, surely = self.branches(node.test, state)
            left = self.walk(node.body, taken)
            if surely:
                after = min(after, max(left, MAYBE))
            state = other
            if len(node.orelse) == 1 and kind(node.orelse[0]) == "If":
                node = node.orelse[0]  # an elif; a thousand of them are no thousand calls
                continue
            self.walk(node.orelse, state)
            return after

    def branches(self, test, state):
        """Returns the states of the body and of the rest, and whether the body is executed for sure."""
        if kind(test) == "UnaryOp" and kind(test.op) == "Not":
            body, rest, _ = self.branches(test.operand, state)
            return rest, body, False
        if dotted(test).rpartition(".")[2] in ("TYPE_CHECKING", "MYPY"):
            return min(state, TYPING), min(state, MAYBE), False
        main = self.is_main(test)
        if main is not None:
            return (state, NEVER, True) if main else (NEVER, state, False)
        known = value(test)
        maybe = min(state, MAYBE)
        if known is UNTOLD:
            return maybe, maybe, False
        if known:
            return maybe, NEVER, False
        # `if False` is for type checkers, `if sys.version_info < (3,)` for another device.
        return NEVER if kind(test) == "Compare" else min(state, TYPING), maybe, False

    def is_main(self, test):
        """Says what `__name__ == "__main__"` is here; None: it is another question."""
        if kind(test) != "Compare" or len(test.ops) != 1 or kind(test.ops[0]) not in ("Eq", "NotEq"):
            return None
        left, right = test.left, test.comparators[0]
        if dotted(right) == "__name__":
            left, right = right, left
        if dotted(left) != "__name__" or value(right) != "__main__":
            return None
        return self.is_entry == (kind(test.ops[0]) == "Eq")

    def visit_While(self, node, state):
        self.walk(node.body, min(state, MAYBE))
        self.walk(node.orelse, min(state, MAYBE))
        return min(state, MAYBE) if value(node.test) not in (UNTOLD, False, 0) else state

    def visit_For(self, node, state):
        self.walk(node.body, min(state, MAYBE))
        self.walk(node.orelse, min(state, MAYBE))
        return state

    visit_AsyncFor = visit_For

    def visit_With(self, node, state):
        for item in node.items:
            call = item.context_expr
            if kind(call) == "Call" and any(names_import_error(argument) for argument in call.args):
                self.walk(node.body, min(state, MAYBE))
                return state
        return self.walk(node.body, state)

    visit_AsyncWith = visit_With

    def visit_Match(self, node, state):
        for case in node.cases:
            self.walk(case.body, min(state, MAYBE))
        return state

    def visit_Try(self, node, state):
        caught = any(catches_import_error(handler.type) for handler in node.handlers)
        maybe = min(state, MAYBE)
        after = self.walk(node.body, maybe if caught else state)
        for handler in node.handlers:
            self.walk(handler.body, maybe)
        self.walk(node.orelse, maybe if node.handlers else state)
        self.walk(node.finalbody, state)
        return state if node.handlers else after

    visit_TryStar = visit_Try


def names_import_error(node):
    name = dotted(node).rpartition(".")[2]
    return name in ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")


# Where one of these stands, the tree tells whether the way is changed on which modules are found.
TAMPERING = re.compile(br"\bsys\s*\.\s*(?:path|meta_path|path_hooks|modules)\b|\bsys\s+as\b|\bfrom\s+sys\s+import\b"
                       br"|\baddsitedir\b|\b__import__\b|\bpyximport\b")
CHANGES = {"append", "insert", "extend", "remove", "pop", "clear", "reverse", "sort", "update", "setdefault",
           "__setitem__", "__iadd__"}
HARMLESS = {"print", "len", "list", "str", "repr", "set", "tuple", "sorted", "enumerate", "iter", "any", "all", "map",
            "filter", "isinstance", "id", "type", "dict", "reversed", "join", "format", "debug", "info", "warning",
            "error", "pprint", "find_spec", "iter_modules", "walk_packages"}


class Tampering:
    """Looks for what changes sys.path, sys.modules or the import hooks."""

    NAMES = ("path", "meta_path", "path_hooks", "modules")

    def __init__(self):
        self.found = False
        self.systems = {"sys"}
        self.lists = set()

    def look(self, tree):
        todo = [tree]
        while todo:
            node = todo.pop()
            self.found = self.found or self.is_change(node)
            for field in node._fields:
                child = getattr(node, field, None)
                if isinstance(child, list):
                    todo.extend(item for item in reversed(child) if hasattr(item, "_fields"))
                elif hasattr(child, "_fields"):
                    todo.append(child)

    def is_list(self, node):
        if kind(node) == "Attribute":
            return node.attr in self.NAMES and kind(node.value) == "Name" and node.value.id in self.systems
        return kind(node) == "Name" and node.id in self.lists

    def is_change(self, node):
        name = kind(node)
        if name == "Import":
            self.systems.update(alias.asname for alias in node.names if alias.name == "sys" and alias.asname)
            return any(alias.name == "pyximport" for alias in node.names)
        if name == "ImportFrom" and node.module == "sys" and not node.level:
            self.lists.update(alias.asname or alias.name for alias in node.names if alias.name in self.NAMES)
            return any(alias.name == "*" for alias in node.names)
        if name == "Attribute" and kind(node.ctx) != "Load":
            return self.is_list(node) or node.attr == "__import__"
        if name == "Subscript" and kind(node.ctx) != "Load":
            return self.is_list(node.value)
        if name == "AugAssign":
            return self.is_list(node.target)
        if name == "Assign":
            return self.is_list(node.value)
        if name == "Call":
            called = dotted(node.func).rpartition(".")[2] or getattr(node.func, "attr", "")
            if kind(node.func) == "Attribute" and self.is_list(node.func.value):
                return called in CHANGES
            return called == "addsitedir" or called not in HARMLESS and any(map(self.is_list, node.args))
        return False
