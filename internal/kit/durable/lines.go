package durable

import (
	"bytes"
	"encoding/json"
)

// Lines is v as JSON for a person who reads it with cat: a line for each key of
// v and for each element of a list. Indented all the way, a list of small
// objects takes half as much again, and all of it is written to a device.
func Lines(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out []byte
	var around []byte // the brackets that are open
	for i := 0; i < len(data); i++ {
		c := data[i]
		switch {
		case c == '"':
			end := i + textLength(data[i:])
			out = append(out, data[i:end]...)
			i = end - 1
		case opens(c):
			around, out = append(around, c), append(out, c)
			if !closes(data[i+1]) {
				out = newLine(out, around)
			}
		case closes(c):
			if !opens(data[i-1]) {
				out = lastLine(out, around)
			}
			around, out = around[:len(around)-1], append(out, c)
		case c == ',':
			out = newLine(append(out, c), around)
		case c == ':':
			out = append(out, ": "...)
		default:
			out = append(out, c)
		}
	}
	return append(out, '\n'), nil
}

func opens(c byte) bool { return c == '{' || c == '[' }

func closes(c byte) bool { return c == '}' || c == ']' }

// textLength is the length of the JSON string that data begins with.
func textLength(data []byte) int {
	i := 1
	for ; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// newLine begins one if what is in the innermost of the brackets around has
// lines of its own: that of a list, and that of the whole. Otherwise a blank
// has to do after a comma.
func newLine(out, around []byte) []byte {
	last := len(around) - 1
	switch {
	case last == 0 || around[last] == '[':
		return append(append(out, '\n'), bytes.Repeat([]byte{' '}, depth(around))...)
	case out[len(out)-1] == ',':
		return append(out, ' ')
	default:
		return out
	}
}

// lastLine is newLine for the bracket that closes the innermost ones.
func lastLine(out, around []byte) []byte {
	last := len(around) - 1
	if last > 0 && around[last] == '{' {
		return out
	}
	return append(append(out, '\n'), bytes.Repeat([]byte{' '}, depth(around)-1)...)
}

// depth is how many of the brackets around have lines of their own.
func depth(around []byte) int {
	lists := bytes.Count(around, []byte{'['})
	if around[0] == '{' {
		lists++
	}
	return lists
}
