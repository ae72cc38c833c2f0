package api

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/logs"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

// busy is a house in which there is something of everything.
func busy() *fakeHouse {
	return &fakeHouse{
		status: Status{
			Version: "0.2.0",
			Program: Program{State: Running, PID: new(4711), Started: new(noon), Restarts: 2},
			Release: &Release{Number: 7, Digest: "sha256:0a1b", State: RolledBack},
			Deposit: Deposit{State: Held, Files: 3, Bytes: 1 << 40},
		},
		device: Device{
			Name: "garden", Temperature: new(39.546), PowerKnown: true,
			Power:    List[string]{"under-voltage now", "throttled since the start"},
			DiskFree: new(int64(12 << 30)), DiskTotal: new(int64(29 << 30)),
			MemoryFree: new(int64(246804 << 10)), MemoryTotal: new(int64(441304 << 10)),
			Load: new(0.42), Processors: 1, Booted: new(noon.Add(-time.Hour)), ClockSet: new(true),
			Usage:      Usage{At: noon, Memory: new(int64(31 << 20)), CPU: new(12.5)},
			CPUSeconds: new(1234.56),
		},
		history: []HistoryEntry{{Number: 7, State: RolledBack}, {Number: 6, State: Confirmed}, {Number: 5, State: Confirmed}, {Number: 1, State: Adopted}},
		lines:   []logs.Line{{Seq: 98}, {Seq: 99}},
	}
}

// call calls a handler as the routes do.
func call(t *testing.T, house House, answer func(*Server, http.ResponseWriter, *http.Request) error) (*httptest.ResponseRecorder, error) {
	t.Helper()
	recorder := httptest.NewRecorder()
	err := answer(New(house, "", nil), recorder, httptest.NewRequest(http.MethodGet, "/", nil))
	return recorder, err
}

func scrape(t *testing.T, house House) string {
	t.Helper()
	answer, err := call(t, house, (*Server).metrics)
	if err != nil {
		t.Fatal(err)
	}
	if kind := answer.Header().Get("Content-Type"); kind != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("Content-Type: %s", kind)
	}
	return answer.Body.String()
}

func TestMetrics(t *testing.T) {
	text := scrape(t, busy())
	if err := parseExposition(text); err != nil {
		t.Error(err)
	}
	// What is told of the process that tests is another thing each time.
	got, own, _ := strings.Cut(text, "# HELP process_")
	if !strings.Contains(own, "process_start_time_seconds ") {
		t.Error("nothing of ota itself")
	}
	file := filepath.Join("testdata", "metrics.txt")
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what is told; go test ./internal/api -update\n%s", file, diff)
	}
}

// What is not known is left out.
func TestMetricsOfAnEmptyHouse(t *testing.T) {
	text := scrape(t, &fakeHouse{err: errors.New("no history")})
	if err := parseExposition(text); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"ota_release_number", "ota_program_memory_bytes", "ota_program_started", "ota_device_temperature", "ota_device_power", "ota_device_clock_set", "ota_log_lines"} {
		if strings.Contains(text, "\n"+name) {
			t.Errorf("%s is there", name)
		}
	}
	if !strings.Contains(text, "\nota_program_up 0\n") {
		t.Error("the program seems to be up")
	}
}

func TestLabelsAreEscaped(t *testing.T) {
	house := busy()
	house.status.Version = "a\"b\\c\nd\xff{},="
	text := scrape(t, house)
	if err := parseExposition(text); err != nil {
		t.Error(err)
	}
	if want := `ota_info{version="a\"b\\c\nd` + "\ufffd" + `{},="} 1` + "\n"; !strings.Contains(text, want) {
		t.Errorf("no %s in\n%s", want, text)
	}
}

func FuzzExposition(f *testing.F) {
	f.Add("version", "a\"b\\c\nd\xff", 1.5)
	f.Fuzz(func(t *testing.T, help, value string, number float64) {
		var e exposition
		e.gauge("ota_x", "It is "+help, one(number, label{"a", value}, label{"b", value + "b"}), one(number))
		if err := parseExposition(string(e.text)); err != nil {
			t.Errorf("%v\n%s", err, e.text)
		}
	})
}

