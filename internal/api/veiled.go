package api

import (
	"context"
	"slices"
)

// Veiled is a house as everybody but its owner sees it: of files that must not
// be seen it quotes no line, whatever was found wrong with them. What is asked
// for by name, [Files] and [House.Diff] keep back themselves; what the program
// prints, tracebacks too, is its own business.
func Veiled(house House) House { return veiled{house} }

type veiled struct{ House }

// Status says how things stand.
func (v veiled) Status() Status {
	status := v.House.Status()
	status.Deposit.Reasons = v.withoutSecrets(status.Deposit.Reasons)
	return status
}

// Why says why a release failed.
func (v veiled) Why(release int) (Why, error) {
	why, err := v.House.Why(release)
	why.Held = v.withoutSecrets(why.Held)
	return why, err
}

// Apply takes what is in deposit/ as complete.
func (v veiled) Apply(ctx context.Context, now bool) (ApplyResult, error) {
	return v.applied(v.House.Apply(ctx, now))
}

// Retry is Apply for what is held.
func (v veiled) Retry(ctx context.Context) (ApplyResult, error) { return v.applied(v.House.Retry(ctx)) }

func (v veiled) applied(result ApplyResult, err error) (ApplyResult, error) {
	result.Reasons = v.withoutSecrets(result.Reasons)
	return result, err
}

// withoutSecrets looks behind the veil only where there is something to hide.
func (v veiled) withoutSecrets(reasons List[Reason]) List[Reason] {
	quotes := func(one Reason) bool { return one.Source != nil && one.Path != nil }
	if !slices.ContainsFunc(reasons, quotes) {
		return reasons
	}
	hides, shown := v.Veil(), slices.Clone(reasons)
	for i, one := range shown {
		if quotes(one) && hides(string(*one.Path)) {
			shown[i].Source = nil
		}
	}
	return shown
}

// veilHeader is in what the owner asks for somebody else.
const veilHeader = "Ota-Veiled"

// seenBy is the house as a caller sees it.
func (s *Server) seenBy(caller Caller) House {
	if caller.May(Owner) && !caller.Veiled {
		return s.house
	}
	return Veiled(s.house)
}
