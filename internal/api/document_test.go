package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"ota/internal/kit/packed/packedtest"
	"ota/internal/logs"
)

// description is openapi.yaml, with objects that have no members but those that
// it names.
type description struct {
	tree     map[string]any
	compiler *jsonschema.Compiler
}

// TestTheDocumentIsTheOneThatWasWritten: what ota has in it is openapi.yaml.
func TestTheDocumentIsTheOneThatWasWritten(t *testing.T) {
	written, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	packedtest.Check(t, "openapi.yaml.gz", written, *rewrite)
}

func described(t testing.TB) description {
	t.Helper()
	var found any
	written, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(written, &found); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	closeObjects(plain)
	d := description{plain.(map[string]any), jsonschema.NewCompiler()}
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.json", plain); err != nil {
		t.Fatal(err)
	}
	return d
}

func closeObjects(node any) {
	switch node := node.(type) {
	case map[string]any:
		if _, has := node["properties"]; has && node["type"] == "object" {
			node["additionalProperties"] = false
		}
		for _, child := range node {
			closeObjects(child)
		}
	case []any:
		for _, child := range node {
			closeObjects(child)
		}
	}
}

// at follows names down the tree, and references.
func (d description) at(t testing.TB, from any, names ...string) map[string]any {
	t.Helper()
	for _, name := range names {
		parent, _ := from.(map[string]any)
		from = d.resolved(parent[name])
	}
	node, _ := d.resolved(from).(map[string]any)
	return node
}

func (d description) resolved(node any) any {
	tree, _ := node.(map[string]any)
	reference, is := tree["$ref"].(string)
	if !is {
		return node
	}
	var found any = d.tree
	for name := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
		found = found.(map[string]any)[name]
	}
	return d.resolved(found)
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")

// check holds JSON against the schema at a place of the document.
func (d description) check(t testing.TB, text []byte, place ...string) {
	t.Helper()
	pointer := "openapi.json#"
	for _, name := range place {
		pointer += "/" + pointerEscape.Replace(name)
	}
	schema, err := d.compiler.Compile(pointer)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s is not as %v says: %v", text, place, err)
	}
}

// operations lists what a document or a table of routes has: method, path and
// rights.
func (d description) operations(t testing.TB) []string {
	t.Helper()
	var found []string
	for path, item := range d.tree["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			rights := operation.(map[string]any)["x-ota-right"]
			found = append(found, fmt.Sprint(strings.ToUpper(method), " ", path, " ", rights))
		}
	}
	slices.Sort(found)
	return found
}

// TestDocumentHasEveryRoute, and nothing that is none.
func TestDocumentHasEveryRoute(t *testing.T) {
	var routes []string
	for _, one := range New(silent(), "", nil).routes() {
		routes = append(routes, fmt.Sprint(one.method, " ", one.pattern, " ", one.rights))
	}
	slices.Sort(routes)
	if diff := cmp.Diff(described(t).operations(t), routes); diff != "" {
		t.Errorf("-document +routes:\n%s", diff)
	}
}

// schemas are the types that stand in answers.
var schemas = map[string]reflect.Type{
	"Problem": reflect.TypeFor[Problem](), "Status": reflect.TypeFor[Status](), "HistoryEntry": reflect.TypeFor[HistoryEntry](),
	"Why": reflect.TypeFor[Why](), "Diff": reflect.TypeFor[Diff](), "Line": reflect.TypeFor[logs.Line](), "Started": reflect.TypeFor[Start](),
	"Device": reflect.TypeFor[Device](), "ApplyResult": reflect.TypeFor[ApplyResult](), "Discarded": reflect.TypeFor[Discarded](),
	"WentBack": reflect.TypeFor[WentBack](), "Listing": reflect.TypeFor[Listing](), "LogFile": reflect.TypeFor[LogFile](),
	"Drop": reflect.TypeFor[Drop](), "Arrival": reflect.TypeFor[Arrival](), "Web": reflect.TypeFor[Web](),
	"TakenOver": reflect.TypeFor[TakenOver](), "TakeoverStep": reflect.TypeFor[takeoverStep](),
	"PairCode": reflect.TypeFor[PairCode](), "Token": reflect.TypeFor[Token](),
}

