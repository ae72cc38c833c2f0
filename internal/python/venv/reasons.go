package venv

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"ota/internal/kit/pattern"
)

// networkTrouble is what stands in a line of pip or uv if somebody on the way
// to the index is at fault.
var networkTrouble = pattern.New(`ConnectionError|ConnectTimeout|ReadTimeout|NewConnectionError|MaxRetryError|Max retries exceeded|` +
	`ProxyError|SSLError|Connection broken|Connection aborted|Connection reset|Remote end closed|IncompleteRead|ProtocolError|` +
	`timed out|Name or service not known|Temporary failure in name resolution|nodename nor servname|Network is unreachable|` +
	`No route to host|Connection refused|5\d\d Server Error|429 Client Error|too many \d+ error responses|` +
	`error sending request|dns error|tcp connect error|operation timed out`)

// troubles are the words for it, the first that fits.
var troubles = []struct {
	pattern *pattern.Pattern
	words   string
}{
	{pattern.New(`too many (\d+) error responses|\b(5\d\d) Server Error|\b(429) Client Error|\b(5\d\d|429) (?:Internal|Bad Gateway|Service|Gateway|Too Many)`), "it answers with status "},
	{pattern.New(`ProxyError|Cannot connect to proxy|Tunnel connection failed`), "the proxy does not let it through"},
	{pattern.New(`Name or service not known|Temporary failure in name resolution|nodename nor servname|getaddrinfo|dns error|No address associated`), "its name is not found"},
	{pattern.New(`not yet valid`), "its certificate is not valid yet: is the clock of this device right?"},
	{pattern.New(`CERTIFICATE_VERIFY_FAILED|certificate verify failed|invalid peer certificate|SSLError|SSL`), "the connection is not secure"},
	{pattern.New(`Connection refused`), "connection refused"},
	{pattern.New(`Network is unreachable|No route to host`), "the network is away"},
	{pattern.New(`(?i)timed? ?out`), "no answer in time"},
	{pattern.New(`Connection reset|Connection aborted|Remote end closed|IncompleteRead|Connection broken|ProtocolError`), "the connection broke off"},
	{pattern.New(`\b(401|403)\b`), "it does not let us in: status "},
}

var hostIn = pattern.New(`host='([^']+)', port=(?:'?)(\d+)`)

// unreachable is the failure of an index that does not do its part. Only who
// keeps us out on purpose will do so the next time.
func unreachable(said string, s scene) *Failed {
	where := "the package index"
	switch m := hostIn.FindStringSubmatch(said); {
	case s.index != "":
		where = withoutPassword(s.index)
	case m != nil:
		where = m[1]
	}
	for _, one := range troubles {
		m := one.pattern.FindStringSubmatch(said)
		if m == nil {
			continue
		}
		status := strings.Join(m[1:], "")
		isClosed := status == "401" || status == "403"
		return &Failed{Message: fmt.Sprintf("cannot reach %s: %s", where, one.words+status), Passing: !isClosed}
	}
	return &Failed{Message: fmt.Sprintf("cannot reach %s: %s", where, said), Passing: true}
}

// withoutPassword is an address that may be shown.
func withoutPassword(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return "the index"
	}
	return parsed.Redacted()
}

var (
	failedBuild = pattern.New(`(?:Failed building wheel for|Could not build wheels for|Failed to build:?|Failed to build installable wheels for some pyproject\.toml based projects \(?|Running setup\.py install for) '?([A-Za-z0-9][A-Za-z0-9._-]*)`)
	notSuccess  = pattern.New(`^\s*× (.+) did not run successfully`)
	legacy      = pattern.New(`^\s*╰─> ([A-Za-z0-9][A-Za-z0-9._-]*)$`)
	// compilerSays is a line of a build that says what is wrong.
	compilerSays = pattern.New(`fatal error:|(?:^|\s)error: |^\s*[A-Za-z_.]*(?:Error|Exception|Unavailable): `)
	notAReason   = pattern.New(`subprocess-exited-with-error|legacy-install-failure|metadata-generation-failed|failed-wheel-build|command '[^']*' failed with exit (?:code|status)`)
	noCompiler   = pattern.New(`(?:unable to execute|command) '?[^ ']*(?:gcc|cc|g\+\+|clang)'?(?: failed)?: No such file|Python\.h: No such file|No such file or directory: '[^']*(?:gcc|cc)'|unknown compiler|cannot find a C compiler|No CMAKE_C_COMPILER`)
	noRust       = pattern.New(`(?i)rust(?:c)? (?:compiler )?(?:is )?not (?:installed|found)|can't find Rust compiler|cargo[^a-z].*not (?:installed|found)`)
)

