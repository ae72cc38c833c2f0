package api

import (
	"strconv"
	"strings"
)

// exposition is metrics as Prometheus reads them, in version 0.0.4 of its text
// format: https://prometheus.io/docs/instrumenting/exposition_formats/
type exposition struct {
	text []byte
}

const expositionType = "text/plain; version=0.0.4; charset=utf-8"

// sample is one value of a metric.
type sample struct {
	value  float64
	labels []label
}

type label struct{ name, value string }

// gauge adds a metric that goes up and down. One without a sample is left out,
// as is a counter.
func (e *exposition) gauge(name, help string, samples ...sample) { e.add("gauge", name, help, samples) }

// counter adds a metric that goes up only, but for a start of ota.
func (e *exposition) counter(name, help string, samples ...sample) {
	e.add("counter", name, help, samples)
}

func (e *exposition) add(kind, name, help string, samples []sample) {
	if len(samples) == 0 {
		return
	}
	e.write("# HELP ", name, " ", escapeHelp.Replace(help), "\n# TYPE ", name, " ", kind, "\n")
	for _, one := range samples {
		e.write(name)
		for i, label := range one.labels {
			open := ","
			if i == 0 {
				open = "{"
			}
			e.write(open, label.name, `="`, escapeLabel.Replace(strings.ToValidUTF8(label.value, "\ufffd")), `"`)
		}
		if len(one.labels) > 0 {
			e.write("}")
		}
		e.text = strconv.AppendFloat(append(e.text, ' '), one.value, 'f', -1, 64)
		e.write("\n")
	}
}

func (e *exposition) write(parts ...string) {
	for _, part := range parts {
		e.text = append(e.text, part...)
	}
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

type number interface{ ~int | ~int64 | ~float64 }

// one is the only sample of a metric.
func one[N number](value N, labels ...label) sample { return sample{float64(value), labels} }

// known is the only sample of a metric whose value may be missing.
func known[N number](value *N) []sample {
	if value == nil {
		return nil
	}
	return []sample{one(*value)}
}

// truth is 1 for true and 0 for false.
func truth(is bool, labels ...label) sample {
	if is {
		return sample{1, labels}
	}
	return sample{0, labels}
}

// stateSet has a sample for each state, of which the present one is 1.
func stateSet[S ~string](present S, all ...S) []sample {
	samples := make([]sample, len(all))
	for i, state := range all {
		samples[i] = truth(state == present, label{"state", string(state)})
	}
	return samples
}
