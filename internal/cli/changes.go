package cli

import (
	"fmt"

	"ota/internal/api"
	"ota/internal/kit/amount"
)

// changesOf says in words what has changed between two statuses. What does not
// change what a person would do, as each file of an upload that comes, is left
// out.
func changesOf(before, now api.Status) []line {
	lines := programChanges(before.Program, now.Program)
	lines = append(lines, releaseChanges(before.Release, now.Release)...)
	lines = append(lines, depositChanges(before.Deposit, now.Deposit)...)
	if isNew(before.Web.Address, now.Web.Address) {
		lines = append(lines, line{text: "the page is at " + *now.Web.Address})
	}
	if isNew(before.Web.Problem, now.Web.Problem) {
		lines = append(lines, line{bad, "the page is not as it should be: " + *now.Web.Problem})
	}
	return lines
}

// isNew reports whether there is something that was not there before.
func isNew[T comparable](before, now *T) bool {
	return now != nil && (before == nil || *before != *now)
}

func programChanges(before, now api.Program) []line {
	var lines []line
	another := isNew(before.PID, now.PID)
	exited := now.LastExit != nil && (before.LastExit == nil || !before.LastExit.At.Equal(now.LastExit.At))
	if exited && before.State != "" && now.State == api.Running {
		lines = append(lines, line{text: "the program has ended: " + now.LastExit.String()})
	}
	if now.State != before.State || another {
		lines = append(lines, programState(now)...)
	}
	if now.Restarts > before.Restarts {
		lines = append(lines, line{notice, "the program was started again after a crash: " + amount.Count(now.Restarts, "time", "times")})
	}
	if now.CrashLooping && !before.CrashLooping {
		lines = append(lines, line{bad, "the program crashes again and again"})
	}
	if isNew(before.Phase, now.Phase) {
		lines = append(lines, line{text: "the program says that it is " + *now.Phase})
	}
	if isNew(before.StatusText, now.StatusText) {
		lines = append(lines, line{text: "the program says: " + *now.StatusText})
	}
	if isNew(before.Doing, now.Doing) {
		lines = append(lines, line{text: "before the program starts: " + *now.Doing})
	}
	if isNew(before.Notice, now.Notice) {
		lines = append(lines, line{notice, "notice: " + *now.Notice})
	}
	return lines
}

func programState(program api.Program) []line {
	last := ""
	if program.LastExit != nil {
		last = program.LastExit.String()
	}
	switch program.State {
	case api.Running:
		text := "the program is running"
		if program.PID != nil {
			text += fmt.Sprintf(" (pid %d)", *program.PID)
		}
		return []line{{good, text}}
	case api.Finished:
		return []line{{text: "the program has finished" + because(last)}}
	case api.Backoff:
		return []line{{bad, "the program has failed" + because(last) + "; it is started again after a pause"}}
	case api.Equipping:
		return []line{{text: "the environment of the program is made"}}
	case api.Stopped:
		return []line{{notice, "the program is stopped"}}
	case api.Waiting:
		return []line{{notice, "there is no program yet: put it into deposit/"}}
	}
	return nil
}

func releaseChanges(before, now *api.Release) []line {
	switch {
	case now == nil:
		return nil
	case before == nil:
		return []line{{releaseTone(now.State), fmt.Sprintf("release %d is in main/, %s", now.Number, releaseWord(now.State))}}
	case now.Number < before.Number:
		return []line{{notice, fmt.Sprintf("release %d is in main/ again, %s, instead of release %d", now.Number, releaseWord(now.State), before.Number)}}
	case now.Number != before.Number:
		return []line{{releaseTone(now.State), fmt.Sprintf("release %d is in main/, %s, instead of release %d", now.Number, releaseWord(now.State), before.Number)}}
	}
	var lines []line
	if now.State != before.State {
		lines = append(lines, line{releaseTone(now.State), fmt.Sprintf("release %d is %s", now.Number, releaseWord(now.State))})
	}
	switch {
	case now.Pinned && !before.Pinned:
		lines = append(lines, line{text: fmt.Sprintf("release %d is pinned", now.Number)})
	case before.Pinned && !now.Pinned:
		lines = append(lines, line{text: fmt.Sprintf("release %d is not pinned any more", now.Number)})
	}
	return lines
}

func releaseWord(state api.ReleaseState) string {
	if state == api.Trial {
		return "on trial"
	}
	return string(state)
}

func releaseTone(state api.ReleaseState) tone {
	switch state {
	case api.Confirmed:
		return good
	case api.RolledBack:
		return bad
	default:
		return plain
	}
}

func depositChanges(before, now api.Deposit) []line {
	var lines []line
	if before.Arriving == nil && now.Arriving != nil {
		lines = append(lines, line{text: fmt.Sprintf("an upload comes over the network: %s, %s",
			amount.Count(now.Arriving.Files, "file", "files"), amount.Size(now.Arriving.Bytes))})
	}
	why := firstReason(now)
	if now.State != before.State || why != "" && why != firstReason(before) {
		lines = append(lines, depositState(now, why)...)
	}
	if isNew(before.Doing, now.Doing) {
		lines = append(lines, line{text: "before the switch: " + *now.Doing})
	}
	return lines
}

func firstReason(deposit api.Deposit) string {
	if len(deposit.Reasons) == 0 {
		return ""
	}
	text := deposit.Reasons[0].String()
	if more := len(deposit.Reasons) - 1; more > 0 {
		text += " (and " + amount.Count(more, "more reason", "more reasons") + ")"
	}
	return text
}

func depositState(deposit api.Deposit, why string) []line {
	upload := fmt.Sprintf("the upload in deposit/ (%s, %s)", amount.Count(deposit.Files, "file", "files"), amount.Size(deposit.Bytes))
	switch deposit.State {
	case api.Empty:
		return []line{{text: "deposit/ is empty"}}
	case api.Receiving:
		if why == "" {
			return []line{{text: "an upload comes into deposit/"}}
		}
		return []line{{notice, "the upload in deposit/ is waited for" + because(why)}}
	case api.Checking:
		return []line{{text: upload + " is checked"}}
	case api.Held:
		return []line{{bad, upload + " is held" + because(why)}}
	case api.Deferred:
		return []line{{notice, upload + " is good, and waits" + because(why)}}
	case api.Switching:
		return []line{{text: upload + " is switched in"}}
	}
	return nil
}
