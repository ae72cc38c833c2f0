package messages

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// open stands for what is not known before ota runs: a name, a number, what the
// system said.
const open = "…"

// most bounds how many sentences one place may make; beyond, its parts are open.
const most = 12

// advice is what methods and fields are called that hold a hint.
var advice = map[string]bool{"Hint": true, "hint": true, "Advice": true, "advice": true}

// verb is one of fmt's.
var verb = regexp.MustCompile(`%[-+# 0]*(?:\[\d+\])?[\d*]*(?:\.[\d*]+)?[a-zA-Z%]`)

// sentences returns what e can be, with open for each part that is not in the
// source.
func (tr *tree) sentences(e ast.Expr) []string {
	return tidied((&reader{tree: tr, seen: map[types.Object]bool{}}).read(e, 0))
}

type reader struct {
	*tree
	seen map[types.Object]bool // a variable that is made from itself
}

func (r *reader) read(e ast.Expr, index int) []string {
	e = ast.Unparen(e)
	if value := r.info.Types[e].Value; value != nil {
		if value.Kind() == constant.String {
			return []string{constant.StringVal(value)}
		}
		return []string{open}
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return product(r.read(e.X, 0), r.read(e.Y, 0))
		}
	case *ast.CallExpr:
		return r.call(e, index)
	case *ast.Ident, *ast.SelectorExpr:
		return r.name(r.object(e))
	case *ast.IndexExpr:
		return r.read(e.X, index)
	case *ast.UnaryExpr:
		return r.read(e.X, index)
	case *ast.CompositeLit:
		return r.elements(e)
	}
	return []string{open}
}

// elements are the texts in a list or map, of which one is taken.
func (r *reader) elements(literal *ast.CompositeLit) []string {
	kind := r.info.Types[literal].Type
	if kind == nil {
		return []string{open}
	}
	if _, isStruct := kind.Underlying().(*types.Struct); isStruct {
		return []string{open}
	}
	var all []string
	for _, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			element = pair.Value
		}
		if _, nested := element.(*ast.CompositeLit); nested {
			return []string{open}
		}
		all = append(all, r.read(element, 0)...)
	}
	return orOpen(all)
}

// name follows a variable to all that it is given.
func (r *reader) name(o types.Object) []string {
	if o == nil || r.seen[o] {
		return []string{open}
	}
	v, isVar := o.(*types.Var)
	if !isVar || v.IsField() && (fields[v.Name()] || advice[v.Name()]) { // a field is read where it is filled
		return []string{open}
	}
	r.seen[o] = true
	defer delete(r.seen, o)
	var all []string
	for _, one := range r.written[o] {
		all = append(all, r.read(one.from, one.index)...)
	}
	if at, isParam := r.params[o]; isParam && !at.variadic {
		for _, call := range r.calls[at.of] {
			if at.index < len(call.Args) {
				all = append(all, r.read(call.Args[at.index], 0)...)
			}
		}
	}
	return orOpen(all)
}

// call reads fmt's and those of our own functions.
func (r *reader) call(call *ast.CallExpr, index int) []string {
	switch foreign(call.Fun) {
	case "fmt.Sprintf", "fmt.Errorf":
		return r.format(call.Args)
	case "cmp.Or":
		var all []string
		for _, one := range call.Args {
			all = append(all, r.read(one, 0)...)
		}
		return orOpen(all)
	}
	if builtin, ok := call.Fun.(*ast.Ident); ok && builtin.Name == "append" {
		var all []string
		for _, one := range call.Args {
			all = append(all, r.read(one, 0)...)
		}
		return orOpen(all)
	}
	o := r.object(call.Fun)
	// What a type says as an error is read there; a hint is no message.
	if o == nil || o.Name() == "Error" || advice[o.Name()] || r.seen[o] {
		return []string{open}
	}
	r.seen[o] = true
	defer delete(r.seen, o)
	var all []string
	for _, one := range r.returns[o] {
		switch {
		case index < len(one.Results):
			all = append(all, r.read(one.Results[index], 0)...)
		case len(one.Results) == 1:
			all = append(all, r.read(one.Results[0], index)...)
		}
	}
	return orOpen(all)
}

// format fills in what is a text of our own where the format by itself says
// little.
func (r *reader) format(args []ast.Expr) []string {
	if len(args) == 0 {
		return []string{open}
	}
	var all []string
	for _, format := range r.read(args[0], 0) {
		filled := []string{""}
		last, next := 0, 1
		for _, place := range verb.FindAllStringIndex(format, -1) {
			filled = product(filled, []string{format[last:place[0]]})
			last = place[1]
			switch {
			case format[place[1]-1] == '%':
				filled = product(filled, []string{"%"})
				continue
			case next < len(args) && words(verb.ReplaceAllString(format, open)) < 2 && format[place[1]-1] == 's':
				filled = product(filled, r.read(args[next], 0))
			default:
				filled = product(filled, []string{open})
			}
			next++
		}
		all = append(all, product(filled, []string{format[last:]})...)
	}
	return orOpen(all)
}

func product(left, right []string) []string {
	left, right = unique(left), unique(right)
	if len(left)*len(right) > most {
		if len(left) < len(right) {
			right = []string{open}
		} else {
			left = []string{open}
		}
	}
	var all []string
	for _, a := range left {
		for _, b := range right {
			all = append(all, a+b)
		}
	}
	return all
}

func unique(all []string) []string {
	sorted := slices.Clone(all)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

func orOpen(all []string) []string {
	if len(all) == 0 {
		return []string{open}
	}
	return all
}

var (
	openings = regexp.MustCompile(`…["']?(?:[ ,:;/]*["']?…)+`)
	ends     = regexp.MustCompile(`(?:[:;,]? ?…)+$`)
	begins   = regexp.MustCompile(`^(?:… ?[:,;] ?)+`)
	blanks   = regexp.MustCompile(`\s+`)
	letters  = regexp.MustCompile(`(?:^|[\s("])[A-Za-z][A-Za-z']+`)
)

// tidied leaves what a person can look for: without what the system or an inner
// error adds at the end, and the file that stands at the beginning.
func tidied(all []string) []string {
	var kept []string
	for _, one := range all {
		one = tidy(one)
		if words(one) >= 2 {
			kept = append(kept, one)
		}
	}
	return unique(kept)
}

func tidy(one string) string {
	one = strings.ReplaceAll(one, `"…"`, open)
	one = strings.TrimSpace(blanks.ReplaceAllString(one, " "))
	one = openings.ReplaceAllString(one, open)
	one = begins.ReplaceAllString(one, "")
	if cut := strings.TrimSuffix(one, ": "+open); cut != one {
		one = cut
	}
	return strings.TrimSuffix(strings.TrimSpace(one), ":")
}

// words counts those that are in the source.
func words(one string) int { return len(letters.FindAllString(one, -1)) }

// foreign is "fmt.Errorf" for a call into another package.
func foreign(fun ast.Expr) string {
	selector, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	from, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return from.Name + "." + selector.Sel.Name
}