func TestParserIsStrict(t *testing.T) {
	const head = "# HELP a_x b\n# TYPE a_x gauge\n"
	for _, bad := range []string{
		"a_x 1\n", head, head + "a_x 1", head + "a_x x\n", head + "a_x{b=c} 1\n", head + "a_x{b=\"\\x\"} 1\n", head + "a_x 1\na_x 2\n",
		head + "a_y 1\n", head + "a_x 1\n" + head + "a_x{b=\"c\"} 1\n", "# TYPE a_x gauge\na_x 1\n", "# HELP a_x \n# TYPE a_x gauge\na_x 1\n",
		"# HELP a_x_total b\n# TYPE a_x_total gauge\na_x_total 1\n", "# HELP a_x b\n# TYPE a_x counter\na_x 1\n", head + "a_x{b=\"1\",b=\"2\"} 1\n",
	} {
		if parseExposition(bad) == nil {
			t.Errorf("accepted: %q", bad)
		}
	}
	if err := parseExposition(head + "a_x 1\na_x{b=\"c\\\"\\\\\\n\"} -1.5e3\n"); err != nil {
		t.Error(err)
	}
}

var (
	helpLine   = regexp.MustCompile(`^# HELP ([a-z][a-z0-9_]*) ((?:[^\\]|\\\\|\\n)+)$`)
	typeLine   = regexp.MustCompile(`^# TYPE ([a-z][a-z0-9_]*) (gauge|counter)$`)
	sampleLine = regexp.MustCompile(`^([a-z][a-z0-9_]*)(?:\{(.*)\})? (\S+)$`)
	labelPart  = regexp.MustCompile(`^([a-z][a-z0-9_]*)="((?:[^"\\\n]|\\\\|\\n|\\")*)"(?:,|$)`)
)

// parseExposition takes nothing but what the text format prescribes or asks
// for: for each metric a HELP, a TYPE and its samples, all different; names of
// counters end in _total, and no others do.
func parseExposition(text string) error {
	if !strings.HasSuffix(text, "\n") {
		return errors.New("the last line does not end")
	}
	families, series := map[string]bool{}, map[string]bool{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for len(lines) > 0 {
		if len(lines) < 3 {
			return fmt.Errorf("a metric ends early: %q", lines)
		}
		help, kind := helpLine.FindStringSubmatch(lines[0]), typeLine.FindStringSubmatch(lines[1])
		if help == nil || kind == nil || help[1] != kind[1] || families[help[1]] {
			return fmt.Errorf("no head of a metric: %q, %q", lines[0], lines[1])
		}
		name := help[1]
		if strings.HasSuffix(name, "_total") != (kind[2] == "counter") {
			return fmt.Errorf("%s is a %s", name, kind[2])
		}
		families[name] = true
		lines = lines[2:]
		count := 0
		for ; len(lines) > 0 && !strings.HasPrefix(lines[0], "#"); lines = lines[1:] {
			if err := parseSample(lines[0], name, series); err != nil {
				return err
			}
			count++
		}
		if count == 0 {
			return fmt.Errorf("%s has no sample", name)
		}
	}
	return nil
}

func parseSample(line, name string, series map[string]bool) error {
	parts := sampleLine.FindStringSubmatch(line)
	if parts == nil || parts[1] != name {
		return fmt.Errorf("no sample of %s: %q", name, line)
	}
	if _, err := strconv.ParseFloat(parts[3], 64); err != nil {
		return fmt.Errorf("%q: %w", line, err)
	}
	labels := map[string]bool{}
	for rest := parts[2]; rest != ""; {
		label := labelPart.FindStringSubmatch(rest)
		if label == nil || labels[label[1]] {
			return fmt.Errorf("labels of %q at %q", line, rest)
		}
		labels[label[1]] = true
		rest = rest[len(label[0]):]
	}
	if id := parts[1] + "{" + parts[2]; series[id] {
		return fmt.Errorf("twice: %q", line)
	} else {
		series[id] = true
	}
	return nil
}
