package program

import (
	"fmt"
	"os"
	"os/user"
	"strconv"

	"ota/internal/kit/hint"
	"ota/internal/kit/owner"
)

// Credential is the user as whom the program runs.
type Credential struct {
	owner.Owner
	Name string // of the user; empty: it has none
}

// LookupCredential returns what a program of this user and group runs with,
// and the user's home, empty if it has none. Names and numbers are taken; an
// empty group is the user's own, an empty user is ours. The credential is nil
// if that is what we are ourselves. Only root may be somebody else.
func LookupCredential(userName, groupName string) (*Credential, string, error) {
	own := &Credential{Owner: owner.Owner{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}}
	wanted, home, err := lookupUser(userName, own)
	if err != nil {
		return nil, "", err
	}
	if groupName != "" {
		found, err := lookupGroup(groupName)
		if err != nil {
			return nil, "", err
		}
		wanted.GID = found
	}
	switch {
	case wanted.UID == own.UID && wanted.GID == own.GID:
		return nil, home, nil
	case own.UID != 0:
		return nil, "", hint.With(
			fmt.Errorf("cannot run the program as %s: ota does not run as root", or(userName, groupName)),
			"start ota as root, or as that user and without [program] user and group")
	}
	return wanted, home, nil
}

func or(name, other string) string {
	if name == "" {
		return "group " + other
	}
	return "user " + name
}

func lookupUser(name string, own *Credential) (*Credential, string, error) {
	if name == "" {
		name = strconv.FormatUint(uint64(own.UID), 10)
	}
	found, err := user.Lookup(name)
	id, notNumber := strconv.ParseUint(name, 10, 32)
	if err != nil && notNumber == nil {
		if found, err = user.LookupId(name); err != nil {
			// A number needs no entry in the list of users. Its group has the
			// same one mostly; root's is never meant.
			credential := &Credential{Owner: owner.Owner{UID: uint32(id), GID: uint32(id)}}
			if credential.UID == own.UID {
				credential.GID = own.GID
			}
			return credential, "", nil
		}
	}
	if err != nil {
		return nil, "", hint.With(fmt.Errorf("cannot run the program as user %s: %w", name, err), "see [program] user in ota.toml")
	}
	credential, err := credentialOf(found)
	if err != nil {
		return nil, "", fmt.Errorf("cannot run the program as user %s: %w", name, err)
	}
	return credential, found.HomeDir, nil
}

func credentialOf(found *user.User) (*Credential, error) {
	groups, err := found.GroupIds()
	if err != nil {
		return nil, err
	}
	numbers := make([]uint32, 0, len(groups)+2)
	for _, text := range append([]string{found.Uid, found.Gid}, groups...) {
		number, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, uint32(number))
	}
	return &Credential{owner.Owner{UID: numbers[0], GID: numbers[1], Groups: numbers[2:]}, found.Username}, nil
}

func lookupGroup(name string) (uint32, error) {
	found, err := user.LookupGroup(name)
	if err == nil {
		name = found.Gid
	}
	number, notNumber := strconv.ParseUint(name, 10, 32)
	if notNumber != nil {
		return 0, hint.With(fmt.Errorf("cannot run the program as group %s: %w", name, err), "see [program] group in ota.toml")
	}
	return uint32(number), nil
}
