package pattern

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestPattern(t *testing.T) {
	p := New(`^(\w+)=(\w+)`)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if found := p.FindStringSubmatch("key=value;"); len(found) != 3 || found[2] != "value" {
				t.Errorf("found %q", found)
			}
		})
	}
	all.Wait()
	if p.MatchString("no") || p.ReplaceAllString("a=b", "$2") != "b" || p.FindString("a=b c") != "a=b" {
		t.Error("it does not match as it should")
	}
}

func TestAPatternThatIsNotUsedIsForgotten(t *testing.T) {
	p := New(`x+`)
	if !p.MatchString("xx") {
		t.Fatal("it does not match")
	}
	runtime.GC()
	if p.compiled.Value() != nil {
		t.Error("it is still there")
	}
	if !p.MatchString("xx") {
		t.Error("it does not match any more")
	}
}

// TestAllCompile looks for every pattern in the tree, as none is looked at before
// it is needed.
func TestAllCompile(t *testing.T) {
	found := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			call, isCall := node.(*ast.CallExpr)
			if !isCall || len(call.Args) != 1 {
				return true
			}
			if function, ok := call.Fun.(*ast.SelectorExpr); !ok || function.Sel.Name != "New" || !isPackage(function.X) {
				return true
			}
			found++
			text, ok := literal(call.Args[0])
			if !ok {
				t.Errorf("%s: write the pattern out: nobody can look at it here", set.Position(call.Pos()))
			} else if _, err := regexp.Compile(text); err != nil {
				t.Errorf("%s: %v", set.Position(call.Pos()), err)
			}
			return true
		})
		return nil
	})
	if err != nil || found < 50 {
		t.Errorf("%d patterns, %v", found, err)
	}
}

func isPackage(x ast.Expr) bool {
	name, ok := x.(*ast.Ident)
	return ok && name.Name == "pattern" && name.Obj == nil
}

// literal is the value of strings that are put together with +.
func literal(x ast.Expr) (string, bool) {
	switch x := x.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(x.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		left, leftOK := literal(x.X)
		right, rightOK := literal(x.Y)
		return left + right, leftOK && rightOK && x.Op == token.ADD
	}
	return "", false
}
