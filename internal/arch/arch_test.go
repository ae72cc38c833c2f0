package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport says what of ours a package may import, itself below internal/.
// Kit is open to all and imports nothing of ours but kit.
var mayImport = map[string][]string{
	"reason":    {},
	"config":    {},
	"logs":      {},
	"device":    {},
	"deposit":   {"parcel", "reason"},
	"release":   {},
	"check":     {"reason"},
	"activate":  {"reason", "release"},
	"program":   {},
	"transfer":  {},
	"trial":     {},
	"python":    {},
	"doctor":    {"config", "device", "python"},
	"notify":    {},
	"sshsig":    {},
	"source":    {"parcel"},
	"stick":     {"parcel"},
	"parcel":    {},
	"admission": {"parcel", "reason", "sshsig"},
	"pack":      {"deposit", "parcel", "sshsig"},
	"receive":   {"api", "check", "logs", "parcel", "release", "transfer"},
	"push":      {"api", "pack", "parcel", "receive", "ssh", "transfer"},
	// The conductor names the rooms' types and calls the rooms through its own
	// interfaces; program, logs and faces it does not know at all.
	"update":  {"activate", "check", "deposit", "parcel", "reason", "release", "trial"},
	"agent":   {"examples", "activate", "admission", "api", "check", "config", "deposit", "device", "doctor", "home", "logs", "notify", "parcel", "program", "python", "reason", "release", "source", "sshsig", "stick", "trial", "update", "web"},
	"api":     {"logs", "reason"},
	"web":     {"api", "logs", "reason"},
	"home":    {"api"},
	"service": {},
	"cli":     {"agent", "api", "doctor", "logs", "pack", "parcel", "push", "receive", "service", "setup", "ssh", "sshsig"},
	"ssh":     {},
	"setup":   {"ssh"},
	"man":     {"config"},
	"site":    {},
	"arch":    {},
}

// source is one file of ours that is not a test.
type source struct {
	path string // below the top of the tree
	file *ast.File
	set  *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var found []source
	top := filepath.Join("..", "..")
	for _, root := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(top, root), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			below, err := filepath.Rel(top, path)
			found = append(found, source{filepath.ToSlash(below), file, set})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(found) < 50 {
		t.Fatalf("only %d files were found", len(found))
	}
	return found
}

func room(path string) string {
	below, _ := strings.CutPrefix(path, "internal/")
	return strings.Split(below, "/")[0]
}

func TestRoomsKnowOnlyTheirNeighbours(t *testing.T) {
	for _, source := range sources(t) {
		if !strings.HasPrefix(source.path, "internal/") {
			continue
		}
		from := room(source.path)
		allowed, known := mayImport[from]
		if !known && from != "kit" {
			t.Errorf("%s: package %s has no row in the table", source.path, from)
		}
		for _, imported := range source.file.Imports {
			path, _ := strconv.Unquote(imported.Path.Value)
			ours, isOurs := strings.CutPrefix(path, "ota/")
			if !isOurs {
				continue
			}
			to := room(ours)
			if to != "kit" && to != from && !slices.Contains(allowed, to) {
				t.Errorf("%s may not import %s", source.path, path)
			}
		}
	}
}

func TestEveryPackageIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, source := range sources(t) {
		dir := filepath.Dir(source.path)
		documented[dir] = documented[dir] || source.file.Doc != nil && len(source.file.Doc.Text()) > 40
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment", dir)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, source := range sources(t) {
		for _, declaration := range source.file.Decls {
			switch declaration := declaration.(type) {
			case *ast.FuncDecl:
				if declaration.Name.IsExported() && declaration.Doc == nil && receiverIsExported(declaration) {
					t.Errorf("%s: %s has no doc comment", source.set.Position(declaration.Pos()), declaration.Name)
				}
			case *ast.GenDecl:
				for _, spec := range declaration.Specs {
					one, isType := spec.(*ast.TypeSpec)
					if isType && one.Name.IsExported() && declaration.Doc == nil && one.Doc == nil {
						t.Errorf("%s: %s has no doc comment", source.set.Position(one.Pos()), one.Name)
					}
				}
			}
		}
	}
}

// receiverIsExported is false for methods that only satisfy an interface on a
// type that nobody outside sees.
func receiverIsExported(function *ast.FuncDecl) bool {
	if function.Recv == nil {
		return true
	}
	kind := function.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	if generic, ok := kind.(*ast.IndexExpr); ok {
		kind = generic.X
	}
	name, ok := kind.(*ast.Ident)
	return ok && name.IsExported()
}

// forbidden are calls that have no place in the program, and why.
var forbidden = map[string]string{
	"time.Sleep": "wait for an event, or on a timer with a way out",
	"os.Exit":    "only main ends the process; nothing deferred runs",
	"log.Fatal":  "only main ends the process; nothing deferred runs",
	"time.Tick":  "idle costs nothing",

	// What the binary has no room for.
	"slices.SortFunc":       "sort.Slice: a generic one is compiled for each type, 8 to 14 kB",
	"slices.SortStableFunc": "sort.SliceStable: a generic one is compiled for each type, 5 kB",
	"slices.SortedFunc":     "sort.Slice: a generic one is compiled for each type, 8 to 14 kB",
	"fmt.Sscan":             "package strconv: the scanner is 34 kB",
	"fmt.Sscanf":            "package strconv: the scanner is 34 kB",
	"unix.Recvmsg":          "syscall.Recvmsg: this one knows all kinds of addresses, 30 kB",
}

func TestForbiddenCalls(t *testing.T) {
	for _, source := range sources(t) {
		ast.Inspect(source.file, func(node ast.Node) bool {
			call, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if from, ok := call.X.(*ast.Ident); ok {
				name := from.Name + "." + call.Sel.Name
				why, isForbidden := forbidden[name]
				if isForbidden && !strings.HasPrefix(source.path, "cmd/") {
					t.Errorf("%s: %s: %s", source.set.Position(node.Pos()), name, why)
				}
			}
			return true
		})
	}
}

// TestFilesAreShort: five hundred lines are what somebody reads at once.
func TestFilesAreShort(t *testing.T) {
	for _, source := range sources(t) {
		if lines := source.set.File(source.file.Pos()).LineCount(); lines > 500 {
			t.Errorf("%s has %d lines", source.path, lines)
		}
	}
}
