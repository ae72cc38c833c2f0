package agent

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"time"

	"ota/internal/api"
	"ota/internal/config"
	"ota/internal/doctor"
	"ota/internal/kit/owner"
	"ota/internal/program"
)

// Doctor looks at a folder and its machine for all that is known to go wrong,
// whether an ota looks after it or not. service is what starts that ota; doing is
// told what is looked at.
func Doctor(ctx context.Context, dir string, service doctor.Service, doing func(check string)) ([]doctor.Finding, error) {
	place, err := folderAt(dir)
	if err != nil {
		return nil, err
	}
	found := doctor.Examine(ctx, doctor.Options{
		Dir:     place.dir,
		Reserve: reserveBytes,
		Env:     os.Environ(),
		Told:    told(ctx, place),
		Program: place.programOwner(),
		Service: service,
		Doing:   doing,
	})
	return found, ctx.Err()
}

// programOwner is whom the device lets the program run as; nil: as ota, or not
// to be found out.
func (f folder) programOwner() *owner.Owner {
	layers, err := config.LoadLayers(f.config())
	if err != nil {
		return nil
	}
	set := layers.Device().Program
	if set.User == "" && set.Group == "" {
		return nil
	}
	credential, _, err := program.LookupCredential(set.User, set.Group)
	if err != nil || credential == nil {
		return nil
	}
	return &credential.Owner
}

// told asks the ota of a folder how things stand.
func told(ctx context.Context, place folder) doctor.Told {
	status, err := api.Dial(place.dir).Status(ctx)
	if err == nil {
		return answer(status, time.Now())
	}
	pid, held := place.holder()
	met := doctor.Told{PID: pid, Why: err.Error()}
	refusal, isProblem := errors.AsType[*api.Problem](err)
	_, absent := errors.AsType[*api.NotRunning](err)
	switch {
	case errors.Is(err, fs.ErrPermission), isProblem && refusal.Status == http.StatusForbidden:
		met.Presence = doctor.Refuses
	case !absent || held:
		met.Presence = doctor.Silent
	default:
		met = doctor.Told{Presence: doctor.Absent}
		if _, err := os.Lstat(place.socket()); err == nil {
			met.Presence = doctor.Left
		}
	}
	return met
}

func answer(status api.Status, now time.Time) doctor.Told {
	met := doctor.Told{Presence: doctor.Answers, Program: string(status.Program.State)}
	if status.PID != nil {
		met.PID = *status.PID
		met.Outdated = outdated(met.PID)
	}
	switch {
	case status.Program.CrashLooping:
		met.Crashes = doctor.Always
	case status.Program.State == api.Backoff:
		met.Crashes = doctor.Again
	}
	if release := status.Release; release != nil && release.State == api.Trial && status.Program.Started != nil {
		met.Trial, met.TrialFor = release.Number, now.Sub(*status.Program.Started)
	}
	if exit := status.Program.LastExit; exit != nil {
		met.Ended = exit.String()
	}
	if status.Deposit.State == api.Held {
		for _, reason := range status.Deposit.Reasons {
			met.Held = append(met.Held, reason.String())
		}
	}
	if status.Web.Address != nil {
		met.Page = *status.Web.Address
	}
	if status.Web.Problem != nil {
		met.PageProblem = *status.Web.Problem
	}
	if mqtt := status.MQTT; mqtt != nil && mqtt.Problem != nil {
		met.BrokerProblem = *mqtt.Problem
	}
	if source := status.Source; source != nil && source.Problem != nil {
		met.Source, met.SourceProblem = source.From, *source.Problem
	}
	return met
}
