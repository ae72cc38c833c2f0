package agent

import (
	"fmt"
	"slices"
	"testing"

	"ota/internal/logs"
)

// TestLastWords: what a program complained of is kept whatever its buffer held
// for stdout, and nothing is kept twice or in another order.
func TestLastWords(t *testing.T) {
	lines := func(source logs.Source, name string, n int) []logs.Line {
		var made []logs.Line
		for i := range n {
			made = append(made, logs.Line{Source: source, Text: fmt.Sprint(name, i)})
		}
		return made
	}
	for name, test := range map[string]struct {
		output []logs.Line
		want   []string
	}{
		"nothing":         {nil, []string{}},
		"few":             {slices.Concat(lines(logs.Main, "o", 1), lines(logs.MainErr, "e", 1)), []string{"o0", "e0"}},
		"complaint first": {slices.Concat(lines(logs.MainErr, "e", 1), lines(logs.Main, "o", 9)), []string{"e0", "o6", "o7", "o8"}},
		"long complaint":  {slices.Concat(lines(logs.MainErr, "e", 9), lines(logs.Main, "o", 9)), []string{"e7", "e8", "o7", "o8"}},
		"complaint last":  {slices.Concat(lines(logs.Main, "o", 9), lines(logs.MainErr, "e", 9)), []string{"e5", "e6", "e7", "e8"}},
		"stdout only":     {lines(logs.Main, "o", 9), []string{"o5", "o6", "o7", "o8"}},
	} {
		if got := lastWords(test.output, 4); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q instead of %q", name, got, test.want)
		}
	}
}
