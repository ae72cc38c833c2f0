package messages

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"path/filepath"
	"sync"
	"testing"
)

// systems are those that ota is built for, as far as its words differ.
var systems = []string{"linux", "darwin", "windows"}

// fields hold a sentence for people wherever they are filled: of a reason, of
// what a trial found, of a refusal over the network.
var fields = map[string]bool{"Message": true, "Reason": true, "Detail": true, "why": true, "Why": true}

// said is what ota can say: each sentence, and a place that makes it.
type said struct {
	troubles map[string]string // is to be in the page
	others   map[string]string // Info lines and results: may be named there
}

// collect reads the source, once for all tests.
var collect = sync.OnceValues(func() (said, error) {
	found := said{map[string]string{}, map[string]string{}}
	for _, goos := range systems {
		tree, err := readTree(goos)
		if err != nil {
			return found, err
		}
		tree.collect(found)
	}
	return found, nil
})

// least is what the code says at the very least: with less the collector is
// broken.
const least = 500

func heard(t *testing.T) said {
	t.Helper()
	found, err := collect()
	if err != nil {
		t.Fatal(err)
	}
	if len(found.troubles) < least {
		t.Fatalf("only %d messages were found in the code", len(found.troubles))
	}
	return found
}

// collect takes what begins a sentence: errors that are made, what types say as
// errors, Warn and Error lines with the reasons in them, and the fields above.
func (tr *tree) collect(found said) {
	add := func(to map[string]string, e ast.Expr) {
		place := tr.set.Position(e.Pos())
		below, _ := filepath.Rel(top, place.Filename)
		at := fmt.Sprintf("%s:%d", filepath.ToSlash(below), place.Line)
		for _, one := range tr.sentences(e) {
			if before, known := to[one]; !known || at < before {
				to[one] = at
			}
		}
	}
	for _, file := range tr.files {
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.CallExpr:
				trouble, other := tr.spoken(node)
				for _, e := range trouble {
					add(found.troubles, e)
				}
				for _, e := range other {
					add(found.others, e)
				}
			case *ast.ReturnStmt:
				if e := tr.badAnswer(node); e != nil {
					add(found.troubles, e)
				}
			case *ast.FuncDecl:
				if node.Recv != nil && node.Name.Name == "Error" && node.Type.Results != nil {
					for _, one := range tr.returns[tr.info.Defs[node.Name]] {
						add(found.troubles, one.Results[0])
					}
				}
			}
			return true
		})
	}
	for o, all := range tr.written {
		if v, ok := o.(*types.Var); ok && v.IsField() && fields[v.Name()] {
			for _, one := range all {
				add(found.troubles, one.from)
			}
		}
	}
}

// spoken are the sentences in a call that makes an error, warns, or tells.
func (tr *tree) spoken(call *ast.CallExpr) (troubles, others []ast.Expr) {
	switch foreign(call.Fun) {
	case "errors.New":
		return call.Args[:1], nil
	case "fmt.Errorf":
		return []ast.Expr{call}, nil
	case "http.Error":
		return nil, nil
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return nil, nil
	}
	switch method.Sel.Name {
	case "Warn", "Error":
		return append(tr.reasonsIn(call.Args[1:]), call.Args[0]), nil
	case "Info", "tell", "say":
		return nil, call.Args[:1]
	}
	return nil, nil
}

// badAnswer is what a probe says beside an answer that is not OK.
func (tr *tree) badAnswer(back *ast.ReturnStmt) ast.Expr {
	if len(back.Results) != 2 {
		return nil
	}
	answer, ok := tr.object(back.Results[0]).(*types.Const)
	if !ok || answer.Name() == "OK" {
		return nil
	}
	if kind, ok := answer.Type().(*types.Named); !ok || kind.Obj().Name() != "Answer" {
		return nil
	}
	return back.Results[1]
}

// reasonsIn are the values that stand behind "reason" in a log line.
func (tr *tree) reasonsIn(attributes []ast.Expr) (found []ast.Expr) {
	for i, key := range attributes {
		value := tr.info.Types[key].Value
		if i+1 < len(attributes) && value != nil && value.Kind() == constant.String && constant.StringVal(value) == "reason" {
			found = append(found, attributes[i+1])
		}
	}
	return found
}
