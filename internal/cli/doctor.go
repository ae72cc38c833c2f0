package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/api"
	"ota/internal/doctor"
	"ota/internal/kit/amount"
	"ota/internal/service"
)

// diagnosis is what `ota doctor --json` prints.
type diagnosis struct {
	Findings api.List[finding] `json:"findings"`
}

type finding struct {
	Check   string         `json:"check"`
	Name    string         `json:"name"` // as in docs/doctor.md; that of the check where all is well
	Verdict doctor.Verdict `json:"verdict"`
	What    string         `json:"what"`
	Advice  *string        `json:"advice"` // nil: there is nothing to do
}

func (a *app) doctorCommand() *cobra.Command {
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for all that is known to go wrong, and say what to do",
		Long: `Look for all that is known to go wrong on a device, and say what to do: Python,
rights on deposit/, mounts, space, limits of the kernel, clock, power, errors of the
card, the settings, the page, and what ota and the program do.

It changes nothing, and it does not matter whether ota is running. What could not be
looked at is told; as root all can be.

Exit code: 0; 1 if something is a problem. A notice is none.`,
		Example: `  ota doctor
  sudo ota -C /home/pi/garden doctor --verbose
  ota doctor --json | jq '.findings[] | select(.verdict == "problem")'`,
		Args: noArguments,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs: print JSON")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "also what is well")
	cmd.RunE = a.act(func(ctx context.Context, _ []string) exitCode { return a.doctor(ctx, asJSON, verbose) })
	return cmd
}

func (a *app) doctor(ctx context.Context, asJSON, verbose bool) exitCode {
	dir, err := a.folder()
	if err != nil {
		return a.fail(fmt.Errorf("cannot look for problems: %w", err))
	}
	line := a.progress()
	found, err := agent.Doctor(ctx, dir, serviceOf(ctx, dir), func(check string) { line.say("looking at: "+check, time.Now()) })
	line.end()
	if err != nil {
		return a.fail(fmt.Errorf("cannot look for problems: %w", err))
	}
	if asJSON {
		if code := a.json(diagnosisOf(found)); code != done {
			return code
		}
	} else {
		a.diagnose(found, verbose)
	}
	if len(withVerdict(found, doctor.Problem)) > 0 {
		return failed
	}
	return done
}

// serviceOf is what starts the ota of a folder.
func serviceOf(ctx context.Context, dir string) doctor.Service {
	host, err := service.ThisHost()
	if err != nil {
		return doctor.Service{}
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	met := service.Look(ctx, host, dir)
	return doctor.Service{State: doctor.ServiceState(met.Condition), Unit: met.Unit, Enable: met.Enable, Start: met.Start}
}

func diagnosisOf(found []doctor.Finding) diagnosis {
	var all diagnosis
	for _, one := range found {
		public := finding{Check: one.Check, Name: one.Name, Verdict: one.Verdict, What: one.What}
		if one.Advice != "" {
			public.Advice = &one.Advice
		}
		all.Findings = append(all.Findings, public)
	}
	return all
}

func withVerdict(found []doctor.Finding, verdict doctor.Verdict) []doctor.Finding {
	var some []doctor.Finding
	for _, one := range found {
		if one.Verdict == verdict {
			some = append(some, one)
		}
	}
	return some
}

// diagnose prints what matters most first, and of what is well only how much it
// is unless it is asked for.
func (a *app) diagnose(found []doctor.Finding, verbose bool) {
	for _, group := range []struct {
		verdict doctor.Verdict
		tone    tone
	}{{doctor.Problem, bad}, {doctor.Notice, notice}, {doctor.Unknown, notice}} {
		for _, one := range withVerdict(found, group.verdict) {
			a.point(group.tone, string(one.Verdict), one.What)
			if one.Advice != "" {
				a.say("  do: %s", one.Advice)
			}
		}
	}
	well := withVerdict(found, doctor.OK)
	if verbose {
		for _, one := range well {
			a.point(good, string(one.Verdict), one.What)
		}
	}
	rest := amount.Count(len(well), "check", "checks") + " without a finding"
	switch problems := len(withVerdict(found, doctor.Problem)); {
	case problems > 0:
		fmt.Fprintf(a.stdout, "%s, %s\n", a.in(bad, amount.Count(problems, "problem", "problems")), rest)
	case len(well) == len(found):
		fmt.Fprintf(a.stdout, "%s: %s\n", a.in(good, "all is well"), rest)
	default:
		fmt.Fprintf(a.stdout, "%s, %s\n", a.in(good, "no problem"), rest)
	}
}
