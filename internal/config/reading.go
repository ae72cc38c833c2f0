package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"ota/internal/kit/escape"

	"github.com/BurntSushi/toml"
)

// enough problems to work on; a file that is something else altogether has one
// on every line.
const enough = 20

// reading is one file on its way into a configuration.
type reading struct {
	config   Config
	file     string
	origin   Origin
	meta     toml.MetaData
	top      map[string]toml.Primitive
	lines    map[place]int // of the keys that were taken
	problems []Problem
	warnings []Problem
}

// newReading lays a file over what is there already.
func newReading(file string, origin Origin, over Config) *reading {
	return &reading{config: over, file: file, origin: origin, lines: map[place]int{}}
}

func (r *reading) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	sortByLine(r.problems)
	if len(r.problems) > enough {
		r.problems = append(r.problems[:enough], Problem{File: r.file, Message: "more is wrong than is told here"})
	}
	return &Error{r.problems}
}

const tooLarge = "the file is larger than 64 KiB"

// all reads a file that nobody has judged yet.
func (r *reading) all(data []byte) {
	if len(data) > maxFile {
		r.say(0, tooLarge, "")
		return
	}
	r.document(data)
	r.together()
	sortByLine(r.warnings)
}

func (r *reading) document(data []byte) {
	var err error
	if r.meta, err = toml.Decode(string(data), &r.top); err != nil {
		r.syntax(err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(r.top)) {
		if len(r.problems) > enough {
			return
		}
		r.table(name)
	}
}

func (r *reading) syntax(err error) {
	problem := Problem{File: r.file, Message: err.Error()}
	var parse toml.ParseError
	if errors.As(err, &parse) {
		problem.Line, problem.Message = parse.Position.Line, parse.Message
	}
	problem.Message = string(escape.Line(nil, []byte(problem.Message)))
	r.problems = append(r.problems, problem)
}

func (r *reading) table(table string) {
	value, line := r.look(r.top[table])
	_, isTable := value.(map[string]any)
	var inside map[string]toml.Primitive
	switch known := slices.Contains(tables(), table); {
	case known && !isTable:
		r.say(line, fmt.Sprintf("[%s] must be a table, not %s", table, kind(value)), "")
		return
	case !known && isTable:
		r.say(line, fmt.Sprintf("unknown table [%s]", escape.Name(table)), didYouMean(nearest(table, tables())))
		return
	case !known:
		r.say(line, fmt.Sprintf("unknown key %s outside of the tables", quote(table)), elsewhere(table, ""))
		return
	}
	if r.origin == Travelling && countsOnDevice(table) {
		r.say(line, fmt.Sprintf("[%s] %s", table, onlyOnDevice), "")
		return
	}
	if err := r.meta.PrimitiveDecode(r.top[table], &inside); err != nil {
		r.syntax(err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(inside)) {
		if len(r.problems) > enough {
			return
		}
		r.key(table, name, inside[name])
	}
}

func (r *reading) key(table, name string, primitive toml.Primitive) {
	value, line := r.look(primitive)
	key, known := find(table, name)
	if !known {
		r.say(line, fmt.Sprintf("unknown key %s in [%s]", quote(name), table), elsewhere(name, table))
		return
	}
	if r.origin == Travelling && key.Counts == OnDevice {
		r.warnings = append(r.warnings, Problem{File: r.file, Line: line, Message: name + " " + onlyOnDevice})
		return
	}
	err := key.set(&r.config, value)
	var joined interface{ Unwrap() []error }
	switch {
	case err == nil:
		r.took(key, value, line)
	case errors.As(err, &joined):
		r.entries(key, primitive, joined.Unwrap())
	default:
		r.say(line, name+" "+err.Error(), "")
	}
}

func sortByLine(problems []Problem) {
	sort.SliceStable(problems, func(i, j int) bool { return problems[i].Line < problems[j].Line })
}

// onlyOnDevice is said of what stands in main/ota.toml and does not belong there.
const onlyOnDevice = "counts only in the device's ota.toml, beside deposit/"

func (r *reading) took(key Key, written any, line int) {
	r.lines[place{key.Table, key.Name, ""}] = line
	entries, isTable := written.(map[string]any)
	if !isTable {
		r.config.put(place{key.Table, key.Name, ""}, value{r.origin, written})
		return
	}
	for name, one := range entries {
		r.config.put(place{key.Table, key.Name, name}, value{r.origin, one})
	}
}

// entries tells what is wrong with single entries of a table, each at its line.
func (r *reading) entries(key Key, primitive toml.Primitive, wrong []error) {
	var inside map[string]toml.Primitive
	if err := r.meta.PrimitiveDecode(primitive, &inside); err != nil {
		r.syntax(err)
		return
	}
	for _, err := range wrong {
		var entry *entryError
		if errors.As(err, &entry) && len(r.problems) <= enough {
			_, line := r.look(inside[entry.name])
			r.say(line, fmt.Sprintf("%s: %s %v", key.Name, quote(entry.name), entry.err), "")
		}
	}
}

// together checks what no key can be asked alone. What is wrong is not taken.
func (r *reading) together() {
	standard := Default()
	if logs := &r.config.Logs; logs.MaxFile > logs.MaxTotal {
		r.say(cmp.Or(r.lineOf("logs", "max_total"), r.lineOf("logs", "max_file")), "max_total must be at least max_file", "")
		*logs = standard.Logs
	}
	program := &r.config.Program
	if most := len(program.StopSignals) - 1; len(program.StopTimeouts) > most {
		r.say(r.lineOf("program", "stop_timeouts"),
			fmt.Sprintf("stop_timeouts holds %d durations, and between the signals there are %d", len(program.StopTimeouts), most), "")
		program.StopTimeouts = nil
	}
	if name := program.EnvFile.Path; r.origin == Travelling && name != "" && !filepath.IsLocal(filepath.FromSlash(name)) {
		r.say(r.lineOf("program", "env_file"), "env_file must lie below main/, not at "+quote(name), "")
		program.EnvFile = EnvFile{}
	}
	if web := &r.config.Web; (web.Cert == "") != (web.Key == "") {
		r.say(cmp.Or(r.lineOf("web", "cert"), r.lineOf("web", "key")), "cert and key belong together: one of them is missing", "")
		web.Cert, web.Key = "", ""
	}
	r.mqttTogether()
	r.sourceTogether()
}

// mqttTogether takes nothing that would be left out in silence.
func (r *reading) mqttTogether() {
	mqtt := &r.config.MQTT
	if mqtt.PasswordFile != "" && mqtt.User == "" { // the standard has no password without a user
		r.say(r.lineOf("mqtt", "password_file"), "password_file needs a user: whose password is it?", "")
		mqtt.PasswordFile = ""
	}
	if mqtt.CA != "" && !strings.HasPrefix(mqtt.Broker, secureScheme+"://") {
		r.say(r.lineOf("mqtt", "ca"), "ca counts only with a broker that is spoken to with TLS: mqtts://", "")
		mqtt.CA = ""
	}
}

func (r *reading) lineOf(table, name string) int { return r.lines[place{table, name, ""}] }

func (r *reading) say(line int, message, hint string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Message: message, Hint: hint})
}

