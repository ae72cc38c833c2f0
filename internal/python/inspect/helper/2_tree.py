class Tree:
    """The candidate: main/ with the upload laid over it, less what will be gone.

    Folders are listed once. A listing says of each name what it is and where:
    (FILE or FOLDER, path below main/), or (UNKNOWN, None) for what can't be
    told, such as a symbolic link that leads out of main/. Names are compared
    as they are, also where the file system is not that exact.
    """

    FILE, FOLDER, UNKNOWN = "file", "folder", "unknown"

    def __init__(self, main, overlay, removed, ignored):
        self.main = main
        self.overlay = overlay
        self.removed = removed
        self.ignored = ignored
        self.listings = {}
        self.names = None
        self.added = {}  # folder -> {name: entry}
        for path in overlay:
            entry = (self.FILE, path)
            while path:
                folder, _, name = path.rpartition("/")
                self.added.setdefault(folder, {})[name] = entry
                path, entry = folder, (self.FOLDER, folder)

    def real(self, path):
        """Returns where the bytes of a file of the candidate are."""
        return self.overlay.get(path) or self.on_disk(path)

    def on_disk(self, path):
        return os.path.join(self.main, *path.split("/")) if path else self.main

    def read(self, path):
        real = self.real(path)
        try:
            info = os.stat(real)
            if not stat.S_ISREG(info.st_mode):
                raise Unreadable("it is no file")
            if info.st_size > LARGEST:
                raise Unreadable("it is larger than %d MB" % (LARGEST >> 20))
            with open(real, "rb") as file:
                return file.read(LARGEST + 1)
        except OSError as error:
            raise Unreadable(error.strerror or str(error))

    def listing(self, folder):
        """Returns {name: entry}, or None if it can't be told."""
        if folder not in self.listings:
            self.listings[folder] = self.list(folder)
        return self.listings[folder]

    def list(self, folder):
        found, gone = {}, False
        try:
            with os.scandir(self.on_disk(folder)) as entries:
                for entry in entries:
                    path = join(folder, entry.name)
                    if path in self.removed:
                        gone = True
                    else:
                        found[entry.name] = self.classify(entry, path)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:
            return None
        found.update(self.added.get(folder, {}))
        if gone and set(found) <= {"__pycache__"}:
            return {}  # it will be removed with its last file
        return {name: entry for name, entry in found.items() if entry is not None}

    def classify(self, entry, path):
        try:
            if entry.is_symlink():
                return self.follow(entry.path)
            if entry.is_dir():
                return (self.FOLDER, path)
            if entry.is_file():
                return (self.FILE, path)
        except OSError:
            return (self.UNKNOWN, None)
        return None  # a socket, a pipe

    def follow(self, link):
        target = os.path.realpath(link)
        if not is_below(target):
            return (self.UNKNOWN, None)
        path = os.path.relpath(target, home).replace(os.sep, "/")
        path = "" if path == "." else path
        if path in self.overlay:
            return (self.FILE, path)
        if path in self.removed:
            return None
        if os.path.isdir(target):
            return (self.FOLDER, path)
        return (self.FILE, path) if os.path.isfile(target) else None

    def entry(self, path):
        """Returns the entry of a path that nobody has looked up, or None."""
        found = (self.FOLDER, "")
        for part in path.split("/"):
            if found[0] != self.FOLDER:
                return None
            listing = self.listing(found[1])
            if listing is None:
                return (self.UNKNOWN, None)
            found = listing.get(part)
            if found is None:
                return None
        return found

    def has_anywhere(self, name):
        """Says whether a module of this name may be somewhere in the candidate."""
        if self.names is None:
            self.names = set()
            for folder, folders, files in os.walk(self.main):
                below = os.path.relpath(folder, self.main).replace(os.sep, "/")
                below = "" if below == "." else below
                self.names.update(folders)
                self.take(join(below, file) for file in files if join(below, file) not in self.removed)
            for folder in self.added:
                self.names.update(folder.split("/"))
            self.take(self.overlay)
        return name in self.names or "zip" in self.names

    def take(self, paths):
        for path in paths:
            base = path.rpartition("/")[2]
            if base.endswith((".zip", ".egg", ".whl", ".pyz")):
                self.names.add("zip")
            elif base.endswith((".py", ".pyc", ".so", ".pyd", ".pyx")):
                self.names.add(base.partition(".")[0])
