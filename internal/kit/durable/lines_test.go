package durable

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLines(t *testing.T) {
	type m = map[string]any
	tests := []struct {
		name string
		from any
		want string
	}{
		{"a number", 7, "7\n"},
		{"nothing in it", m{}, "{}\n"},
		{"keys", m{"a": 1, "b": nil}, "{\n \"a\": 1,\n \"b\": null\n}\n"},
		{"a list", []int{1, 2}, "[\n 1,\n 2\n]\n"},
		{"an empty list", m{"a": []int{}}, "{\n \"a\": []\n}\n"},
		{
			"small objects", m{"files": []m{{"path": "a", "n": 1}, {"path": "b"}}},
			"{\n \"files\": [\n  {\"n\": 1, \"path\": \"a\"},\n  {\"path\": \"b\"}\n ]\n}\n",
		},
		{
			"a list further in", m{"note": m{"files": []string{"a", "b"}, "to": 3}},
			"{\n \"note\": {\"files\": [\n  \"a\",\n  \"b\"\n ], \"to\": 3}\n}\n",
		},
		{"brackets in texts", m{`"[,{:\`: `\",]}`}, "{\n \"\\\"[,{:\\\\\": \"\\\\\\\",]}\"\n}\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Lines(test.from)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzLines: whatever is in it, it stays what it is.
func FuzzLines(f *testing.F) {
	f.Add([]byte(`{"a": [{"b": "\\\"]"}, [], {}, [[1]]], "c": {"d": [true]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var from, again any
		if json.Unmarshal(data, &from) != nil {
			return
		}
		lines, err := Lines(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(lines, &again); err != nil {
			t.Fatalf("%v\n%s", err, lines)
		}
		if diff := cmp.Diff(from, again); diff != "" {
			t.Error(diff)
		}
	})
}