// TestSchemasAreThoseOfTheTypes: with all that may be absent, and without.
func TestSchemasAreThoseOfTheTypes(t *testing.T) {
	d := described(t)
	for name, of := range schemas {
		for _, whole := range []bool{true, false} {
			value := reflect.New(of)
			fill(value.Elem(), whole)
			text, err := encode(value.Interface())
			if err != nil {
				t.Fatal(err)
			}
			d.check(t, text, "components", "schemas", name)
		}
	}
}

// words are values of the types that are one of some words.
var words = map[reflect.Type]string{
	reflect.TypeFor[ProgramState](): string(Equipping), reflect.TypeFor[ReleaseState](): string(RolledBack),
	reflect.TypeFor[DepositState](): string(Deferred), reflect.TypeFor[ChangeKind](): string(Replaced),
	reflect.TypeFor[MQTTState](): string(Connected), reflect.TypeFor[PollOutcome](): string(PollWaits), reflect.TypeFor[Outcome](): string(NothingChanged), reflect.TypeFor[Right](): string(Upload), reflect.TypeFor[logs.Source](): string(logs.MainErr),
	reflect.TypeFor[TakenOutcome](): string(TookOver),
}

// fill gives everything a value; with whole, also what may be absent.
func fill(v reflect.Value, whole bool) {
	word, isWord := words[v.Type()]
	switch {
	case isWord:
		v.SetString(word)
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(noon))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), whole)
			switch v.Type().Field(i).Name {
			case "Kind":
				v.Field(i).SetString("link")
			case "Answer":
				v.Field(i).SetString("UNKNOWN")
			case "Type":
				v.Field(i).SetString("about:blank")
			}
		}
	case v.Kind() == reflect.Pointer && whole:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), whole)
	case v.Kind() == reflect.Slice && whole:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), whole)
		fill(v.Index(1), false)
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.CanInt():
		v.SetInt(7)
	case v.CanUint():
		v.SetUint(7)
	case v.CanFloat():
		v.SetFloat(0.5)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	}
}

// TestSchemasLeaveNothingOpen: each member is always there.
func TestSchemasLeaveNothingOpen(t *testing.T) {
	d := described(t)
	for name, schema := range d.at(t, d.tree, "components", "schemas") {
		properties := slices.Sorted(maps.Keys(d.at(t, schema, "properties")))
		var required []string
		named, _ := d.at(t, schema)["required"].([]any)
		for _, one := range named {
			required = append(required, one.(string))
		}
		slices.Sort(required)
		if diff := cmp.Diff(properties, required); diff != "" && name != "Problem" {
			t.Errorf("%s: -properties +required:\n%s", name, diff)
		}
	}
}

// TestExamples: who copies one has it right.
func TestExamples(t *testing.T) {
	d := described(t)
	for name, schema := range d.at(t, d.tree, "components", "schemas") {
		if example, has := d.at(t, schema)["example"]; has {
			text, err := json.Marshal(example)
			if err != nil {
				t.Fatal(err)
			}
			d.check(t, text, "components", "schemas", name)
		}
	}
}

// examples are what stands for the names in braces.
var examples = strings.NewReplacer("{area}", "main", "{number}", "1", "{name}", "x", "{id}", "x")