// look returns a value and its line. The parser tells the place only of what
// fails to decode, so this fails on purpose.
func (r *reading) look(primitive toml.Primitive) (value any, line int) {
	var probe refusal
	err := r.meta.PrimitiveDecode(primitive, &probe)
	var parse toml.ParseError
	if errors.As(err, &parse) {
		line = parse.Position.Line
	}
	if line > 0 {
		return probe.value, line
	}
	// A table that only the dots in a name make has no line; its first key has.
	var inside map[string]toml.Primitive
	if r.meta.PrimitiveDecode(primitive, &inside) == nil {
		for _, one := range inside {
			if _, found := r.look(one); line == 0 || found < line {
				line = found
			}
		}
	}
	return probe.value, line
}

// refusal takes any value and refuses it.
type refusal struct{ value any }

func (r *refusal) UnmarshalTOML(value any) error {
	r.value = value
	return errors.New("looked at")
}

func didYouMean(word string) string {
	if word == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", word)
}

// elsewhere says where a key belongs, or which one may have been meant. The
// table is empty where the key stands in none.
func elsewhere(name, table string) string {
	homes := tablesOf(strings.ToLower(name))
	if len(homes) == 0 || slices.Contains(homes, table) {
		return didYouMean(nearest(name, namesIn(table)))
	}
	for i, home := range homes {
		homes[i] = "[" + home + "]"
	}
	return fmt.Sprintf("%s belongs in %s", strings.ToLower(name), strings.Join(homes, " or "))
}
