# What a name stands for.
LOCAL = "local"  # a file of the candidate, or folders of it (a namespace package)
STANDARD = "standard"
INSTALLED = "installed"
OPAQUE = "opaque"  # it is there, or may be; nothing else can be told
MISSING = "missing"

SUFFIXES = list(external._imp.extension_suffixes()) + [".py", ".pyc"]
# A package that has one of these may offer modules that are no files.
SLEIGHTS = re.compile(br"__path__|sys\s*\.\s*modules|modules\[|meta_path|path_hooks|extend_path|lazy", re.I)


def standard_names():
    names = getattr(sys, "stdlib_module_names", None)  # since Python 3.10
    if names is not None:
        return set(names)
    names = set(sys.builtin_module_names)
    folder = os.path.dirname(os.__file__)
    for place in (folder, os.path.join(folder, "lib-dynload")):
        try:
            for name in os.listdir(place):
                if name not in ("site-packages", "dist-packages", "__pycache__"):
                    names.add(name.partition(".")[0])
        except OSError:
            pass
    return names


class Module:
    def __init__(self, name, kind, file=None, folders=(), spec=None):
        self.name = name
        self.kind = kind
        self.file = file  # below main/: the source, if there is one
        self.folders = list(folders)  # below main/: where the modules of this package are
        self.places = []  # elsewhere: the same
        self.is_package = bool(folders)
        self.is_namespace = False
        if spec is not None:
            self.origin = spec.origin
            places = getattr(spec, "submodule_search_locations", None)
            if places is not None:
                # Going through a namespace's own list would import its parents.
                self.places = list(getattr(places, "_path", places))
                self.is_package = True
                self.is_namespace = spec.origin in (None, "namespace")

    def is_local_for_sure(self):
        return self.kind == LOCAL and not self.places


class Search:
    """Finds modules as the program's interpreter will, without importing any."""

    def __init__(self, tree, first):
        """first are folders below main/ that come before all others."""
        self.tree = tree
        self.standard = standard_names()
        self.found = {}
        self.path = [(LOCAL, folder) for folder in first]
        for entry in sys.path:
            self.path.append(self.below(entry) if is_below(entry) else (INSTALLED, entry))
        self.finders = [finder for finder in sys.meta_path
                        if getattr(finder, "__name__", "") not in ("BuiltinImporter", "FrozenImporter", "PathFinder")]

    def below(self, entry):
        """An environment inside main/ is one nevertheless."""
        path = os.path.relpath(os.path.realpath(entry), home).replace(os.sep, "/")
        parts = path.split("/")
        if "site-packages" in parts or "dist-packages" in parts:
            return (INSTALLED, entry)
        return (LOCAL, "" if path == "." else path)

    def resolve(self, name):
        """Returns the Module of a full name."""
        if name not in self.found:
            above, _, tail = name.rpartition(".")
            self.found[name] = self.child(self.resolve(above), name, tail) if above else self.top(name)
        return self.found[name]

    def top(self, name):
        if name in loaded or name in sys.builtin_module_names:
            spec = getattr(sys.modules.get(name), "__spec__", None)
            return Module(name, STANDARD if name in self.standard else INSTALLED, spec=spec)
        found = self.along(name, name, self.path)
        if found.kind == MISSING:
            for finder in self.finders:
                if self.asked(finder, name):
                    return Module(name, OPAQUE)
        return found

    def asked(self, finder, name):
        if "distutils" in repr(finder).lower():  # the hook of setuptools would import half of it
            return name == "distutils"
        try:
            return finder.find_spec(name, None, None) is not None
        except Exception:
            return False

    def along(self, name, tail, path):
        """Goes through folders in their order. Folders without __init__.py count if nothing else is found."""
        portions = Module(name, LOCAL)
        for kind_of, place in path:
            if kind_of == LOCAL:
                found = self.here(name, tail, place)
                if found is not None and found.is_namespace:
                    portions.folders += found.folders
                elif found is not None:
                    return found
                continue
            # The name alone: the parent of a dotted one would have to be imported.
            spec = external.PathFinder.find_spec(tail, [place])
            if spec is None:
                continue
            if spec.loader is not None and spec.origin not in (None, "namespace"):
                return Module(name, STANDARD if name.partition(".")[0] in self.standard else INSTALLED, spec=spec)
            portions.places += Module(name, INSTALLED, spec=spec).places
        if not portions.folders and not portions.places:
            return Module(name, MISSING)
        portions.kind = LOCAL if portions.folders else INSTALLED
        portions.is_package = portions.is_namespace = True
        return portions

    def here(self, name, tail, folder):
        """Looks into one folder of the candidate. None: there is no such module."""
        archive = self.tree.entry(folder) if folder else None
        if archive is not None and archive[0] == Tree.FILE:
            try:
                return Module(name, OPAQUE) if external.PathFinder.find_spec(tail, [self.tree.real(folder)]) else None
            except Exception:
                return Module(name, OPAQUE)
        listing = self.tree.listing(folder)
        if listing is None:
            return Module(name, OPAQUE)
        entry = listing.get(tail)
        if entry is not None and entry[0] == Tree.FOLDER:
            inside = self.tree.listing(entry[1])
            if inside is None:
                return Module(name, OPAQUE)
            found = self.file(name, "__init__", inside, [entry[1]])
            if found is not None:
                return found
        found = self.file(name, tail, listing, [])
        if found is not None or entry is None:
            return found
        if entry[0] == Tree.UNKNOWN:
            return Module(name, OPAQUE)
        if entry[0] == Tree.FOLDER:
            found = Module(name, LOCAL, folders=[entry[1]])
            found.is_namespace = True
            return found
        return None

    def file(self, name, stem, listing, folders):
        for suffix in SUFFIXES:
            entry = listing.get(stem + suffix)
            if entry is None:
                continue
            if entry[0] == Tree.FILE:
                return Module(name, LOCAL, entry[1] if suffix == ".py" else None, folders)
            if entry[0] == Tree.UNKNOWN:
                return Module(name, OPAQUE)
        return None

    def child(self, above, name, tail):
        if above.kind in (OPAQUE, MISSING):
            return Module(name, above.kind)
        if name in loaded:
            return Module(name, above.kind)
        if not above.is_package:
            # os.path, six.moves: a module may stand for a package.
            return Module(name, MISSING if above.kind == LOCAL and above.file else OPAQUE)
        found = self.along(name, tail, [(LOCAL, folder) for folder in above.folders] +
                           [(INSTALLED, place) for place in above.places])
        if found.kind == MISSING and self.has_sleights(above):
            return Module(name, OPAQUE)
        return found

    def has_sleights(self, package):
        """Says whether a package may offer modules that are no files."""
        if package.kind == LOCAL:
            if package.file is None:
                return not package.is_namespace
            try:
                return SLEIGHTS.search(self.tree.read(package.file)) is not None
            except Unreadable:
                return True
        for place in package.places if not package.is_namespace else ():
            try:
                # Those of the standard library are known to be plain, but for what they say at once.
                for name in ["__init__.py"] if package.kind == STANDARD else os.listdir(place):
                    if name.endswith((".so", ".pyd")):
                        return True
                    if name.endswith(".py"):
                        with open(os.path.join(place, name), "rb") as file:
                            if SLEIGHTS.search(file.read(LARGEST)):
                                return True
            except OSError:
                return True
        return False