// bodyOf is the example of a body, as a header and what follows it.
func (d description) bodyOf(t testing.TB, operation map[string]any) string {
	t.Helper()
	for kind, content := range d.at(t, operation, "requestBody", "content") {
		text := []byte("{}")
		if example, has := d.at(t, content)["example"]; has {
			text, _ = json.Marshal(example)
		}
		return fmt.Sprintf("Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, len(text), text)
	}
	return "\r\n"
}

// TestAnswersAreAsDescribed asks for everything with and without an error of
// the house, and with a query that is wrong.
func TestAnswersAreAsDescribed(t *testing.T) {
	d := described(t)
	house := silent()
	fill(reflect.ValueOf(&house.status).Elem(), true)
	fill(reflect.ValueOf(&house.why).Elem(), true)
	fill(reflect.ValueOf(&house.diff).Elem(), true)
	fill(reflect.ValueOf(&house.device).Elem(), true)
	fill(reflect.ValueOf(&house.history).Elem(), true)
	say(t, house.log, "one", "two")
	server := New(house, "", slog.New(slog.DiscardHandler))
	for _, failure := range []error{nil, errNoMain, &NoRelease{7}} {
		house.err = failure
		for _, one := range server.routes() {
			operation := d.at(t, d.tree, "paths", one.pattern, strings.ToLower(one.method))
			for _, query := range []string{"?release=1&log=2&n=2&path=x", "?release=x&log=x&n=x&patch=x&trial=x"} {
				raw := one.method + " " + examples.Replace(one.pattern) + query + " HTTP/1.1\r\nHost: ota\r\n" + d.bodyOf(t, operation)
				answer := ask(t, server.Handler(), owner, raw)
				if answer.Code == http.StatusInternalServerError {
					t.Errorf("%s %s: %s", one.method, one.pattern, answer.Body)
				}
				d.checkAnswer(t, one, operation, answer)
			}
		}
	}
	house.err = nil
	for _, want := range []string{"status", "history", "why", "diff", "logs?n=5", "device"} {
		if answer := ask(t, server.Handler(), everybody, "GET /api/v1/"+want+" HTTP/1.1\r\nHost: ota\r\n\r\n"); answer.Code != http.StatusOK {
			t.Errorf("%s: %d, of which nothing is checked", want, answer.Code)
		}
	}
}

func (d description) checkAnswer(t testing.TB, one route, operation map[string]any, answer *httptest.ResponseRecorder) {
	t.Helper()
	status := fmt.Sprint(answer.Code)
	if _, named := d.at(t, operation, "responses")[status]; !named {
		status = "default"
		if answer.Code < 400 {
			t.Errorf("%s %s: the answer %d is not described", one.method, one.pattern, answer.Code)
			return
		}
	}
	response := d.at(t, operation, "responses", status)
	if one.method == http.MethodHead || answer.Code == http.StatusNoContent || answer.Code == http.StatusNotModified {
		return
	}
	kind, _, err := mime.ParseMediaType(answer.Header().Get("Content-Type"))
	content, described := d.at(t, response, "content")[kind]
	if err != nil || !described {
		t.Errorf("%s %s: the answer %d of the type %q is not described", one.method, one.pattern, answer.Code, kind)
		return
	}
	if _, has := d.at(t, content)["schema"]; !has {
		return
	}
	place := []string{"paths", one.pattern, strings.ToLower(one.method), "responses", status, "content", kind, "schema"}
	if answer.Code >= 400 {
		place = []string{"components", "schemas", "Problem"}
	}
	switch kind {
	case "text/event-stream":
		d.checkEvents(t, answer)
	case "application/jsonl":
		for line := range strings.Lines(answer.Body.String()) {
			d.check(t, []byte(line), place...)
		}
	case "application/json", "application/problem+json":
		d.check(t, answer.Body.Bytes(), place...)
	}
}

func (d description) checkEvents(t testing.TB, answer *httptest.ResponseRecorder) {
	t.Helper()
	stream := &reading{from: bufio.NewReader(answer.Body)}
	seen := 0
	for {
		found, err := stream.next()
		if err != nil {
			break
		}
		if found.name == "" {
			continue
		}
		seen++
		kinds := d.at(t, d.tree, "paths", "/api/v1/events", "get", "x-ota-events")
		if _, described := kinds[found.name]; !described {
			t.Errorf("the event %s is not described", found.name)
			continue
		}
		d.check(t, []byte(found.data), "paths", "/api/v1/events", "get", "x-ota-events", found.name)
	}
	if seen != 4 {
		t.Errorf("%d events", seen)
	}
}
