// Package admission decides whether a packed release may be taken.
//
// In: the bytes of a manifest and of its signature, before anybody has looked at
// them; the keys that the device's owner trusts; what was taken before. Out: the
// manifest and who has signed it, or the reason why not. Never: a look at a
// manifest that no trusted key has signed, where keys are required; a clock that
// nobody vouches for; a way around it for who may write into deposit/.
//
// Keys are required where there is a file allowed_signers beside ota.toml. A
// release that was signed by them can bring others: these are kept in
// .ota/trust.json, and are in force until somebody changes the file.
package admission

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"ota/internal/kit/durable"
	"ota/internal/parcel"
	"ota/internal/reason"
	"ota/internal/sshsig"
)

// Options are what a Keeper must be told.
type Options struct {
	Signers   string              // path of the file allowed_signers
	State     string              // path of trust.json
	App       string              // the device's program; empty: any
	Threshold int                 // how many people have to have signed, at least
	Arch      string              // the machine, as Go names it
	Clock     func() sshsig.Clock // what is known of the time
	// Current is the SHA-256 of the manifest of the current release, which may
	// be uploaded again.
	Current func() [sha256.Size]byte
}

// Keeper decides. Any number of goroutines may use it.
type Keeper struct {
	options Options
	writing sync.Mutex
}

// New remembers the options.
func New(options Options) *Keeper { return &Keeper{options: options} }

// Admitted is a manifest that is taken.
type Admitted struct {
	Manifest *parcel.Manifest
	Sum      [sha256.Size]byte
	Signers  []string // names; empty: no keys are required
	// Replaces is the SHA-256 of allowed_signers, in hexadecimal, if the manifest
	// brings other keys in its place.
	Replaces string
}

// state is the content of trust.json.
type state struct {
	// Programs has the serials by the name of the program.
	Programs map[string]mark `json:"programs"`
	// Signers is the list of keys that a release has brought, in place of the
	// file with the sum Replaces.
	Signers   string `json:"allowed_signers,omitempty"`
	Threshold int    `json:"threshold,omitempty"`
	Replaces  string `json:"replaces,omitempty"`
}

// mark says which serials are taken.
type mark struct {
	Highest int64 `json:"highest"`         // of a release that was confirmed: later ones are taken
	Floor   int64 `json:"floor,omitempty"` // from this one on, too; 0: none
}

func (m mark) takes(serial int64) bool {
	return serial > m.Highest || m.Floor > 0 && serial >= m.Floor
}

// rules are what is in force.
type rules struct {
	signers   sshsig.Signers // nil: no keys are required
	list      string         // their text
	file      string         // the SHA-256 of allowed_signers
	threshold int
	state     state
}

// Required reports whether keys are required.
func (k *Keeper) Required() bool {
	_, err := os.Lstat(k.options.Signers)
	return !errors.Is(err, fs.ErrNotExist)
}

// Bare says why an upload without a manifest isn't taken; nil: it is.
func (k *Keeper) Bare() error {
	if !k.Required() {
		return nil
	}
	return refuse("", "it is no packed release, and this device takes only signed ones", `pack and sign it: "ota pack --sign"`)
}

// Admit looks at the signature, and only then at the manifest. The error is a
// *reason.Refused, or that of the system.
func (k *Keeper) Admit(manifest, signature []byte) (Admitted, error) {
	rules, err := k.rules()
	if err != nil {
		return Admitted{}, err
	}
	var signers []string
	if rules.signers != nil {
		if signers, err = k.signed(rules, manifest, signature); err != nil {
			return Admitted{}, err
		}
	}
	return k.admit(rules, manifest, signers)
}

// AdmitMade is Admit for a manifest that ota itself has made of something that
// these people have signed, see [Keeper.Signers].
func (k *Keeper) AdmitMade(manifest []byte, signers []string) (Admitted, error) {
	rules, err := k.rules()
	if err != nil {
		return Admitted{}, err
	}
	return k.admit(rules, manifest, signers)
}

// Signers returns who has signed something else than a manifest, for another
// namespace of ssh-keygen, if they are as many as a release needs. The error is
// a *reason.Refused, or that of the system.
func (k *Keeper) Signers(namespace string, message, signature []byte) ([]string, error) {
	rules, err := k.rules()
	if err != nil {
		return nil, err
	}
	if rules.signers == nil {
		return nil, refuse("", "there is no file allowed_signers, and so no key is trusted", "put the keys that you trust into it")
	}
	return rules.signersOf(namespace, message, signature, k.options.Clock())
}

// admit looks at a manifest whose signature is right.
func (k *Keeper) admit(rules rules, manifest []byte, signers []string) (Admitted, error) {
	admitted, err := Admitted{Sum: sha256.Sum256(manifest), Signers: signers}, error(nil)
	if admitted.Manifest, err = parcel.Decode(manifest); err != nil {
		return Admitted{}, refuse(parcel.ManifestName, err.Error(), "")
	}
	if message := k.unfit(admitted.Manifest); message != "" {
		return Admitted{}, refuse(parcel.ManifestName, message, "")
	}
	if rules.signers == nil || admitted.Sum == k.options.Current() {
		return admitted, nil
	}
	if message := rules.refuses(admitted.Manifest); message != "" {
		return Admitted{}, refuse(parcel.ManifestName, message, "")
	}
	if admitted.Manifest.Signers != "" || admitted.Manifest.Threshold != 0 {
		admitted.Replaces = rules.file
	}
	return admitted, nil
}

