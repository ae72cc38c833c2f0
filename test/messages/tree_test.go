package messages

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strings"
)

// tree is the source of all that is linked into ota for one system: parsed, and
// with each name led back to where it is made. What others wrote (the standard
// library, modules) is not read: only its names are known, which is enough to
// follow a sentence through our own code, and takes a second instead of twenty.
type tree struct {
	context  build.Context
	set      *token.FileSet
	info     *types.Info
	packages map[string]*types.Package
	files    []*ast.File

	written map[types.Object][]given // what is assigned to a variable or field
	bodies  map[types.Object]*ast.FuncType
	returns map[types.Object][]*ast.ReturnStmt
	calls   map[types.Object][]*ast.CallExpr
	params  map[types.Object]param
}

// given is a value that a variable gets: the expression, or its result number
// index where it is a call with several.
type given struct {
	from  ast.Expr
	index int
}

// param says whose parameter a variable is, and which one.
type param struct {
	of       types.Object
	index    int
	variadic bool
}

const top = "../.."

func readTree(goos string) (*tree, error) {
	context := build.Default
	context.GOOS, context.GOARCH, context.CgoEnabled = goos, "amd64", false
	tr := &tree{
		context: context, set: token.NewFileSet(), packages: map[string]*types.Package{},
		info: &types.Info{
			Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
			Selections: map[*ast.SelectorExpr]*types.Selection{},
		},
		written: map[types.Object][]given{}, bodies: map[types.Object]*ast.FuncType{},
		returns: map[types.Object][]*ast.ReturnStmt{}, calls: map[types.Object][]*ast.CallExpr{}, params: map[types.Object]param{},
	}
	if _, err := tr.Import("ota/cmd/ota"); err != nil {
		return nil, err
	}
	for _, file := range tr.files {
		tr.index(file)
	}
	return tr, nil
}

// Import implements [types.Importer]: ours are read, all others are empty.
func (tr *tree) Import(path string) (*types.Package, error) {
	if known := tr.packages[path]; known != nil {
		return known, nil
	}
	below, ours := strings.CutPrefix(path, "ota/")
	if !ours {
		foreign := types.NewPackage(path, path[strings.LastIndex(path, "/")+1:])
		foreign.MarkComplete()
		tr.packages[path] = foreign
		return foreign, nil
	}
	files, err := tr.parse(filepath.Join(top, below))
	if err != nil {
		return nil, err
	}
	rules := types.Config{Importer: tr, Error: func(error) {}} // what is foreign is not there: errors are expected
	checked, _ := rules.Check(path, tr.set, files, tr.info)
	tr.packages[path] = checked
	tr.files = append(tr.files, files...)
	return checked, nil
}

func (tr *tree) parse(dir string) ([]*ast.File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if fits, err := tr.context.MatchFile(dir, name); err != nil || !fits {
			if err != nil {
				return nil, err
			}
			continue
		}
		file, err := parser.ParseFile(tr.set, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// object is what a name or a selector stands for; nil where it is foreign.
func (tr *tree) object(e ast.Expr) types.Object {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		if made := tr.info.Defs[e]; made != nil {
			return made
		}
		return origin(tr.info.Uses[e])
	case *ast.SelectorExpr:
		return origin(tr.info.Uses[e.Sel])
	case *ast.IndexExpr: // a generic function with its type
		if fn, ok := tr.object(e.X).(*types.Func); ok {
			return fn
		}
	}
	return nil
}

// origin leads from the method or field of an instantiated type to the one that
// is declared.
func origin(o types.Object) types.Object {
	switch o := o.(type) {
	case *types.Func:
		return o.Origin()
	case *types.Var:
		return o.Origin()
	}
	return o
}

// index notes who gives what to whom in file.
func (tr *tree) index(file *ast.File) {
	var functions []types.Object // the ones we are in
	var walk func(ast.Node)
	enter := func(of types.Object, kind *ast.FuncType, body *ast.BlockStmt) {
		if of != nil {
			tr.function(of, kind)
		}
		if body == nil {
			return
		}
		functions = append(functions, of)
		walk(body)
		functions = functions[:len(functions)-1]
	}
	named := map[*ast.FuncLit]types.Object{}
	walk = func(node ast.Node) {
		ast.Inspect(node, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.FuncDecl:
				enter(tr.info.Defs[node.Name], node.Type, node.Body)
				return false
			case *ast.FuncLit:
				enter(named[node], node.Type, node.Body)
				return false
			case *ast.ReturnStmt:
				if of := functions[len(functions)-1]; of != nil {
					tr.returns[of] = append(tr.returns[of], node)
				}
			case *ast.CallExpr:
				if called := tr.object(node.Fun); called != nil {
					tr.calls[called] = append(tr.calls[called], node)
				}
			case *ast.AssignStmt:
				tr.assign(node.Lhs, node.Rhs, named)
			case *ast.ValueSpec:
				names := make([]ast.Expr, len(node.Names))
				for i, name := range node.Names {
					names[i] = name
				}
				tr.assign(names, node.Values, named)
			case *ast.RangeStmt:
				if element := tr.object(orNone(node.Value)); element != nil {
					tr.written[element] = append(tr.written[element], given{node.X, 0})
				}
			case *ast.CompositeLit:
				tr.fields(node)
			}
			return true
		})
	}
	walk(file)
}

func orNone(e ast.Expr) ast.Expr {
	if e == nil {
		return &ast.BadExpr{}
	}
	return e
}

func (tr *tree) function(of types.Object, kind *ast.FuncType) {
	tr.bodies[of] = kind
	index := 0
	for _, field := range kind.Params.List {
		_, variadic := field.Type.(*ast.Ellipsis)
		for _, name := range field.Names {
			tr.params[tr.info.Defs[name]] = param{of, index, variadic}
			index++
		}
		if len(field.Names) == 0 {
			index++
		}
	}
}

func (tr *tree) assign(to, from []ast.Expr, named map[*ast.FuncLit]types.Object) {
	for i, left := range to {
		o := tr.object(left)
		if o == nil {
			continue
		}
		switch {
		case len(from) == len(to):
			tr.written[o] = append(tr.written[o], given{from[i], 0})
			if literal, ok := from[i].(*ast.FuncLit); ok {
				named[literal] = o
			}
		case len(from) == 1:
			tr.written[o] = append(tr.written[o], given{from[0], i})
		}
	}
}

// fields notes what the fields of a composed value get.
func (tr *tree) fields(literal *ast.CompositeLit) {
	for i, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if field, ok := pair.Key.(*ast.Ident); ok {
				if o := origin(tr.info.Uses[field]); o != nil {
					tr.written[o] = append(tr.written[o], given{pair.Value, 0})
				}
			}
			continue
		}
		kind := tr.info.Types[literal].Type
		if kind == nil {
			continue
		}
		if shape, ok := kind.Underlying().(*types.Struct); ok && i < shape.NumFields() {
			tr.written[origin(shape.Field(i))] = append(tr.written[origin(shape.Field(i))], given{element, 0})
		}
	}
}
