package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ota/internal/doctor"
)

// examined is one of each verdict.
var examined = []doctor.Finding{
	{Check: "settings", Name: "settings", Verdict: doctor.OK, What: "ota.toml is in order"},
	{Check: "card", Name: "card-unknown", Verdict: doctor.Unknown, What: "the log of the kernel can't be read", Advice: "sudo ota doctor"},
	{Check: "clock", Name: "clock-free", Verdict: doctor.Notice, What: "the clock is free", Advice: "sudo timedatectl set-ntp true"},
	{Check: "deposit", Name: "deposit-read", Verdict: doctor.Problem, What: "pi can't read deposit/\x1b[2J", Advice: "sudo chmod g+r \x1b[2J"},
	{Check: "watches", Name: "watches-unknown", Verdict: doctor.Unknown, What: "the limits can't be told"},
}

func TestDiagnose(t *testing.T) {
	well := []doctor.Finding{examined[0]}
	tests := []struct {
		name    string
		found   []doctor.Finding
		verbose bool
		want    string
	}{
		{"all", examined, false, `problem: pi can't read deposit/\x1b[2J
  do: sudo chmod g+r \x1b[2J
notice: the clock is free
  do: sudo timedatectl set-ntp true
unknown: the log of the kernel can't be read
  do: sudo ota doctor
unknown: the limits can't be told
1 problem, 1 check without a finding
`},
		{"no problem", examined[:3], true, `notice: the clock is free
  do: sudo timedatectl set-ntp true
unknown: the log of the kernel can't be read
  do: sudo ota doctor
ok: ota.toml is in order
no problem, 1 check without a finding
`},
		{"well", well, false, "all is well: 1 check without a finding\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			a := &app{speaker: newSpeaker(&out, &out)}
			a.diagnose(test.found, test.verbose)
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			out.Reset()
			a.color = true
			a.diagnose(test.found, test.verbose)
			if !strings.Contains(out.String(), "\x1b[") || strings.Contains(out.String(), "\x1b[2J") {
				t.Errorf("%q", out.String())
			}
		})
	}
}

func TestDiagnosisForPrograms(t *testing.T) {
	text, err := json.Marshal(diagnosisOf(examined[3:]))
	const want = `{"findings":[{"check":"deposit","name":"deposit-read","verdict":"problem","what":"pi can't read deposit/\u001b[2J","advice":"sudo chmod g+r \u001b[2J"},` +
		`{"check":"watches","name":"watches-unknown","verdict":"unknown","what":"the limits can't be told","advice":null}]}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
	if text, _ := json.Marshal(diagnosisOf(nil)); string(text) != `{"findings":[]}` {
		t.Errorf("%s", text)
	}
}