func refuse(path, message, hint string) error {
	return &reason.Refused{Reasons: []reason.Reason{{Path: path, Message: message, Hint: hint}}}
}

// signed returns who has signed.
func (k *Keeper) signed(rules rules, manifest, signature []byte) ([]string, error) {
	if signature == nil {
		return nil, refuse(parcel.SignatureName, "the release is not signed, and this device takes only signed ones", `sign it with "ota sign"`)
	}
	return rules.signersOf(parcel.Namespace, manifest, signature, k.options.Clock())
}

func (r rules) signersOf(namespace string, message, signature []byte, clock sshsig.Clock) ([]string, error) {
	found, err := r.signers.Verify(namespace, message, signature, clock)
	if err != nil {
		return nil, refuse(parcel.SignatureName, err.Error(), "")
	}
	var names []string
	for _, one := range found {
		names = append(names, one.Name)
	}
	if len(names) < r.threshold {
		message := fmt.Sprintf("%d people have to sign; %d did: %s", r.threshold, len(names), strings.Join(names, ", "))
		return nil, refuse(parcel.SignatureName, message, `who is missing signs with "ota sign"`)
	}
	return names, nil
}

// unfit says why a release is not for this device.
func (k *Keeper) unfit(m *parcel.Manifest) string {
	clock := k.options.Clock()
	switch {
	case k.options.App != "" && m.App == "":
		return fmt.Sprintf("the release names no program; this device takes those of %q", k.options.App)
	case k.options.App != "" && m.App != k.options.App:
		return fmt.Sprintf("the release is one of %q; this device takes those of %q", m.App, k.options.App)
	case m.Needs != nil && !slices.Contains(m.Needs.Arch, k.options.Arch):
		return fmt.Sprintf("the release is for %s; this device is %s", strings.Join(m.Needs.Arch, ", "), k.options.Arch)
	case m.Expires != nil && clock.Known() && !clock.Now.Before(*m.Expires):
		return "the release has expired, on " + m.Expires.Format("2006-01-02 15:04:05") + " UTC"
	}
	return ""
}

// refuses says why a signed release is not the next one.
func (r rules) refuses(m *parcel.Manifest) string {
	if known := r.state.Programs[m.App]; !known.takes(m.Serial) {
		return fmt.Sprintf("its serial, %d, is not above %d, that of a release that this device has had", m.Serial, known.Highest)
	}
	if m.Signers == "" {
		if people := r.signers.People(); m.Threshold > people {
			return tooFew(m.Threshold, people)
		}
		return ""
	}
	next, err := sshsig.ParseSigners([]byte(m.Signers))
	if err != nil {
		return "the keys that it brings can't be used: " + err.Error()
	}
	if people := next.People(); max(m.Threshold, r.threshold) > people {
		return tooFew(max(m.Threshold, r.threshold), people)
	}
	return ""
}

func tooFew(threshold, people int) string {
	return fmt.Sprintf("from then on %d people would have to sign, and keys of %d are known: no release could be taken any more", threshold, people)
}

// rules reads what is in force. A list that can't be used takes nothing: to go
// on without would be what an attacker wants.
func (k *Keeper) rules() (rules, error) {
	found := rules{threshold: max(1, k.options.Threshold)}
	file, err := os.ReadFile(k.options.Signers)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, refuse("", "the keys that this device trusts can't be read: "+err.Error(), "give ota the right to read allowed_signers")
	}
	if found.state, err = k.state(); err != nil {
		return found, err
	}
	found.list, found.file = string(file), sumOf(file)
	if found.state.Replaces == found.file {
		found.list, found.threshold = found.state.Signers, max(found.threshold, found.state.Threshold)
	}
	if found.signers, err = sshsig.ParseSigners([]byte(found.list)); err != nil {
		return found, refuse("", "the keys that this device trusts can't be used: allowed_signers: "+err.Error(), "put it right on the device")
	}
	return found, nil
}

// state reads trust.json. A damaged one takes nothing, as older releases could
// come back.
func (k *Keeper) state() (state, error) {
	var found state
	err := durable.ReadJSON(k.options.State, &found)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if onDisk := (*fs.PathError)(nil); errors.As(err, &onDisk) {
		return found, err
	}
	if err != nil {
		return found, refuse("", "what this device has taken before can't be read: "+err.Error(), "remove the file, if you trust what was uploaded since")
	}
	return found, nil
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Release is what a confirmed release changes.
type Release struct {
	App        string
	Serial     int64
	RollbackTo int64
	Signers    string
	Threshold  int
	Replaces   string // see [Admitted]
}

// Confirmed writes down that a signed release has been confirmed: older ones are
// refused from now on, and the keys that it brings are trusted, unless somebody
// has changed allowed_signers meanwhile: the file has the last word. It may be
// done twice, also when a later one was confirmed.
func (k *Keeper) Confirmed(r Release) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	rules, err := k.rules()
	if err != nil || rules.signers == nil { // nobody has asked for signatures since
		return err
	}
	next := rules.state
	if r.Serial <= next.Programs[r.App].Highest {
		return nil
	}
	if next.Programs == nil {
		next.Programs = map[string]mark{}
	}
	next.Programs[r.App] = mark{r.Serial, r.RollbackTo}
	if r.Replaces == rules.file {
		if next.Replaces != rules.file {
			next.Signers, next.Threshold, next.Replaces = rules.list, 0, rules.file
		}
		if r.Signers != "" {
			next.Signers = r.Signers
		}
		if r.Threshold != 0 {
			next.Threshold = r.Threshold
		}
	}
	data, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(k.options.State, append(data, '\n'), 0o600)
}
