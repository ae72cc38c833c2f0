package page

import (
	"strconv"

	"ota/internal/api"
)

// programBody is what runs: its state first, then what is known of it.
func programBody(v View) []part {
	program, release := v.Status.Program, v.Status.Release
	state := wordsOfProgram(program, v.Now)
	body := []part{
		el("div", class("card-head"), heading("program", "Program"), el("div", class("actions"), programActions(program.State))),
		el("p", class("state"), stateMark(state), text(" "), el("span", class("rest"), text(state.rest))),
	}
	body = append(body, programNotes(v)...)
	if program.State == api.Waiting {
		return body // nothing of it is known
	}
	return append(body,
		el("dl", class("facts"),
			fact("Release", releaseWords(release)),
			fact("Running since", when(program.Started == nil, text("–")), sinceOf(program, v)),
			fact("Restarts", text(strconv.Itoa(program.Restarts))),
			fact("Process", processWords(program)),
		),
		el("div", class("tiles"), memoryTile(v.Device), processorTile(v.Device)),
	)
}

// programActions has the button that ends or begins in the first place, so that
// it is still the same one after it was used.
func programActions(s api.ProgramState) part {
	switch s {
	case api.Running, api.Backoff, api.Equipping:
		return all(action("stop", "", "Stop …", "button"), action("restart", "", "Restart", "button"))
	case api.Stopped, api.Finished:
		return action("start", "", "Start", "button button-main")
	}
	return nil
}

func releaseWords(release *api.Release) part {
	if release == nil {
		return text("none yet")
	}
	words := wordsOfRelease(release.State)
	return all(
		el("span", class("number"), text(strconv.Itoa(release.Number))), text(" "), badge(words.tone, words.word),
		when(release.Packed.Name() != "", all(text(" "), badge(plain, release.Packed.Name()))),
		when(release.Pinned, all(text(" "), badge(plain, "pinned"))),
	)
}

func sinceOf(program api.Program, v View) part {
	if program.Started == nil {
		return nil
	}
	return moment(*program.Started, v.Now)
}

func processWords(program api.Program) part {
	if program.PID == nil {
		return text("none")
	}
	return text(strconv.Itoa(*program.PID))
}

// programNotes are what its owner should know, gravest first.
func programNotes(v View) []part {
	program := v.Status.Program
	var notes []part
	if program.CrashLooping {
		notes = append(notes, note(bad, el("strong", text("It crashes again and again.")),
			text(" It is started again all the same. Upload a corrected file, or roll back.")))
	}
	if alarm := alarmOf(v.Device); alarm != "" {
		notes = append(notes, note(bad, el("strong", text("The device: ")), text(alarm+".")))
	}
	if program.State == api.Waiting {
		notes = append(notes, note(notice, text("Put your program into deposit/: drop its folder below. What is run is main.py.")))
	}
	if program.Doing != nil {
		notes = append(notes, note(notice, text(*program.Doing)))
	}
	if program.Notice != nil {
		notes = append(notes, note(notice, text(*program.Notice)))
	}
	if exit := program.LastExit; exit != nil && program.Restarts > 0 && program.State == api.Running {
		notes = append(notes, note(plain, text("It ended before with "+exit.String()+", "), moment(exit.At, v.Now), text(".")))
	}
	if program.StatusText != nil {
		notes = append(notes, note(plain, text("It says: "), el("bdi", text(*program.StatusText))))
	}
	return notes
}