// buildFailure is that of a package that is built from source.
func (f *findings) buildFailure() *Failed {
	m := f.find(f.tail, failedBuild)
	if m == nil {
		m = f.find(f.tail, legacy)
	}
	step := f.find(f.tail, notSuccess)
	if m == nil && step == nil {
		return f.backendFailure()
	}
	if m != nil {
		f.current = normalize(strings.TrimRight(m[1], ":."))
	}
	failed := &Failed{Message: fmt.Sprintf("cannot build %s from source", f.currentName()), Package: f.current}
	if reason := f.buildReason(); reason != "" {
		failed.Message += ": " + reason
	} else if step != nil {
		failed.Message += ": " + step[1] + " failed"
	}
	text := strings.Join(f.tail, "\n")
	switch {
	case noCompiler.MatchString(text):
		failed.hint = "put a wheel into main/wheels/, or install a compiler with `sudo apt install build-essential python3-dev`"
	case noRust.MatchString(text):
		failed.hint = "put a wheel into main/wheels/: building it needs Rust"
	}
	return failed
}

// buildReason is the first line of the last fault: what follows are the steps
// that gave up because of it.
func (f *findings) buildReason() string {
	last := ""
	for _, text := range slices.Backward(f.tail) {
		if !compilerSays.MatchString(text) || notAReason.MatchString(text) {
			continue
		}
		if text = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(text), "│|")); strings.Contains(text, "fatal error:") {
			return text
		}
		if last == "" && !strings.HasPrefix(text, "ERROR: ") {
			last = text
		}
	}
	return last
}

// backendFailure is pip's own end by an exception, of which the last line says
// what it was.
func (f *findings) backendFailure() *Failed {
	if !slices.ContainsFunc(f.errors, func(text string) bool { return text == "Exception:" }) || f.find(f.tail, networkTrouble) != nil {
		return nil
	}
	reason := ""
	for _, text := range slices.Backward(f.tail) {
		if compilerSays.MatchString(text) && !strings.HasPrefix(text, " ") {
			reason = text
			break
		}
	}
	if missing, ok := strings.CutPrefix(reason, "ModuleNotFoundError: No module named "); ok {
		return &Failed{
			Message: fmt.Sprintf("cannot build %s from source: its build needs %s", f.currentName(), strings.Trim(missing, "'")), Package: f.current,
		}
	}
	if reason == "" {
		return nil
	}
	return &Failed{Message: "pip gave up: " + reason}
}

// uvFailure reads uv's way to say it: a cross, and branches with the causes.
func (f *findings) uvFailure() *Failed {
	var said []string
	for _, text := range f.tail {
		trimmed := strings.TrimSpace(text)
		isFirst := strings.HasPrefix(trimmed, "error: ") || strings.HasPrefix(trimmed, "× ")
		switch {
		case isFirst:
			said = []string{strings.TrimPrefix(strings.TrimPrefix(trimmed, "error: "), "× ")}
		case len(said) > 0 && strings.HasPrefix(trimmed, "hint:"):
		case len(said) > 0 && trimmed != "":
			said = append(said, strings.TrimSpace(strings.TrimLeft(trimmed, "│├╰─▶> ")))
		}
	}
	if len(said) == 0 {
		return nil
	}
	text := strings.Join(said, " ")
	if networkTrouble.MatchString(text) {
		return unreachable(text, scene{})
	}
	// The causes explain the first line, which says only that there are some.
	if len(said) > 1 && strings.HasPrefix(said[0], "No solution found") {
		text = strings.Join(said[1:], " ")
	}
	return &Failed{Message: text}
}

// lastWords are what is left if nothing is known.
func (f *findings) lastWords(err error) string {
	for _, text := range slices.Backward(f.errors) {
		if text != "Exception:" && !strings.HasPrefix(text, "ResolutionImpossible") {
			return text
		}
	}
	for _, text := range slices.Backward(f.tail) {
		if strings.TrimSpace(text) != "" {
			return "the installer failed: " + strings.TrimSpace(text)
		}
	}
	return fmt.Sprintf("the installer failed: %v", err)
}
