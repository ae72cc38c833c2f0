package command

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHead(t *testing.T) {
	head := Head{Longest: 5}
	for _, step := range []struct {
		piece, kept string
		isCut       bool
	}{{"abc", "abc", false}, {"de", "abcde", false}, {"", "abcde", false}, {"f", "abcde", true}, {"g", "abcde", true}} {
		n, err := head.Write([]byte(step.piece))
		if n != len(step.piece) || err != nil || string(head.Kept()) != step.kept || head.IsCut() != step.isCut {
			t.Errorf("after %q: %d, %v, %q, %t", step.piece, n, err, head.Kept(), head.IsCut())
		}
	}
}

func TestTail(t *testing.T) {
	for name, test := range map[string]struct {
		pieces []string
		want   []string
	}{
		"nothing":              {nil, nil},
		"fewer":                {[]string{"one\n"}, []string{"one"}},
		"the last of more":     {[]string{"one\ntwo\nth", "ree\n"}, []string{"two", "three"}},
		"without an end":       {[]string{"one\ntwo"}, []string{"one", "two"}},
		"empty lines are none": {[]string{"one\n\n \r\ntwo\r\n\n"}, []string{"one", "two"}},
		"long ones are cut":    {[]string{strings.Repeat("x", 30), strings.Repeat("x", 30) + "\n"}, []string{strings.Repeat("x", 40)}},
	} {
		t.Run(name, func(t *testing.T) {
			tail := Tail{Lines: 2, Longest: 40}
			for _, piece := range test.pieces {
				if n, err := tail.Write([]byte(piece)); n != len(piece) || err != nil {
					t.Fatal(n, err)
				}
			}
			if diff := cmp.Diff(test.want, tail.Kept()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
