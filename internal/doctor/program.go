package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ota/internal/config"
	"ota/internal/kit/amount"
	"ota/internal/kit/escape"
)

func (p *patient) lookAtOta(context.Context) []Finding {
	who := ""
	if p.Told.PID != 0 {
		who = fmt.Sprintf(" (pid %d)", p.Told.PID)
	}
	switch p.Told.Presence {
	case Absent, Left:
		if p.Service.State == ServiceDown {
			return nil // it is told of the service, which is what should start it
		}
	}
	switch p.Told.Presence {
	case Absent:
		return []Finding{notice("ota-absent", "ota is not running in "+escape.Name(p.Dir), p.asOta("run"))}
	case Left:
		return []Finding{notice("ota-left-socket", "ota was killed: its socket is there, and nobody behind it; the next start clears it away", p.asOta("run"))}
	case Silent:
		advice := "wait a moment; if it stays like that, stop it and start it again"
		if p.Told.PID != 0 {
			advice = fmt.Sprintf("kill %d  # if it stays like that; then start it again", p.Told.PID)
		}
		return []Finding{problem("ota-silent", "ota is running"+who+" and gives no answer"+because(p.Told.Why), advice)}
	case Refuses:
		return []Finding{unknown("ota-refuses", fmt.Sprintf("ota is running%s as %s and answers to that user and root only", who, p.user.name), p.asOta("doctor"))}
	}
	if p.Told.Outdated != "" {
		return []Finding{notice("ota-outdated", "the ota that is running"+who+" is another one than that in "+escape.Name(p.Told.Outdated)+
			", which was replaced", p.asOta("reload")+"  # the program runs on")}
	}
	return fine(fmt.Sprintf("ota is running%s as %s", who, p.user.name))
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + escape.Name(why)
}

// trialSlack is what a slow device needs around a trial.
const trialSlack = time.Minute

func (p *patient) lookAtProgram(context.Context) []Finding {
	var found []Finding
	_, err := os.Stat(filepath.Join(p.main(), "main.py"))
	if os.IsNotExist(err) && p.settings.Program.Command == nil {
		found = append(found, notice("program-missing", "main/ has no main.py, and [program] command names no other program",
			"put your program into "+shell(p.deposit())))
	}
	found = append(found, p.lookAtSockets()...)
	switch p.Told.Crashes {
	case Again:
		found = append(found, problem("program-failing", "the program failed and is started again after a pause"+because(p.Told.Ended), p.ask("why")+"; "+p.ask("logs")))
	case Always:
		found = append(found, problem("program-crashing", "the program crashes again and again"+because(p.Told.Ended),
			p.ask("logs")+"  # then put a corrected file into deposit/, or go back: ota rollback"))
	}
	if p.Told.Trial != 0 && p.Told.TrialFor > 2*p.settings.Trial.Period+trialSlack {
		found = append(found, notice("program-trial", fmt.Sprintf("release %d is still on trial, longer than [trial] period", p.Told.Trial), p.ask("why")+"; "+p.ask("logs")))
	}
	if held := p.Told.Held; len(held) > 0 {
		what := "the upload in deposit/ is held: " + escape.Name(held[0])
		if len(held) > 1 {
			what += " (and " + amount.Count(len(held)-1, "other reason", "other reasons") + ")"
		}
		found = append(found, problem("upload-held", what, p.ask("why")+"  # then upload what is wrong again, or: ota discard"))
	}
	return otherwise(found, "the program "+p.programState())
}

// lookAtSockets is about those of [program] listen while no ota has them.
func (p *patient) lookAtSockets() []Finding {
	var found []Finding
	if p.runs() {
		return nil
	}
	for _, socket := range p.settings.Program.Listen {
		if socket.Network != "tcp" {
			continue
		}
		if other := p.whoHas(socket.Address); other != "" {
			found = append(found, notice("program-port", "the port "+escape.Name(socket.Address)+" of [program] listen is taken by "+other+": the program can't be started",
				"end that, unless an earlier ota left it: the next one ends it by itself"))
		}
	}
	return found
}

func (p *patient) programState() string {
	if p.Told.Program == "" {
		return "is there"
	}
	return "is " + p.Told.Program
}

func (p *patient) lookAtPage(context.Context) []Finding {
	listen := p.settings.Web.Listen
	if listen == config.WebOff {
		return fine("the page is off")
	}
	var found []Finding
	if p.Told.PageProblem != "" {
		found = append(found, problem("page-problem", "the page is not as it should be: "+escape.Name(p.Told.PageProblem), "see [web] in "+shell(p.Dir+"/ota.toml")+", then start ota again"))
	}
	if other := p.whoHas(listen); other != "" {
		found = append(found, notice("page-port", "the port of the page, "+escape.Name(listen)+", is taken by "+other+": the page takes the next free one",
			"end that, or set another port: [web] listen in "+shell(p.Dir+"/ota.toml")))
	}
	if p.Told.Page != "" {
		return otherwise(found, "the page is on "+escape.Name(p.Told.Page))
	}
	return otherwise(found, "the page will be on "+escape.Name(listen))
}
